"""Row groups on their way into one Parquet file. Rule: encoded as they come; a long plan fits in little memory.

Epoch, chain and generation stand in the footer, so no two owners of a plan write the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from tailrace.nouns import Table
from tailrace.sinks.lake.dense import packing
from tailrace.sinks.lake.formats import Format
from tailrace.sinks.lake.spool import Budget, Spool

META_PREFIX = "tailrace."


class ParquetFile:
    """One object in the making."""

    def __init__(self, table: Table, form: Format, budget: Budget) -> None:
        self._table = table
        self._form = form
        self._spool = Spool(budget)
        self._writer: pq.ParquetWriter | None = None

    @property
    def rows(self) -> int:
        return self._spool.rows

    def write(self, rows: pa.Table) -> None:
        """Encode one row group."""
        self._open(rows).write_table(rows, row_group_size=max(1, rows.num_rows))
        self._spool.rows += rows.num_rows

    def close(self, meta: Mapping[str, str]) -> Spool:
        """Write the footer with the metadata; return the finished body."""
        writer = self._open()
        writer.add_key_value_metadata({META_PREFIX + key: value for key, value in meta.items()})
        writer.close()
        return self._spool

    def drop(self) -> None:
        """Forget everything."""
        if self._writer is not None and self._writer.is_open:
            self._writer.close()
        self._spool.close()

    def _open(self, rows: pa.Table | None = None) -> pq.ParquetWriter:
        if self._writer is None:
            form = self._form
            dictionary = list(self._table.dictionary)
            level: int | dict[str, int] | None = form.level if form.codec in {"zstd", "gzip"} else None
            if form.large and rows is not None:
                dictionary, levels = packing(rows, form.level)
                level = levels if form.codec == "zstd" else level
            self._writer = pq.ParquetWriter(
                pa.PythonFile(self._spool, mode="w"),
                self._table.schema,
                compression=form.codec,
                compression_level=level,
                use_dictionary=dictionary,
                write_statistics=True,
                write_page_index=form.large,
                store_schema=False,
            )
        return self._writer


def footer(source: BinaryIO) -> dict[str, str]:
    """Return what `close` put into the footer."""
    raw = pq.read_metadata(source).metadata or {}
    return {
        key.decode().removeprefix(META_PREFIX): value.decode()
        for key, value in raw.items()
        if key.startswith(META_PREFIX.encode())
    }
