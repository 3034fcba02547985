"""Conditions on events: structured, small, and total. Rule: a condition is true or false of every event, never neither.

`{"path": P, "op": O, "value": V}`, or `{"all": [..]}`, `{"any": [..]}`, `{"not": ..}`. A path is the name of a column
that every table has, looked at as it is stored; any other is a dotted path into the event as it came. What is not
there fits nothing but `!=`; text is compared with text and numbers with numbers.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tailrace.rows import times
from tailrace.rows.wildcard import wildcard
from tailrace.schema.book import TIME
from tailrace.schema.contract import find, shortened, shown

OPERATORS: Final = ("==", "!=", "<", "<=", ">", ">=", "in", "exists", "matches")
FORMS: Final = ("all", "any", "not")
DEPTH_MAX: Final = 16
VALUES_MAX: Final = 1000

Predicate = Callable[[Any], bool]


class ConditionError(Exception):
    """A condition that cannot be used. Its text begins with the place in the condition."""


class Given(NamedTuple):
    """Rows of one table, and their events in the same order."""

    batch: pa.RecordBatch
    events: Sequence[Mapping[str, Any]]


Truth = Callable[[Given], pa.BooleanArray]


def written(value: Any) -> str:
    """Return a value of JSON as a refusal shows it."""
    return shortened(orjson.dumps(value).decode()) if isinstance(value, list | dict) else shown(value)


def condition_of(said: Any, envelope: pa.Schema) -> Truth:
    """Return what says of each row whether the condition holds. Raises ConditionError."""
    return _condition(said, envelope, "", 1)


def column_truth(name: str, holds: Predicate) -> Truth:
    """Return the truth of a predicate on a column; each different value is looked at once."""

    def truth(given: Given) -> pa.BooleanArray:
        column = given.batch.column(name)
        if column.type == TIME:
            column = column.cast(pa.int64())
        if pa.types.is_boolean(column.type):
            return pa.array([holds(value) for value in column.to_pylist()], pa.bool_())
        coded = column.dictionary_encode()
        said = pa.array([holds(value) for value in coded.dictionary.to_pylist()], pa.bool_())
        return pc.fill_null(said.take(coded.indices), holds(None))

    return truth


def _event_truth(path: tuple[str, ...], holds: Predicate) -> Truth:
    return lambda given: pa.array([holds(find(event, path)) for event in given.events], pa.bool_())


def _condition(said: Any, envelope: pa.Schema, where: str, depth: int) -> Truth:
    if not isinstance(said, dict):
        raise ConditionError(f"{where}: expected an object, found {written(said)}")
    if depth > DEPTH_MAX:
        raise ConditionError(f"{where}: expected at most {DEPTH_MAX} levels")
    form = next((form for form in FORMS if form in said), None)
    if form is None:
        return _test(said, envelope, where)
    if len(said) > 1:
        raise ConditionError(f"{where}: {form} stands alone, found {written(sorted(said))}")
    where, below = f"{where}.{form}", said[form]
    if form == "not":
        one = _condition(below, envelope, where, depth + 1)
        return lambda given: pc.invert(one(given))
    if not isinstance(below, list) or not below:
        raise ConditionError(f"{where}: expected a list of conditions, at least one, found {written(below)}")
    parts = [_condition(part, envelope, f"{where}[{at}]", depth + 1) for at, part in enumerate(below)]
    return _joined(parts, pc.and_ if form == "all" else pc.or_)


def _joined(parts: Sequence[Truth], both: Callable[[Any, Any], pa.BooleanArray]) -> Truth:
    def truth(given: Given) -> pa.BooleanArray:
        out = parts[0](given)
        for part in parts[1:]:
            out = both(out, part(given))
        return out

    return truth


def _test(said: dict[str, Any], envelope: pa.Schema, where: str) -> Truth:
    op = said.get("op")
    if op not in OPERATORS:
        raise ConditionError(f"{where}: op: expected one of {' '.join(OPERATORS)}, found {written(op)}")
    known = ("path", "op") if op == "exists" else ("path", "op", "value")
    for key in said:
        if key not in known:
            near = difflib.get_close_matches(key, (*known, *FORMS), n=1)
            hint = f" (did you mean {near[0]}?)" if near else f", expected {', '.join(known)}"
            raise ConditionError(f"{where}: {key} is no key of a condition with {op}{hint}")
    path = said.get("path")
    if not isinstance(path, str) or not all(path.split(".")):
        raise ConditionError(f"{where}: path: expected a column or a dotted path, found {written(path)}")
    column = envelope.field(path) if path in envelope.names else None
    value = said.get("value")
    if column is not None and pa.types.is_nested(column.type):
        raise ConditionError(f"{where}: path: the column {path} holds more than one value, expected a plain one")
    if column is not None and column.type == TIME and op != "exists":
        value = _times(op, value, where)
    holds = _predicate(op, value, where)
    return column_truth(path, holds) if column is not None else _event_truth(tuple(path.split(".")), holds)


def _times(op: str, value: Any, where: str) -> Any:
    """Return times as the column has them: microseconds."""
    listed = value if op == "in" and isinstance(value, list) else [value]
    micros = [times.microseconds(one) if isinstance(one, str) else None for one in listed]
    if op == "matches" or None in micros:
        expected = "expected a comparison with a time, like 2026-01-31T00:00:00Z"
        raise ConditionError(f"{where}: value: {expected}, found {written(value)}")
    return micros if op == "in" else micros[0]


def _predicate(op: str, value: Any, where: str) -> Predicate:
    if op == "exists":
        return lambda held: held is not None
    if op == "matches":
        if not isinstance(value, str):
            raise ConditionError(f"{where}: value: expected text with `*`, found {written(value)}")
        fits = wildcard([value])
        return lambda held: isinstance(held, str) and fits(held)
    if op == "in":
        if not isinstance(value, list) or not 0 < len(value) <= VALUES_MAX or not all(map(_plain, value)):
            expected = f"expected a list of 1 to {VALUES_MAX} texts, numbers, true or false"
            raise ConditionError(f"{where}: value: {expected}, found {written(value)}")
        known = frozenset(map(_key, value))
        return lambda held: _plain(held) and _key(held) in known
    if op in {"==", "!="}:
        if not _plain(value):
            raise ConditionError(f"{where}: value: expected text, a number, true or false, found {written(value)}")
        key = _key(value)
        equal = op == "=="
        return lambda held: (_plain(held) and _key(held) == key) is equal
    if not _plain(value) or isinstance(value, bool):
        raise ConditionError(f"{where}: value: expected text or a number, found {written(value)}")
    return _ordering(op, value)


def _ordering(op: str, value: Any) -> Predicate:
    kinds: Any = str if isinstance(value, str) else (int, float)
    compare: Callable[[Any], bool] = {
        "<": lambda held: held < value,
        "<=": lambda held: held <= value,
        ">": lambda held: held > value,
        ">=": lambda held: held >= value,
    }[op]
    return lambda held: isinstance(held, kinds) and not isinstance(held, bool) and compare(held)


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _key(value: Any) -> tuple[bool, Any]:
    """Return the value as JSON tells it apart: 1 is 1.0, and true is neither."""
    return isinstance(value, bool), value
