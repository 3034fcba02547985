"""What a plan adds to aggregates, reduced by Arrow. Rule: decided once, kept in the plan, applied as kept.

One line a key and window: enough to be applied by any later owner, whatever its own rows and options are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tailrace.nouns import Identity
from tailrace.sinks.hot import keys
from tailrace.sinks.hot.gather import Gathered
from tailrace.sinks.hot.options import DAILY, Aggregate, Measure, Options, fits
from tailrace.sinks.hot.values import EXACT, TEXT_BYTES_MAX, Plain, plain

VERSION: Final = "hot 1"
LEFT_OUT: Final = "left_out"  # values that a measure could not take in
ALL: Final = "ALL"  # the window without an end
_LENGTHS: Final[Mapping[str, int]] = {"day": 10, "hour": 13, "minute": 16}  # of a time's text
_LASTING: Final = {
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
}
_EXACT: Final = pa.decimal128(38, 0)
_NINE: Final = pa.decimal128(38, 9)  # so that a sum is the same whatever the cut into plans


class Delta(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What one item gets. Numbers are text, as DynamoDB takes them."""

    aggregate: str
    window: str
    pk: str
    sk: str
    expires: int  # seconds since 1970, not before its rows came: DynamoDB keeps what expired years ago; 0: never
    index: tuple[str, ...]  # index keys, or none
    add: dict[str, str]
    low: dict[str, str]
    high: dict[str, str]
    last: dict[str, tuple[Plain, str]]  # value, and when it arrived


def written(options: Options, rows: Gathered, identity: Identity, lane: str) -> str:
    """Return the deltas of a plan's rows; "" where there is nothing to add."""
    by = keys.origin(identity, lane)
    found = [one for each in options.aggregates for one in _reduced(each, rows, options.write_shards, by)]
    if not found:
        return ""
    found.sort(key=lambda one: (one.pk, one.sk))
    encode = msgspec.json.Encoder(order="sorted").encode
    return "\n".join([VERSION, *(encode(one).decode() for one in found)])


def read(text: str) -> Iterator[Delta]:
    """Yield what a plan holds, one at a time: it may be much."""
    decode = msgspec.json.Decoder(Delta).decode
    start = text.find("\n") + 1
    if text and text[: start - 1] != VERSION:
        raise ValueError(f"deltas of another version: found {text[:20]!r}, expected {VERSION!r}")
    while text and start:
        end = text.find("\n", start)
        yield decode(text[start : end if end >= 0 else None])
        start = end + 1


def _reduced(aggregate: Aggregate, rows: Gathered, shards: int, by: str) -> Iterator[Delta]:
    meant = rows.fit(fits(aggregate.types))
    if aggregate.name == DAILY:  # nobody has no days
        meant = pc.and_(meant, rows.user.is_valid())
    table = pa.table({**_keys(aggregate, rows), **_inputs(aggregate.measures, rows)}).filter(meant)
    if not table.num_rows:
        return
    arrived_s = pc.max(rows.received).as_py() // 1_000_000
    named = [f"k{at}" for at in range(len(aggregate.key))] + ["window"]
    asked = [(name, _KERNELS[name.partition("/")[0]]) for name in table.column_names if name not in named]
    for group in table.group_by(named, use_threads=False).aggregate([([], "count_all"), *asked]).to_pylist():
        values = [group[f"k{at}"] for at in range(len(aggregate.key))]
        window, pk = group["window"], keys.aggregate_pk(aggregate.key, values)
        index: tuple[str, ...] = ()
        if aggregate.name == DAILY:
            index = (keys.day_pk(values[0], window, keys.spread(pk, shards)), pk)
        yield Delta(
            aggregate.name,
            window,
            pk,
            f"{keys.aggregate_prefix(aggregate.name, window)}{by}",
            max(ends_s(window) + aggregate.ttl_s, arrived_s) if aggregate.ttl_s else 0,
            index,
            *_measured(aggregate.measures, group, rows),
        )


