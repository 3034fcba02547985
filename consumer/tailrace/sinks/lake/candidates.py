"""Which objects a compaction may take. Rule: a listing proposes, commit files decide, what was replaced is out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Final, NamedTuple

from tailrace.commit.audit_strays import STEM
from tailrace.commit.committed import ARCHIVE, CommitFile, CommitFileError, Shard, decode
from tailrace.commit.compacted import View
from tailrace.commit.compaction import INPUTS_MAX, Input
from tailrace.commit.plan import commit_name
from tailrace.commit.ports import Place
from tailrace.sinks.lake.layout import table_of

COMMITS_KEPT: Final = 1_000  # commit files in memory: an hour of some shards
_DAY: Final = re.compile(r"/dt=(\d{4}-\d{2}-\d{2})(?:/hh=(\d{2}))?(?:/|$)")


class Limits(NamedTuple):
    """What makes a compaction worth its while."""

    least: int = 4  # files
    target_bytes: int = 128 * 1024 * 1024  # a file half as large counts as large


def ends(folder: str) -> datetime | None:
    """Return when a folder's hour is over, or its day where it has no hours; None for no folder of rows."""
    found = _DAY.search(folder + "/")
    if found is None:
        return None
    try:
        day = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    except ValueError:
        return None
    return day + (timedelta(days=1) if found[2] is None else timedelta(hours=int(found[2]) + 1))


def tables(place: Place, closed_before: datetime) -> Iterator[tuple[str, Iterator[tuple[str, list[str]]]]]:
    """Yield each table of rows with its closed folders, each with the names in it. Use one before the next."""
    names = (name for name, _ in place.names("") if not name.startswith("_") and "/" in name)
    for table, of in groupby(names, table_of):
        if table != ARCHIVE:
            yield table, _closed(of, closed_before)


def _closed(names: Iterable[str], closed_before: datetime) -> Iterator[tuple[str, list[str]]]:
    for folder, of in groupby(names, lambda name: name.rpartition("/")[0]):
        end = ends(folder)
        if end is not None and end <= closed_before:
            yield folder, list(of)


class Committed:
    """Finds what was committed under a name."""

    def __init__(self, place: Place, shards: Iterable[Shard]) -> None:
        self._shards = {f"{s.identity.epoch}-{s.identity.stream}-{s.identity.shard}": s for s in shards}
        self._commit: Callable[[str, int], CommitFile | None] = lru_cache(COMMITS_KEPT)(self._read)
        self._place = place

    def live(self, names: Iterable[str], view: View) -> Iterator[Input]:
        """Yield those of a folder's names that hold committed rows themselves."""
        ours: dict[str, Input] | None = None
        for name in names:
            if view.replaced(name):
                continue
            if ours is None:
                ours = {
                    entry.name: Input(entry.name, entry.rows, entry.bytes, entry.sha256, one.chain, one.generation)
                    for one, entry in view.outputs(name.rpartition("/")[0])
                }
            found = ours.get(name) or self._planned(name)
            if found is not None:
                yield found

    def _planned(self, name: str) -> Input | None:
        stem = STEM.fullmatch(name.rpartition("/")[2])
        if stem is None or stem["shard"] not in self._shards:
            return None
        commit = self._commit(stem["shard"], int(stem["chain"]))
        entry = next((one for one in commit.objects if one.name == name), None) if commit else None
        if commit is None or entry is None:
            return None
        return Input(name, entry.rows, entry.bytes, entry.sha256, commit.facts.chain, commit.facts.generation)

    def _read(self, stem: str, chain: int) -> CommitFile | None:
        shard = self._shards[stem]
        if chain > shard.item.chain:
            return None  # a plan that is open
        try:
            return decode(self._place.read(commit_name(shard.identity, chain)))
        except (FileNotFoundError, CommitFileError):
            return None  # for the audit to tell


def groups(found: Iterable[Input], limits: Limits) -> Iterator[tuple[Input, ...]]:
    """Yield what becomes one file each: small files of one folder, each with all its formats."""
    files: dict[str, list[Input]] = {}
    for entry in found:
        files.setdefault(entry.name.rpartition(".")[0], []).append(entry)
    hand: list[Sequence[Input]] = []
    for formats in files.values():
        if not any(entry.rows for entry in formats) or 2 * _bytes(formats) >= limits.target_bytes:
            continue
        if sum(map(len, hand)) + len(formats) > INPUTS_MAX or sum(map(_bytes, hand)) >= limits.target_bytes:
            yield from _worth(hand, limits)
            hand = []
        hand.append(formats)
    yield from _worth(hand, limits)


def _worth(hand: Sequence[Sequence[Input]], limits: Limits) -> Iterator[tuple[Input, ...]]:
    if len(hand) >= limits.least:
        yield tuple(entry for formats in hand for entry in formats)


def _bytes(formats: Sequence[Input]) -> int:
    return max(entry.bytes for entry in formats)
