"""Parquet files as they come out of the spool."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tailrace.commit.ports import Body
from tailrace.nouns import Table
from tailrace.sinks.lake.folder import Folder
from tailrace.sinks.lake.formats import AVRO, PARQUET, Format
from tailrace.sinks.lake.parquet import FEW_ROWS, footer
from tailrace.sinks.lake.spool import Budget

SCHEMA = pa.schema(
    [
        ("tenant", pa.string()),
        ("n", pa.int64()),
        ("at", pa.timestamp("us", "UTC")),
        ("deep", pa.struct([("list", pa.list_(pa.float64()))])),
    ]
)
TABLE = Table("t/v1", SCHEMA, ("tenant",), "tenant")
PLAIN = Format()
META = {"epoch": "e", "chain": "7", "generation": "2"}


def batch(first: int, count: int) -> pa.RecordBatch:
    rows = [
        {"tenant": f"t{n % 3}", "n": n, "at": n * 1_000_000, "deep": {"list": [n / 2, None]} if n % 2 else None}
        for n in range(first, first + count)
    ]
    return pa.RecordBatch.from_pylist(rows, SCHEMA)


def folder(table: Table = TABLE, form: Format = PLAIN, memory: int = 1 << 30) -> Folder:
    return Folder("t/v1/dt=2027-01-15", table, form, Budget(memory), (PARQUET,))


def file_of(*batches: pa.RecordBatch, form: Format = PLAIN, memory: int = 1 << 30) -> Body:
    file = folder(form=form, memory=memory)
    for one in batches:
        file.add(one)
    return file.close(PARQUET, META)


@pytest.mark.parametrize("memory", [1 << 30, 2000, 0])
def test_the_same_bytes_come_from_memory_and_from_disk(memory: int) -> None:
    form = Format(row_group_rows=100)
    spool = file_of(*[batch(n, 60) for n in range(0, 600, 60)], form=form, memory=memory)
    with spool.open() as one, spool.open() as other:
        data = one.read()
        assert other.read(10) + other.read() == data
    plain = file_of(*[batch(n, 60) for n in range(0, 600, 60)], form=form)
    with plain.open() as source:
        assert source.read() == data
    assert (spool.length, spool.rows) == (len(data), 600)
    assert spool.sha256 == hashlib.sha256(data).hexdigest()
    spool.close()
    plain.close()


def test_columns_come_back_with_their_types_and_values() -> None:
    spool = file_of(batch(0, 9))
    table = pq.read_table(spool.open())
    assert table.schema.remove_metadata().equals(SCHEMA)
    assert sorted(table.to_pylist(), key=lambda row: row["n"]) == batch(0, 9).to_pylist()
    spool.close()


def test_rows_are_sorted_within_a_row_group_and_keep_their_order_within_a_value() -> None:
    spool = file_of(batch(0, 60), batch(60, 60), batch(120, 30), form=Format(row_group_rows=100))
    with spool.open() as source, pq.ParquetFile(source) as file:
        assert [file.metadata.row_group(i).num_rows for i in range(2)] == [120, 30]
        for group, first, count in ((0, 0, 120), (1, 120, 30)):
            found = file.read_row_group(group)
            keys = list(zip(found["tenant"].to_pylist(), found["n"].to_pylist(), strict=True))
            assert keys == sorted((f"t{n % 3}", n) for n in range(first, first + count))
    spool.close()


def test_values_that_are_null_are_sorted_too() -> None:
    table = Table("t/v1", pa.schema([("k", pa.string()), ("n", pa.int64())]), (), "k")
    file = folder(table)
    file.add(pa.record_batch([["b", None, "a", None, "a"], [0, 1, 2, 3, 4]], schema=table.schema))
    spool = file.close(PARQUET, META)
    with spool.open() as source:
        assert pq.read_table(source)["n"].to_pylist() == [2, 4, 0, 1, 3]
    spool.close()


def test_a_large_batch_becomes_several_row_groups_of_equal_size() -> None:
    spool = file_of(batch(0, 350), form=Format(row_group_rows=100))
    with spool.open() as source:
        metadata = pq.read_metadata(source)
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [117, 117, 116]
    spool.close()


def test_only_the_columns_named_get_a_dictionary() -> None:
    spool = file_of(batch(0, 50))
    with spool.open() as source:
        group = pq.read_metadata(source).row_group(0)
    encoded = {group.column(i).path_in_schema: group.column(i).has_dictionary_page for i in range(group.num_columns)}
    assert encoded == {"tenant": True, "n": False, "at": False, "deep.list.list.element": False}
    spool.close()


@pytest.mark.parametrize(
    ("codec", "name"), [("zstd", "ZSTD"), ("snappy", "SNAPPY"), ("gzip", "GZIP"), ("none", "UNCOMPRESSED")]
)
def test_every_codec(codec: str, name: str) -> None:
    spool = file_of(batch(0, 50), form=Format(codec))
    with spool.open() as source:
        assert pq.read_metadata(source).row_group(0).column(1).compression == name
    spool.close()


@pytest.mark.parametrize("several", [False, True])
def test_columns_without_a_value_are_not_compressed_where_no_other_row_group_follows(*, several: bool) -> None:
    nothing = (
        batch(0, 50).set_column(1, "n", pa.nulls(50, pa.int64())).set_column(3, "deep", pa.nulls(50, SCHEMA[3].type))
    )
    spool = file_of(nothing, *[batch(50, 50)] * several, form=Format(row_group_rows=50 if several else 60))
    with spool.open() as source:
        group = pq.read_metadata(source).row_group(0)
    found = {group.column(i).path_in_schema: group.column(i).compression for i in range(group.num_columns)}
    empty = "ZSTD" if several else "UNCOMPRESSED"
    assert found == {"tenant": "ZSTD", "n": empty, "at": "ZSTD", "deep.list.list.element": empty}
    assert pq.read_table(spool.open())["n"].null_count == 50
    spool.close()


def test_a_file_of_few_rows_is_not_compressed() -> None:
    for count, codec in ((FEW_ROWS, "UNCOMPRESSED"), (FEW_ROWS + 1, "ZSTD")):
        spool = file_of(batch(0, count))
        with spool.open() as source:
            group = pq.read_metadata(source).row_group(0)
        assert {group.column(i).compression for i in range(group.num_columns)} == {codec}
        assert pq.read_table(spool.open()).num_rows == count
        spool.close()


def test_two_generations_have_no_bytes_in_common_but_equal_rows() -> None:
    mine, theirs = folder(), folder()
    mine.add(batch(0, 5))
    theirs.add(batch(0, 5))
    one, other = mine.close(PARQUET, META), theirs.close(PARQUET, {**META, "generation": "3"})
    assert one.sha256 != other.sha256
    assert footer(one.open()) == META
    assert footer(other.open())["generation"] == "3"
    assert pq.read_table(one.open()).equals(pq.read_table(other.open()))
    one.close()
    other.close()


def test_a_file_without_rows_has_its_columns() -> None:
    spool = file_of()
    assert spool.rows == 0
    assert pq.read_schema(spool.open()).names == SCHEMA.names
    spool.close()


def test_other_columns_are_refused() -> None:
    file = folder()
    with pytest.raises(ValueError, match="other columns"):
        file.add(pa.record_batch({"n": [1]}))
    file.drop()


def test_a_file_that_is_dropped_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    budget = Budget(100)
    file = Folder("t/v1/dt=2027-01-15", TABLE, Format(row_group_rows=10), budget, (PARQUET, AVRO))
    file.add(batch(0, 50))
    file.drop()
    assert (budget.used, file.waiting_bytes, list(tmp_path.iterdir())) == (0, 0, [])
