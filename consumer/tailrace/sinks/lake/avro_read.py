"""Avro object container files, read back. Rule: only what tailrace writes; whatever else is a ValueError.

The container is read here, since a block's length and sum say whether it is whole; the datums in it by fastavro.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final, NamedTuple

import fastavro
import pyarrow as pa

from tailrace.sinks.lake.avro import CODEC, MAGIC, META_PREFIX, SCHEMA, SYNC_BYTES
from tailrace.sinks.lake.avro_schema import COLUMN, columns_of, originals

SUM_BYTES: Final = 4
LONG_BYTES_MAX: Final = 10
_SNAPPY: Final = pa.Codec("snappy")


class Container:
    """A file, its header read."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._size = source.seek(0, io.SEEK_END)
        source.seek(0)
        if self._bytes(len(MAGIC)) != MAGIC:
            raise ValueError("no Avro object container file")
        self.meta: dict[str, str] = {}
        while count := self._length():
            for _ in range(count):
                key = self._bytes(self._length()).decode()
                self.meta[key] = self._bytes(self._length()).decode()
        self._sync = self._bytes(SYNC_BYTES)

    def blocks(self) -> Iterator[Block]:
        """Yield every block. What is not asked for is not read."""
        try:
            codec, schema = UNPACK[self.meta[CODEC]], json.loads(self.meta[SCHEMA])
        except KeyError as error:
            raise ValueError(f"the header lacks {error}, or it is not known here") from None
        at = self._source.tell()
        while at < self._size:
            self._source.seek(at)
            rows, length = self._length(), self._length()
            start = self._source.tell()
            at = start + length + SYNC_BYTES
            yield Block(self, schema, codec, start, length, rows)

    def packed(self, start: int, length: int) -> bytes:
        """Return a block's bytes. ValueError where the sync marker does not follow."""
        self._source.seek(start)
        data = self._bytes(length)
        if self._bytes(SYNC_BYTES) != self._sync:
            raise ValueError(f"a block that starts at byte {start} does not end where it should")
        return data

    def _length(self) -> int:
        number = self._long()
        if not 0 <= number <= self._size:
            raise ValueError(f"found a length of {number}")
        return number

    def _long(self) -> int:
        number = 0
        for at in range(LONG_BYTES_MAX):
            byte = self._bytes(1)[0]
            number |= (byte & 127) << 7 * at
            if byte < 128:
                return (number >> 1) ^ -(number & 1)
        raise ValueError("found a number that does not end")

    def _bytes(self, count: int) -> bytes:
        data = self._source.read(count)
        if len(data) < count:
            raise ValueError("it ends too early")
        return data


class Block(NamedTuple):
    """Some rows of a file."""

    container: Container
    schema: Mapping[str, Any]
    unpack: Callable[[bytes], bytes]
    start: int
    length: int
    rows: int

    @property
    def statistics(self) -> Mapping[str, None]:
        """Return the columns; nothing is known of what they hold."""
        return dict.fromkeys(originals(self.schema))

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows, of all columns or of some."""
        wanted = originals(self.schema)
        if columns is not None:
            if missing := set(columns) - set(wanted):
                raise ValueError(f"there is no column {min(missing)}")
            wanted = list(columns)
        places = dict(zip(originals(self.schema), self.schema["fields"], strict=True))
        part = {**self.schema, "fields": [places[name] for name in wanted]}
        return pa.Table.from_pylist(self._values(part), columns_of(part)).rename_columns(wanted)

    def values(self) -> list[dict[str, Any]]:
        """Return the rows as values under the names that Avro has for them; times are numbers. Raises as `read`."""
        return self._values(self.schema)

    def _values(self, part: Mapping[str, Any]) -> list[dict[str, Any]]:
        source = io.BytesIO(self.unpack(self.container.packed(self.start, self.length)))
        whole, asked = _parsed(self.schema), _parsed(part)
        try:
            rows: list[Any] = [fastavro.schemaless_reader(source, whole, asked) for _ in range(self.rows)]
        except (EOFError, LookupError, ArithmeticError, TypeError) as error:
            raise ValueError(f"the block that starts at byte {self.start} cannot be read: {error!r}") from None
        if source.read(1):
            raise ValueError(f"the block that starts at byte {self.start} has more than its {self.rows} rows")
        return rows


def _parsed(schema: Mapping[str, Any]) -> Any:
    return fastavro.parse_schema(_bare(schema))


def _bare(kind: Any) -> Any:
    """Return a type without what fastavro would make times and dates of: Arrow takes them as numbers, all of them."""
    if isinstance(kind, list):
        return [_bare(one) for one in kind]
    if not isinstance(kind, dict):
        return kind
    bare = {key: _bare(value) if key in {"type", "items", "fields"} else value for key, value in kind.items()}
    if bare.get("logicalType") != "decimal":
        bare.pop("logicalType", None)
    return bare


def _snappy(packed: bytes) -> bytes:
    """Snappy says first how much comes out, and Avro says last which sum it has."""
    size = shift = 0
    for byte in packed[:LONG_BYTES_MAX]:
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    try:
        data: bytes = _SNAPPY.decompress(packed[:-SUM_BYTES], size, asbytes=True)
    except (OSError, pa.ArrowException, MemoryError, OverflowError) as error:
        raise ValueError(f"a block cannot be unpacked: {error}") from None
    if zlib.crc32(data).to_bytes(SUM_BYTES, "big") != packed[-SUM_BYTES:]:
        raise ValueError("a block has another sum than it says")
    return data


def _deflate(packed: bytes) -> bytes:
    try:
        return zlib.decompress(packed, -zlib.MAX_WBITS)
    except zlib.error as error:
        raise ValueError(f"a block cannot be unpacked: {error}") from None


UNPACK: Final[Mapping[str, Callable[[bytes], bytes]]] = {"snappy": _snappy, "deflate": _deflate, "null": bytes}


def columns(source: BinaryIO) -> pa.Schema:
    """Return the columns, as `read` would. ValueError where a member inside a column has lost its own name."""
    schema = json.loads(Container(source).meta[SCHEMA])
    if any(f'"{COLUMN}": "' in json.dumps(field["type"]) for field in schema["fields"]):
        raise ValueError("a member inside a column has a name that Avro cannot have")
    found = zip(originals(schema), columns_of(schema), strict=True)
    return pa.schema([(name, field.type) for name, field in found])


def header(source: BinaryIO) -> dict[str, str]:
    """Return what tailrace put into the header."""
    meta = Container(source).meta
    return {key.removeprefix(META_PREFIX): value for key, value in meta.items() if key.startswith(META_PREFIX)}
