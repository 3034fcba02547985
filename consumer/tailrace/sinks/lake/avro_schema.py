"""An Avro schema of a table's columns, and back. Rule: what is appended to a table is appended here, with a default.

Every column is a union of null and its type, null by default: so a reader with a later schema reads earlier files, and
one with an earlier schema later files. Names that Avro does not allow are altered; `column` says what they were.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import pyarrow as pa

Schema = dict[str, Any]
Kind = str | Schema
COLUMN: Final = "column"  # the member that holds a name as it was
_NOT_ALLOWED: Final = re.compile(r"[^A-Za-z0-9_]")
_INT, _LONG, _FLOAT, _DOUBLE = "int", "long", "float", "double"
_PLAIN: Final[Mapping[pa.DataType, str]] = {
    pa.bool_(): "boolean",
    pa.int8(): _INT, pa.int16(): _INT, pa.int32(): _INT, pa.uint8(): _INT, pa.uint16(): _INT,
    pa.int64(): _LONG, pa.uint32(): _LONG,
    pa.float16(): _FLOAT, pa.float32(): _FLOAT, pa.float64(): _DOUBLE,
    pa.string(): "string",
    pa.binary(): "bytes",
}  # fmt: skip
_TIMES: Final = {"s": "millis", "ms": "millis", "us": "micros", "ns": "nanos"}
_UNITS: Final = {"millis": "ms", "micros": "us", "nanos": "ns"}
UINT64: Final = pa.decimal128(20, 0)  # what holds a number that is too large for a long
_BACK: Final[Mapping[str, pa.DataType]] = {
    "boolean": pa.bool_(), "int": pa.int32(), "long": pa.int64(), "float": pa.float32(), "double": pa.float64(),
    "string": pa.string(), "bytes": pa.binary(),
}  # fmt: skip


def avro_schema(table: str, columns: pa.Schema) -> Schema:
    """Return the schema of a table's rows."""
    name = _allowed(table)
    return {"type": "record", "name": name, "fields": list(_fields(columns, name))}


def union(kind: Kind) -> list[Kind]:
    """Return the type of what may be null."""
    return ["null", kind]


def _fields(fields: Iterable[pa.Field], inside: str) -> Iterator[Schema]:
    for field, name in zip(fields, names([field.name for field in fields]), strict=True):
        # A record is named by where it stands: the next one that is appended changes no name.
        out: Schema = {"name": name, "type": union(kind_of(field.type, inside, name)), "default": None}
        if name != field.name:
            out[COLUMN] = field.name
        yield out


def kind_of(kind: pa.DataType, inside: str, name: str) -> Kind:
    """Return what holds a value of an Arrow type. A record is called `name`, in the namespace `inside`."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if pa.types.is_struct(kind):
        fields = list(_fields(list(kind), f"{inside}.{name}"))
        return {"type": "record", "name": name, "namespace": inside, "fields": fields}
    if pa.types.is_list(kind):
        return {"type": "array", "items": union(kind_of(kind.value_type, inside, name))}
    if pa.types.is_timestamp(kind):
        local = "" if kind.tz else "local-"
        return {"type": _LONG, "logicalType": f"{local}timestamp-{_TIMES[kind.unit]}"}
    if pa.types.is_date32(kind):
        return {"type": _INT, "logicalType": "date"}
    if kind == pa.uint64():
        kind = UINT64
    if pa.types.is_decimal128(kind):
        return {"type": "bytes", "logicalType": "decimal", "precision": kind.precision, "scale": kind.scale}
    message = f"no Avro type holds {kind}"
    raise TypeError(message)


def names(wanted: Iterable[str]) -> list[str]:
    """Return names that Avro allows, no two alike but for case; which one is given hangs on those before it alone."""
    taken: set[str] = set()
    out = []
    for name in wanted:
        base = free = _allowed(name)
        number = 1
        while free.casefold() in taken:
            number += 1
            free = f"{base}_{number}"
        taken.add(free.casefold())
        out.append(free)
    return out


def _allowed(name: str) -> str:
    text = _NOT_ALLOWED.sub("_", name)
    return text if text[:1].isalpha() or text[:1] == "_" else f"_{text}"


def columns_of(schema: Mapping[str, Any]) -> pa.Schema:
    """Return the columns of a file by its schema, under the names that Avro has for them."""
    return pa.schema([(field["name"], _type_of(field["type"])) for field in schema["fields"]])


def originals(schema: Mapping[str, Any]) -> list[str]:
    """Return the names of a file's columns as its table has them."""
    return [field.get(COLUMN, field["name"]) for field in schema["fields"]]


def _type_of(kind: Any) -> pa.DataType:
    if isinstance(kind, list):
        (kind,) = (one for one in kind if one != "null")
    if isinstance(kind, str):
        return _BACK[kind]
    logical = kind.get("logicalType", "")
    if logical == "decimal":
        return pa.decimal128(kind["precision"], kind.get("scale", 0))
    if logical == "date":
        return pa.date32()
    if "timestamp-" in logical:
        unit = _UNITS[logical.rpartition("-")[2]]
        return pa.timestamp(unit) if logical.startswith("local-") else pa.timestamp(unit, "UTC")
    if kind["type"] == "array":
        return pa.list_(_type_of(kind["items"]))
    if kind["type"] == "record":
        return pa.struct([(field["name"], _type_of(field["type"])) for field in kind["fields"]])
    return _BACK[kind["type"]]
