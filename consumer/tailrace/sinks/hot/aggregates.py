"""Deltas into items. Rule: an item takes the delta of a chain once, whoever brings it and however often.

An item has one writer at a time, its shard's lane, whose plans are numbered: `chain` says which was applied last. Who
comes late, with a plan that was applied or given up, is refused by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from tailrace.sinks.hot import keys
from tailrace.sinks.hot.deltas import Delta
from tailrace.sinks.hot.options import Aggregate
from tailrace.sinks.hot.table import Clause, Table, Update
from tailrace.sinks.hot.values import EXACT, Item, Value, value_of

CHAIN = "chain"


def at(attribute: str) -> str:
    """Return the attribute that says when a `last` value arrived."""
    return f"{attribute}_at"


def apply(table: Table, delta: Delta, chain: int) -> None:
    """Add a delta to its item, if that has not been done."""
    if not (delta.low or delta.high):
        table.update(_update(delta, chain, (Clause(CHAIN, "<", chain, or_absent=True),), {}))
        return
    stands: Item | None = {}
    while stands is not None:
        stands = table.get((delta.pk, delta.sk)) or {}
        if CHAIN in stands and int(stands[CHAIN]) >= chain:
            return
        unchanged = Clause(CHAIN, "=", stands[CHAIN]) if CHAIN in stands else Clause(CHAIN, "absent")
        stands = table.update(_update(delta, chain, (unchanged,), _extremes(delta, stands)))


def _extremes(delta: Delta, stands: Item) -> dict[str, Value]:
    out: dict[str, Value] = {}
    for better, found in ((min, delta.low), (max, delta.high)):
        for name, text in found.items():
            new = Decimal(text)
            out[name] = better(new, Decimal(stands[name])) if name in stands else new
    return out


def _update(delta: Delta, chain: int, clauses: tuple[Clause, ...], extremes: Mapping[str, Value]) -> Update:
    put: dict[str, Value] = {CHAIN: chain, **extremes}
    if delta.expires:
        put[keys.TTL] = delta.expires
    for name, (value, arrived) in delta.last.items():
        put |= {name: value_of(value), at(name): arrived}
    once: dict[str, Value] = dict(zip((keys.GSI_PK, keys.GSI_SK), delta.index, strict=False))
    add = {name: Decimal(text) for name, text in delta.add.items()}
    return Update((delta.pk, delta.sk), clauses, put, put_once=once, add=add)


def together(aggregate: Aggregate, items: Iterable[Item]) -> dict[str, Value]:
    """Return one window of one key, over all its shards: what readers see."""
    out: dict[str, Value] = {}
    arrived: dict[str, str] = {}
    found = list(items)
    measures = [(one.attribute, one.op) for one in aggregate.measures] + [("left_out", "sum")]
    for item in found:
        for name, op in measures:
            if name not in item:
                continue
            if op == "last":
                if str(item[at(name)]) > arrived.get(name, ""):
                    out[name], arrived[name] = item[name], str(item[at(name)])
            else:
                out[name] = _BOTH[op](Decimal(out[name]), Decimal(item[name])) if name in out else item[name]
    return out


def _added(a: Decimal, b: Decimal) -> Decimal:
    return EXACT.add(a, b)


_BOTH: Mapping[str, Callable[[Decimal, Decimal], Decimal]] = {
    "count": _added,
    "sum": _added,
    "min": min,
    "max": max,
}
