"""Avro's binary values to what JSON could say. Rule: bytes are read as their schema says, or what is wrong is raised.

A schema is made into functions once. fastavro is not used: it follows a type inside itself until the process dies,
takes a count of 2^60 nulls at its word, and reads a boolean of 7 as true. Here each level, member and item is taken
off what the limits allow.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from typing import Any, Final

from tailrace.nouns import Reason
from tailrace.schema.avro import Decimal, Parsed, decimal, is_uuid
from tailrace.schema.contract import json_path
from tailrace.settings import Limits

_FLOAT: Final = struct.Struct("<f")
_DOUBLE: Final = struct.Struct("<d")


class Cursor:
    """A place in bytes, and what may still be made of them."""

    __slots__ = ("at", "chars", "data", "items", "limits", "members", "odd")

    def __init__(self, data: bytes, limits: Limits) -> None:
        self.data, self.at, self.limits = data, 0, limits
        self.members = limits.properties_max
        self.items = len(data) + limits.properties_max  # an item has a byte, or there are few of its kind
        self.chars = limits.event_bytes_max  # of texts that are longer than their bytes
        self.odd = False  # a number was none


Read = Callable[[Cursor, int], Any]  # given how many objects and arrays are open with this one


class Wrong(Exception):
    """Bytes that are no value of their type. The path is filled on the way out."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.message)
        self._reason = reason
        self.path: list[str | int] = []

    @property
    def reason(self) -> Reason:
        return self._reason._replace(path=json_path(self.path[::-1]))


def wrong(keyword: str, message: str) -> Reason:
    return Reason("decode", keyword, "$", message)


def compiled(parsed: Parsed) -> Read:
    """Return what reads a value of a schema."""
    return _read_of(parsed.schema, parsed, {})


def _read_of(schema: Any, parsed: Parsed, done: dict[str, Read]) -> Read:
    if isinstance(schema, list):
        return _union([_read_of(branch, parsed, done) for branch in schema])
    if isinstance(schema, str):
        return _LEAVES[schema] if schema in _LEAVES else _named(parsed.names[schema], parsed, done)
    kind = schema["type"]
    if kind in {"record", "error", "enum", "fixed"}:
        return _named(schema, parsed, done)
    if kind == "array":
        return _array(_read_of(schema["items"], parsed, done))
    if kind == "map":
        return _map(_read_of(schema["values"], parsed, done))
    shape = decimal(schema) if kind == "bytes" else None
    return _LEAVES[kind] if shape is None else _decimal(_octets, shape)


def _named(schema: Any, parsed: Parsed, done: dict[str, Read]) -> Read:
    name = schema["name"]
    if name not in done:
        if schema["type"] in {"record", "error"}:
            fields: list[tuple[str, Read]] = []
            done[name] = _record(fields)  # before its fields: one of them may be of this type
            fields.extend((field["name"], _read_of(field["type"], parsed, done)) for field in schema["fields"])
        else:
            done[name] = _enum(schema["symbols"]) if schema["type"] == "enum" else _fixed(schema)
    return done[name]


# ---- values without values in them


def _long(cursor: Cursor, _depth: int = 0) -> int:
    data, at = cursor.data, cursor.at
    if at < len(data) and data[at] < 0x80:  # most are one byte
        cursor.at = at + 1
        return (data[at] >> 1) ^ -(data[at] & 1)
    value = shift = 0
    for byte in data[at : at + 10]:
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    else:
        what = "a whole number of more than 10 bytes" if at - cursor.at == 10 else "the end of the bytes in a number"
        raise Wrong(wrong("avro", f"found {what}, expected one of 1 to 10 bytes"))
    if value >> 64:
        raise Wrong(wrong("avro", "found a whole number beyond 64 bits, expected one within them"))
    cursor.at = at
    return (value >> 1) ^ -(value & 1)


def _boolean(cursor: Cursor, _depth: int) -> bool:
    byte = _take(cursor, 1)[0]
    if byte > 1:
        raise Wrong(wrong("avro", f"found the byte 0x{byte:02x}, expected true or false: 0x01 or 0x00"))
    return byte == 1


def _float(cursor: Cursor, _depth: int) -> float:
    return _number(cursor, _FLOAT)


def _double(cursor: Cursor, _depth: int) -> float:
    return _number(cursor, _DOUBLE)


def _number(cursor: Cursor, form: struct.Struct) -> float:
    value: float = form.unpack(_take(cursor, form.size))[0]
    if not math.isfinite(value):
        cursor.odd = True
    return value


def _take(cursor: Cursor, count: int) -> bytes:
    start = cursor.at
    end = start + count
    if count < 0 or end > len(cursor.data):
        left = len(cursor.data) - start
        raise Wrong(wrong("avro", f"found {left} bytes left, expected {count}: cut short, or of another schema"))
    cursor.at = end
    return cursor.data[start:end]


def _octets(cursor: Cursor) -> bytes:
    return _take(cursor, _long(cursor))


def _bytes(cursor: Cursor, _depth: int) -> str:
    return _octets(cursor).decode("latin-1")


def _string(cursor: Cursor, _depth: int = 0) -> str:
    raw = _take(cursor, _long(cursor))
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        message = f"found byte 0x{raw[error.start]:02x} at offset {error.start} of a text, expected UTF-8"
        raise Wrong(wrong("utf8", message)) from None


