"""DDL of Amazon Redshift. Rule: COPY of Parquet goes by position, so columns stand as in the files, all of them.

Times are TIMESTAMP, without a zone, and in UTC: COPY reads Parquet as Spectrum
does, which has no TIMESTAMPTZ. VARCHAR counts bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import pyarrow as pa

from tailrace.commit.committed import QUARANTINE
from tailrace.nouns import Table
from tailrace.sinks.ddl.model import Column, Relation, quoted, remark, short, unknown
from tailrace.sinks.ddl.views import views

NAME: Final = "redshift"
TEXT_BYTES: Final = 4096  # of a text whose length no schema bounds
TEXT_BYTES_MAX: Final = 65_535
BINARY_BYTES_MAX: Final = 16_777_216
NAME_BYTES_MAX: Final = 127
KEY: Final = "row_id"
SYSTEM: Final = frozenset({"oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "deletexid", "insertxid"})


class Redshift(NamedTuple):
    """Redshift's dialect. `widths`: of a table, the bytes that texts of some columns have at most."""

    database: str
    widths: Callable[[Table], Mapping[str, int]]

    def relation(self, table: Table, name: str) -> Relation:
        """Return a table as Redshift has it."""
        widths = self.widths(table)
        columns = [
            Column(short(field.name, NAME_BYTES_MAX, SYSTEM), _type(table, field, widths.get(field.name, TEXT_BYTES)))
            for field in table.schema
        ]
        return Relation(table.name, name, tuple(columns))

    def create(self, relation: Relation) -> str:
        """Return the table."""
        lines = [f"  {quoted(name)} {kind}{_constraint(name)}" for name, kind in relation.columns]
        sort = "received_at" if relation.table == QUARANTINE else "event_time"
        return (
            f"-- {remark(relation.table)}. Redshift enforces no key: rows are merged by {KEY}.\n"
            f"CREATE TABLE IF NOT EXISTS {self._name(relation.name)} (\n"
            + ",\n".join(lines)
            + f"\n)\nDISTKEY ({quoted(KEY)})\nSORTKEY ({quoted(sort)});"
        )

    def views(self, relations: Sequence[Relation]) -> str:
        """Return the views over all tables of events."""
        return views([(one.name, {}) for one in relations if one.table != QUARANTINE], self.database)

    def add(self, relation: Relation, columns: Sequence[Column]) -> list[str]:
        """Return what adds columns at the end."""
        name = self._name(relation.name)
        return [f"ALTER TABLE {name} ADD COLUMN {quoted(column.name)} {column.type};" for column in columns]

    def widen(self, relation: Relation, column: Column, before: str) -> list[str] | None:
        """Return what makes a text wider, nothing where it is narrower now; None for all other changes."""
        old, new = _width(before), _width(column.type)
        if old is None or new is None:
            return None
        wider = f"ALTER TABLE {self._name(relation.name)} ALTER COLUMN {quoted(column.name)} TYPE {column.type};"
        return [wider] if new > old else []

    def _name(self, name: str) -> str:
        return f"{quoted(self.database)}.{quoted(name)}"


def _constraint(name: str) -> str:
    return " NOT NULL PRIMARY KEY" if name == KEY else ""


def _width(kind: str) -> int | None:
    inner = kind.removeprefix("VARCHAR(").removesuffix(")")
    return int(inner) if kind == f"VARCHAR({inner})" and inner.isdecimal() else None


def _type(table: Table, field: pa.Field, width: int) -> str:
    kind, types = field.type, pa.types
    if types.is_string(kind):
        return f"VARCHAR({min(max(width, 1), TEXT_BYTES_MAX)})"
    if types.is_struct(kind) or types.is_list(kind):
        return "SUPER"
    if types.is_timestamp(kind):
        return "TIMESTAMP"
    if types.is_decimal128(kind) and kind.scale >= 0:
        return f"DECIMAL({kind.precision},{kind.scale})"
    if types.is_binary(kind):
        return f"VARBYTE({BINARY_BYTES_MAX})"
    found = {
        "bool": "BOOLEAN", "int8": "SMALLINT", "uint8": "SMALLINT", "int16": "SMALLINT", "uint16": "INTEGER",
        "int32": "INTEGER", "uint32": "BIGINT", "int64": "BIGINT", "float": "REAL", "double": "DOUBLE PRECISION",
        "date32[day]": "DATE",
    }.get(str(kind))  # fmt: skip
    if found is None:
        raise unknown(table, field.name, kind, "Redshift")
    return found
