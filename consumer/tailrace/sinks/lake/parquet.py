"""Rows of one folder on their way into one Parquet file. Rule: encoded as they come; a long plan fits in little memory.

Finished row groups lie in a spool: memory within the filling's budget, beyond it an unnamed temporary file. Epoch,
chain and generation stand in the footer, so no two owners of a plan write the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Mapping
from typing import IO, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tailrace.nouns import Table

META_PREFIX = "tailrace."


class Format(NamedTuple):
    """How Parquet files are written."""

    codec: str = "zstd"
    level: int = 1  # zstd and gzip only
    row_group_rows: int = 50_000


class Budget:
    """Bytes of memory that the spools of one filling share."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.used = 0

    def take(self, size: int) -> bool:
        """Reserve memory; False when there is too little left."""
        if self.used + size > self.bytes_max:
            return False
        self.used += size
        return True

    def give(self, size: int) -> None:
        self.used -= size


class _Window(io.RawIOBase):
    """Reads a file through its descriptor without moving anyone else's place in it."""

    def __init__(self, fd: int, length: int) -> None:
        self._fd, self._length, self._at = fd, length, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._length)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = os.preadv(self._fd, [buffer], self._at)
        self._at += count
        return count


class Spool(io.RawIOBase):
    """Bytes written once, front to back, then read as often as needed. Also the body of an object."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._hash = hashlib.sha256()
        self._memory: IO[bytes] | None = io.BytesIO()
        self._file: IO[bytes] | None = None
        self.length = 0
        self.rows = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        view = memoryview(data).cast("B")
        self._hash.update(view)
        if self._file is None and not self._budget.take(view.nbytes):
            self._spill()
        target = self._file or self._memory
        assert target is not None, "written after close"
        target.write(view)
        self.length += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self.length

    def _spill(self) -> None:
        assert isinstance(self._memory, io.BytesIO)
        self._file = tempfile.TemporaryFile(prefix="tailrace-")  # noqa: SIM115  lives as long as the spool
        self._file.write(self._memory.getbuffer())
        self._memory = None
        self._budget.give(self.length)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def open(self) -> BinaryIO:
        """Return a fresh reader from the first byte; several may read at once."""
        if self._file is not None:
            self._file.flush()
            return io.BufferedReader(_Window(self._file.fileno(), self.length))
        assert isinstance(self._memory, io.BytesIO)
        return io.BytesIO(self._memory.getvalue())  # shares the bytes until someone writes

    def close(self) -> None:
        """Free memory or disk."""
        if self._file is not None:
            self._file.close()
        elif self._memory is not None:
            self._budget.give(self.length)
        self._file = self._memory = None
        super().close()


class ParquetFile:
    """One object in the making: rows wait until they make a row group."""

    def __init__(self, table: Table, form: Format, budget: Budget) -> None:
        self.table = table
        self._form = form
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self.waiting_bytes = 0
        self._spool = Spool(budget)
        self._writer: pq.ParquetWriter | None = None

    @property
    def rows(self) -> int:
        return self._spool.rows + self._waiting_rows

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows in; a full row group is encoded at once."""
        if batch.schema != self.table.schema:
            message = f"rows of {self.table.name} have other columns than the table"
            raise ValueError(message)
        self._waiting.append(batch)
        self._waiting_rows += batch.num_rows
        self.waiting_bytes += batch.get_total_buffer_size()  # `nbytes` looks at each column: forty times as long
        if self._waiting_rows >= self._form.row_group_rows:
            self.write_waiting()

    def write_waiting(self) -> None:
        """Encode the rows in hand as they are: one row group, or several when there are twice as many as fit."""
        rows = self._waiting_rows
        if not rows:
            return
        table = pa.Table.from_batches(self._waiting, self.table.schema)
        self._waiting, self._waiting_rows, self.waiting_bytes = [], 0, 0
        groups = max(1, rows // self._form.row_group_rows)
        size = -(-rows // groups)
        writer = self._open()
        for start in range(0, rows, size):
            writer.write_table(_sorted(table.slice(start, size), self.table.sort), row_group_size=size)
        self._spool.rows += rows

    def close(self, meta: Mapping[str, str]) -> Spool:
        """Write what waits, then the footer with the metadata; return the finished body."""
        self.write_waiting()
        writer = self._open()
        writer.add_key_value_metadata({META_PREFIX + key: value for key, value in meta.items()})
        writer.close()
        return self._spool

    def drop(self) -> None:
        """Forget everything."""
        self._waiting, self._waiting_rows, self.waiting_bytes = [], 0, 0
        if self._writer is not None and self._writer.is_open:
            self._writer.close()
        self._spool.close()

    def _open(self) -> pq.ParquetWriter:
        if self._writer is None:
            leveled = self._form.codec in {"zstd", "gzip"}
            self._writer = pq.ParquetWriter(
                pa.PythonFile(self._spool, mode="w"),
                self.table.schema,
                compression=self._form.codec,
                compression_level=self._form.level if leveled else None,
                use_dictionary=list(self.table.dictionary),
                write_statistics=True,
                store_schema=False,
            )
        return self._writer


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


def footer(source: BinaryIO) -> dict[str, str]:
    """Return what `close` put into the footer."""
    raw = pq.read_metadata(source).metadata or {}
    return {
        key.decode().removeprefix(META_PREFIX): value.decode()
        for key, value in raw.items()
        if key.startswith(META_PREFIX.encode())
    }
