"""How a warehouse's item may change. Rule: each function is one law, pure, and the same for every store.

A law looks at the item as it stands and answers `Next` (the item to write, by compare-and-swap on its revision),
`Already` (one's own write stands there: its reply was lost), or `Refused` (another loader has the warehouse).
"""

from __future__ import annotations

from typing import NamedTuple

from tailrace.commit.rules import Already, Refused
from tailrace.sinks.redshift.plan import Item, Load


class Next(NamedTuple):
    """Write this item."""

    item: Item


Verdict = Next | Already | Refused
LATER = "another loader took the warehouse over"


def taking(item: Item, holder: str, now_ms: int, lease_ms: int, *, force: bool = False) -> Verdict:
    """A loader takes the warehouse, unless another one has it and its time is not over. `force`: even then."""
    if item.holder not in {"", holder} and now_ms < item.until_ms and not force:
        return Refused(f"{item.holder} has the warehouse for {(item.until_ms - now_ms) // 1000} s more")
    return Next(item._replace(generation=item.generation + 1, holder=holder, until_ms=now_ms + lease_ms))


def renewing(item: Item, generation: int, until_ms: int) -> Verdict:
    """Its holder goes on."""
    if item.generation != generation:
        return Refused(LATER)
    return Already() if item.until_ms >= until_ms else Next(item._replace(until_ms=until_ms))


def sending(item: Item, generation: int, load: Load) -> Verdict:
    """A load becomes durable, before anything of it is sent."""
    if item.generation != generation:
        return Refused(LATER)
    if item.open == load:
        return Already()
    assert item.open is None, "a load is settled before the next"
    return Next(item._replace(open=load))


def sent(item: Item, generation: int, statement: str) -> Verdict:
    """The Data API took it, under this id."""
    if item.generation != generation:
        return Refused(LATER)
    assert item.open is not None, "nobody else settles under this generation"
    if item.open.statement == statement:
        return Already()
    return Next(item._replace(open=item.open._replace(statement=statement)))


def settling(item: Item, generation: int, id_: str, landed: tuple[int, int] | None) -> Verdict:
    """What became of the open load is known: (rows, rejected), or None where it did not land."""
    if item.generation != generation:
        return Refused(LATER)
    if item.open is None:
        return Already()
    assert item.open.id == id_, "only our own load is open under our generation"
    if landed is None:
        return Next(item._replace(open=None))
    rows, rejected = landed
    return Next(
        item._replace(open=None, loads=item.loads + 1, rows=item.rows + rows, rejected=item.rejected + rejected)
    )


def leaving(item: Item, generation: int, scanned: str | None, seen: str) -> Verdict:
    """A loader gives the warehouse back. `scanned`: what says up to where all has landed, if it has."""
    if item.generation != generation:
        return Refused(LATER)
    if not item.holder:
        return Already()
    item = item._replace(holder="", until_ms=0)
    return Next(item if scanned is None else item._replace(scanned=scanned, seen=seen))
