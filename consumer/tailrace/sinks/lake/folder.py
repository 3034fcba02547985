"""Rows of one folder on their way into its files. Rule: sorted once; every format gets the same rows in one order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from tailrace.commit.ports import Body
from tailrace.nouns import Table
from tailrace.sinks.lake.avro import AvroFile
from tailrace.sinks.lake.formats import AVRO, Format
from tailrace.sinks.lake.parquet import ParquetFile
from tailrace.sinks.lake.spool import Budget


class File(Protocol):
    """One object in the making."""

    @property
    def rows(self) -> int: ...

    def write(self, rows: pa.Table, *, last: bool = False) -> None:
        """Encode one row group; the last one, where that is known."""

    def close(self, meta: Mapping[str, str]) -> Body:
        """Return the finished body, the metadata in its bytes."""

    def drop(self) -> None:
        """Forget everything."""


def file_of(suffix: str, folder: str, table: Table, form: Format, budget: Budget) -> File:
    """Return a new file of the format that the suffix stands for."""
    return AvroFile(folder, table, form, budget) if suffix == AVRO else ParquetFile(table, form, budget)


class Folder:
    """The rows wait here until they make a row group."""

    def __init__(self, name: str, table: Table, form: Format, budget: Budget, suffixes: Sequence[str]) -> None:
        self.table = table
        self._row_group_rows = form.row_group_rows
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self.waiting_bytes = 0
        self.files = {suffix: file_of(suffix, name, table, form, budget) for suffix in suffixes}

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows in; a full row group is encoded at once."""
        if batch.schema != self.table.schema:
            message = f"rows of {self.table.name} have other columns than the table"
            raise ValueError(message)
        self._waiting.append(batch)
        self._waiting_rows += batch.num_rows
        self.waiting_bytes += batch.get_total_buffer_size()  # `nbytes` looks at each column: forty times as long
        if self._waiting_rows >= self._row_group_rows:
            self.write_waiting()

    def write_waiting(self, *, last: bool = False) -> None:
        """Encode the rows in hand as they are: one row group, or several when there are twice as many as fit."""
        rows = self._waiting_rows
        if not rows:
            return
        table = pa.Table.from_batches(self._waiting, self.table.schema)
        self._waiting, self._waiting_rows, self.waiting_bytes = [], 0, 0
        groups = max(1, rows // self._row_group_rows)
        size = -(-rows // groups)
        for start in range(0, rows, size):
            group = _sorted(table.slice(start, size), self.table.sort)
            for file in self.files.values():
                file.write(group, last=last and size == rows)

    def close(self, suffix: str, meta: Mapping[str, str]) -> Body:
        """Write what waits, and finish the file of one format. From then on its body is the caller's."""
        self.write_waiting(last=True)
        body = self.files[suffix].close(meta)
        del self.files[suffix]
        return body

    def drop(self) -> None:
        """Forget everything."""
        self._waiting, self._waiting_rows, self.waiting_bytes = [], 0, 0
        for file in self.files.values():
            file.drop()


def _sorted(table: pa.Table, column: str | None) -> pa.Table:
    """Sort by the column, keeping the order of rows that have the same value."""
    if column is None or table.num_rows == 0:
        return table
    values = table.column(column).combine_chunks()
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    if len(values.dictionary) <= 1 and not values.null_count:
        return table
    # Few values, many rows: sort the values once, then the rows by small numbers.
    order = pc.array_sort_indices(values.dictionary)
    ranks = pc.array_sort_indices(order)
    places = pc.array_sort_indices(ranks.cast(pa.int32()).take(values.indices))
    # Many columns are empty: those need no sorting, and one chunk of them is quicker to write than many.
    columns = [
        pa.nulls(len(one), one.type) if one.null_count == len(one) else one.take(places) for one in table.columns
    ]
    return pa.Table.from_arrays(columns, schema=table.schema)
