"""Avro schemas as JSON Schemas. Rule: an .avsc is turned once, and from then on one path judges, stores and rejects.

A value means what it means in Avro's own JSON: bytes and fixed are text of the characters U+0000 to U+00FF, a
logical type is the number or text below it (a date is its days, a timestamp its milliseconds or microseconds). Three
things differ: a union's value stands by itself, without the name of its branch; a decimal is text like "-12.50"; a
uuid is text with hyphens, also where it is a fixed of 16 bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from fastavro.schema import (
    SchemaParseException,
    UnknownType,
    fingerprint,
    parse_schema,
    to_parsing_canonical_form,
)

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
REGISTRY_ID: Final = "glue.schema.version.id"  # attribute of the .avsc: the id of its version in Glue's registry
FIXED_BYTES_MAX: Final = 1 << 20
DIGITS_MAX: Final = 1000  # of a decimal; one with more is read as the bytes it is
INTEGERS: Final = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
BYTES_PATTERN: Final = "^[\\u0000-\\u00ff]*$"

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_NUMBERS: Final = frozenset({"int", "long", "float", "double"})
_PLAIN: Final[dict[str, dict[str, Any]]] = {
    "null": {"type": "null"},
    "boolean": {"type": "boolean"},
    **{
        name: {"type": "integer", "minimum": least, "maximum": most} for name, (least, most) in INTEGERS.items()
    },
    "float": {"type": "number"},
    "double": {"type": "number"},
    "string": {"type": "string"},
    "bytes": {"type": "string", "pattern": BYTES_PATTERN},
}  # fmt: skip


class AvroError(Exception):
    """A schema that is no usable Avro; one line: what is wrong with it."""


class Parsed(NamedTuple):
    """An Avro schema with every name written out, and its named types."""

    schema: Any
    names: Mapping[str, Any]


class Writer(NamedTuple):
    """What decodes the payloads of one version."""

    event_type: str
    version: str
    parsed: Parsed

    @property
    def name(self) -> str:
        return f"{self.event_type}/{self.version}"


class Writers(NamedTuple):
    """Every Avro schema of the book, by what a payload's header names."""

    by_fingerprint: Mapping[bytes, Writer]  # eight bytes, as they stand in the header
    by_id: Mapping[bytes, Writer]  # sixteen bytes


NO_WRITERS: Final = Writers({}, {})


class Decimal(NamedTuple):
    """A decimal's shape."""

    precision: int
    scale: int


def parsed(avsc: object) -> Parsed:
    """Understand an Avro schema. Raises AvroError."""
    names: dict[str, Any] = {}
    try:
        schema = parse_schema(avsc, names, _write_hint=False)  # type: ignore[arg-type]
    except UnknownType as error:
        raise AvroError(f"found the type {str(error.name)[:100]!r}, expected one that is known by then") from None
    except SchemaParseException as error:
        raise AvroError(" ".join(str(error).split())[:300]) from None
    except KeyError as error:
        raise AvroError(f"no Avro schema: a type lacks its {error}") from None
    except (TypeError, AttributeError, ValueError, RecursionError) as error:
        raise AvroError(f"no Avro schema: {' '.join(str(error).split())[:200]}") from None
    return Parsed(schema, names)


def fingerprint_of(avsc: object) -> bytes:
    """Return the CRC-64-AVRO of a schema's parsing canonical form, as it stands in a header: low byte first."""
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(parsed(avsc).schema), "CRC-64-AVRO"))


def converted(avsc: object) -> dict[str, Any]:
    """Return the JSON Schema that an Avro schema says. Raises AvroError.

    `self.schema` in it is the Avro schema as it came, so that the book and its digest know it too.
    """
    understood = parsed(avsc)
    top = understood.schema
    if not isinstance(top, dict) or top["type"] not in {"record", "error"}:
        raise AvroError("expected a record: an event has members")
    turn = _Turn(understood)
    try:
        body = turn.record(top)
        about = {"format": "avro", "fingerprint": fingerprint_of(avsc).hex(), "schema": avsc}
    except RecursionError:
        raise AvroError("expected types that are less deep in each other") from None
    registry_id(avsc)
    return {"$schema": DIALECT, "self": about, **body, **({"$defs": turn.defs} if turn.defs else {})}


def registry_id(avsc: object) -> bytes | None:
    """Return the sixteen bytes under which a registry knows a schema, None where it does not say. Raises AvroError."""
    value = avsc.get(REGISTRY_ID) if isinstance(avsc, dict) else None
    if value is None:
        return None
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise AvroError(f"{REGISTRY_ID}: found {str(value)[:60]!r}, expected a UUID like 01234567-89ab-...")
    return bytes.fromhex(value.replace("-", ""))


def writers(schemas: Iterable[tuple[str, str, Mapping[str, Any]]]) -> Writers:
    """Return the Avro schemas among (event type, version, JSON Schema), versions oldest first. Raises AvroError.

    Versions of one type that are encoded alike have one fingerprint; the newest is it. Two types never share one.
    """
    by_fingerprint: dict[bytes, Writer] = {}
    by_id: dict[bytes, Writer] = {}
    for event_type, version, schema in schemas:
        about = schema.get("self")
        if not isinstance(about, dict) or about.get("format") != "avro" or "schema" not in about:
            continue
        avsc = about["schema"]
        writer = Writer(event_type, version, parsed(avsc))
        key, number = fingerprint_of(avsc), registry_id(avsc)
        other = by_fingerprint.get(key, writer)
        if other.event_type != event_type:
            raise AvroError(f"{writer.name}.avsc: {other.name}.avsc has the same fingerprint {key.hex()} already")
        by_fingerprint[key] = writer
        if number is None:
            continue
        if number in by_id:
            raise AvroError(f"{writer.name}.avsc: {by_id[number].name}.avsc has the same {REGISTRY_ID} already")
        by_id[number] = writer
    return Writers(by_fingerprint, by_id)


