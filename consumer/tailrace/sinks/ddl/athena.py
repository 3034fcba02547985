"""DDL of Amazon Athena, and the same tables for Glue. Rule: partitions are projected, so nobody has to announce them.

Athena finds columns by their names, in lower case, and takes letters, digits and the underscore; columns with other
names are left out and named. Partition keys have their place in the path, so they may be called otherwise than there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa

from tailrace.commit.committed import QUARANTINE
from tailrace.nouns import Table
from tailrace.sinks.ddl.model import Column, DdlError, Relation, partition_names, quoted, remark, unknown
from tailrace.sinks.ddl.views import views
from tailrace.sinks.lake.layout import Layout, keys, safe

NAME: Final = "athena"
STAGES: Final = ("decode", "parse", "contract", "schema", "columns", "internal")
SERDE: Final = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
INPUT: Final = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
OUTPUT: Final = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
_TYPES: Final = {"dt": "string", "hh": "int", "stage": "string", "p_tenant": "string"}
_NAME: Final = re.compile(r"\w+")
_NAME_BYTES_MAX: Final = 255
_LAKE: Final = re.compile(r"s3://[a-z0-9.-]+(/[\w.=+@,!()&-]+)*/?", re.ASCII)


class Athena(NamedTuple):
    """Athena's dialect. `since`: the projection's first day. `tenants`: all there are; none: each query names one."""

    database: str
    lake: str
    layout: Layout
    since: str
    tenants: tuple[str, ...] = ()

    def relation(self, table: Table, name: str) -> Relation:
        """Return a table as Athena has it."""
        columns: list[Column] = []
        left_out: list[str] = []
        for field in table.schema:
            kind = _type(table, field.name, field.type, left_out)
            if kind and _usable(field.name):
                columns.append(Column(field.name.lower(), kind))
            else:
                left_out.append(field.name)
        found = partition_names(table, self.layout)
        partitions = tuple(Column(column, _TYPES[key]) for key, column in found.items())
        return Relation(table.name, name, tuple(columns), partitions, tuple(left_out))

    def create(self, relation: Relation) -> str:
        """Return the external table."""
        columns = ",\n".join(f"  `{name}` {_ticked(kind)}" for name, kind in relation.columns)
        partitions = ", ".join(f"`{name}` {kind}" for name, kind in relation.partitions)
        properties = ",\n".join(f"  '{key}' = '{value}'" for key, value in self.properties(relation).items())
        return (
            f"-- {remark(relation.table)}{_without(relation)}\n"
            f"CREATE EXTERNAL TABLE IF NOT EXISTS `{self.database}`.`{relation.name}` (\n{columns}\n)\n"
            f"PARTITIONED BY ({partitions})\n"
            f"STORED AS PARQUET\n"
            f"LOCATION '{self.location(relation)}'\n"
            f"TBLPROPERTIES (\n{properties}\n);"
        )

    def views(self, relations: Sequence[Relation]) -> str:
        """Return the views over all tables of events."""
        tables = [
            (one.name, dict(zip(self._shown(one), (quoted(column.name) for column in one.partitions), strict=False)))
            for one in relations
            if one.table != QUARANTINE
        ]
        return views(tables, self.database)

    def add(self, relation: Relation, columns: Sequence[Column]) -> list[str]:
        """Return what adds columns at the end."""
        added = ", ".join(f"`{name}` {_ticked(kind)}" for name, kind in columns)
        return [f"ALTER TABLE `{self.database}`.`{relation.name}` ADD COLUMNS ({added});"]

    def widen(self, relation: Relation, column: Column, before: str) -> list[str] | None:
        """Return None: no change of a type is possible here."""
        return None

    def _shown(self, relation: Relation) -> list[str]:
        """Return the keys that views show: all but the hour, which nobody's minutes need."""
        return [key for key in keys(relation.table, self.layout) if key != "hh"]

    def location(self, relation: Relation) -> str:
        """Return where a table's folders begin."""
        lake = self.lake.rstrip("/")
        if not _LAKE.fullmatch(self.lake):
            raise DdlError(f"[lake] uri: found {remark(self.lake)}, expected s3://bucket/prefix of plain characters")
        return f"{lake}/{relation.table}/"

    def properties(self, relation: Relation) -> dict[str, str]:
        """Return the properties of a table, its partitions' projection among them."""
        ahead = max(1, -(-self.layout.future_hours // 24))
        by_key: Mapping[str, Mapping[str, str]] = {
            "dt": {
                "type": "date",
                "format": "yyyy-MM-dd",
                "range": f"{self.since},NOW+{ahead}DAYS",
                "interval": "1",
                "interval.unit": "DAYS",
            },
            "hh": {"type": "integer", "range": "0,23", "digits": "2"},
            "stage": {"type": "enum", "values": ",".join(STAGES)},
            "p_tenant": (
                {"type": "enum", "values": ",".join(map(safe, self.tenants))} if self.tenants else {"type": "injected"}
            ),
        }
        out = {"classification": "parquet", "projection.enabled": "true"}
        template = self.location(relation)
        for key, (column, _) in zip(keys(relation.table, self.layout), relation.partitions, strict=True):
            out |= {f"projection.{column}.{word}": value for word, value in by_key[key].items()}
            template += f"{key}=${{{column}}}/"
        return out | {"storage.location.template": template}


class Glue(NamedTuple):
    """Athena's tables as requests to Glue: what `aws glue create-table --cli-input-json` takes, a line each."""

    athena: Athena

    def relation(self, table: Table, name: str) -> Relation:
        """Return a table as Athena has it."""
        return self.athena.relation(table, name)

    def create(self, relation: Relation) -> str:
        """Return the request, one line."""
        return json.dumps(self.request(relation))

    def views(self, relations: Sequence[Relation]) -> str:
        """Return nothing: views are Athena's."""
        return ""

    def request(self, relation: Relation) -> dict[str, Any]:
        """Return the request as plain values."""
        storage = {
            "Columns": [_glue(column) for column in relation.columns],
            "Location": self.athena.location(relation),
            "InputFormat": INPUT,
            "OutputFormat": OUTPUT,
            "SerdeInfo": {"SerializationLibrary": SERDE, "Parameters": {"serialization.format": "1"}},
        }
        return {
            "DatabaseName": self.athena.database,
            "TableInput": {
                "Name": relation.name,
                "TableType": "EXTERNAL_TABLE",
                "Parameters": {"EXTERNAL": "TRUE"} | self.athena.properties(relation),
                "StorageDescriptor": storage,
                "PartitionKeys": [_glue(column) for column in relation.partitions],
            },
        }


def _glue(column: Column) -> dict[str, str]:
    return {"Name": column.name, "Type": column.type}


def _usable(name: str) -> bool:
    lower = name.lower()
    return _NAME.fullmatch(lower) is not None and len(lower.encode()) <= _NAME_BYTES_MAX


def _without(relation: Relation) -> str:
    if not relation.left_out:
        return ""
    return ", left out for their names: " + ", ".join(map(remark, relation.left_out))


def _ticked(kind: str) -> str:
    """Return a type with the names in it quoted, as statements want it: some are reserved words."""
    return re.sub(r"\w+(?=:)", lambda found: f"`{found[0]}`", kind)


def _type(table: Table, path: str, kind: pa.DataType, left_out: list[str]) -> str:
    """Return a type in Hive's words; empty where no member of a struct has a name that can be used."""
    types = pa.types
    if types.is_list(kind):
        item = _type(table, path, kind.value_type, left_out)
        return f"array<{item}>" if item else ""
    if types.is_struct(kind):
        inner = []
        for field in kind:
            below = _type(table, f"{path}.{field.name}", field.type, left_out)
            if below and _usable(field.name):
                inner.append(f"{field.name.lower()}:{below}")
            elif below:
                left_out.append(f"{path}.{field.name}")
        return f"struct<{','.join(inner)}>" if inner else ""
    if types.is_timestamp(kind):
        return "timestamp"
    if types.is_decimal128(kind) and kind.scale >= 0:
        return f"decimal({kind.precision},{kind.scale})"
    found = {
        "string": "string", "binary": "binary", "bool": "boolean", "int8": "tinyint", "uint8": "int",
        "int16": "smallint", "uint16": "int", "int32": "int", "uint32": "bigint", "int64": "bigint", "float": "float",
        "double": "double", "date32[day]": "date",
    }.get(str(kind))  # fmt: skip
    if found is None:
        raise unknown(table, path, kind, "Athena")
    return found
