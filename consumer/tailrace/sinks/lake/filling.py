"""A batch's rows on their way into objects. Rule: the memory it holds is bounded, however many folders are open.

Rows wait by folder until they make a row group. When all that waits outgrows `WAITING_BYTES_MAX`, the largest folder
is written out as a smaller row group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from tailrace.commit.committed import StoredObject, encode
from tailrace.commit.ledger import BytesBody
from tailrace.commit.patience import Patience
from tailrace.commit.plan import CommitFacts, Plan, commit_name
from tailrace.commit.ports import Body
from tailrace.nouns import Identity, Rows, Table
from tailrace.settings import MIB, Lake
from tailrace.sinks.lake.folder import Folder, file_of
from tailrace.sinks.lake.formats import Format
from tailrace.sinks.lake.layout import Layout, folders, split, table_of
from tailrace.sinks.lake.spool import Budget

WAITING_BYTES_MAX = 32 * MIB  # a filling and the one before it, which is being stored, fit in one child


class LakeSink(NamedTuple):
    """What every filling of one lane shares."""

    layout: Layout
    form: Format
    tables: Mapping[str, Table]  # by name: the columns of zero-row objects
    envelope: pa.Schema  # the columns of a zero-row object of a table that is not known any more
    spool_bytes: int = 64 * MIB
    waiting_bytes: int = WAITING_BYTES_MAX

    @classmethod
    def of(cls, lake: Lake, tables: Mapping[str, Table], envelope: pa.Schema) -> LakeSink:
        """Return the sink that the settings describe."""
        return cls(
            Layout(lake.past_days, lake.future_hours, lake.tenant_partition, lake.late_hours),
            format_of(lake),
            tables,
            envelope,
            lake.spool_memory_mb * MIB,
        )

    def start(self) -> LakeFilling:
        """Return a new, empty filling."""
        return LakeFilling(self)


def format_of(lake: Lake) -> Format:
    """Return how the settings want files written."""
    return Format(lake.codec, lake.codec_level, lake.row_group_rows, lake.parquet, lake.avro, lake.avro_codec)


class LakeFilling:
    """The open objects of one batch."""

    def __init__(self, sink: LakeSink) -> None:
        self._sink = sink
        self._budget = Budget(sink.spool_bytes)
        self._folders: dict[str, Folder] = {}
        self._bodies: list[Body] = []
        self._waiting_bytes = 0
        self._rows = 0

    @property
    def rows(self) -> int:
        return self._rows

    @property
    def objects(self) -> int:
        return sum(len(folder.files) for folder in self._folders.values())

    def opens(self, rows: Sequence[Rows]) -> int:
        """Return how many objects more these rows would need."""
        new = {
            folder: part.table.name
            for part in rows
            for folder in folders(part, self._sink.layout)
            if folder not in self._folders
        }
        return sum(len(self._sink.form.suffixes(table)) for table in new.values())

    def add(self, rows: Sequence[Rows]) -> None:
        """Take rows in; full row groups are encoded at once."""
        for part in rows:
            for folder, batch in split(part, self._sink.layout):
                self._add(folder, part.table, batch)

    def _add(self, name: str, table: Table, batch: pa.RecordBatch) -> None:
        folder = self._folders.get(name)
        if folder is None:
            form = self._sink.form
            folder = self._folders[name] = Folder(name, table, form, self._budget, form.suffixes(table.name))
        before = folder.waiting_bytes
        folder.add(batch)
        self._rows += batch.num_rows
        self._waiting_bytes += folder.waiting_bytes - before
        while self._waiting_bytes > self._sink.waiting_bytes:
            largest = max(self._folders.values(), key=lambda one: one.waiting_bytes)
            self._waiting_bytes -= largest.waiting_bytes
            largest.write_waiting()

    def names(self, stem: str) -> tuple[str, ...]:
        """Return the names of the objects these rows need, sorted, without the commit file."""
        return tuple(
            sorted(f"{name}/{stem}{suffix}" for name, folder in self._folders.items() for suffix in folder.files)
        )

    def seal(self, names: Sequence[str], facts: CommitFacts) -> dict[str, Body]:
        """Finish every object. Each of `names` gets a body (zero rows where nothing fills it), the commit file last."""
        planned = {_parts(name) for name in names}
        unplanned = {(name, one) for name, folder in self._folders.items() for one in folder.files} - planned
        if unplanned:
            message = f"rows without a planned name: {sorted(name + '/*' + suffix for name, suffix in unplanned)}"
            raise ValueError(message)
        meta = {"epoch": facts.epoch, "chain": str(facts.chain), "generation": str(facts.generation)}
        bodies: dict[str, Body] = {}
        stored = []
        for name in names:
            bodies[name] = body = self._close(name, meta)
            self._bodies.append(body)
            stored.append(StoredObject(name, table_of(name), body.rows, body.length, body.sha256))
        self._folders.clear()
        identity = Identity(facts.stream, facts.epoch, facts.shard)
        bodies[commit_name(identity, facts.chain)] = BytesBody(encode(facts, stored))
        return bodies

    def _close(self, name: str, meta: Mapping[str, str]) -> Body:
        path, suffix = _parts(name)
        folder = self._folders.get(path)
        if folder is not None and suffix in folder.files:
            return folder.close(suffix, meta)
        of = table_of(name)
        table = self._sink.tables.get(of) or Table(of, self._sink.envelope, ())
        return file_of(suffix, path, table, self._sink.form, self._budget).close(meta)

    def deltas(self) -> str:
        return ""

    def deliver(self, _plan: Plan, _patience: Patience) -> str:
        return ""

    def drop(self) -> None:
        """Forget the rows and free what they held, finished bodies too."""
        for folder in self._folders.values():
            folder.drop()
        for body in self._bodies:
            body.close()
        self._folders.clear()
        self._bodies.clear()
        self._waiting_bytes = self._rows = 0


def _parts(name: str) -> tuple[str, str]:
    """Return the folder and the suffix of an object's name."""
    folder, _, file = name.rpartition("/")
    return folder, "." + file.rpartition(".")[2]