def decimal(schema: Mapping[str, Any]) -> Decimal | None:
    """Return the shape of a decimal; None where a type is none, or not a sound one, and so counts as its bytes."""
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    if schema.get("logicalType") != "decimal" or type(precision) is not int or type(scale) is not int:
        return None
    return Decimal(precision, scale) if 0 < precision <= DIGITS_MAX and 0 <= scale <= precision else None


def is_uuid(schema: Mapping[str, Any]) -> bool:
    """Say whether a type is a uuid: a string, or a fixed of 16 bytes."""
    size = schema.get("size", 16)
    return schema.get("logicalType") == "uuid" and schema["type"] in {"string", "fixed"} and size == 16


class _Turn:
    """Turns types, each named one once."""

    def __init__(self, understood: Parsed) -> None:
        self._names, self._top = understood.names, understood.schema["name"]
        self._building = {self._top}
        self.defs: dict[str, dict[str, Any]] = {}

    def node(self, schema: Any, *, null: bool = False) -> dict[str, Any]:
        """Return the JSON Schema of a type; with `null`, of a value that may be null as well."""
        if isinstance(schema, list):
            return self._union(schema, null=null)
        if isinstance(schema, str):
            return _nullable(_PLAIN[schema], null=null) if schema in _PLAIN else self._reference(schema, null=null)
        kind = schema["type"]
        if kind in {"record", "error", "enum", "fixed"}:
            return self._reference(schema["name"], null=null)
        if kind == "array":
            found = {"type": "array", "items": self.node(schema["items"])}
        elif kind == "map":
            found = {"type": "object", "additionalProperties": self.node(schema["values"])}
        else:
            found = _text(schema) or _PLAIN[kind]
        return _nullable(found, null=null)

    def record(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return the closed object that a record is: every member without a default must be there."""
        names = [field["name"] for field in schema["fields"]]
        wrong = next((name for name in names if not isinstance(name, str) or names.count(name) > 1), None)
        if wrong is not None:
            raise AvroError(f"{schema['name']}: found the field {str(wrong)[:100]!r} twice, or a name that is no text")
        return {
            "type": "object",
            "properties": {field["name"]: self.node(field["type"]) for field in schema["fields"]},
            "required": [field["name"] for field in schema["fields"] if "default" not in field],
            "additionalProperties": False,
        }

    def _reference(self, name: str, *, null: bool) -> dict[str, Any]:
        """Return the reference to a named type; one that may be null is a definition of its own, with a `?`."""
        if not _NAME.fullmatch(name):
            raise AvroError(f"found the name {name[:100]!r}, expected letters, digits and _, parted by dots")
        key = name + "?" if null else name
        within = not self._building.isdisjoint((name, name + "?"))
        if key not in self.defs and key not in self._building:
            self._building.add(key)
            self.defs[key] = _nullable(self._named(self._names[name]), null=null)
            self._building.discard(key)
        reference = {"$ref": "#" if key == self._top else f"#/$defs/{key}"}
        # A type inside itself: not as a bare reference, so that no column has endless columns below it.
        return {"allOf": [reference]} if within else reference

    def _named(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        if schema["type"] == "enum":
            return {"type": "string", "enum": list(schema["symbols"])}
        if schema["type"] != "fixed":
            return self.record(schema)
        size = schema["size"]
        if type(size) is not int or not 0 <= size <= FIXED_BYTES_MAX:
            raise AvroError(f"{schema['name']}: found the size {str(size)[:40]}, expected 0 to {FIXED_BYTES_MAX}")
        return _text(schema) or {**_PLAIN["bytes"], "minLength": size, "maxLength": size}

    def _union(self, branches: list[Any], *, null: bool) -> dict[str, Any]:
        if any(isinstance(branch, list) for branch in branches) or not branches:
            raise AvroError("found a union that is empty or has a union in it, expected types")
        others = [branch for branch in branches if _kind(branch) != "null"]
        null = null or len(others) < len(branches)
        if not others:
            return _PLAIN["null"]
        if len(others) == 1:
            return self.node(others[0], null=null)
        kinds = set(map(_kind, others))
        if kinds <= _NUMBERS:
            kind = "long" if kinds <= set(INTEGERS) else "double"
            return _nullable(_PLAIN[kind], null=null)
        found = [self.node(branch) for branch in others]
        return {"anyOf": [*found, _PLAIN["null"]] if null else found}


def _kind(schema: Any) -> str:
    found = schema["type"] if isinstance(schema, dict) else schema
    assert isinstance(found, str)
    return found


def _nullable(schema: dict[str, Any], *, null: bool) -> dict[str, Any]:
    """Return a schema of one type that lets null through as well."""
    if not null or schema["type"] == "null":
        return schema
    more = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **more}


def _text(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the text that a logical type is where it is not what stands below it."""
    if is_uuid(schema):
        return {"type": "string", "format": "uuid"}
    shape = decimal(schema) if schema["type"] in {"bytes", "fixed"} else None
    if shape is None:
        return None
    whole = shape.precision - shape.scale
    digits = f"(0|[1-9][0-9]{{0,{whole - 1}}})" if whole else "0"
    return {"type": "string", "pattern": f"^-?{digits}{f'[.][0-9]{{{shape.scale}}}' if shape.scale else ''}$"}
