"""The lake, read back. Rule: only what the ledger has committed is looked at; a listing may show more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tailrace.commit.audit import Contents
from tailrace.commit.committed import CommitFile, Shard, commits_of
from tailrace.commit.ports import CommitFacts, Place

EVENT_ID, ROW_ID = "event_id", "row_id"
_ROW_ID_FORM = re.compile(r"[0-9a-f]{32}")


class ParquetReader:
    """What the audit asks of an object."""

    def rows(self, place: Place, name: str) -> int:
        """Return the rows that the footer counts."""
        with place.open(name) as source, parquet(source) as file:
            return int(file.metadata.num_rows)

    def contents(self, place: Place, name: str) -> Contents:
        """Return every row's identity."""
        with place.open(name) as source, parquet(source) as file:
            try:
                table = file.read(["row_id", "position"], use_threads=False)
                if table["row_id"].null_count or table["position"].null_count:
                    message = "rows without row_id or position"
                    raise ValueError(message)
                return Contents(table["row_id"].to_pylist(), table["position"].to_pylist())
            except (pa.ArrowException, KeyError) as error:
                raise ValueError(str(error)) from error


class Found(NamedTuple):
    """One event in the committed lake."""

    facts: CommitFacts  # of its plan
    table: str
    object: str
    row_group: int
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
        for entry in commit.objects:
            if entry.rows == 0:
                continue
            self.objects += 1
            try:
                with self._place.open(entry.name) as source, parquet(source) as file:
                    for group, row, values in _rows(file, self._event_id):
                        yield Found(commit.facts, entry.table, entry.name, group, row, values)
            except (FileNotFoundError, ValueError):
                self.missing.append(entry.name)


@contextmanager
def parquet(source: BinaryIO) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; ValueError when it is none."""
    try:
        file = pq.ParquetFile(source)
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error
    with file:
        yield file


def _rows(file: pq.ParquetFile, wanted: str) -> Iterator[tuple[int, int, dict[str, Any]]]:
    places = {file.schema.column(at).path: at for at in range(file.metadata.num_columns)}
    # An event without an id of its own has its row_id as event_id; a reject of such an event has only the row_id.
    sought = (EVENT_ID, ROW_ID) if _ROW_ID_FORM.fullmatch(wanted) else (EVENT_ID,)
    columns = [(name, places[name]) for name in sought if name in places]
    for group in range(file.metadata.num_row_groups):
        facts = file.metadata.row_group(group)
        names = [name for name, at in columns if _may_hold(facts.column(at).statistics, wanted)]
        if not names:
            continue
        ids = file.read_row_group(group, names, use_threads=False)
        hits = sorted({row for name in names for row in pc.indices_nonzero(pc.equal(ids[name], wanted)).to_pylist()})
        if hits:
            whole = file.read_row_group(group, use_threads=False).take(pa.array(hits, pa.int64()))
            yield from ((group, row, values) for row, values in zip(hits, whole.to_pylist(), strict=True))


def _may_hold(statistics: pq.Statistics | None, wanted: str) -> bool:
    return statistics is None or not statistics.has_min_max or statistics.min <= wanted <= statistics.max