@lru_cache(maxsize=4096)
def ends_s(window: str) -> int:
    """Return when a window is over, in seconds since 1970. Not for the one that has no end."""
    kind = next(kind for kind, length in _LENGTHS.items() if length == len(window))
    start = datetime.fromisoformat(window if kind == "day" else f"{window}:00" if kind == "hour" else window)
    return int((start.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC) + _LASTING[kind]).total_seconds())


def _keys(aggregate: Aggregate, rows: Gathered) -> dict[str, pa.Array]:
    window = pa.repeat(pa.scalar(ALL), rows.rows)
    if aggregate.window != "all":
        window = pc.utf8_slice_codeunits(rows.iso, 0, _LENGTHS[aggregate.window])
    named = {f"k{at}": rows.text(name) for at, name in enumerate(aggregate.key)}
    return {name: pc.fill_null(column, "") for name, column in named.items()} | {"window": window}


_KERNELS: Final = {"n": "sum", "ints": "sum", "floats": "sum", "odd": "sum", "low": "min", "lowf": "min"} | {
    "high": "max", "highf": "max", "last": "max",
}  # fmt: skip


def _inputs(measures: Sequence[Measure], rows: Gathered) -> dict[str, pa.Array]:
    """Return the columns that are reduced, named `<what>/<attribute>`; `_KERNELS` says how."""
    out: dict[str, pa.Array] = {}
    for one in measures:
        if one.op == "count" and one.of:
            out[f"n/{one.attribute}"] = pc.cast(rows.there(one.of), pa.int64())
        elif one.op == "last":
            out[f"last/{one.attribute}"] = pc.if_else(rows.there(one.of), rows.order.ranks, pa.scalar(None, pa.int64()))
        elif one.op != "count":
            found = rows.numbers(one.of, summed=one.op == "sum")
            whole, broken = {"sum": ("ints", "floats"), "min": ("low", "lowf"), "max": ("high", "highf")}[one.op]
            out[f"{whole}/{one.attribute}"] = pc.cast(found.ints, _EXACT) if one.op == "sum" else found.ints
            out[f"{broken}/{one.attribute}"] = pc.cast(found.floats, _NINE) if one.op == "sum" else found.floats
            out[f"odd/{one.attribute}"] = found.odd
    return out


_Parts = tuple[dict[str, str], dict[str, str], dict[str, str], dict[str, tuple[Plain, str]]]


def _measured(measures: Sequence[Measure], group: Mapping[str, Any], rows: Gathered) -> _Parts:
    add: dict[str, str] = {}
    low: dict[str, str] = {}
    high: dict[str, str] = {}
    last: dict[str, tuple[Plain, str]] = {}
    odd = 0
    for one in measures:
        name = one.attribute
        odd += group.get(f"odd/{name}_sum") or 0
        match one.op:
            case "count":
                add[name] = str(group[f"n/{name}_sum"] if one.of else group["count_all"])
            case "sum":
                found = [group[f"ints/{name}_sum"], group[f"floats/{name}_sum"]]
                if found != [None, None]:
                    add[name] = _total(*found)
            case "min":
                _put(low, name, min, group[f"low/{name}_min"], group[f"lowf/{name}_min"])
            case "max":
                _put(high, name, max, group[f"high/{name}_max"], group[f"highf/{name}_max"])
            case _:
                at = group[f"last/{name}_max"]
                if at is not None:
                    row = rows.order.rows[at]
                    value = plain(rows.value(one.of, row))
                    if value is None or (value[0] == "S" and len(value[1].encode()) > TEXT_BYTES_MAX):
                        odd += 1
                    else:
                        last[name] = (value, rows.arrived(row))
    if odd:
        add[LEFT_OUT] = str(odd)
    return add, low, high, last


def _total(*parts: Decimal | None) -> str:
    """Return a sum as text: exact; of floats each counts to nine decimals."""
    total = Decimal(0)
    for one in parts:
        total = total if one is None else EXACT.add(total, one)
    return f"{total:f}"


def _put(into: dict[str, str], name: str, better: Any, *found: float | None) -> None:
    given = [Decimal(repr(value)) for value in found if value is not None]
    if given:
        into[name] = str(better(given))
