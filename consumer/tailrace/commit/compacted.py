"""Which objects hold a committed row by now. Rule: the tables' items are read before the lanes' items.

Then every object that a compaction replaced is named by a lane that is read after it, and nothing is seen twice. What
is replaced while someone reads is noticed: where an object is not what was committed, all is asked anew. Each
compaction has its file; every some of them, all so far are folded into one, so that a reader opens few.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from sys import intern
from typing import Any, Final, NamedTuple, TypeVar

from tailrace.commit.committed import CommitFileError, StoredObject
from tailrace.commit.compaction import Input, TableItem, file_name, fold_name, item_from_dict, table_key, tables_prefix
from tailrace.commit.ports import LedgerStore, Place

VERSION = 1
T = TypeVar("T")
_NUMBERED: Final = re.compile(r"(.+-)(\d{10})(\.\w+)")


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


Runs = tuple[tuple[int, int], ...]  # (first, last), rising, with gaps between them


class Held(NamedTuple):
    """A compaction whose objects are live, and the names whose rows they hold by now."""

    by: Compaction  # without its inputs
    names: Mapping[str, Runs]  # names without folder and plan's number -> numbers


class Fold(NamedTuple):
    """What the first compactions of a table came to; the same ones always come to the same."""

    epoch: str
    table: str
    chain: int  # the last one that is in it
    held: tuple[Held, ...]


def encode_fold(fold: Fold) -> bytes:
    """Return the file's bytes."""
    raw: dict[str, Any] = {"version": VERSION, **fold._asdict()}
    raw["held"] = [
        {"by": {**one.by._asdict(), "objects": [entry._asdict() for entry in one.by.objects]}, "names": one.names}
        for one in fold.held
    ]
    return gzip.compress(json.dumps(raw, ensure_ascii=False, sort_keys=True).encode(), mtime=0)


def decode_fold(data: bytes) -> Fold:
    """Read the file back. CommitFileError when it is none of a version known here."""
    try:
        raw = json.loads(gzip.decompress(data))
        if raw.pop("version") != VERSION:
            raise CommitFileError("its version is not known here")
        return Fold(**{**raw, "held": tuple(map(_held, raw["held"]))})
    except (ValueError, TypeError, KeyError, AttributeError, OSError, EOFError, zlib.error) as error:
        raise CommitFileError(f"no fold of compactions: {error!r}") from error


def _parted(name: str) -> tuple[str, str, int]:
    """Return an object's folder, the rest of its name without its plan's number, and that number."""
    folder, _, rest = name.rpartition("/")
    found = _NUMBERED.fullmatch(rest)
    return (folder, rest, 0) if found is None else (folder, intern(f"{found[1]}*{found[3]}"), int(found[2]))


def _held(raw: Mapping[str, Any]) -> Held:
    objects = tuple(StoredObject(**entry) for entry in raw["by"]["objects"])
    names = {intern(stem): tuple((first, last) for first, last in runs) for stem, runs in raw["names"].items()}
    return Held(Compaction(**{**raw["by"], "inputs": (), "objects": objects}), names)


def _joined(runs: Iterable[tuple[int, int]]) -> Runs:
    out: list[tuple[int, int]] = []
    for first, last in sorted(runs):
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(last, out[-1][1]))
        else:
            out.append((first, last))
    return tuple(out)


def _within(runs: Runs, number: int) -> bool:
    at = bisect_right(runs, number, key=lambda run: run[0])
    return at > 0 and number <= runs[at - 1][1]


def _folder(one: Compaction) -> str:
    return one.objects[0].name.rpartition("/")[0]


class View:
    """What compactions have moved, by folder: what holds the rows now, and of which objects, as runs of numbers."""

    def __init__(self, done: Iterable[Compaction] = (), fold: Fold | None = None) -> None:
        """`done`: all of a table after the fold, in their order."""
        self._held: dict[str, tuple[Held, ...]] = {}  # by folder
        if fold is not None:
            self.join(fold)
        for one in done:
            self.add(one)

    def join(self, fold: Fold) -> None:
        """Take the fold of another table in."""
        for one in fold.held:
            folder = _folder(one.by)
            self._held[folder] = (*self._held.get(folder, ()), one)

    def add(self, one: Compaction) -> None:
        """Take the next compaction of its table in."""
        if not one.inputs:
            return  # what was planned could not be done
        taken = {entry.name for entry in one.inputs}
        runs: dict[str, list[tuple[int, int]]] = {}
        for name in taken:
            _, stem, number = _parted(name)
            runs.setdefault(stem, []).append((number, number))
        folder, kept = _folder(one), list[Held]()
        for each in self._held.get(folder, ()):
            if not any(entry.name in taken for entry in each.by.objects):
                kept.append(each)
                continue
            for stem, of in each.names.items():
                runs.setdefault(stem, []).extend(of)
        held = Held(one._replace(inputs=()), {stem: _joined(runs[stem]) for stem in sorted(runs)})
        self._held[folder] = (*kept, held)

    def fold(self, epoch: str, table: str, chain: int) -> Fold:
        """Return what this view of one table's first compactions knows."""
        return Fold(epoch, table, chain, tuple(one for folder in sorted(self._held) for one in self._held[folder]))

    def holder(self, name: str) -> Compaction | None:
        """Return the compaction whose outputs hold a replaced object's rows; None where it holds them itself."""
        folder, stem, number = _parted(name)
        found = (one.by for one in self._held.get(folder, ()) if _within(one.names.get(stem, ()), number))
        return next(found, None)

    def replaced(self, name: str) -> bool:
        """Do other objects hold this one's rows?"""
        return self.holder(name) is not None

    def live(self, objects: Iterable[StoredObject]) -> Iterator[StoredObject]:
        """Yield those of a plan's objects that hold their own rows."""
        return (entry for entry in objects if not self.replaced(entry.name))

    def outputs(self, folder: str | None = None) -> Iterator[tuple[Compaction, StoredObject]]:
        """Yield the live objects that compactions wrote, of one folder or of all."""
        for one in chain(*self._held.values()) if folder is None else self._held.get(folder, ()):
            yield from ((one.by, entry) for entry in one.by.objects)


