"""Avro schemas and values for tests: random ones, what fastavro makes of them, and what they ought to be as JSON."""

from __future__ import annotations

import io
import struct
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
from hypothesis import strategies as st

from tailrace.schema.avro import fingerprint_of

Draw = Any  # what hypothesis gives to a composite strategy
REGISTRY_ID = "01234567-89ab-cdef-0123-456789abcdef"
LINE = {
    "type": "record",
    "name": "Line",
    "fields": [{"name": "sku", "type": "string"}, {"name": "n", "type": "int"}],
}
ORDER: dict[str, Any] = {
    "type": "record",
    "name": "Order",
    "namespace": "com.acme",
    "glue.schema.version.id": REGISTRY_ID,
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "name", "type": ["null", "string"], "default": None},
        {"name": "lines", "type": {"type": "array", "items": LINE}},
    ],
}
ORDERED: dict[str, Any] = {
    "id": "o-1",
    "timestamp": 1_760_000_000_009,
    "amount": "12.50",
    "name": "Ada",
    "lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 300}],
}


def encoded(avsc: Any, datum: Any) -> bytes:
    """Return a value as fastavro writes it, without a header."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(avsc), datum)
    return out.getvalue()


def single_object(avsc: Any, datum: Any) -> bytes:
    """Return a value in Avro's single-object encoding."""
    return b"\xc3\x01" + fingerprint_of(avsc) + encoded(avsc, datum)


def order(**changes: Any) -> bytes:
    """Return a payload of an order."""
    datum = {**ORDERED, **changes}
    return single_object(ORDER, {**datum, "amount": Decimal(datum["amount"])})


# ---- random schemas


@st.composite
def schemas(draw: Draw, *, plain: bool = False) -> dict[str, Any]:
    """Return a record's schema. A plain one has types only whose values are the same in JSON and for fastavro."""
    maker = _Maker(draw, plain=plain)
    fields = [
        {"name": f"f{at}", **maker.field()} for at in range(draw(st.integers(0, 4)))
    ]  # fmt: skip
    if draw(st.booleans()):
        fields.append({"name": "inner", "type": ["null", "Top"], "default": None})
    return {"type": "record", "name": "Top", "namespace": draw(st.sampled_from(["a.b", "x"])), "fields": fields}


class _Maker:
    def __init__(self, draw: Draw, *, plain: bool) -> None:
        self.draw, self.plain = draw, plain
        self.named: list[str] = []
        self.count = 0

    def field(self) -> dict[str, Any]:
        found = self.type(2)
        if isinstance(found, list) and found[0] == "null" and self.draw(st.booleans()):
            return {"type": found, "default": None}
        return {"type": found}

    def type(self, depth: int) -> Any:
        kinds = ["leaf", "leaf", "enum", "named"] + (["array", "map", "record", "union"] if depth else [])
        match self.draw(st.sampled_from(kinds + ([] if self.plain else ["fixed", "logical"]))):
            case "enum":
                return self.name({"type": "enum", "symbols": ["A", "B", "C"]})
            case "named" if self.named:
                return self.draw(st.sampled_from(self.named))
            case "array":
                return {"type": "array", "items": self.type(depth - 1)}
            case "map":
                return {"type": "map", "values": self.type(depth - 1)}
            case "record":
                fields = [{"name": f"g{at}", **self.inner(depth)} for at in range(self.draw(st.integers(0, 3)))]
                return self.name({"type": "record", "fields": fields})
            case "union":
                return self.union(depth)
            case "fixed":
                return self.name({"type": "fixed", "size": self.draw(st.integers(0, 5))})
            case "logical":
                return self.logical()
        leaves = ["null", "boolean", "int", "long", "double", "string", *([] if self.plain else ["float", "bytes"])]
        leaf = self.draw(st.sampled_from(leaves))
        return self.draw(st.sampled_from([leaf, {"type": leaf}]))

    def inner(self, depth: int) -> dict[str, Any]:
        return {"type": self.type(depth - 1)}

    def union(self, depth: int) -> list[Any]:
        """Return branches of which a value fits one only."""
        numbers = [["int"], ["long"], ["double"], ["int", "double"], ["long", "double"], []]
        found: list[Any] = [*self.draw(st.sampled_from(numbers))]
        found += self.draw(st.sampled_from([["string"], []]))
        found += self.draw(st.sampled_from([["boolean"], []]))
        below = self.draw(st.sampled_from(["record", "map", "array", None]))
        if below == "record":
            fields = [{"name": "g0", "type": "string"}, {"name": "g1", **self.inner(depth)}]
            found.append(self.name({"type": "record", "fields": fields}))
        elif below is not None:
            found.append({"type": below, "values" if below == "map" else "items": self.type(depth - 1)})
        return ["null", *found] if self.draw(st.booleans()) or not found else found

    def logical(self) -> dict[str, Any]:
        scale = self.draw(st.integers(0, 6))
        digits = {"logicalType": "decimal", "precision": self.draw(st.integers(max(scale, 1), 9)), "scale": scale}
        found = self.draw(
            st.sampled_from([
                {"type": "long", "logicalType": "timestamp-millis"},
                {"type": "long", "logicalType": "timestamp-micros"},
                {"type": "int", "logicalType": "date"},
                {"type": "int", "logicalType": "time-millis"},
                {"type": "long", "logicalType": "time-micros"},
                {"type": "string", "logicalType": "uuid"},
                {"type": "bytes", **digits},
                {"type": "fixed", "size": 8, **digits},
                {"type": "fixed", "size": 16, "logicalType": "uuid"},
            ])
        )  # fmt: skip
        return self.name(dict(found)) if found["type"] == "fixed" else dict(found)

    def name(self, schema: dict[str, Any]) -> dict[str, Any]:
        self.count += 1
        name = f"N{self.count}"
        found = {**schema, "name": name, **self.draw(st.sampled_from([{}, {"namespace": "other"}, {"doc": "x"}]))}
        self.named.append(f"other.{name}" if "namespace" in found else name)
        if "namespace" in found:  # names inside it would stand in its namespace
            found = found if found["type"] != "record" else {k: v for k, v in found.items() if k != "namespace"}
            self.named[-1] = f"other.{name}" if "namespace" in found else name
        return found


