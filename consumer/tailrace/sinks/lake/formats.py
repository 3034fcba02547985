"""Which files a table's rows go to. Rule: the settings alone decide, by the table's name; no table goes nowhere.

The archive of records is always Avro.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from tailrace.commit.committed import ARCHIVE, SUFFIXES

PARQUET, AVRO = SUFFIXES
ALL: Final = "*"


class Format(NamedTuple):
    """How files are written."""

    codec: str = "zstd"
    level: int = 1  # zstd and gzip only
    row_group_rows: int = 50_000
    parquet: tuple[str, ...] = (ALL,)  # tables, `*` stands for any characters
    avro: tuple[str, ...] = ()
    avro_codec: str = "snappy"
    large: bool = False  # Parquet packed as `dense` says, with an index of its pages: 2 KB a file of 70 columns

    def suffixes(self, table: str) -> tuple[str, ...]:
        """Return what the names of a table's files end in. A table that nothing names goes to Parquet."""
        if table == ARCHIVE:
            return (AVRO,)
        named = ((PARQUET, self.parquet), (AVRO, self.avro))
        found = tuple(suffix for suffix, tables in named if any(fnmatchcase(table, one) for one in tables))
        return found or (PARQUET,)
