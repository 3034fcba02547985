"""What a column of a schema holds."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from tailrace.schema.kinds import (
    JSON,
    NUMBER,
    TEXT,
    KindError,
    List,
    Struct,
    arrow,
    dictionary_paths,
    fields,
    is_closed,
    kind_of,
    merged_fields,
)


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


INT = {"type": "integer"}
STR = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "type_"),
    [
        (STR, pa.string()),
        (INT, pa.int64()),
        ({"type": "number"}, pa.float64()),
        ({"type": ["number", "integer", "null"]}, pa.float64()),
        ({"type": ["boolean", "null"]}, pa.bool_()),
        ({"const": "a"}, pa.string()),
        ({"enum": [1, 2, None]}, pa.int64()),
        (closed(a=INT, b=STR), pa.struct([("a", pa.int64()), ("b", pa.string())])),
        ({"type": "array", "items": STR}, pa.list_(pa.string())),
        ({"type": "array", "items": closed(a=INT)}, pa.list_(pa.struct([("a", pa.int64())]))),
        ({"$ref": "#/definitions/a~1b"}, pa.int64()),
    ],
)
def test_closed_things_are_typed(schema: dict[str, Any], type_: pa.DataType) -> None:
    assert arrow(kind_of(schema, {"definitions": {"a/b": INT}})) == type_


@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        {"type": "object"},
        {"type": "object", "properties": {"a": INT}},
        {"type": "object", "additionalProperties": False},
        {"type": "object", "additionalProperties": False, "properties": {"a": INT}, "patternProperties": {"^x": INT}},
        closed(a=INT, A=INT),
        {"type": ["string", "integer"]},
        {"enum": [1, "a"]},
        {"enum": []},
        {"type": "array"},
        {"type": "array", "items": [INT, STR]},
        {"type": "array", "items": {"type": "object"}},
        {"$ref": "#/definitions/missing"},
        {"$ref": "#/definitions/loop"},
        {"$ref": "other.json"},
        {"oneOf": [INT, STR]},
    ],
)
def test_open_and_mixed_things_are_json_text(schema: Any) -> None:
    assert kind_of(schema, {"definitions": {"loop": {"$ref": "#/definitions/loop"}}}) is JSON


def test_a_schema_that_refers_to_itself_ends() -> None:
    root = closed(child={"$ref": "#"}, n=INT)
    kind = kind_of(root, root)
    depth = 0
    while isinstance(kind, Struct):
        kind, depth = kind.fields[0].kind, depth + 1
    assert kind is JSON
    assert depth < 20


def test_members_know_whether_they_are_there() -> None:
    schema = {**closed(a=INT, b={"type": ["integer", "null"]}, c={}), "required": ["a", "b"]}
    assert is_closed(schema)
    assert [(f.name, f.required, f.null) for f in fields(schema, schema)] == [
        ("a", True, False),
        ("b", True, True),
        ("c", False, True),
    ]


def test_later_versions_append_also_inside_structs() -> None:
    old, new = closed(a=closed(x=INT), b=STR), closed(c=INT, a=closed(y=STR, x=INT), b=STR)
    merged = merged_fields(fields(old, old), fields(new, new))
    assert [f.name for f in merged] == ["a", "b", "c"]
    assert arrow(merged[0].kind) == pa.struct([("x", pa.int64()), ("y", pa.string())])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (STR, INT),
        (STR, {"type": "object"}),
        (INT, {"type": "number"}),
        (closed(a=INT), {"type": "object"}),
        (closed(a=INT), closed(A=INT)),
        ({"type": "array", "items": INT}, {"type": "array", "items": STR}),
    ],
)
def test_one_column_has_one_kind(old: dict[str, Any], new: dict[str, Any]) -> None:
    one, two = closed(m=old), closed(m=new)
    with pytest.raises(KindError, match=r"^.m.: "):
        merged_fields(fields(one, one), fields(two, two))


def test_texts_that_repeat_are_named_as_parquet_names_them() -> None:
    schema = closed(a=closed(b=STR, id={"type": "string", "pattern": "^[0-9a-f]{32}$"}), n=INT, o={"type": "object"})
    paths = [path for field in fields(schema, schema) for path in dictionary_paths(field.name, field)]
    assert paths == ["a.b"]
    assert isinstance(List(TEXT), tuple)
    assert NUMBER.type == pa.float64()
