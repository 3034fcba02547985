"""Avro schemas: fingerprints as others compute them, JSON Schemas that say the same, columns, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.avro_schemas import ORDER, ORDERED, REGISTRY_ID
from support.pipelines import closed
from tailrace import settings
from tailrace.schema.avro import AvroError, converted, fingerprint_of, writers
from tailrace.schema.book import Book, BookError, Page
from tailrace.schema.load import load
from tailrace.schema.validate import compiled, judge

FIXED = {"type": "fixed", "name": "F", "size": 2}


def record(*types: Any, **more: Any) -> dict[str, Any]:
    """Return a schema with the fields a, b, ..."""
    fields = [{"name": name, "type": found} for name, found in zip("abcdef", types, strict=False)]
    return {"type": "record", "name": "R", "fields": fields, **more}


# The values that Avro publishes for its implementations to agree on, as signed numbers of 64 bits.
@pytest.mark.parametrize(
    ("schema", "fingerprint"),
    [
        ("null", 7195948357588979594),
        ("boolean", -6970731678124411036),
        ({"type": "int"}, 8247732601305521295),
        ("long", -3434872931120570953),
        ("float", 5583340709985441680),
        ("double", -8181574048448539266),
        ("bytes", 5746618253357095269),
        ("string", -8142146995180207161),
        (["int"], -5232228896498058493),
        (["int", {"type": "boolean"}], 5392556393470105090),
        ({"fields": [], "type": "record", "name": "foo"}, -4824392279771201922),
        ({"fields": [], "type": "record", "name": "foo", "namespace": "x.y"}, 5916914534497305771),
        ({"fields": [], "type": "record", "name": "a.b.foo", "namespace": "x.y"}, -4616218487480524110),
        ({"fields": [], "type": "record", "name": "foo", "doc": "x", "aliases": ["foo"]}, -4824392279771201922),
        (
            {"fields": [{"type": {"type": "boolean"}, "name": "f1"}], "type": "record", "name": "foo"},
            7843277075252814651,
        ),
        ({"namespace": "x.y.z", "type": "enum", "name": "foo", "symbols": ["A1", "A2"]}, -4448647247586288245),
        ({"namespace": "x.y.z", "type": "fixed", "name": "foo", "size": 32}, -3064184465700546786),
        ({"items": {"type": "null"}, "type": "array"}, -589620603366471059),
        ({"values": "string", "type": "map"}, -8732877298790414990),
        (
            {
                "name": "PigValue",
                "type": "record",
                "fields": [{"name": "value", "type": ["null", "int", "long", "PigValue"]}],
            },
            -1759257747318642341,
        ),
    ],
    ids=str,
)
def test_fingerprints_are_those_that_avro_publishes(schema: Any, fingerprint: int) -> None:
    assert fingerprint_of(schema) == fingerprint.to_bytes(8, "little", signed=True)


@pytest.mark.parametrize(
    ("found", "good", "bad"),
    [
        ("null", [None], [0, ""]),
        ("boolean", [True, False], [0, "true"]),
        ("int", [0, -(2**31), 2**31 - 1, 1.0], [2**31, -(2**31) - 1, 0.5, True, "1"]),
        ("long", [2**63 - 1, -(2**63)], [2**63, 1e300]),
        ("double", [0.5, 1], ["0.5", None]),
        ("string", ["", "é"], [1, None]),
        ("bytes", ["", "\x00\xff\n"], ["\u0100", 1]),
        (FIXED, ["ab", "\x00\xff"], ["a", "abc", "a\u0100"]),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, ["A"], ["C", 0, None]),
        ({"type": "array", "items": "int"}, [[], [1, 2]], [[0.5], {}, None]),
        ({"type": "map", "values": "int"}, [{}, {"x": 1}], [{"x": "1"}, []]),
        (["null", "int"], [None, 1], ["1", 2**31]),
        (["null", {"type": "enum", "name": "E", "symbols": ["A"]}], [None, "A"], ["B"]),
        (["int", "double"], [1, 2**40, 0.5], [None, "1"]),
        (["int", "long", "null"], [2**40, None], [2**63, 0.5]),
        (["int", "string"], [1, "x"], [None, 0.5]),
        (["null", "int", "string"], [None, 1, "x"], [[]]),
        ({"type": "long", "logicalType": "timestamp-millis"}, [1_760_000_000_000], ["2025-10-09T00:00:00Z"]),
        ({"type": "int", "logicalType": "date"}, [20_370], ["2025-10-09"]),
        ({"type": "string", "logicalType": "uuid"}, ["01234567-89ab-cdef-0123-456789abcdef"], ["x", 1]),
        (
            {"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"},
            ["01234567-89ab-cdef-0123-456789abcdef"],
            ["x" * 16],
        ),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
            ["0.00", "-12.50", "99.99"],
            ["1", "1.5", "100.00", "01.00", "1.234", 1.5],
        ),
        ({"type": "bytes", "logicalType": "decimal", "precision": 2}, ["0", "-12"], ["1.0", "123", ""]),
        ({"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 2}, ["0.12"], ["1.12", ".12"]),
        ({"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3}, None, None),
        ({"type": "string", "logicalType": "unheard-of"}, ["x"], [1]),
    ],
    ids=str,
)
def test_what_a_type_says_of_json(found: Any, good: list[Any] | None, bad: list[Any] | None) -> None:
    if good is None or bad is None:
        with pytest.raises(AvroError, match="scale"):
            converted(record(found))
        return
    schema = compiled(converted(record(found)))
    assert judge(schema, [{"a": value} for value in good]) == {}
    assert list(judge(schema, [{"a": value} for value in bad])) == list(range(len(bad)))


def test_members_without_a_default_are_required_and_others_unknown() -> None:
    fields = [{"name": "a", "type": "int"}, {"name": "b", "type": "int", "default": 0}]
    schema = compiled(converted({"type": "record", "name": "R", "fields": fields}))
    assert judge(schema, [{"a": 1}, {"a": 1, "b": 2}]) == {}
    (reasons,) = judge(schema, [{"b": 1, "c": 2}]).values()
    assert {(one.keyword, one.path) for one in reasons} == {("required", "$.a"), ("additionalProperties", "$.c")}


def test_named_types_are_told_apart_by_their_namespaces() -> None:
    one = {"type": "record", "name": "P", "fields": [{"name": "x", "type": "int"}]}
    other = {"type": "record", "name": "P", "namespace": "b", "fields": [{"name": "y", "type": "int"}]}
    schema = compiled(converted(record(one, other, "P", "b.P", ["null", "P"], namespace="a")))
    sound = {"a": {"x": 1}, "b": {"y": 1}, "c": {"x": 2}, "d": {"y": 2}, "e": None}
    assert judge(schema, [sound, {**sound, "e": {"x": 3}}]) == {}
    assert list(judge(schema, [{**sound, "c": {"y": 1}}, {**sound, "d": {"x": 1}}, {**sound, "e": {"y": 1}}])) == [
        0,
        1,
        2,
    ]


def page(avsc: dict[str, Any]) -> Page:
    found = Book(settings.Contract(), {("t", "1-0-0"): converted(avsc)}).page("t", None)
    assert found is not None
    return found


def columns(avsc: dict[str, Any]) -> dict[str, str]:
    found = page(avsc)
    return {field.name: str(field.type) for field in found.table.schema if field.name in found.declared}


def test_columns_have_the_types_of_the_fields() -> None:
    point = {"type": "record", "name": "P", "fields": [{"name": "x", "type": "double"}]}
    assert columns(record("int", ["null", point], {"type": "array", "items": "P"}, "bytes", ["int", "string"])) == {
        "a": "int64",
        "b": "struct<x: double>",
        "c": "list<item: struct<x: double>>",
        "d": "string",
        "e": "string",
    }


def test_a_type_inside_itself_is_json_text() -> None:
    tree = record("int", ["null", "R"], {"type": "array", "items": "R"})
    assert columns(tree) == {"a": "int64", "b": "string", "c": "string"}
    schema = compiled(converted(tree))
    leaf: dict[str, Any] = {"a": 1, "b": None, "c": []}
    assert judge(schema, [{**leaf, "b": {**leaf, "c": [leaf]}}]) == {}
    (reason,) = judge(schema, [{**leaf, "b": {**leaf, "c": [{**leaf, "a": "x"}]}}])[0]
    assert (reason.keyword, reason.path) == ("type", "$.b.c[0].a")


def test_types_inside_each_other_end() -> None:
    """Two types that hold each other twice would have more columns than fit anywhere."""
    other = {"type": "record", "name": "S", "fields": [{"name": n, "type": ["null", "R"]} for n in "xy"]}
    assert columns(record(["null", other], ["null", "S"], "S")) == dict.fromkeys("abc", "struct<x: string, y: string>")


def test_a_field_named_name_is_no_event_type() -> None:
    """The schema says what an event is, so a field of a contract's name for types stays a column."""
    found = page(ORDER)
    assert "name" in found.table.schema.names
    assert found.lifted == {"event_id": "id", "event_time": "timestamp"}


