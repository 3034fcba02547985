"""DDL of DuckDB: a view over the files of each table. Rule: a view has its columns and types before there is a file.

The first half of each view names and types the columns and has no row; the second reads what is there. So files of
older versions, which have fewer columns, and an empty lake are all the same to a query.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import pyarrow as pa

from tailrace.commit.committed import QUARANTINE
from tailrace.nouns import Table
from tailrace.sinks.ddl.model import Column, DdlError, Relation, quoted, remark, text, unknown
from tailrace.sinks.ddl.views import FILED, views
from tailrace.sinks.lake.layout import Layout, keys

NAME: Final = "duckdb"
_TYPES: Final = {"dt": "DATE", "hh": "INTEGER", "stage": "VARCHAR", "p_tenant": "VARCHAR"}
_GLOB: Final = re.compile(r"[*?\[]")


class Duck(NamedTuple):
    """DuckDB's dialect. `lake`: a directory, or s3://bucket/prefix."""

    database: str
    lake: str
    layout: Layout

    def relation(self, table: Table, name: str) -> Relation:
        """Return a table as DuckDB has it. Keys of folders are columns, unless a column is called so already."""
        columns = [Column(field.name, _type(table, field.name, field.type)) for field in table.schema]
        taken = {column.casefold() for column in table.schema.names}
        wanted = [key for key in keys(table.name, self.layout) if key not in taken]
        hidden = table.name != QUARANTINE and len(wanted) < len(keys(table.name, self.layout))
        partitions = () if hidden else tuple(Column(key, _TYPES[key]) for key in wanted)
        return Relation(table.name, name, tuple(columns), partitions)

    def create(self, relation: Relation) -> str:
        """Return the view."""
        shown = [*relation.columns, *relation.partitions]
        columns = ", ".join(quoted(column.name) for column in shown)
        typed = ",\n".join(f"    CAST(NULL AS {column.type}) AS {quoted(column.name)}" for column in shown)
        lines = [
            f"-- {remark(relation.table)}",
            f"CREATE OR REPLACE VIEW {quoted(self.database)}.{quoted(relation.name)} AS",
            f"SELECT {columns}",
            "FROM (",
            f"  SELECT\n{typed}",
            "  WHERE false",
            "  UNION ALL BY NAME",
            f"  SELECT * FROM {self._read(relation)}",  # noqa: S608  every name in it is quoted
            ");",
        ]
        return "\n".join(lines)

    def views(self, relations: Sequence[Relation]) -> str:
        """Return the views over all tables of events."""
        tables = [(one.name, {"dt": _day(one)}) for one in relations if one.table != QUARANTINE]
        return views(tables, self.database, _utc)

    def _read(self, relation: Relation) -> str:
        if not self.lake or ("://" in self.lake and not self.lake.startswith("s3://")):
            raise DdlError(f"[lake] uri: found {remark(self.lake)}, expected s3://bucket/prefix or a directory")
        folders = [f"{key}=*" for key in keys(relation.table, self.layout)]
        lake = _GLOB.sub(r"[\g<0>]", self.lake.rstrip("/"))
        pattern = "/".join([lake, relation.table, *folders, "*.parquet"])
        hive = "hive_partitioning = false"
        if relation.partitions:
            types = ", ".join(f"{text(key)}: {_TYPES[key]}" for key in keys(relation.table, self.layout))
            hive = f"hive_partitioning = true, hive_types = {{{types}}}"
        return f"read_parquet({text(pattern)},\n    allow_empty = true, union_by_name = true, {hive})"


def _utc(time: str) -> str:
    return f"make_timestamp(epoch_us({time}))"


def _day(relation: Relation) -> str:
    """Return the day that a row's folder is named for, from the row where the folder's key is hidden."""
    shown = any(column.name == "dt" for column in relation.partitions)
    return quoted("dt") if shown else f"CAST({_utc(FILED)} AS DATE)"


def _type(table: Table, path: str, kind: pa.DataType) -> str:
    types = pa.types
    if types.is_list(kind):
        return _type(table, path, kind.value_type) + "[]"
    if types.is_struct(kind):
        inner = (f"{quoted(field.name)} {_type(table, f'{path}.{field.name}', field.type)}" for field in kind)
        return f"STRUCT({', '.join(inner)})"
    if types.is_timestamp(kind):
        return "TIMESTAMPTZ" if kind.tz else "TIMESTAMP"
    if types.is_decimal128(kind) and kind.scale >= 0:
        return f"DECIMAL({kind.precision},{kind.scale})"
    found = {
        "string": "VARCHAR", "binary": "BLOB", "bool": "BOOLEAN", "int8": "TINYINT", "uint8": "UTINYINT",
        "int16": "SMALLINT", "uint16": "USMALLINT", "int32": "INTEGER", "uint32": "UINTEGER", "int64": "BIGINT",
        "uint64": "UBIGINT", "float": "FLOAT", "double": "DOUBLE", "date32[day]": "DATE",
    }.get(str(kind))  # fmt: skip
    if found is None:
        raise unknown(table, path, kind, "DuckDB")
    return found
