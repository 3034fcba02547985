"""A lake made by a stream, and one made anew of its archive. Rule: the parts are the real ones but for the daemon."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow.parquet as pq

from faults.real import EDITION
from support.memory_ports import MemoryLedger, MemoryPlace
from tailrace.archived import ShardArchive, parted
from tailrace.commit.audit import audit
from tailrace.commit.committed import ARCHIVE, CommitFile, commits_of, shards_of, told_once
from tailrace.files import Source
from tailrace.filing import Filing
from tailrace.nouns import Identity, Record
from tailrace.ops.clock import SystemClock
from tailrace.rows.archive import record_of
from tailrace.settings import Flush, Lake, Settings, World
from tailrace.sinks.lake.avro_read import Container
from tailrace.sinks.lake.read import LakeReader
from tailrace.wiring import shard_of

STREAM, EPOCH, AGAIN = "clicks", "0a1b2c3d", "backfill"


def settings_of(*, raw: str = "avro", rows: int = 200_000, **lake: Any) -> Settings:
    """Return settings of small row groups, the archive on."""
    section: Any = {"raw": raw, "row_group_rows": 3, **lake}
    return Settings(lake=Lake(**section), flush=Flush(rows=rows, age_s=10**6), world=World(patience_s=0.001))


def silent(_what: str, /, **_facts: object) -> None:
    """Listen, and tell nobody."""


class Lakes:
    """One lake and its ledger."""

    def __init__(self) -> None:
        self.place, self.store = MemoryPlace(), MemoryLedger()

    def stream(self, shard: str, plans: Sequence[Sequence[Record]], settings: Settings, *, epoch: str = EPOCH) -> None:
        """Bring records in as the child of a shard does, each list as one plan."""
        identity, clock = Identity(STREAM, epoch, shard), SystemClock()
        made = shard_of(
            settings, identity, edition=EDITION, store=self.store, place=self.place, clock=clock, say=silent,
            alive=lambda: None,
        )  # fmt: skip
        made.open()
        for plan in plans:
            made.add(plan)
            assert made.flush()
        made.leave()
        made.close()

    def filing(self, settings: Settings) -> Filing:
        clock = SystemClock()
        return Filing(
            settings, EDITION, stream="files", epoch=AGAIN, store=self.store, place=self.place, clock=clock,
            claims=None, say=silent,
        )  # fmt: skip

    def rows(self, epoch: str) -> dict[str, tuple[str, dict[str, Any]]]:
        """Return every committed row by its id, with its table."""
        out: dict[str, tuple[str, dict[str, Any]]] = {}
        for table, name in self._objects(epoch):
            if table != ARCHIVE:
                for row in pq.read_table(io.BytesIO(self.place.read(name))).to_pylist():
                    assert row["row_id"] not in out
                    out[row["row_id"]] = (table, row)
        return out

    def archived(self, epoch: str) -> list[Record]:
        """Return every archived record, in no order."""
        out: list[Record] = []
        for table, name in self._objects(epoch):
            if table == ARCHIVE:
                for block in Container(io.BytesIO(self.place.read(name))).blocks():
                    out += map(record_of, block.values())
        return out

    def _objects(self, epoch: str) -> Iterator[tuple[str, str]]:
        for shard in shards_of(self.store, epoch, ""):
            for _, commit in commits_of(self.place, shard):
                assert isinstance(commit, CommitFile)
                yield from ((entry.table, entry.name) for entry in told_once(commit.objects))

    def findings(self, epoch: str) -> list[str]:
        report = audit(self.store, self.place, LakeReader(), epoch)
        return [str(one) for one in (*report.findings, *(one for shard in report.shards for one in shard.findings))]

    def files(self, prefix: str = "raw/") -> list[Source]:
        """Return the objects of the archive, as files."""
        return [_source(self.place, name, length) for name, length in self.place.names(prefix)]

    def archives(self, *files: Source) -> list[ShardArchive]:
        """Return the archives that some files are, or all of the lake's."""
        return parted(files or self.files())[1]


def _source(place: MemoryPlace, name: str, length: int) -> Source:
    return Source(f"s3://lake/{name}", length, 0, lambda: place.open(name))