@pytest.mark.parametrize(
    ("avsc", "words"),
    [
        ("string", "expected a record"),
        ([ORDER], "expected a record"),
        ({"type": "array", "items": "int"}, "expected a record"),
        (7, "no Avro schema"),
        ({}, "a type lacks its 'type'"),
        ({"type": "record", "name": "R"}, None),
        ({"type": "record", "fields": []}, "name"),
        (record("nope"), "found the type 'nope'"),
        (record({"type": "wrong"}), "found the type"),
        (record({"type": "fixed", "name": "F", "size": "2"}), "F: found the size 2"),
        (record({"type": "fixed", "name": "F", "size": -1}), "expected 0 to"),
        (record({"type": "enum", "name": "E", "symbols": ["a-b"]}), "Every symbol must match"),
        (record(FIXED, FIXED), "redefined named type: F"),
        (record([]), "found a union that is empty"),
        (record(["null", ["int"]]), "has a union in it"),
        (record({"type": "fixed", "name": "a b/c", "size": 1}), "found the name 'a b/c'"),
        ({"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}] * 2}, "found the field 'a' twice"),
        ({"type": "record", "name": "R", "fields": [{"name": 1, "type": "int"}]}, "no text"),
        ({"type": "record", "name": "R", "fields": [{"name": "a", "type": "int", "default": "x"}]}, "Default value"),
        ({**ORDER, "glue.schema.version.id": "7"}, "glue.schema.version.id: found '7', expected a UUID"),
    ],
    ids=str,
)
def test_what_is_no_usable_schema_is_told_in_one_line(avsc: Any, words: str | None) -> None:
    if words is None:
        assert converted(avsc)["properties"] == {}
        return
    with pytest.raises(AvroError) as caught:
        converted(avsc)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_very_deep_schema_is_refused() -> None:
    deep: Any = "int"
    for _ in range(5000):
        deep = {"type": "array", "items": deep}
    with pytest.raises(AvroError):
        converted(record(deep))


def test_writers_are_found_by_what_a_header_names() -> None:
    newer = {**ORDER, "doc": "encoded as before", "glue.schema.version.id": "f" * 8 + REGISTRY_ID[8:]}
    schemas = [("order", "1-0-0", converted(ORDER)), ("order", "1-0-1", converted(newer)), ("x", "1-0-0", closed({}))]
    found = writers(schemas)
    assert {key: writer.name for key, writer in found.by_fingerprint.items()} == {fingerprint_of(ORDER): "order/1-0-1"}
    names = {key.hex(): writer.name for key, writer in found.by_id.items()}
    assert names == {
        REGISTRY_ID.replace("-", ""): "order/1-0-0",
        "f" * 8 + REGISTRY_ID[8:].replace("-", ""): "order/1-0-1",
    }


def test_two_types_cannot_have_one_fingerprint_nor_two_versions_one_id() -> None:
    with pytest.raises(AvroError, match=r"^z/1-0-0\.avsc: order/1-0-0\.avsc has the same fingerprint [0-9a-f]{16}"):
        writers([("order", "1-0-0", converted(ORDER)), ("z", "1-0-0", converted(ORDER))])
    with pytest.raises(AvroError, match=r"^order/1-0-1\.avsc: order/1-0-0\.avsc has the same glue\.schema"):
        writers([("order", version, converted(ORDER)) for version in ("1-0-0", "1-0-1")])


# ---- in the book


def put(root: Path, name: str, value: Any) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(value if isinstance(value, str) else json.dumps(value))


def test_an_avsc_is_a_version_like_any_other(tmp_path: Path) -> None:
    more = {**ORDER, "fields": [*ORDER["fields"], {"name": "note", "type": ["null", "string"], "default": None}]}
    del more["glue.schema.version.id"]
    put(tmp_path, "order/1-0-0.avsc", ORDER)
    put(tmp_path, "order/1-1-0.avsc", more)
    put(tmp_path, "order/2-0-0.json", closed({"id": {"type": "string"}}))
    put(tmp_path, "_shared/kind.avsc", "no schema of an event")
    book = load(str(tmp_path))
    assert book.versions("order") == ["1-0-0", "1-1-0", "2-0-0"]
    found = book.page("order", "1-0-0")
    assert found is not None
    assert found.judge is not None
    assert found.table.schema.names[-1] == "note"
    assert judge(found.judge, [ORDERED]) == {}
    assert {writer.version for writer in book.writers.by_fingerprint.values()} == {"1-0-0", "1-1-0"}
    put(tmp_path, "order/1-1-0.avsc", {**more, "doc": "changed"})
    assert load(str(tmp_path)).digest != book.digest


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("a/1-0-0.avsc", "{", "a/1-0-0.avsc: no JSON: "),
        ("a/1-0-0.avsc", "[]", "a/1-0-0.avsc: expected a record: an event has members"),
        ("a/x.avsc", ORDER, 'a/x.avsc: found the version "x", expected one like 1-0-0'),
        ("order/1-0-0.json", closed({}), "order/1-0-0.json: order/1-0-0.avsc is version 1-0-0 of order already"),
        ("z/1-0-0.avsc", {**ORDER, "doc": ""}, "z/1-0-0.avsc: order/1-0-0.avsc has the same fingerprint"),
    ],
)
def test_a_bad_avsc_is_named_with_what_is_wrong(tmp_path: Path, name: str, value: Any, message: str) -> None:
    put(tmp_path, "order/1-0-0.avsc", ORDER)
    put(tmp_path, name, value)
    with pytest.raises(BookError) as caught:
        load(str(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path}/{message}")
