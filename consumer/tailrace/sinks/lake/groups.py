"""A lake's files of any format, by groups of rows. Rule: who reads rows asks here, and need not know the format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from tailrace.sinks.lake import avro_read
from tailrace.sinks.lake.formats import AVRO
from tailrace.sinks.lake.parquet import footer


class Group(Protocol):
    """A row group of Parquet, a block of Avro."""

    @property
    def rows(self) -> int: ...

    @property
    def statistics(self) -> Mapping[str, Any]:
        """Return what is known of each column: None, or Parquet's statistics."""

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows, of all columns or of some. ValueError where they cannot be read."""


class _RowGroup(NamedTuple):
    """A row group of a Parquet file."""

    file: pq.ParquetFile
    number: int

    @property
    def rows(self) -> int:
        return int(self.file.metadata.row_group(self.number).num_rows)

    @property
    def statistics(self) -> Mapping[str, Any]:
        facts = self.file.metadata.row_group(self.number)
        return {(c := facts.column(at)).path_in_schema: c.statistics for at in range(facts.num_columns)}

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        try:
            wanted = None if columns is None else list(columns)
            return self.file.read_row_group(self.number, wanted, use_threads=False)
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise ValueError(str(error)) from error


@contextmanager
def opened(name: str, source: BinaryIO) -> Iterator[Iterator[Group]]:
    """Open a file for its groups, in their order. ValueError when it is none of the format that its name says."""
    if name.endswith(AVRO):
        yield avro_read.Container(source).blocks()
        return
    with parquet(source) as file:
        yield (_RowGroup(file, number) for number in range(file.metadata.num_row_groups))


@contextmanager
def parquet(source: BinaryIO) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; ValueError when it is none."""
    try:
        file = pq.ParquetFile(source)
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error
    with file:
        yield file


def said(name: str, source: BinaryIO) -> dict[str, str]:
    """Return the metadata in a file's bytes: epoch, chain, generation."""
    return avro_read.header(source) if name.endswith(AVRO) else footer(source)
