"""Tables of any shape that a lake may hold, their rows, and what an Avro reader ought to say of them."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import fastavro
import pyarrow as pa
from hypothesis import strategies as st

from tailrace.nouns import Table
from tailrace.sinks.lake.avro import AvroFile
from tailrace.sinks.lake.avro_schema import avro_schema, names
from tailrace.sinks.lake.formats import Format
from tailrace.sinks.lake.spool import Budget

FOLDER = "t/v1/dt=2027-01-15/hh=12"
META = {"epoch": "e", "chain": "7", "generation": "2"}
DAYS = 2**31 - 1
BINARY_MOST = 20_000  # bytes; a length of three bytes begins at 8192
PLAIN: Sequence[pa.DataType] = (
    pa.bool_(),
    pa.int64(),
    pa.float64(),
    pa.string(),
    pa.binary(),
    pa.timestamp("us", "UTC"),
)
MORE: Sequence[pa.DataType] = (
    pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.float32(), pa.date32(),
    pa.timestamp("us"), pa.timestamp("ms", "UTC"), pa.timestamp("ns", "UTC"), pa.decimal128(38, 6), pa.decimal128(5, 0),
)  # fmt: skip
Draw = Any  # what hypothesis gives to a composite strategy


class Case(NamedTuple):
    """A table and its rows."""

    table: Table
    rows: list[dict[str, Any]]  # times as numbers

    @property
    def batch(self) -> pa.RecordBatch:
        columns = [pa.array([row[field.name] for row in self.rows], field.type) for field in self.table.schema]
        return pa.RecordBatch.from_arrays(columns, schema=self.table.schema)

    @property
    def datums(self) -> list[dict[str, Any]]:
        """Return the rows under Avro's names."""
        return [_record(self.table.schema, row) for row in self.rows]


def leaves(types: Sequence[pa.DataType]) -> st.SearchStrategy[pa.DataType]:
    return st.sampled_from(types)


def structs(inner: st.SearchStrategy[pa.DataType]) -> st.SearchStrategy[pa.DataType]:
    return columns(inner).map(lambda fields: pa.struct(list(fields)))


def columns(inner: st.SearchStrategy[pa.DataType], most: int = 4) -> st.SearchStrategy[pa.Schema]:
    text = st.text(st.sampled_from("aAb_1-é. "), max_size=4)
    named = st.tuples(text, inner)
    found = st.lists(named, min_size=1, max_size=most, unique_by=lambda pair: pair[0].casefold())
    return found.map(lambda pairs: pa.schema([pa.field(name, kind) for name, kind in pairs]))


def kinds(types: Sequence[pa.DataType]) -> st.SearchStrategy[pa.DataType]:
    return st.recursive(leaves(types), lambda inner: st.one_of(inner.map(pa.list_), structs(inner)), max_leaves=6)


def value_of(kind: pa.DataType, *, readable: bool = False) -> st.SearchStrategy[Any]:
    """Return values of a type, null among them. `readable`: times that Python's clock knows."""
    return st.one_of(st.none(), _some(kind, readable=readable))


def _some(kind: pa.DataType, *, readable: bool) -> st.SearchStrategy[Any]:  # noqa: C901 - a table of kinds
    if pa.types.is_struct(kind):
        return st.fixed_dictionaries({field.name: value_of(field.type, readable=readable) for field in kind})
    if pa.types.is_list(kind):
        return st.lists(value_of(kind.value_type, readable=readable), max_size=4)
    if pa.types.is_boolean(kind):
        return st.booleans()
    if pa.types.is_date32(kind):
        return st.integers(-DAYS, DAYS)
    if pa.types.is_timestamp(kind):
        bound = 10**15 if readable else 2**63 - 1
        return _integers(-bound, bound)
    if pa.types.is_integer(kind):
        bits = kind.bit_width
        return _integers(0, 2**bits - 1) if "uint" in str(kind) else _integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if pa.types.is_float32(kind):
        return st.floats(width=32, allow_nan=False)
    if pa.types.is_floating(kind):
        return st.floats(allow_nan=False)
    if pa.types.is_decimal(kind):
        bound = 10**kind.precision - 1
        return st.integers(-bound, bound).map(
            lambda number: Decimal((int(number < 0), tuple(map(int, str(abs(number)))), -kind.scale))
        )
    long = st.integers(0, BINARY_MOST)
    if pa.types.is_binary(kind):
        return st.one_of(st.binary(max_size=20), long.map(lambda count: b"\x80" * count))
    return st.one_of(st.text(max_size=20), long.map(lambda count: "x" * count))


def _integers(low: int, high: int) -> st.SearchStrategy[int]:
    """Return numbers of every length in bytes: where it changes is where encoders err."""
    edges = {sign * (2**power) + step for power in range(65) for sign in (1, -1) for step in (-1, 0, 1)}
    return st.one_of(
        st.integers(low, high), st.sampled_from(sorted(n for n in edges | {low, high} if low <= n <= high))
    )


@st.composite
def cases(
    draw: Draw, types: Sequence[pa.DataType] = (*PLAIN, *MORE), *, readable: bool = False, most: int = 12
) -> Case:
    """Return a table of any shape with some rows."""
    schema = draw(columns(kinds(types)))
    row = st.fixed_dictionaries({field.name: value_of(field.type, readable=readable) for field in schema})
    alike = draw(st.booleans())  # columns with one value have ways of their own
    rows = [draw(row)] * draw(st.integers(1, most)) if alike else draw(st.lists(row, min_size=1, max_size=most))
    return Case(Table("t/v1", schema, ()), rows)


def written(case: Case, form: Format = Format(), meta: Mapping[str, str] = META, parts: int = 1) -> bytes:  # noqa: B008
    """Return the file of a case, its rows as so many row groups."""
    file = AvroFile(FOLDER, case.table, form, Budget(1 << 30))
    whole = pa.Table.from_batches([case.batch])
    step = max(1, -(-len(case.rows) // parts))
    for start in range(0, len(case.rows), step):
        file.write(whole.slice(start, step))
    body = file.close(meta)
    try:
        with body.open() as source:
            return source.read()
    finally:
        body.close()


def read(data: bytes) -> list[dict[str, Any]]:
    """Return a file's rows as fastavro reads them."""
    rows: list[Any] = list(fastavro.reader(io.BytesIO(data)))
    return rows


def encoded(case: Case) -> Iterator[bytes]:
    """Yield each row as fastavro writes it."""
    schema = fastavro.parse_schema(avro_schema(case.table.name, case.table.schema))
    for datum in case.datums:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, datum)
        yield out.getvalue()


def _record(fields: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    fields = list(fields)
    allowed = names([field.name for field in fields])
    return {name: _datum(field.type, row[field.name]) for field, name in zip(fields, allowed, strict=True)}


def _datum(kind: pa.DataType, value: Any) -> Any:
    if value is None:
        return None
    if pa.types.is_struct(kind):
        return _record(kind, value)
    if pa.types.is_list(kind):
        return [_datum(kind.value_type, one) for one in value]
    return Decimal(value) if kind == pa.uint64() else value


def bare(value: Any) -> Any:
    """Return what a reader said with times and floats as what they are made of, so that all can be compared."""
    if isinstance(value, dict):
        return {key: bare(one) for key, one in value.items()}
    if isinstance(value, list):
        return [bare(one) for one in value]
    return struct.pack("<d", value) if isinstance(value, float) else value
