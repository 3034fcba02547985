"""Row groups on their way into one Parquet file. Rule: encoded as they come; a long plan fits in little memory.

Epoch, chain and generation stand in the footer, so no two owners of a plan write the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from tailrace.nouns import Table
from tailrace.sinks.lake.dense import packing
from tailrace.sinks.lake.formats import Format
from tailrace.sinks.lake.spool import Budget, Spool

META_PREFIX = "tailrace."
LEVELED = {"zstd", "gzip"}
FEW_ROWS = 8  # a frame of zstd costs 40 us and some bytes more than so many values


class ParquetFile:
    """One object in the making."""

    def __init__(self, table: Table, form: Format, budget: Budget) -> None:
        self._table = table
        self._form = form
        self._spool = Spool(budget)
        self._writer: pq.ParquetWriter | None = None
        self._plain: frozenset[str] = frozenset()  # columns that are not worth compressing in the whole file

    @property
    def rows(self) -> int:
        return self._spool.rows

    def write(self, rows: pa.Table, *, last: bool = False) -> None:
        """Encode one row group; the last one, where that is known."""
        if last and self._writer is None:
            few = rows.num_rows <= FEW_ROWS
            columns = zip(rows.column_names, rows.columns, strict=True)
            self._plain = frozenset(name for name, column in columns if few or column.null_count == len(column))
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
            codec = {path: "none" if name in self._plain else form.codec for name, path in _paths(self._table.schema)}
            dictionary, levels = list(self._table.dictionary), dict[str, int]()
            if form.large and rows is not None:
                dictionary, levels = packing(rows, form.level)
            if form.codec != "zstd":
                levels.clear()
            self._writer = pq.ParquetWriter(
                pa.PythonFile(self._spool, mode="w"),
                self._table.schema,
                compression=codec,
                compression_level={path: levels.get(path, form.level) for path, one in codec.items() if one in LEVELED},
                use_dictionary=dictionary,
                write_statistics=True,
                write_page_index=form.large,
                store_schema=False,
            )
        return self._writer


def _paths(schema: pa.Schema) -> Iterator[tuple[str, str]]:
    """Yield each leaf of a schema as Parquet names it, after the column it belongs to."""
    for field in schema:
        for path in _leaves(field.name, field.type):
            yield field.name, path


def _leaves(path: str, kind: pa.DataType) -> Iterator[str]:
    if not kind.num_fields:
        yield path
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{path}.{field.name}", field.type)
    else:
        yield from _leaves(f"{path}.list.element", kind.value_type)


def footer(source: BinaryIO) -> dict[str, str]:
    """Return what `close` put into the footer."""
    raw = pq.read_metadata(source).metadata or {}
    return {
        key.decode().removeprefix(META_PREFIX): value.decode()
        for key, value in raw.items()
        if key.startswith(META_PREFIX.encode())
    }
