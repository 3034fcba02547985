"""What every enricher must keep, as one test for its author. Rule: what passes here cannot tell chunks from each other.

    from tailrace.rows.enrich.contract import check
    check(MyStep(), {"user_agent": ["Mozilla/5.0 ...", "", None]})

Chunks are cut by time and size: a step whose output depends on neighbours, on order or on earlier calls would give
other rows at a replay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from tailrace.rows.enrich.guarded import Guarded, PluginError
from tailrace.rows.enrich.port import FIELDS, Enricher
from tailrace.schema.book import ENVELOPE

CUTS_MAX: Final = 64
Columns = Mapping[str, pa.Array]


class ContractError(AssertionError):
    """What an enricher does that it must not; one line."""


def check(enricher: Enricher, examples: Mapping[str, Sequence[Any] | pa.Array]) -> None:
    """Raise ContractError unless an enricher keeps to the port, tried with example values of its inputs.

    `examples` holds a list, or an Arrow array, for each input: the values to be expected, and odd ones. More is tried
    from them: nulls, an empty chunk, other orders, every cut.
    """
    _declared(enricher, examples)
    columns = {name: _column(name, examples[name]) for name in enricher.inputs}
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) != 1 or not all(sizes.values()):
        raise ContractError(f"examples: found the lengths {sizes}, expected one length for all, more than 0")
    call = _sound(Guarded(enricher, enricher.name, "this test"))
    count = next(iter(sizes.values()))
    before = {name: column.to_pylist() for name, column in columns.items()}
    whole = call(columns)
    _same(whole, call(columns), "called twice with the same columns")
    for name, column in columns.items():
        if repr(column.to_pylist()) != repr(before[name]):
            raise ContractError(f"the input {name} was altered, expected it untouched")
    call({name: column.slice(0, 0) for name, column in columns.items()})
    call({name: pa.nulls(count, column.type) for name, column in columns.items()})
    for name, column in columns.items():  # a table without this one
        call(columns | {name: pa.nulls(count, column.type)})
    backwards = pa.array(range(count - 1, -1, -1))
    turned = call({name: column.take(backwards) for name, column in columns.items()})
    _same(whole, {name: column.take(backwards) for name, column in turned.items()}, "given the rows backwards")
    for cut in range(1, min(count, CUTS_MAX)):
        parts = [call({name: c.slice(*at) for name, c in columns.items()}) for at in ((0, cut), (cut, count - cut))]
        joined = {name: pa.concat_arrays([part[name] for part in parts]) for name in whole}
        _same(whole, joined, f"given the rows in two chunks, cut after {cut}")


def _declared(enricher: Enricher, examples: Mapping[str, Any]) -> None:
    for name, kind in (("name", str), ("inputs", tuple), ("outputs", pa.Schema), ("digest", str)):
        value = getattr(enricher, name, None)
        if not isinstance(value, kind):
            raise ContractError(f"{name}: found {value!r}, expected a {kind.__name__}")
    if not enricher.inputs or not enricher.outputs.names:
        raise ContractError("expected one input and one output or more")
    lacking = [name for name in enricher.inputs if name not in examples]
    if lacking:
        raise ContractError(f"examples: found none for the inputs {', '.join(lacking)}")
    own = [name for name in enricher.outputs.names if name.casefold() in ENVELOPE.names]
    if own:
        raise ContractError(f"outputs: {', '.join(own)}: tailrace's own, expected other names")


def _column(name: str, values: Sequence[Any] | pa.Array) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    if name in FIELDS:
        return pa.array(values, pa.string())
    return pa.array(values, ENVELOPE.field(name).type) if name in ENVELOPE.names else pa.array(values)


def _sound(guarded: Guarded) -> Callable[[Columns], Columns]:
    def call(columns: Columns) -> Columns:
        try:
            return guarded(columns)
        except PluginError as error:
            count = len(next(iter(columns.values())))
            words = f": {error.__cause__}" if error.__cause__ else ""
            raise ContractError(f"with {count} rows: {error}{words}") from error

    return call


def _same(whole: Columns, other: Columns, when: str) -> None:
    for name, column in whole.items():
        pairs = zip(column.to_pylist(), other[name].to_pylist(), strict=True)
        for at, (first, second) in enumerate(pairs):
            if repr(first) != repr(second):  # NaN is itself
                raise ContractError(f"{when}: {name} of row {at} became {second!r}, expected {first!r} as before")
