"""The lake, read back. Rule: only what the ledger has committed is looked at; a listing may show more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tailrace.commit.audit import Contents
from tailrace.commit.committed import CommitFile, Shard, commits_of, told_once
from tailrace.commit.ports import CommitFacts, Place
from tailrace.sinks.lake.groups import Group, opened

EVENT_ID, ROW_ID, POSITION = "event_id", "row_id", "position"
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

    def __init__(self, place: Place, event_id: str) -> None:
        self._place = place
        self._event_id = event_id
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

    def _plan(self, commit: CommitFile) -> Iterator[Found]:
        for entry in told_once(commit.objects):
            self.objects += 1
            try:
                with self._place.open(entry.name) as source, opened(entry.name, source) as groups:
                    for group, row, values in _rows(groups, self._event_id):
                        yield Found(commit.facts, entry.table, entry.name, group, row, values)
            except (FileNotFoundError, ValueError):
                self.missing.append(entry.name)


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
