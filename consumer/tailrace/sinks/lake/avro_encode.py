"""Arrow columns as Avro datums. Rule: whole columns at a time; a row is the join of what its columns became.

A datum is nothing but the bytes of its members, one after another. So each column becomes a few columns of bytes, most
of them looked up in a table of ready-made numbers, and Arrow joins them row by row. Numbers too large for Avro's long
and decimals have no such bytes at hand: those go through fastavro, value by value.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias

import fastavro
import pyarrow as pa
import pyarrow.compute as pc

from tailrace.sinks.lake.avro_schema import UINT64, kind_of, union

Piece: TypeAlias = Any  # an array of bytes, null where a row has none; or bytes: the same in every row
BINARY: Final = pa.binary()
PART_BITS: Final = 14  # of a number that one look-up gives: two bytes
PART: Final = 1 << PART_BITS
PARTS_MAX: Final = 5
NULL, PRESENT = b"\x00", b"\x02"  # which branch of the union: 0, 1
END: Final = b"\x00"  # of an array's items
# Where the tables below have what: a last part, a part that another follows, and two more.
_FOLLOWED, _NULL, _BARE = PART, 2 * PART, 2 * PART + 1
_MILLI: Final = 1000


def varint(number: int) -> bytes:
    """Return a number that is not negative, seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


def long(number: int) -> bytes:
    """Return a number as Avro writes it: small ones are short, whatever their sign."""
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


_LAST: Final = [varint(number) for number in range(PART)]
_PARTS: Final = [*_LAST, *(bytes((n & 127 | 128, n >> 7 | 128)) for n in range(PART))]
FIRST: Final = pa.array([*(PRESENT + part for part in _PARTS), NULL, PRESENT], BINARY)
LATER: Final = pa.array([*_PARTS, b"", b""], BINARY)
LENGTHS: Final = pa.array([*(PRESENT + varint(2 * length) for length in range(PART)), NULL], BINARY)
BOOLEANS: Final = pa.array([PRESENT + b"\x00", PRESENT + b"\x01", NULL], BINARY)


def datums(batch: pa.RecordBatch) -> pa.Array:
    """Return one binary value a row."""
    return _joined([piece for column in batch.columns for piece in _column(column)], batch.num_rows)


def _joined(pieces: Iterable[Piece], rows: int) -> pa.Array:
    merged = list(_merged(pieces))
    if not any(isinstance(piece, pa.Array) for piece in merged):
        return pa.repeat(pa.scalar(b"".join(merged), BINARY), rows)
    if len(merged) == 1 and not merged[0].null_count:
        return merged[0]
    scalars = [pa.scalar(piece, BINARY) if isinstance(piece, bytes) else piece for piece in merged]
    nothing = pa.scalar(b"", BINARY)
    return pc.binary_join_element_wise(*scalars, nothing, null_handling="replace", null_replacement=b"")


