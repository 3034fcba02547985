"""A load and its ledger, as values. Rule: what is written here decides the rest; nothing here acts.

A load brings rows of one table into the warehouse: of each shard the plans after `after` up to and including `chain`.
What has landed is said by one table in the warehouse, written in the same transaction as the rows. The item in our own
ledger says who loads now, and which load may be under way: it spares work, and no promise rests on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from tailrace.commit.committed import StoredObject, told_once
from tailrace.commit.compacted import View

SHAPES_MAX = 6  # lists of columns in one load: the Data API takes 40 statements a transaction
SHARDS_MAX = 80  # in one load: the Data API takes 100 KB a statement
_DIGEST_BYTES = 16


class Range(NamedTuple):
    """Plans of one shard, those with a chain in (after, chain]."""

    stream: str
    shard: str
    after: int
    chain: int


class Load(NamedTuple):
    """What one transaction brings, made durable before it is sent."""

    id: str
    table: str
    ranges: tuple[Range, ...]
    token: str = ""  # tells the Data API that two requests are one; another one each time a load is sent anew
    statement: str = ""  # the Data API's id of it, empty where that is not known


class Item(NamedTuple):
    """A warehouse's item in our ledger."""

    generation: int = 0
    holder: str = ""
    until_ms: int = 0
    open: Load | None = None
    loads: int = 0
    rows: int = 0
    rejected: int = 0
    scanned: str = ""  # the object that says up to which chain of each shard nothing is left to load
    seen: str = ""  # digest of what the warehouse said then


class Pending(NamedTuple):
    """One object of a plan whose rows are not in the warehouse."""

    stream: str
    shard: str
    chain: int
    own: StoredObject  # as it was committed
    file: StoredObject  # what holds its rows: itself, or what a compaction made

    @property
    def moved(self) -> bool:
        """Does the file hold rows of other plans, too?"""
        return self.own != self.file


Marks = Mapping[tuple[str, str, str], int]  # (table, stream, shard) -> the last chain that has landed


def load_of(target: str, epoch: str, table: str, ranges: Iterable[Range]) -> Load:
    """Return the load of these ranges: the same ranges have the same id."""
    found = tuple(sorted(ranges))
    return Load(digest([target, epoch, table, found]), table, found)


def digest(value: object) -> str:
    """Return 32 hex digits of plain values."""
    return blake2b(json.dumps(value, separators=(",", ":")).encode(), digest_size=_DIGEST_BYTES).hexdigest()


def seen(marks: Marks, tables: Sequence[str]) -> str:
    """Return the digest of what the warehouse says has landed, and of which tables are wanted."""
    return digest([sorted((*key, chain) for key, chain in marks.items()), sorted(tables)])


def held(waiting: Iterable[Pending], view: View) -> list[Pending]:
    """Return what waits with the files that hold its rows. Of one view, no two files have a row in common."""
    out = []
    for one in waiting:
        by = view.holder(one.own.name)
        out.append(one._replace(file=one.own if by is None else next(told_once(by.objects))))
    return out


def plans(waiting: Iterable[Pending]) -> list[list[Pending]]:
    """Return objects by the plan they come from, older ones first."""
    out: dict[tuple[int, str, str], list[Pending]] = {}
    for one in waiting:
        out.setdefault((one.chain, one.stream, one.shard), []).append(one)
    return [out[key] for key in sorted(out)]


def cut(waiting: Iterable[Pending], bytes_max: int) -> list[Pending]:
    """Return what the next load takes: whole plans, each shard's in order, as many as fit; at least one."""
    out: list[Pending] = []
    shards: set[tuple[str, str]] = set()
    files: set[str] = set()
    size = 0
    for of_plan in plans(waiting):
        for one in of_plan:
            size += 0 if one.file.name in files else one.file.bytes
            files.add(one.file.name)
        shards.add(of_plan[0][:2])
        if out and (size > bytes_max or len(shards) > SHARDS_MAX):
            break
        out += of_plan
    return out


def ranges(table: str, taken: Iterable[Pending], marks: Marks) -> list[Range]:
    """Return the ranges that objects come from, each from where the warehouse stands."""
    last: dict[tuple[str, str], int] = {}
    for one in taken:
        at = (one.stream, one.shard)
        last[at] = max(last.get(at, 0), one.chain)
    return [Range(*at, marks.get((table, *at), 0), chain) for at, chain in sorted(last.items())]


def key(epoch: str, target: str) -> str:
    """Return the ledger key of a warehouse's item."""
    return f"load/{epoch}/{target}"


def to_dict(item: Item) -> dict[str, Any]:
    """Return the item as plain values for a store."""
    out: dict[str, Any] = item._asdict()
    if item.open is not None:
        out["open"] = {**item.open._asdict(), "ranges": [list(one) for one in item.open.ranges]}
    return out


def from_dict(raw: Mapping[str, Any]) -> Item:
    """Read an item back. A member not known here is a TypeError: an older version must not act on it."""
    fields = dict(raw)
    if raw["open"] is not None:
        fields["open"] = Load(**{**raw["open"], "ranges": tuple(Range(*one) for one in raw["open"]["ranges"])})
    return Item(**fields)
