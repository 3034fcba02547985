"""What a column of a JSON Schema holds. Rule: a kind says yes only to what the schema lets through without loss.

Closed objects become structs, arrays of one such kind lists, and whatever is open or mixed JSON text. References are
followed wherever they lead in the book; a part that refers back to what it is a part of is JSON text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import pyarrow as pa

from tailrace.schema.contract import shown
from tailrace.schema.references import Scope

NESTED_MAX: Final = 16  # deeper than that, JSON text
FIELDS_MAX: Final = 10_000  # of one file, at all levels: definitions that use each other can stand for any number


class KindError(Exception):
    """A schema that cannot have columns."""


class ColumnError(KindError):
    """Two versions of one column that cannot be one column."""


class Leaf(NamedTuple):
    """A column without columns below it."""

    name: str
    type: pa.DataType


class Field(NamedTuple):
    """A member of a struct, or of the event itself."""

    name: str
    kind: Kind
    required: bool  # a valid event has it
    null: bool  # it may be null
    dictionary: bool = False  # few different values are likely


class Struct(NamedTuple):
    """A closed object."""

    fields: tuple[Field, ...]


class List(NamedTuple):
    """An array of one kind."""

    item: Kind


Kind = Leaf | Struct | List
Root = Mapping[str, Any] | Scope

TEXT: Final = Leaf("text", pa.string())
INTEGER: Final = Leaf("integer", pa.int64())
NUMBER: Final = Leaf("number", pa.float64())
BOOLEAN: Final = Leaf("true or false", pa.bool_())
JSON: Final = Leaf("JSON text", pa.string())
_LEAVES: Final = {"string": TEXT, "integer": INTEGER, "number": NUMBER, "boolean": BOOLEAN}
_PYTHON_TYPES: Final = {str: "string", int: "integer", float: "number", bool: "boolean", dict: "object", list: "array"}


def arrow(kind: Kind) -> pa.DataType:
    """Return the Arrow type of a kind."""
    if isinstance(kind, Leaf):
        return kind.type
    if isinstance(kind, List):
        return pa.list_(arrow(kind.item))
    return pa.struct([pa.field(field.name, arrow(field.kind)) for field in kind.fields])


def is_closed(schema: Mapping[str, Any]) -> bool:
    """Say whether an object may have no members but its `properties`."""
    return schema.get("additionalProperties") is False and not schema.get("patternProperties")


def fields(schema: Mapping[str, Any], root: Root, depth: int = 0) -> tuple[Field, ...]:
    """Return the declared members of an object schema, in their order. `root` is its document, or where it stands.

    KindError when they are too many.
    """
    scope = Scope.of(root)
    needed = schema.get("required")
    required = set(needed) if isinstance(needed, list) else set()
    properties = schema.get("properties") or {}
    scope.spent[0] += len(properties)
    if scope.spent[0] > FIELDS_MAX:
        raise KindError(f"found more than {FIELDS_MAX} members, those inside each other counted")
    out = []
    for name, below in properties.items():
        one, inside = scope.entered(below)
        types = _types(one)
        out.append(
            Field(
                name=name,
                kind=_kind_of(one, inside, depth + 1),
                required=name in required,
                null=types is None or "null" in types,
                dictionary="pattern" not in one and "format" not in one,
            )
        )
    return tuple(out)


def kind_of(schema: object, root: Root, depth: int = 0) -> Kind:
    """Return what a column of this schema holds."""
    return _kind_of(*Scope.of(root).entered(schema), depth)


def _kind_of(one: Mapping[str, Any], scope: Scope, depth: int) -> Kind:
    types = _types(one)
    if types is None or depth > NESTED_MAX:
        return JSON
    kinds = types - {"null"}
    if kinds == {"integer", "number"}:
        return NUMBER
    if len(kinds) != 1:
        return JSON
    (only,) = kinds
    if only in _LEAVES:
        return _LEAVES[only]
    if only == "object" and is_closed(one):
        members = fields(one, scope, depth)
        names = {field.name.casefold() for field in members}
        # Engines that fold case see one member where there are two, and no file format holds an empty struct.
        return Struct(members) if members and len(names) == len(members) and "" not in names else JSON
    if only == "array" and isinstance(one.get("items"), dict) and "prefixItems" not in one:
        item = kind_of(one["items"], scope, depth + 1)
        return List(item) if item is not JSON else JSON
    return JSON


def resolved(schema: object, root: Root) -> Mapping[str, Any]:
    """Return the schema a chain of references ends at; an empty one where it cannot be told."""
    return Scope.of(root).entered(schema)[0]


def _types(schema: Mapping[str, Any]) -> set[str] | None:
    """Return the types a value may have; None where the schema does not say."""
    types = schema.get("type")
    if isinstance(types, str):
        return {types}
    if isinstance(types, list):
        return set(types)
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(values, list) or not values:
        return None
    return {"null" if value is None else _PYTHON_TYPES[type(value)] for value in values}


def merged(old: Kind, new: Kind) -> Kind:
    """Return the kind that holds what both hold: structs may grow at their end. Raises ColumnError."""
    if isinstance(old, Struct) and isinstance(new, Struct):
        both = merged_fields(old.fields, new.fields)
        if len({field.name.casefold() for field in both}) != len(both):
            raise ColumnError("found two members that differ by case alone")
        return Struct(both)
    if isinstance(old, List) and isinstance(new, List):
        return List(merged(old.item, new.item))
    if isinstance(old, Leaf) and old is new:
        return old
    raise ColumnError(f"found {described(new)}, expected {described(old)} as in the version before")


def merged_fields(old: tuple[Field, ...], new: tuple[Field, ...]) -> tuple[Field, ...]:
    """Return the old fields, then those that are new. Raises ColumnError."""
    newer = {field.name: field for field in new}
    out = []
    for field in old:
        other = newer.pop(field.name, None)
        if other is None:
            out.append(field._replace(required=False))
            continue
        try:
            kind = merged(field.kind, other.kind)
        except ColumnError as error:
            raise ColumnError(f"{shown(field.name)}: {error}") from None
        out.append(
            Field(
                field.name,
                kind,
                required=field.required and other.required,
                null=field.null or other.null,
                dictionary=field.dictionary,
            )
        )
    out.extend(field._replace(required=False) for field in new if field.name in newer)
    return tuple(out)


def described(kind: Kind) -> str:
    """Return a kind as a message names it."""
    if isinstance(kind, Leaf):
        return kind.name
    return "an array of " + described(kind.item) if isinstance(kind, List) else "a closed object"


def dictionary_paths(name: str, field: Field) -> list[str]:
    """Return the paths of a column's leaves that are likely to repeat, as Parquet names them."""
    if isinstance(field.kind, Struct):
        return [path for below in field.kind.fields for path in dictionary_paths(f"{name}.{below.name}", below)]
    return [name] if field.kind is TEXT and field.dictionary else []


def json_paths(name: str, kind: Kind) -> list[str]:
    """Return the paths of a column's leaves that hold JSON text; the items of a list stand under its own."""
    if isinstance(kind, List):
        return json_paths(name, kind.item)
    if isinstance(kind, Struct):
        return [path for below in kind.fields for path in json_paths(f"{name}.{below.name}", below.kind)]
    return [name] if kind is JSON else []
