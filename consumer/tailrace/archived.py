"""The archive of records, read back. Rule: a shard again: its records in their first order, each once.

The files of a plan lie in the folders of several hours, and are merged by position; plans follow each other. What lies
before the place where a shard stands was stored by an earlier run, if that run had the file: else the file is refused.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import pairwise
from typing import Any, BinaryIO, NamedTuple, TypeVar

from tailrace.commit.audit_strays import STEM
from tailrace.files import (
    CHUNK_BYTES,
    CHUNK_RECORDS,
    Chunk,
    DamagedFile,
    RefusedFile,
    Source,
    UnfinishedFile,
    copied,
)
from tailrace.nouns import START, Identity, Record, mark, unmark
from tailrace.rows.archive import identity_of, record_of
from tailrace.schema.book import ARCHIVE
from tailrace.sinks.lake import avro_read
from tailrace.sinks.lake.formats import AVRO

Row = Mapping[str, Any]
T = TypeVar("T")


class Known(NamedTuple):
    """Which records of a file earlier runs have brought in. A run is known by its generation."""

    bounds: Sequence[tuple[int, str]]  # of each run, where the shard stood when it began; this run's is the last
    runs: frozenset[int]  # that had the file, or ended where it was damaged, of whatever size it was then

    def missed(self, at: str) -> bool:
        """Say whether the shard went past a mark while the file was not there."""
        run = bisect_left(self.bounds, at, key=lambda one: one[1])
        return run < len(self.bounds) and (run == 0 or self.bounds[run - 1][0] not in self.runs)


class _Placed(NamedTuple):
    """A record and its mark."""

    mark: str
    record: Record
    source: Source


class ShardArchive:
    """The archive of one shard, in as many files as were named."""

    def __init__(self, name: str, files: Iterable[tuple[int, Source]]) -> None:
        self.name = name  # what its files' names begin with: epoch, stream and shard
        self._plans: dict[int, list[Source]] = {}
        for chain, source in sorted(files, key=lambda one: (one[0], one[1].uri)):
            self._plans.setdefault(chain, []).append(source)
        self.refused: dict[str, str] = {}  # files that come too late, by address, and what to say of them
        self.broken: Source | None = None  # the file that cannot be read on: nothing after that was yielded
        self._known: Callable[[Source], Known] = lambda _source: Known([], frozenset())
        self._origin: Identity | None = None

    @property
    def sources(self) -> list[Source]:
        return [source for plan in self._plans.values() for source in plan]

    def gaps(self) -> list[str]:
        """Return in words which plans have no file here, of those between two that have."""
        chains = list(self._plans)
        missing = [(one + 1, next_ - 1) for one, next_ in pairwise(chains) if next_ > one + 1]
        return [str(first) if first == last else f"{first} to {last}" for first, last in missing]

    def origin(self) -> Identity | None:
        """Return the shard whose records these are; None where there are no records. UnfinishedFile."""
        for source in self.sources:
            with closing(_rows(source)) as rows:
                for row in rows:
                    self._origin = _judged(source, lambda row=row: identity_of(row))  # type: ignore[misc]
                    return self._origin
        return None

    def chunks(self, known: Callable[[Source], Known]) -> Iterator[Chunk]:
        """Yield the records, bounded in number and bytes a chunk. UnfinishedFile where they cannot be read on.

        All that comes before the place where that happened was yielded.
        """
        self._known = known
        records: list[Record] = []
        held = done = 0
        for plan in self._plans.values():
            try:
                for placed in self._merged(plan):
                    records.append(placed.record)
                    held += len(placed.record.data)
                    if len(records) >= CHUNK_RECORDS or held >= CHUNK_BYTES:
                        yield Chunk(records, done)
                        records, held = [], 0
            except UnfinishedFile:
                if records:
                    yield Chunk(records, done)
                raise
            done += sum(source.size for source in plan)
        yield Chunk(records, done)

    def _merged(self, plan: Sequence[Source]) -> Iterator[_Placed]:
        """Yield the records of a plan by position. One that two files hold, copies of each other, counts once."""
        last: _Placed | None = None
        with ExitStack() as stack:
            each = [stack.enter_context(closing(self._placed(source))) for source in plan]
            for placed in heapq.merge(*each, key=lambda one: one.mark):
                if last is None or placed.mark != last.mark:
                    yield placed
                elif placed.record != last.record:
                    where = "/".join(map(str, unmark(placed.mark)))
                    raise DamagedFile(f"{placed.source.uri}: it has another record at {where} than {last.source.uri}")
                last = placed

    def _placed(self, source: Source) -> Generator[_Placed, None, None]:
        try:
            yield from self._sound(source)
        except UnfinishedFile:
            self.broken = source
            raise

    def _sound(self, source: Source) -> Generator[_Placed, None, None]:
        known, last = self._known(source), START
        with closing(_rows(source)) as rows:
            for row in rows:
                record = _judged(source, lambda row=row: self._of_shard(row))  # type: ignore[misc]
                at = mark(record.sequence, record.sub)
                if at <= last:
                    raise DamagedFile(f"{source.uri}: its records are not in order")
                if known.missed(at):
                    where = "/".join(map(str, unmark(known.bounds[-1][1])))
                    self.refused[source.uri] = (
                        f"{source.uri}: its records lie before {where}, where its shard stands, and it was not there"
                        " when those were stored: set another [ledger] path to bring it in beside"
                    )
                    return
                last = at
                yield _Placed(at, record, source)

    def _of_shard(self, row: Row) -> Record:
        found = identity_of(row)
        if found != self._origin:
            raise ValueError(f"found a record of {'/'.join(found)} among those of {'/'.join(self._origin or ())}")
        return record_of(row)


def parted(sources: Iterable[Source]) -> tuple[list[Source], list[ShardArchive]]:
    """Return the files of records, and the archives of shards. RefusedFile where a name is none that tailrace gives."""
    plain, archives = list[Source](), dict[str, list[tuple[int, Source]]]()
    for source in sources:
        if not source.uri.endswith(AVRO):
            plain.append(source)
            continue
        stem = STEM.fullmatch(source.uri.rpartition("/")[2])
        if stem is None:
            expected = f"an archive's object, which ends in a plan's number, like -0000000001{AVRO}"
            raise RefusedFile(f"{source.uri}: expected {expected}")
        archives.setdefault(stem["shard"], []).append((int(stem["chain"]), source))
    return plain, [ShardArchive(name, files) for name, files in archives.items()]


def _rows(source: Source) -> Generator[Row, None, None]:
    """Yield a file's rows, one block in memory. RefusedFile where it is no archive, DamagedFile where it breaks off."""
    with copied(source) as whole:
        _check(source, whole)
        blocks = _judged(source, lambda: avro_read.Container(whole).blocks())
        while (block := _judged(source, lambda: next(blocks, None))) is not None:
            yield from _judged(source, block.values)


def _check(source: Source, whole: BinaryIO) -> None:
    try:
        found = avro_read.columns(whole)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise RefusedFile(f"{source.uri}: expected an archive of records: {error}") from error
    if any(field not in found for field in ARCHIVE.schema):
        raise RefusedFile(
            f"{source.uri}: found the columns {', '.join(found.names[:9])}, expected an archive of records:"
            f" {', '.join(ARCHIVE.schema.names)}"
        )


def _judged(source: Source, read: Callable[[], T]) -> T:
    try:
        return read()
    except ValueError as error:
        raise DamagedFile(f"{source.uri}: {error}") from error
