"""DuckDB's views: types, files of older versions, folders' keys, and lakes it can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tailrace.nouns import Table
from tailrace.sinks.ddl.duck import Duck
from tailrace.sinks.ddl.model import DdlError
from tailrace.sinks.lake.layout import Layout

TEXT, INTEGER = pa.string(), pa.int64()
KINDS: list[tuple[pa.DataType, str]] = [
    (TEXT, "VARCHAR"),
    (pa.bool_(), "BOOLEAN"),
    (pa.uint8(), "UTINYINT"),
    (pa.int32(), "INTEGER"),
    (INTEGER, "BIGINT"),
    (pa.float32(), "FLOAT"),
    (pa.float64(), "DOUBLE"),
    (pa.timestamp("us", "UTC"), "TIMESTAMPTZ"),
    (pa.timestamp("us"), "TIMESTAMP"),
    (pa.date32(), "DATE"),
    (pa.decimal128(9, 3), "DECIMAL(9,3)"),
    (pa.binary(), "BLOB"),
    (pa.list_(pa.struct([("a b", TEXT), ("n", pa.list_(INTEGER))])), 'STRUCT("a b" VARCHAR, "n" BIGINT[])[]'),
]


def table(*columns: tuple[str, pa.DataType], name: str = "k/v1") -> Table:
    return Table(name, pa.schema(columns), ())


def duck(lake: str | Path = "/lake", **layout: Any) -> Duck:
    return Duck("main", str(lake), Layout(**layout))


def write(lake: Path, name: str, rows: list[dict[str, Any]], of: Table) -> None:
    file = lake / name
    file.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, of.schema), file, store_schema=False)


@pytest.mark.parametrize(("kind", "expected"), KINDS, ids=[str(kind) for kind, _ in KINDS])
def test_each_type_is_the_one_that_duckdb_reads(kind: pa.DataType, expected: str, tmp_path: Path) -> None:
    of = table(("a", kind))
    made = duck(tmp_path).relation(of, "k")
    assert made.columns[0].type == expected
    write(tmp_path, "k/v1/dt=2026-01-01/hh=00/a.parquet", [], of)
    with duckdb.connect() as engine:
        (read,) = engine.execute(f"SELECT * FROM '{tmp_path}/k/v1/*/*/a.parquet'").description[:1]
        (said,) = engine.execute(f"SELECT CAST(NULL AS {expected}) AS a").description
    assert read[1] == said[1]


def test_files_of_older_versions_have_nulls_where_columns_are_new(tmp_path: Path) -> None:
    old = table(("a", TEXT), ("s", pa.struct([("x", INTEGER)])))
    new = table(("a", TEXT), ("s", pa.struct([("x", INTEGER), ("y", TEXT)])), ("n", INTEGER))
    write(tmp_path, "k/v1/dt=2026-01-01/hh=00/a.parquet", [{"a": "old", "s": {"x": 1}}], old)
    write(tmp_path, "k/v1/dt=2026-01-01/hh=07/b.parquet", [{"a": "new", "s": {"x": 2, "y": "y"}, "n": 3}], new)
    made = duck(tmp_path)
    with duckdb.connect() as engine:
        engine.execute(made.create(made.relation(new, "k")))
        assert engine.execute("SELECT a, s, n, CAST(dt AS VARCHAR), hh FROM k ORDER BY hh").fetchall() == [
            ("old", {"x": 1, "y": None}, None, "2026-01-01", 0),
            ("new", {"x": 2, "y": "y"}, 3, "2026-01-01", 7),
        ]


def test_tenants_are_read_from_folders_as_they_are(tmp_path: Path) -> None:
    of = table(("a", TEXT))
    write(tmp_path, "k/v1/p_tenant=0042/dt=2026-01-01/hh=00/a.parquet", [{"a": "x"}], of)
    write(tmp_path, "k/v1/p_tenant=a%20b/dt=2026-01-01/hh=00/a.parquet", [{"a": "y"}], of)
    made = duck(tmp_path, tenant_partition=True)
    with duckdb.connect() as engine:
        engine.execute(made.create(made.relation(of, "k")))
        assert engine.execute("SELECT a, p_tenant FROM k ORDER BY a").fetchall() == [("x", "0042"), ("y", "a b")]


def test_a_member_called_like_a_key_hides_the_keys() -> None:
    found = duck().relation(table(("DT", TEXT)), "k")
    assert found.partitions == ()
    assert "hive_partitioning = false" in duck().create(found)
    assert "hive_partitioning = true" in duck().create(duck().relation(table(("a", TEXT)), "k"))


@pytest.mark.parametrize("lake", ["", "gs://bucket/lake"])
def test_a_lake_that_duckdb_cannot_read_is_refused(lake: str) -> None:
    made = duck(lake)
    with pytest.raises(DdlError, match=r"^\[lake\] uri: found .*, expected s3://bucket/prefix or a directory$"):
        made.create(made.relation(table(("a", TEXT)), "k"))


def test_a_type_without_a_column_is_refused_by_name() -> None:
    with pytest.raises(DdlError, match=r'^k/v1: the column "a.b" holds time64\[us\]: DuckDB has no type for that$'):
        duck().relation(table(("a", pa.struct([("b", pa.time64("us"))]))), "k")
