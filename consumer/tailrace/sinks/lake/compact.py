"""Many small objects of one folder as one. Rule: the same rows, in every format, with one row group in memory.

The columns are those of the widest file: a table only grows, at its end, so the others lack its last ones. Files that
do not fit together so are left as they are.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tailrace.commit.committed import QUARANTINE, StoredObject
from tailrace.commit.compacted import Compaction, encode
from tailrace.commit.compaction import Input
from tailrace.commit.ledger import BytesBody
from tailrace.commit.ports import Body, Place
from tailrace.nouns import Table
from tailrace.settings import MIB
from tailrace.sinks.lake import avro_read
from tailrace.sinks.lake.folder import Folder, file_of
from tailrace.sinks.lake.formats import AVRO, Format
from tailrace.sinks.lake.groups import opened, parquet
from tailrace.sinks.lake.layout import table_of
from tailrace.sinks.lake.spool import Budget

READ_BYTES: Final = 8 * MIB
KEPT_BYTES_MAX: Final = 32 * MIB  # of inputs, between the look at their columns and the reading of their rows
WAITING_BYTES_MAX: Final = 64 * MIB  # rows on their way into a row group
SORT: Final = "tenant"
LEAST: Final = pa.schema([("row_id", pa.string())])  # a file without any column is none for some readers


class Unfit(Exception):
    """These files cannot become one; why, in a line."""


def told(inputs: Sequence[Input]) -> list[Input]:
    """Return of each file's formats the one that is read: the first with rows, Parquet before Avro."""
    stems: dict[str, list[Input]] = {}
    for entry in sorted(inputs, key=lambda entry: entry.name.endswith(AVRO)):
        stems.setdefault(entry.name.rpartition(".")[0], []).append(entry)
    return [next(one for one in entries if one.rows) for entries in stems.values() if any(one.rows for one in entries)]


class Merge:
    """One compaction's objects in the making."""

    def __init__(self, place: Place, form: Format, spool_bytes: int) -> None:
        self._place, self._form = place, form._replace(page_index=True)
        self._budget = Budget(spool_bytes)
        self._bodies: list[Body] = []
        self._kept: dict[str, bytes] = {}

    def bodies(self, about: Compaction, names: Sequence[str]) -> dict[str, Body]:
        """Return the body of each name, the file's too. Raises Unfit, also where an input is gone."""
        *objects, file = names
        meta = {"epoch": about.epoch, "chain": str(about.chain), "generation": str(about.generation)}
        folder, _, _ = objects[0].rpartition("/")
        read = told(about.inputs)
        table = self._table(table_of(objects[0]), read)
        suffixes = ["." + name.rpartition(".")[2] for name in objects]
        rows = Folder(folder, table, self._form, self._budget, suffixes)
        try:
            for entry in read:
                for batch in self._rows(entry, table.schema):
                    rows.add(batch)
                    if rows.waiting_bytes > WAITING_BYTES_MAX:
                        rows.write_waiting()
            made = {name: rows.close(suffix, meta) for name, suffix in zip(objects, suffixes, strict=True)}
        except BaseException:
            rows.drop()
            raise
        self._bodies += made.values()
        wanted = sum(entry.rows for entry in read)
        for name, body in made.items():
            if body.rows != wanted:
                raise Unfit(f"{name} has {body.rows} rows, what it is made of {wanted}")
        stored = tuple(StoredObject(n, table.name, b.rows, b.length, b.sha256) for n, b in made.items())
        return {**made, file: BytesBody(encode(about._replace(objects=stored)))}

    def close(self) -> None:
        """Free memory or disk."""
        for body in self._bodies:
            body.close()
        self._bodies.clear()

    def _table(self, name: str, read: Sequence[Input]) -> Table:
        widest, dictionary = LEAST, tuple[str, ...]()
        for entry in read:
            schema, packed = columns(entry.name, self._source(entry, first=True))
            if widest is LEAST:
                widest = schema
            if len(schema) > len(widest):
                widest, schema = schema, widest
            dictionary = dictionary or packed
            if [(f.name, f.type) for f in schema] != [(f.name, f.type) for f in list(widest)[: len(schema)]]:
                raise Unfit(f"{entry.name} has other columns than the files beside it")
        sort = SORT if name != QUARANTINE and SORT in widest.names else None
        return Table(name, widest, dictionary, sort)

    def _source(self, entry: Input, *, first: bool = False) -> BinaryIO:
        """Return the bytes of an input, as they were committed. What is small is read once."""
        data = self._kept.get(entry.name)
        if data is None:
            try:
                data = self._place.read(entry.name)
            except FileNotFoundError:
                raise Unfit(f"{entry.name} is gone") from None
            if sha256(data).hexdigest() != entry.sha256:
                raise Unfit(f"{entry.name} is not what was committed")
            if first and sum(map(len, self._kept.values())) + len(data) <= KEPT_BYTES_MAX:
                self._kept[entry.name] = data
        return io.BytesIO(data)

    def _rows(self, entry: Input, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        try:
            with self._source(entry) as source, opened(entry.name, source) as groups:
                for group in groups:
                    table = group.read()
                    for field in list(schema)[table.num_columns :]:
                        table = table.append_column(field, pa.nulls(table.num_rows, field.type))
                    yield from table.cast(schema).to_batches()
        except ValueError as error:
            raise Unfit(f"{entry.name} cannot be read: {error}") from error


def columns(name: str, source: BinaryIO) -> tuple[pa.Schema, tuple[str, ...]]:
    """Return a file's columns, and those of low cardinality as far as the file knows."""
    try:
        if name.endswith(AVRO):
            return avro_read.columns(source), ()
        with parquet(source) as file:
            return file.schema_arrow.remove_metadata(), _packed(file.metadata)
    except ValueError as error:
        raise Unfit(f"{name} cannot be read: {error}") from error


def empty(place: Place, epoch: str, form: Format, entry: Input) -> Body:
    """Return an object without rows and with the columns of the one that it replaces."""
    folder, _, _ = entry.name.rpartition("/")
    try:
        with place.open(entry.name) as source:
            schema, _ = columns(entry.name, source)
    except FileNotFoundError:  # a lifecycle rule was faster
        schema = LEAST
    table = Table(table_of(entry.name), schema, ())
    meta = {"epoch": epoch, "chain": str(entry.chain), "generation": str(entry.generation + 1)}
    suffix = "." + entry.name.rpartition(".")[2]
    return file_of(suffix, folder, table, form, Budget(READ_BYTES)).close(meta)


def _packed(facts: pq.FileMetaData) -> tuple[str, ...]:
    if not facts.num_row_groups:
        return ()
    group = facts.row_group(0)
    found = (group.column(at) for at in range(group.num_columns))
    return tuple(one.path_in_schema for one in found if one.has_dictionary_page and "." not in one.path_in_schema)