def _enum(symbols: list[str]) -> Read:
    def enum(cursor: Cursor, _depth: int) -> str:
        index = _long(cursor)
        if not 0 <= index < len(symbols):
            raise Wrong(wrong("avro", f"found symbol {index} of an enum, expected 0 to {len(symbols) - 1}"))
        return _written(cursor, symbols[index])

    return enum


def _written(cursor: Cursor, text: str) -> str:
    """Return a text that may be much longer than its bytes were."""
    cursor.chars -= len(text)
    if cursor.chars < 0:
        most = cursor.limits.event_bytes_max
        message = f"found enums and decimals of more than {most} characters, expected at most {most}"
        raise Wrong(Reason("parse", "size", "$", message))
    return text


def _fixed(schema: dict[str, Any]) -> Read:
    size, shape = schema["size"], decimal(schema)
    if shape is not None:
        return _decimal(lambda cursor: _take(cursor, size), shape)
    if is_uuid(schema):
        return lambda cursor, _depth: uuid_text(_take(cursor, size))
    return lambda cursor, _depth: _take(cursor, size).decode("latin-1")


def _decimal(octets: Callable[[Cursor], bytes], shape: Decimal) -> Read:
    limit = 10**shape.precision

    def read(cursor: Cursor, _depth: int) -> str:
        value = int.from_bytes(octets(cursor), "big", signed=True)
        if abs(value) >= limit:  # before it is written out: the digits of a long one take for ever
            raise Wrong(wrong("avro", f"found more digits in a decimal than the {shape.precision} expected"))
        if not shape.scale:
            return _written(cursor, str(value))
        whole, rest = divmod(abs(value), 10**shape.scale)
        return _written(cursor, f"{'-' if value < 0 else ''}{whole}.{rest:0{shape.scale}d}")

    return read


def _nothing(_cursor: Cursor, _depth: int) -> None:
    return None


_LEAVES: Final[dict[str, Read]] = {
    "null": _nothing, "boolean": _boolean, "int": _long, "long": _long, "float": _float, "double": _double,
    "string": _string, "bytes": _bytes,
}  # fmt: skip


# ---- values with values in them


def _deeper(cursor: Cursor, depth: int) -> None:
    most = cursor.limits.depth_max
    if depth > most:
        raise Wrong(Reason("parse", "depth", "$", f"found more than {most} levels, expected at most {most}"))


def _counted(cursor: Cursor, members: int) -> None:
    cursor.members -= members
    if cursor.members < 0:
        most = cursor.limits.properties_max
        raise Wrong(Reason("parse", "properties", "$", f"found more than {most} members, expected at most {most}"))


def _union(branches: list[Read]) -> Read:
    def union(cursor: Cursor, depth: int) -> Any:
        index = _long(cursor)
        if not 0 <= index < len(branches):
            raise Wrong(wrong("avro", f"found branch {index} of a union, expected 0 to {len(branches) - 1}"))
        return branches[index](cursor, depth)

    return union


def _record(fields: list[tuple[str, Read]]) -> Read:
    def record(cursor: Cursor, depth: int) -> dict[str, Any]:
        _deeper(cursor, depth)
        _counted(cursor, len(fields))
        out, name = {}, ""
        try:
            for name, read in fields:
                out[name] = read(cursor, depth + 1)
        except Wrong as error:
            error.path.append(name)
            raise
        return out

    return record


def _block(cursor: Cursor) -> int:
    """Return how many items the next block has; each takes of what an event may hold, even those without bytes."""
    count = _long(cursor)
    if count < 0:
        count = -count
        size, left = _long(cursor), len(cursor.data) - cursor.at
        if not 0 <= size <= left:
            raise Wrong(wrong("avro", f"found a block of {size} bytes, expected 0 to {left}"))
    if count > cursor.items:
        raise Wrong(wrong("avro", f"found a block of {count} items, expected at most {cursor.items}"))
    cursor.items -= count
    return count


def _array(item: Read) -> Read:
    def array(cursor: Cursor, depth: int) -> list[Any]:
        _deeper(cursor, depth)
        out: list[Any] = []
        while count := _block(cursor):
            try:
                for _ in range(count):
                    out.append(item(cursor, depth + 1))  # noqa: PERF401  # how many there are is the path
            except Wrong as error:
                error.path.append(len(out))
                raise
        return out

    return array


def _map(value: Read) -> Read:
    def entries(cursor: Cursor, depth: int) -> dict[str, Any]:
        _deeper(cursor, depth)
        out = {}
        while count := _block(cursor):
            _counted(cursor, count)
            for _ in range(count):
                key = _string(cursor)
                try:
                    out[key] = value(cursor, depth + 1)
                except Wrong as error:
                    error.path.append(key)
                    raise
        return out

    return entries


# ---- what JSON cannot say


def no_numbers(value: Any, path: tuple[str | int, ...]) -> Iterator[Reason]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from no_numbers(below, (*path, key))
    elif isinstance(value, list):
        for at, below in enumerate(value):
            yield from no_numbers(below, (*path, at))
    elif isinstance(value, float) and not math.isfinite(value):
        shown = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        yield Reason("parse", "nan", json_path(path), f"found {shown}, expected a JSON number")


def uuid_text(raw: bytes) -> str:
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