# ---- and their values


@st.composite
def values(draw: Draw, avsc: dict[str, Any]) -> tuple[Any, Any]:
    """Return a value as fastavro takes it, and as it ought to come out."""
    names: dict[str, Any] = {}
    parsed = fastavro.parse_schema(avsc, names)
    return _value(draw, parsed, names, 3)


NUMBERS = {
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "null": st.none(),
    "string": st.text(max_size=6),
}
DATED = {
    "timestamp-millis": (datetime(2025, 10, 9, 8, 53, 20, 9000, tzinfo=UTC), 1_760_000_000_009),
    "timestamp-micros": (datetime(2025, 10, 9, 8, 53, 20, 9, tzinfo=UTC), 1_760_000_000_000_009),
    "date": (datetime(2025, 10, 9, tzinfo=UTC).date(), 20_370),
    "time-millis": (61_000, 61_000),
    "time-micros": (61_000_000, 61_000_000),
}


def _value(draw: Draw, schema: Any, names: dict[str, Any], depth: int) -> tuple[Any, Any]:
    if isinstance(schema, list):
        branches = schema[:1] if depth <= 0 else schema
        branch = draw(st.sampled_from(branches))
        datum, expected = _value(draw, branch, names, depth - 1)
        return datum, expected
    if isinstance(schema, str):
        if schema in names:
            return _value(draw, names[schema], names, depth)
        schema = {"type": schema}
    kind = schema["type"]
    if "logicalType" in schema:
        return _logical(draw, schema)
    if kind in NUMBERS:
        found = draw(NUMBERS[kind])
        return found, found
    if kind == "float":
        found = draw(st.floats(width=32, allow_nan=False, allow_infinity=False))
        return found, struct.unpack("<f", struct.pack("<f", found))[0]
    if kind in {"bytes", "fixed"}:
        size = schema.get("size")
        found = draw(st.binary(min_size=size or 0, max_size=6 if size is None else size))
        return found, found.decode("latin-1")
    if kind == "enum":
        found = draw(st.sampled_from(schema["symbols"]))
        return found, found
    return _inside(draw, schema, names, depth)


def _logical(draw: Draw, schema: dict[str, Any]) -> tuple[Any, Any]:
    logical = schema["logicalType"]
    if logical in DATED:
        return DATED[logical]
    if logical == "uuid":
        found = draw(st.uuids())
        return (found.bytes if schema["type"] == "fixed" else found), str(found)
    unscaled = draw(st.integers(-(10 ** schema["precision"]) + 1, 10 ** schema["precision"] - 1))
    found = Decimal(unscaled).scaleb(-schema["scale"])
    return found, f"{'-' if unscaled < 0 else ''}{abs(found):f}"


def _inside(draw: Draw, schema: dict[str, Any], names: dict[str, Any], depth: int) -> tuple[Any, Any]:
    if schema["type"] == "array":
        pairs = [_value(draw, schema["items"], names, depth - 1) for _ in range(draw(st.integers(0, 3)))]
        return [datum for datum, _ in pairs], [expected for _, expected in pairs]
    if schema["type"] == "map":
        keys = draw(st.lists(st.text(max_size=3), max_size=3, unique=True))
        found = {key: _value(draw, schema["values"], names, depth - 1) for key in keys}
    else:
        found = {field["name"]: _value(draw, field["type"], names, depth - 1) for field in schema["fields"]}
    return {key: datum for key, (datum, _) in found.items()}, {key: value for key, (_, value) in found.items()}


def as_json(datum: Any) -> Any:
    """Return what fastavro reads as the JSON that it ought to be, dates aside."""
    if isinstance(datum, dict):
        return {key: as_json(value) for key, value in datum.items()}
    if isinstance(datum, list):
        return [as_json(value) for value in datum]
    if isinstance(datum, bytes):
        return datum.decode("latin-1")
    return str(datum) if isinstance(datum, UUID) else datum
