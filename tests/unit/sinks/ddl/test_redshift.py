"""Redshift's tables: every type, texts in bytes, one key to merge by."""

from __future__ import annotations

import pyarrow as pa
import pytest

from support.sql import members, statements
from tailrace.nouns import Table
from tailrace.sinks.ddl.model import Column, DdlError
from tailrace.sinks.ddl.redshift import Redshift

TIME = pa.timestamp("us", "UTC")
TYPES = [
    (pa.string(), "VARCHAR(4096)"),
    (pa.bool_(), "BOOLEAN"),
    (pa.int8(), "SMALLINT"),
    (pa.uint16(), "INTEGER"),
    (pa.int32(), "INTEGER"),
    (pa.int64(), "BIGINT"),
    (pa.float32(), "REAL"),
    (pa.float64(), "DOUBLE PRECISION"),
    (TIME, "TIMESTAMP"),
    (pa.date32(), "DATE"),
    (pa.decimal128(12, 2), "DECIMAL(12,2)"),
    (pa.binary(), "VARBYTE(16777216)"),
    (pa.struct([("a", pa.string())]), "SUPER"),
    (pa.list_(pa.int64()), "SUPER"),
]


def of(schema: pa.Schema, name: str = "k/v1", **widths: int) -> tuple[Redshift, Table]:
    return Redshift("db", lambda _table: widths), Table(name, schema, ())


@pytest.mark.parametrize(("kind", "expected"), TYPES, ids=[str(kind) for kind, _ in TYPES])
def test_each_type_has_its_column(kind: pa.DataType, expected: str) -> None:
    redshift, table = of(pa.schema([("a", kind)]))
    assert redshift.relation(table, "k_v1").columns == (Column("a", expected),)


def test_a_type_without_a_column_is_refused_by_name() -> None:
    redshift, table = of(pa.schema([("a", pa.uint64())]))
    with pytest.raises(DdlError, match=r'^k/v1: the column "a" holds uint64: Redshift has no type for that$'):
        redshift.relation(table, "k_v1")


@pytest.mark.parametrize(("given", "expected"), [(0, 1), (36, 36), (65_535, 65_535), (1_000_000, 65_535)])
def test_texts_are_as_wide_as_is_known(given: int, expected: int) -> None:
    redshift, table = of(pa.schema([("a", pa.string())]), a=given)
    assert redshift.relation(table, "k_v1").columns == (Column("a", f"VARCHAR({expected})"),)


def test_names_that_redshift_cannot_have_are_others_at_the_same_place() -> None:
    names = ["row_id", "oid", "CTID", "x" * 128, "é" * 64, "a\nb"]
    redshift, table = of(pa.schema([(name, pa.int64()) for name in names]))
    found = [column.name for column in redshift.relation(table, "k_v1").columns]
    assert found[0] == "row_id"
    assert not {*names[1:]} & {*found}
    assert all(len(name.encode()) <= 127 and name.isprintable() for name in found)
    assert len(set(found)) == len(names)


@pytest.mark.parametrize(("name", "sort"), [("k/v1", "event_time"), ("quarantine", "received_at")])
def test_rows_lie_by_their_key_and_in_order_of_time(name: str, sort: str) -> None:
    redshift, table = of(pa.schema([("row_id", pa.string()), (sort, TIME)]), name, row_id=32)
    (made,) = statements(redshift.create(redshift.relation(table, "k")))
    words = [token.value for token in made]
    assert words[-8:] == ["DISTKEY", "(", "row_id", ")", "SORTKEY", "(", sort, ")"]
    assert [[token.value for token in one] for one in members(made)] == [
        ["row_id", "VARCHAR", "(", "32", ")", "NOT", "NULL", "PRIMARY", "KEY"],
        [sort, "TIMESTAMP"],
    ]
