"""Avro files as they come out of the spool: blocks, header, marker; and columns whose nulls hide something."""

from __future__ import annotations

import hashlib
import io
import math
from typing import Any

import fastavro
import pyarrow as pa
import pytest

from support.avro_tables import FOLDER, META, Case, encoded, read, written
from tailrace.nouns import Table
from tailrace.sinks.lake import avro
from tailrace.sinks.lake.avro import AvroFile
from tailrace.sinks.lake.avro_encode import datums
from tailrace.sinks.lake.avro_read import Container, header
from tailrace.sinks.lake.formats import Format
from tailrace.sinks.lake.spool import Budget, Headed

SCHEMA = pa.schema([("row_id", pa.string()), ("n", pa.int64())])
TABLE = Table("t/v1", SCHEMA, ())


def batch(count: int, first: int = 0) -> pa.Table:
    rows = [{"row_id": f"{n:032x}", "n": n} for n in range(first, first + count)]
    return pa.Table.from_pylist(rows, SCHEMA)


def file_of(*groups: pa.Table, codec: str = "snappy", memory: int = 1 << 30, folder: str = FOLDER) -> Headed:
    file = AvroFile(folder, TABLE, Format(avro_codec=codec), Budget(memory))
    for group in groups:
        file.write(group)
    return file.close(META)


def bytes_of(body: Headed) -> bytes:
    with body.open() as source:
        return source.read()


def alone(kind: pa.DataType, *values: Any) -> list[bytes]:
    """Return the datums of a table of one column."""
    return datums(pa.record_batch([pa.array(values, kind)], ["c"])).to_pylist()


@pytest.mark.parametrize("memory", [1 << 30, 100, 0])
def test_the_same_bytes_come_from_memory_and_from_disk(memory: int) -> None:
    body = file_of(batch(50), batch(30, 50), memory=memory)
    data = bytes_of(body)
    assert (body.length, body.rows, body.sha256) == (len(data), 80, hashlib.sha256(data).hexdigest())
    assert data == bytes_of(file_of(batch(50), batch(30, 50)))
    assert [row["n"] for row in read(data)] == list(range(80))
    body.close()


def test_rows_go_into_blocks_of_about_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avro, "ENCODED_AT_ONCE", 100)
    monkeypatch.setattr(avro, "BLOCK_BYTES", 1000)
    data = bytes_of(file_of(batch(250)))
    blocks = [block.rows for block in Container(io.BytesIO(data)).blocks()]
    assert sum(blocks) == 250
    assert len(blocks) > 8
    assert max(blocks) < 30
    assert [row["n"] for row in read(data)] == list(range(250))


@pytest.mark.parametrize(("codec", "name"), [("snappy", "snappy"), ("deflate", "deflate"), ("none", "null")])
def test_every_codec(codec: str, name: str) -> None:
    data = bytes_of(file_of(batch(10), codec=codec))
    assert Container(io.BytesIO(data)).meta["avro.codec"] == name
    assert len(read(data)) == 10


def test_the_header_says_whose_plan_it_is() -> None:
    assert header(io.BytesIO(bytes_of(file_of(batch(5))))) == META


def test_a_file_without_rows_has_its_columns_and_its_plan() -> None:
    data = bytes_of(file_of())
    assert header(io.BytesIO(data)) == META
    assert list(Container(io.BytesIO(data)).blocks()) == []
    found = fastavro.reader(io.BytesIO(data))
    assert list(found) == []
    assert isinstance(found.writer_schema, dict)
    assert [field["name"] for field in found.writer_schema["fields"]] == SCHEMA.names


def test_the_marker_hangs_on_folder_and_rows() -> None:
    def marker(*groups: pa.Table, folder: str = FOLDER) -> bytes:
        return bytes_of(file_of(*groups, folder=folder))[-16:]

    assert marker(batch(5)) == marker(batch(5))
    assert len({marker(batch(5)), marker(batch(5, 1)), marker(batch(5), folder="u"), marker(), marker(folder="u")}) == 5


def test_a_file_that_is_dropped_gives_its_memory_back() -> None:
    budget = Budget(1 << 20)
    file = AvroFile(FOLDER, TABLE, Format(), budget)
    file.write(batch(100))
    assert (file.rows, budget.used > 0) == (100, True)
    file.drop()
    assert budget.used == 0


def test_what_lies_below_a_null_is_not_written() -> None:
    """Arrow lets a null list have items, and a null struct members."""
    mask = pa.array([False, True, False])
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 3, 4], pa.int32()), pa.array([1, 2, 3, 4]), mask=mask)
    structs = pa.StructArray.from_arrays([pa.array([1, 2, 3])], names=["x"], mask=mask)
    made = datums(pa.record_batch([lists, structs], ["l", "s"])).to_pylist()
    schema = pa.schema([("l", lists.type), ("s", structs.type)])
    rows: list[dict[str, Any]] = [{"l": [1], "s": {"x": 1}}, {"l": None, "s": None}, {"l": [4], "s": {"x": 3}}]
    assert made == list(encoded(Case(Table("t/v1", schema, ()), rows)))


def test_numbers_that_are_none() -> None:
    (nan,), (low,) = alone(pa.float64(), math.nan), alone(pa.float64(), -math.inf)
    assert (nan[:1], low) == (b"\x02", b"\x02\x00\x00\x00\x00\x00\x00\xf0\xff")
    schema: Any = ["null", "double"]
    value: Any = fastavro.schemaless_reader(io.BytesIO(nan), schema)
    assert math.isnan(value)


def test_seconds_become_milliseconds_and_short_floats_longer_ones() -> None:
    assert alone(pa.timestamp("s"), 5, None) == [b"\x02\x90\x4e", b"\x00"]
    assert alone(pa.float16(), 0.5)[0] == b"\x02\x00\x00\x00\x3f"


def test_a_batch_without_rows_and_one_of_nulls_alone() -> None:
    assert alone(pa.string()) == []
    assert alone(pa.list_(pa.int64()), None, None) == [b"\x00", b"\x00"]


def test_a_long_text_and_many_items_have_long_lengths() -> None:
    (text,) = alone(pa.string(), "x" * 100_000)
    assert text == b"\x02\xc0\x9a\x0c" + b"x" * 100_000
    items = list(range(20_000))
    (found,) = alone(pa.list_(pa.int64()), items)
    schema: Any = ["null", {"type": "array", "items": ["null", "long"]}]
    assert fastavro.schemaless_reader(io.BytesIO(found), schema) == items


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ends too early"),
        (b"PAR1" * 10, "no Avro object container file"),
        (b"Obj\x01\x00" + b"s" * 16 + b"\x02\x02", "header lacks"),
        (b"Obj\x01\x01" + b"s" * 40, "length|early"),
        (b"Obj\x01" + b"\xff" * 12, "does not end"),
    ],
)
def test_what_is_no_file_of_ours_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        list(Container(io.BytesIO(data)).blocks())


def test_a_block_that_says_it_is_larger_than_anything_is_refused() -> None:
    data = bytearray(bytes_of(file_of(batch(9))))
    (block,) = Container(io.BytesIO(data)).blocks()
    data[block.start : block.start + 10] = b"\xff" * 10
    (block,) = Container(io.BytesIO(data)).blocks()
    with pytest.raises(ValueError, match="a block cannot be unpacked"):
        block.values()


def test_a_column_that_is_not_there_is_refused() -> None:
    (block,) = Container(io.BytesIO(written(Case(TABLE, [{"row_id": "a", "n": 1}])))).blocks()
    with pytest.raises(ValueError, match="no column other"):
        block.read(["other"])
