"""Laws of Avro files: the kernels write what fastavro writes, byte by byte; and whoever reads them reads the rows."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from avro.datafile import DataFileReader
from avro.io import DatumReader
from hypothesis import given
from hypothesis import strategies as st

from support.avro_tables import PLAIN, Case, bare, cases, columns, encoded, kinds, written
from tailrace.nouns import Table
from tailrace.sinks.lake.avro_encode import datums
from tailrace.sinks.lake.avro_read import Container, header
from tailrace.sinks.lake.avro_schema import avro_schema, columns_of, originals
from tailrace.sinks.lake.formats import Format

codecs = st.sampled_from(["snappy", "deflate", "none"])


def numbers(value: Any) -> Any:
    """Return times as microseconds, as the rows have them."""
    if isinstance(value, dict):
        return {key: numbers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [numbers(one) for one in value]
    if isinstance(value, datetime):
        since = value - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return value


@given(cases())
def test_the_kernels_write_what_fastavro_writes(case: Case) -> None:
    assert datums(case.batch).to_pylist() == list(encoded(case))


@given(cases(), st.data())
def test_a_part_of_a_batch_is_written_as_it_would_be_alone(case: Case, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(case.rows) - 1))
    count = data.draw(st.integers(1, len(case.rows) - start))
    assert datums(case.batch.slice(start, count)).to_pylist() == list(encoded(case))[start : start + count]


@given(cases(PLAIN, readable=True), codecs, st.integers(1, 3))
def test_fastavro_and_the_reference_implementation_read_the_rows(case: Case, codec: str, parts: int) -> None:
    data = written(case, Format(avro_codec=codec), parts=parts)
    expected = bare(case.datums)
    assert bare(numbers(list(fastavro.reader(io.BytesIO(data))))) == expected
    with DataFileReader(io.BytesIO(data), DatumReader()) as reader:
        assert bare(numbers(list(reader))) == expected


@given(cases(), codecs, st.integers(1, 3))
def test_our_own_reader_gives_the_columns_back(case: Case, codec: str, parts: int) -> None:
    source = io.BytesIO(written(case, Format(avro_codec=codec), parts=parts))
    assert header(source) == {"epoch": "e", "chain": "7", "generation": "2"}
    blocks = list(Container(source).blocks())
    assert sum(block.rows for block in blocks) == len(case.rows)
    found = pa.concat_tables([block.read() for block in blocks])
    assert found.column_names == case.table.schema.names
    assert bare([list(row.values()) for row in plain(found)]) == bare([list(row.values()) for row in case.datums])
    some = case.table.schema.names[-1:]
    assert pa.concat_tables([block.read(some) for block in blocks]).equals(found.select(some))


def plain(table: pa.Table) -> list[dict[str, Any]]:
    """Return rows with times as numbers."""
    return pa.Table.from_arrays([untimed(one) for one in table.columns], table.column_names).to_pylist()


def untimed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(without_times(column.type))


def without_times(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.int64()
    if pa.types.is_date32(kind):
        return pa.int32()
    if pa.types.is_list(kind):
        return pa.list_(without_times(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, without_times(field.type)) for field in kind])
    return kind


@given(cases(), codecs)
def test_equal_rows_give_equal_bytes(case: Case, codec: str) -> None:
    form = Format(avro_codec=codec)
    assert written(case, form) == written(case, form)
    assert written(case, form) != written(case, form, {"epoch": "e", "chain": "7", "generation": "3"})


@given(cases(PLAIN, readable=True), columns(kinds(PLAIN)))
def test_a_reader_with_a_later_schema_reads_earlier_rows(case: Case, more: pa.Schema) -> None:
    taken = {name.casefold() for name in case.table.schema.names}
    added = [field for field in more if field.name.casefold() not in taken]
    later = avro_schema(case.table.name, pa.schema([*case.table.schema, *added]))
    names = [field["name"] for field in later["fields"]]
    appended = dict.fromkeys(names[len(case.table.schema) :])
    found = list(fastavro.reader(io.BytesIO(written(case)), later))
    assert bare(numbers(found)) == bare([{**row, **appended} for row in case.datums])


@given(columns(kinds(PLAIN), most=6))
def test_a_schema_is_taken_by_both_readers_and_says_what_the_columns_were(schema: pa.Schema) -> None:
    made = avro_schema("a type/v1", schema)
    assert originals(made) == schema.names
    assert [field.type for field in columns_of(made)] == [renamed(field.type, made) for field in schema]
    assert written(Case(Table("a type/v1", schema, ()), []))
    fastavro.parse_schema(json.loads(json.dumps(made)))


def renamed(kind: pa.DataType, made: Any) -> pa.DataType:
    """Return a type with its members under Avro's names."""
    if pa.types.is_struct(kind):
        inner = avro_schema("x", pa.schema(list(kind)))["fields"]
        return pa.struct([(one["name"], renamed(field.type, made)) for one, field in zip(inner, kind, strict=True)])
    return pa.list_(renamed(kind.value_type, made)) if pa.types.is_list(kind) else kind


def rows_of(data: bytes) -> list[pa.Table]:
    return [block.read() for block in Container(io.BytesIO(data)).blocks()]


@given(case=cases(PLAIN), at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_block_that_was_damaged_gives_the_same_rows_or_none(case: Case, at: float, bit: int) -> None:
    data = bytearray(written(case))
    first = next(Container(io.BytesIO(bytes(data))).blocks())
    whole = first.read()
    data[first.start + int(at * (len(data) - first.start))] ^= 1 << bit  # in its bytes, its sum or the marker
    try:
        found = pa.concat_tables(rows_of(bytes(data)))
    except ValueError:
        return
    assert found.equals(whole)


@given(case=cases(PLAIN), codec=codecs, at=st.floats(0, 1, exclude_max=True))
def test_a_file_that_ends_too_early_is_refused(case: Case, codec: str, at: float) -> None:
    data = written(case, Format(avro_codec=codec))
    end = int(at * len(data))
    if end == len(written(case._replace(rows=[]), Format(avro_codec=codec))):
        return  # the header alone: a file without rows
    with pytest.raises(ValueError):
        rows_of(data[:end])
