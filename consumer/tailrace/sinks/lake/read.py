"""The lake, read back. Rule: only what the ledger has committed is looked at; a listing may show more."""

from __future__ import annotations

import io
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tailrace.commit.audit_compacted import Contents
from tailrace.commit.committed import ARCHIVE, CommitFile, Shard, StoredObject, commits_of, told_once
from tailrace.commit.compacted import NOTHING, View
from tailrace.commit.plan import CommitFacts
from tailrace.commit.ports import Place
from tailrace.nouns import SEQUENCE_DIGITS, SUB_DIGITS, mark
from tailrace.sinks.lake.groups import Group, opened

EVENT_ID, ROW_ID, POSITION, SHARD = "event_id", "row_id", "position", "shard"
SEQUENCE, SUB = "sequence", "sub"  # of the archive's rows
MARK = "mark"
_ROW_ID_FORM = re.compile(r"[0-9a-f]{32}")


class LakeReader:
    """What the audit asks of an object."""

    def rows(self, place: Place, name: str) -> int:
        """Return the rows that its groups count."""
        with place.open(name) as source, opened(name, source) as groups:
            return sum(group.rows for group in groups)

    def contents(self, place: Place, name: str) -> Contents:
        """Return every row's identity."""
        ids: list[str] = []
        positions: list[str] = []
        with place.open(name) as source, opened(name, source) as groups:
            for group in groups:
                try:
                    table = group.read([ROW_ID, POSITION])
                    if table[ROW_ID].null_count or table[POSITION].null_count:
                        raise ValueError("rows without row_id or position")
                    ids += table[ROW_ID].to_pylist()
                    positions += table[POSITION].to_pylist()
                except (pa.ArrowException, KeyError) as error:
                    raise ValueError(str(error)) from error
        return Contents(ids, positions)

    def origins(self, place: Place, name: str) -> Origins:
        """Return every row's identity, to be asked for by shard and range."""
        with place.open(name) as source, opened(name, source) as groups:
            found = [group.read([SHARD, ROW_ID, POSITION]).select([SHARD, ROW_ID, POSITION]) for group in groups]
        return Origins.of(found)

    def records(self, place: Place, name: str) -> Sequence[str]:
        """Return the position of every record in an object of the archive."""
        out: list[str] = []
        with place.open(name) as source, opened(name, source) as groups:
            for group in groups:
                found = group.read([SEQUENCE, SUB])
                if any(column.null_count for column in found.columns):
                    raise ValueError("records without a position")
                pairs = zip(found[SEQUENCE].to_pylist(), found[SUB].to_pylist(), strict=True)
                out += [f"{sequence}/{sub}" for sequence, sub in pairs]
        return out


class Origins(NamedTuple):
    """An object's rows by where they came from. Sorted by shard and mark; about 300 bytes a row."""

    table: pa.Table
    shards: Mapping[str, tuple[int, int]]  # first row, and the one after the last

    @classmethod
    def of(cls, groups: Sequence[pa.Table]) -> Origins:
        """Sort the rows. ValueError where a position is none."""
        if not groups:
            return cls(pa.table({SHARD: [], ROW_ID: [], POSITION: [], MARK: []}), {})
        table = pa.concat_tables(groups).combine_chunks()
        halves = pc.extract_regex(table[POSITION], r"^(?P<sequence>[0-9]+)/(?P<sub>[0-9]+)/[0-9]+$")
        if halves.null_count or table[SHARD].null_count:
            raise ValueError("rows without shard or position")
        sequences, subs = pc.struct_field(halves, [0]), pc.struct_field(halves, [1])
        marks = pc.binary_join_element_wise(
            pc.utf8_lpad(sequences, SEQUENCE_DIGITS, "0"), pc.utf8_lpad(subs, SUB_DIGITS, "0"), "."
        )
        table = table.append_column(MARK, marks)
        table = table.sort_by([(SHARD, "ascending"), (MARK, "ascending"), (POSITION, "ascending")]).combine_chunks()
        counts = pc.value_counts(table[SHARD].combine_chunks()).to_pylist()  # in the order in which they come
        shards, start = dict[str, tuple[int, int]](), 0
        for count in counts:
            shards[count["values"]] = (start, start + count["counts"])
            start += count["counts"]
        return cls(table, shards)

    @property
    def rows(self) -> int:
        return int(self.table.num_rows)

    def between(self, shard: str, after: str, last: str) -> Contents:
        """Return the rows of a shard whose marks are above `after` and up to `last`."""
        start, end = self.shards.get(shard, (0, 0))
        marks = self.table[MARK]
        first = bisect_right(range(start, end), after, key=lambda row: marks[row].as_py()) + start
        stop = bisect_right(range(start, end), last, key=lambda row: marks[row].as_py()) + start
        part = self.table.slice(first, stop - first)
        return Contents(part[ROW_ID].to_pylist(), part[POSITION].to_pylist())