class Whole(View):
    """The same with every compaction there was, and the inputs of each: for who compares all with all."""

    def __init__(self, done: Iterable[Compaction] = ()) -> None:
        self._by: dict[str, Compaction] = {}  # replaced name -> what replaced it
        self.compactions: list[Compaction] = []
        super().__init__(done)

    def add(self, one: Compaction) -> None:
        """Take the next compaction of its table in."""
        super().add(one)
        self.compactions.append(one)
        self._by.update((entry.name, one) for entry in one.inputs)

    def input(self, name: str) -> Input | None:
        """Return what the compaction that replaced the object says of it."""
        by = self._by.get(name)
        return None if by is None else next(entry for entry in by.inputs if entry.name == name)


NOTHING = View()


def tables_of(ledger: LedgerStore, epoch: str, table: str = "") -> Mapping[str, TableItem]:
    """Return the tables' items, or one's. To be asked before the lanes'."""
    prefix = tables_prefix(epoch)
    keys = [table_key(epoch, table)] if table else ledger.keys(prefix)
    found = ((key, ledger.read(key)) for key in keys)
    return {key.removeprefix(prefix): item_from_dict(item[1]) for key, item in found if item is not None}


def read_file(place: Place, epoch: str, table: str, number: int) -> Compaction:
    """Return one compaction that is committed. CommitFileError where its file is missing: nothing is guessed."""
    return _read(place, file_name(epoch, table, number), decode)


def read_fold(place: Place, epoch: str, table: str, number: int) -> Fold:
    """Return the fold that a table's item names. CommitFileError as for a compaction."""
    return _read(place, fold_name(epoch, table, number), decode_fold)


def _read(place: Place, name: str, decoded: Callable[[bytes], T]) -> T:
    try:
        return decoded(place.read(name))
    except FileNotFoundError:
        raise CommitFileError(f"{name} is missing: what it replaced cannot be told") from None
    except CommitFileError as error:
        raise CommitFileError(f"{name}: {error}") from error


def table_view(place: Place, epoch: str, table: str, item: TableItem) -> View:
    """Read what is committed of one table: its fold, and the compactions after it. Without the fold, all of them."""
    try:
        fold = read_fold(place, epoch, table, item.folded) if item.folded else None
    except CommitFileError:  # for the audit to tell
        fold = None
    first = 1 if fold is None else fold.chain + 1
    return View((read_file(place, epoch, table, number) for number in range(first, item.chain + 1)), fold)


def view_of(ledger: LedgerStore, place: Place, epoch: str) -> View:
    """Read what is committed of all tables. CommitFileError where a file is missing or no such file."""
    whole = View()
    for of, item in tables_of(ledger, epoch).items():
        whole.join(table_view(place, epoch, of, item).fold(epoch, of, item.chain))
    return whole


def whole_of(place: Place, epoch: str, items: Mapping[str, TableItem]) -> Whole:
    """Read every compaction there was."""
    return Whole(
        read_file(place, epoch, table, number) for table, item in items.items() for number in range(1, item.chain + 1)
    )


def wrong_folds(place: Place, epoch: str, items: Mapping[str, TableItem], whole: Whole) -> Iterator[str]:
    """Yield in words which folds do not say what their compactions say."""
    for table, item in items.items():
        if not item.folded:
            continue
        name = fold_name(epoch, table, item.folded)
        try:
            fold = read_fold(place, epoch, table, item.folded)
        except CommitFileError as error:
            yield str(error)
            continue
        seen = View(one for one in whole.compactions if one.table == table and one.chain <= item.folded)
        if fold != seen.fold(epoch, table, item.folded):
            yield f"{name} says something else than the compactions that are in it"