def _merged(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield the pieces, those that are the same in every row merged with their neighbours."""
    same = b""
    for piece in pieces:
        if isinstance(piece, bytes):
            same += piece
            continue
        if same:
            yield same
            same = b""
        yield piece
    if same:
        yield same


def _column(array: pa.Array) -> list[Piece]:
    """Return the pieces of a column: a union of null and its type."""
    if array.null_count == len(array):
        return [NULL]
    for fits, made in _KINDS:
        if fits(array.type):
            return made(array)
    return _by_fastavro(array)


def _present(array: pa.Array) -> Piece:
    return pc.if_else(array.is_valid(), PRESENT, NULL) if array.null_count else PRESENT


def _masked(piece: pa.Array, array: pa.Array) -> pa.Array:
    """Return nulls where the column has nulls."""
    return pc.if_else(array.is_valid(), piece, pa.scalar(None, BINARY)) if array.null_count else piece


# ---- kinds


def _texts(array: pa.Array) -> list[Piece]:
    values = array.view(BINARY)
    lengths = pc.binary_length(values)
    extremes = pc.min_max(lengths).as_py()
    if extremes["max"] >= PART:
        return [*_longs(lengths.cast(pa.int64())), values]
    if array.null_count:
        return [pc.take(LENGTHS, pc.fill_null(lengths, PART), boundscheck=False), values]
    if extremes["min"] == extremes["max"]:
        first = values[0].as_py()
        # Columns with one value are many: a look at three rows says whether to look at all.
        likely = values[-1].as_py() == first == values[len(values) // 2].as_py()
        if likely and pc.all(pc.equal(values, first)).as_py():
            return [PRESENT + long(len(first)) + first]
        return [PRESENT + long(extremes["max"]), values]
    return [pc.take(LENGTHS, lengths, boundscheck=False), values]


def _integers(array: pa.Array) -> list[Piece]:
    return _longs(array.cast(pa.int64()))


def _times(array: pa.Array) -> list[Piece]:
    number = array.view(pa.int64())
    return _longs(pc.multiply_checked(number, _MILLI) if array.type.unit == "s" else number)


def _dates(array: pa.Array) -> list[Piece]:
    return _longs(array.view(pa.int32()).cast(pa.int64()))


def _floats(array: pa.Array) -> list[Piece]:
    values = array.cast(pa.float32()) if pa.types.is_float16(array.type) else array
    return [_present(array), values.view(pa.binary(values.type.bit_width // 8)).cast(BINARY)]


def _booleans(array: pa.Array) -> list[Piece]:
    at = array.cast(pa.uint8())
    return [pc.take(BOOLEANS, pc.fill_null(at, 2) if at.null_count else at, boundscheck=False)]


def _structs(array: pa.Array) -> list[Piece]:
    inside = [piece for column in array.flatten() for piece in _column(column)]
    if not array.null_count:
        return [PRESENT, *inside]
    return [_present(array), _masked(_joined(inside, len(array)), array)]


def _lists(array: pa.Array) -> list[Piece]:
    """One block of all items, and the end. The items of a row lie side by side, so they are cut out in one piece."""
    offsets = array.offsets
    first, last = offsets[0].as_py(), offsets[-1].as_py()
    inside = _joined(_column(array.values.slice(first, last - first)), last - first) if last > first else None
    counts = pc.list_value_length(array).cast(pa.int64())
    if inside is None:
        return [*_longs(counts, nothing_is_bare=True), _masked_bytes(END, array)]
    _, starts, data = inside.buffers()
    bounds = pa.Array.from_buffers(pa.int32(), len(inside) + 1, [None, starts], offset=inside.offset)
    cut = bounds.take(pc.subtract(offsets, first)).buffers()[1]
    items = pa.Array.from_buffers(BINARY, len(array), [None, cut, data or pa.py_buffer(b"")])
    return [*_longs(counts, nothing_is_bare=True), _masked(items, array), _masked_bytes(END, array)]


def _masked_bytes(value: bytes, array: pa.Array) -> Piece:
    return pc.if_else(array.is_valid(), value, pa.scalar(None, BINARY)) if array.null_count else value


# ---- numbers


def _longs(numbers: pa.Array, *, nothing_is_bare: bool = False) -> list[Piece]:
    """Return the union's branch and the number. `nothing_is_bare`: of a zero, the branch alone."""
    signs = pc.shift_right(pc.shift_right(numbers, 62), 1)  # Arrow shifts a signed number by 62 bits at most
    zigzag = pc.bit_wise_xor(pc.shift_left(numbers, 1), signs).view(pa.uint64())
    extremes = pc.min_max(zigzag).as_py()
    low, high = extremes["min"], extremes["max"]
    if low == high and not numbers.null_count:
        return [PRESENT if nothing_is_bare and not high else PRESENT + varint(high)]
    pieces: list[Piece] = []
    for number in range(PARTS_MAX):
        shift, reach = number * PART_BITS, 1 << (number + 1) * PART_BITS
        if number and high < 1 << shift:
            break
        if number and low >> shift == high >> shift and not numbers.null_count:  # times have their high parts in common
            pieces.append(varint(high >> shift))
            break
        part = pc.shift_right(zigzag, _number(shift)) if shift else zigzag
        if high >= reach:
            part = pc.bit_wise_and(part, _number(PART - 1))
            followed = pc.add(part, _number(_FOLLOWED))
            part = followed if low >= reach else pc.if_else(pc.greater_equal(zigzag, _number(reach)), followed, part)
        if number and low < 1 << shift:
            part = pc.if_else(pc.less(zigzag, _number(1 << shift)), _number(_NULL), part)
        if number == 0:
            if nothing_is_bare and low == 0:
                part = pc.if_else(pc.equal(zigzag, _number(0)), _number(_BARE), part)
            part = pc.fill_null(part, _number(_NULL)) if part.null_count else part
        pieces.append(pc.take(LATER if number else FIRST, part, boundscheck=False))
    return pieces


def _number(value: int) -> pa.Scalar:
    return pa.scalar(value, pa.uint64())


# ---- what has no kernel


def _by_fastavro(array: pa.Array) -> list[Piece]:
    values = array.cast(UINT64) if array.type == pa.uint64() else array
    schema = fastavro.parse_schema(union(kind_of(array.type, "x", "x")))
    out = []
    for value in values.to_pylist():
        target = io.BytesIO()
        fastavro.schemaless_writer(target, schema, value)
        out.append(target.getvalue())
    return [pa.array(out, BINARY)]


_KINDS: Final[tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], list[Piece]]], ...]] = (
    (lambda kind: kind in {pa.string(), pa.binary()}, _texts),
    (lambda kind: pa.types.is_integer(kind) and kind != pa.uint64(), _integers),
    (pa.types.is_timestamp, _times),
    (pa.types.is_boolean, _booleans),
    (pa.types.is_floating, _floats),
    (pa.types.is_date32, _dates),
    (pa.types.is_struct, _structs),
    (pa.types.is_list, _lists),
)
