"""Which objects hold a committed row by now. Rule: the tables' items are read before the lanes' items.

Then every object that a compaction replaced is named by a lane that is read after it, and nothing is seen twice. What
is replaced while someone reads is noticed: where an object is not what was committed, all is asked anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tailrace.commit.committed import CommitFileError, StoredObject
from tailrace.commit.compaction import Input, file_name, item_from_dict, table_key, tables_prefix
from tailrace.commit.ports import LedgerStore, Place

VERSION = 1


class Compaction(NamedTuple):
    """What one compaction did."""

    epoch: str
    table: str
    chain: int
    generation: int
    inputs: tuple[Input, ...]
    objects: tuple[StoredObject, ...]


def encode(done: Compaction) -> bytes:
    """Return the file's bytes; the same compaction gives the same bytes."""
    raw: dict[str, Any] = {"version": VERSION, **done._asdict()}
    raw["inputs"] = [entry._asdict() for entry in done.inputs]
    raw["objects"] = [entry._asdict() for entry in done.objects]
    return json.dumps(raw, indent=1, ensure_ascii=False).encode() + b"\n"


def decode(data: bytes) -> Compaction:
    """Read the file back. CommitFileError when it is none of a version known here."""
    try:
        raw = json.loads(data)
        if raw.pop("version") != VERSION:
            raise CommitFileError("its version is not known here")
        inputs = tuple(Input(**entry) for entry in raw["inputs"])
        objects = tuple(StoredObject(**entry) for entry in raw["objects"])
        return Compaction(**{**raw, "inputs": inputs, "objects": objects})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CommitFileError(f"no file of a compaction: {error!r}") from error


class View:
    """All compactions of an epoch that were committed when it was made."""

    def __init__(self, done: Iterable[Compaction] = ()) -> None:
        self._by: dict[str, Compaction] = {}  # replaced name -> what replaced it
        self.compactions: list[Compaction] = []
        for one in done:
            self.compactions.append(one)
            self._by.update((entry.name, one) for entry in one.inputs)

    def replaced(self, name: str) -> bool:
        """Do other objects hold this one's rows?"""
        return name in self._by

    def input(self, name: str) -> Input | None:
        """Return what the compaction that replaced the object says of it."""
        by = self._by.get(name)
        return None if by is None else next(entry for entry in by.inputs if entry.name == name)

    def live(self, objects: Iterable[StoredObject]) -> Iterator[StoredObject]:
        """Yield those of a plan's objects that hold their own rows."""
        return (entry for entry in objects if entry.name not in self._by)

    def outputs(self) -> Iterator[tuple[Compaction, StoredObject]]:
        """Yield the live objects that compactions wrote."""
        for one in self.compactions:
            yield from ((one, entry) for entry in self.live(one.objects))

    def holder(self, name: str) -> Compaction | None:
        """Return the compaction whose outputs hold a replaced object's rows; None where it holds them itself."""
        by = self._by.get(name)
        while by is not None and by.objects and (later := self._by.get(by.objects[0].name)) is not None:
            by = later
        return by


NOTHING = View()


def chains_of(ledger: LedgerStore, epoch: str, table: str = "") -> Mapping[str, int]:
    """Return how many compactions of each table, or of one, are committed. To be asked before the lanes are."""
    prefix, out = tables_prefix(epoch), {}
    for key in [table_key(epoch, table)] if table else ledger.keys(prefix):
        found = ledger.read(key)
        if found is not None:
            out[key.removeprefix(prefix)] = item_from_dict(found[1]).chain
    return out


def view_of(ledger: LedgerStore, place: Place, epoch: str, table: str = "") -> View:
    """Read all committed compactions, or one table's. CommitFileError where a file is missing or no such file."""

    def each() -> Iterator[Compaction]:
        for of, chain in chains_of(ledger, epoch, table).items():
            for number in range(1, chain + 1):
                name = file_name(epoch, of, number)
                try:
                    yield decode(place.read(name))
                except FileNotFoundError:
                    raise CommitFileError(f"{name} is missing: what it replaced cannot be told") from None

    return View(each())