class Found(NamedTuple):
    """One event in the committed lake."""

    facts: CommitFacts  # of its plan
    table: str
    object: str
    row_group: int  # of Parquet; of Avro, the block
    row: int  # in the row group
    values: dict[str, Any]


class Search:
    """One event's id or row_id, looked for in every committed object; counts what it reads."""

    def __init__(self, place: Place, event_id: str, view: View = NOTHING) -> None:
        self._place, self._event_id, self._view = place, event_id, view
        self._plans: dict[str, list[CommitFacts]] = {}  # an object of compaction -> plans whose rows it holds
        self.changed = False  # an object was replaced meanwhile: ask again, with a new view
        self.objects = 0
        self.missing: list[str] = []  # what could not be looked at

    def run(self, shards: list[Shard]) -> Iterator[Found]:
        """Yield every row with the id. A client's id may repeat, so there may be several."""
        for shard in shards:
            for chain, commit in commits_of(self._place, shard):
                if isinstance(commit, CommitFile):
                    yield from self._plan(commit)
                else:
                    self.missing.append(f"the commit file of {shard.identity.shard}, chain {chain}")
        for _, entry in self._view.outputs():
            if entry.name in self._plans:
                yield from self._object(entry, self._plans[entry.name])

    def _plan(self, commit: CommitFile) -> Iterator[Found]:
        for entry in told_once(one for one in commit.objects if one.table != ARCHIVE):
            holder = self._view.holder(entry.name)
            if holder is None:
                yield from self._object(entry, [commit.facts])
            for told in [] if holder is None else told_once(holder.objects):
                self._plans.setdefault(told.name, []).append(commit.facts)

    def _object(self, entry: StoredObject, plans: Sequence[CommitFacts]) -> Iterator[Found]:
        self.objects += 1
        try:
            with self._place.open(entry.name) as source:
                self.changed |= source.seek(0, io.SEEK_END) != entry.bytes
                source.seek(0)
                with opened(entry.name, source) as groups:
                    for group, row, values in _rows(groups, self._event_id):
                        facts = plans[0] if len(plans) == 1 else _plan_of(values, plans)
                        if facts is not None:
                            yield Found(facts, entry.table, entry.name, group, row, values)
        except (FileNotFoundError, ValueError):
            self.missing.append(entry.name)


def _plan_of(values: Mapping[str, Any], plans: Sequence[CommitFacts]) -> CommitFacts | None:
    sequence, sub, _ = str(values[POSITION]).split("/")
    at = mark(sequence, int(sub))
    return next((one for one in plans if one.shard == values[SHARD] and one.after < at <= one.last), None)


def _rows(groups: Iterator[Group], wanted: str) -> Iterator[tuple[int, int, dict[str, Any]]]:
    # An event without an id of its own has its row_id as event_id; a reject of such an event has only the row_id.
    sought = (EVENT_ID, ROW_ID) if _ROW_ID_FORM.fullmatch(wanted) else (EVENT_ID,)
    for number, group in enumerate(groups):
        known = group.statistics
        names = [name for name in sought if name in known and _may_hold(known[name], wanted)]
        if not names:
            continue
        ids = group.read(names)
        hits = sorted({row for name in names for row in pc.indices_nonzero(pc.equal(ids[name], wanted)).to_pylist()})
        if hits:
            whole = group.read().take(pa.array(hits, pa.int64()))
            yield from ((number, row, values) for row, values in zip(hits, whole.to_pylist(), strict=True))


def _may_hold(statistics: pq.Statistics | None, wanted: str) -> bool:
    return statistics is None or not statistics.has_min_max or statistics.min <= wanted <= statistics.max
