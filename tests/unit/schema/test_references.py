"""References inside a book: what they lead to, for what judges and for columns alike."""

from __future__ import annotations

from typing import Any

import orjson
import pyarrow as pa
import pytest

from support.pipelines import closed
from tailrace.schema.book import ENVELOPE, Book, BookError, Page
from tailrace.schema.kinds import FIELDS_MAX, KindError, fields
from tailrace.schema.load import load_files
from tailrace.schema.references import DEPTH_MAX, SchemaError
from tailrace.schema.validate import broken, compiled

DRAFTS = {
    "04": "http://json-schema.org/draft-04/schema#",
    "06": "http://json-schema.org/draft-06/schema#",
    "07": "http://json-schema.org/draft-07/schema#",
    "2019-09": "https://json-schema.org/draft/2019-09/schema",
    "2020-12": "https://json-schema.org/draft/2020-12/schema",
}
INT, STR = {"type": "integer"}, {"type": "string"}
ADDRESS = closed({"street": STR, "number": INT}, ["street"])
TYPED = pa.struct([("street", pa.string()), ("number", pa.int64())])


def read(**files: dict[str, Any]) -> Book:
    """Return a book of an event's schema and of others by path, `__` for a slash."""
    paths = {"event": "event/1-0-0.json", "shared": "_shared/address.json", "thing": "com.acme/thing/jsonschema/1-0-0"}
    return load_files({paths[name]: orjson.dumps(schema) for name, schema in files.items()}, origin="book")


def page(book: Book, event_type: str = "event") -> Page:
    found = book.page(event_type, None)
    assert found is not None
    return found


def column(book: Book, name: str = "home", table: str = "event/v1") -> pa.DataType:
    return book.tables()[table].schema.field(name).type


def valid(book: Book, event: object) -> bool:
    judge = page(book).judge
    assert judge is not None
    return not broken(judge, [event])


@pytest.mark.parametrize("draft", DRAFTS.values(), ids=DRAFTS)
@pytest.mark.parametrize(
    "reference",
    [
        "../_shared/address.json",
        "../_shared/address.json#/definitions/x",
        "https://acme.com/address",
        "#/definitions/x",
    ],
)
def test_a_reference_leads_to_a_file_a_part_of_it_or_an_id(draft: str, reference: str) -> None:
    parts = {"x": {"$ref": "#/definitions/y"}, "y": ADDRESS}
    named = {"id" if draft == DRAFTS["04"] else "$id": "https://acme.com/address"}
    shared = {"$schema": draft, "definitions": parts, **named, **ADDRESS}
    book = read(
        event={"$schema": draft, "definitions": parts, **closed({"home": {"$ref": reference}}, ["home"])}, shared=shared
    )
    assert column(book) == TYPED
    assert valid(book, {"home": {"street": "s", "number": 1}})
    assert not valid(book, {"home": {"number": 1}})
    assert book.types() == ["event"]


@pytest.mark.parametrize("draft", ["2019-09", "2020-12"])
def test_an_anchor_is_found(draft: str) -> None:
    shared = {"$schema": DRAFTS[draft], "$defs": {"any": {"$anchor": "home", **ADDRESS}}}
    book = read(event=closed({"home": {"$ref": "../_shared/address.json#home"}}), shared=shared)
    assert column(book) == TYPED


@pytest.mark.parametrize(
    "self_", [{}, {"self": {"vendor": "com.acme", "name": "thing", "format": "jsonschema", "version": "1-0-0"}}]
)
def test_an_iglu_uri_is_its_file(self_: dict[str, Any]) -> None:
    uri = "iglu:com.acme/thing/jsonschema/1-0-0"
    thing = {"$schema": "iglu:com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0", "definitions": {"x": INT}}
    event = closed({"home": {"$ref": uri}, "n": {"$ref": f"{uri}#/definitions/x"}, "const": {"const": {"$ref": uri}}})
    book = read(event=event, thing={**thing, **self_, **ADDRESS})
    assert (column(book), column(book, "n")) == (TYPED, pa.int64())
    assert valid(book, {"const": {"$ref": uri}})


def test_a_reference_is_read_from_the_id_of_the_schema_around_it() -> None:
    inner = {"$id": "https://acme.com/deep/", "properties": {"home": {"$ref": "address"}}, "type": "object"}
    event = closed({"at": {**inner, "additionalProperties": False}})
    book = read(event=event, shared={"$id": "https://acme.com/deep/address", **ADDRESS})
    assert column(book, "at") == pa.struct([("home", TYPED)])


@pytest.mark.parametrize("draft", ["07", "2020-12"])
def test_what_stands_beside_a_reference_counts_since_2019(draft: str) -> None:
    """An object that is closed there has the members of both: none may be lost for being unknown."""
    event = {
        "$schema": DRAFTS[draft],
        "$ref": "#/definitions/open",
        "definitions": {"open": {"type": "object", "properties": {"a": INT}}},
        **closed({"b": STR}),
    }
    found = page(read(event=event))
    assert [field.name for field in found.fields] == (["b", "a"] if draft == "2020-12" else ["a"])
    assert found.closed == (draft == "2020-12")


def test_a_part_of_itself_is_json_text() -> None:
    node = closed({"name": STR, "left": {"$ref": "#"}, "right": {"$ref": "#"}})
    book = read(event=node, thing=closed({"all": {"type": "array", "items": {"$ref": "#/definitions/tree"}}})
                | {"definitions": {"tree": closed({"v": INT, "below": {"$ref": "#/definitions/tree"}})}})  # fmt: skip
    assert {column(book, "left"), column(book, "right")} == {pa.string()}
    assert column(book, "all", "com.acme.thing/v1") == pa.list_(pa.struct([("v", pa.int64()), ("below", pa.string())]))
    assert valid(book, {"left": {"right": {"name": "x"}}})
    assert not valid(book, {"left": {"right": {"name": 1}}})


def test_definitions_that_multiply_are_refused_soon() -> None:
    parts = {f"d{n}": closed({c: {"$ref": f"#/definitions/d{n + 1}"} for c in "abcdefgh"}) for n in range(12)}
    with pytest.raises(BookError, match=f"event/1-0-0.json: found more than {FIELDS_MAX} members"):
        read(event={**closed({"x": {"$ref": "#/definitions/d0"}}), "definitions": {**parts, "d12": INT}})
    with pytest.raises(KindError):
        fields(closed({str(n): INT for n in range(FIELDS_MAX + 1)}), {})


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("http://example.com/x.json", "it refers to http://example.com/x.json, which is not in the book"),
        ("../_shared/other.json", "it refers to _shared/other.json, which is not in the book"),
        ("address.json", "it refers to event/address.json, which is not in the book"),
        ("iglu:com.acme/none/jsonschema/1-0-0", "it refers to iglu:com.acme/none/jsonschema/1-0-0, which is not in"),
        ("../_shared/address.json#/definitions/x", "it refers to #/definitions/x, which is not there"),
        ("#home", "it refers to #home, which is not there"),
    ],
)
def test_a_reference_that_leads_out_of_the_book_is_named_with_its_file(reference: str, said: str) -> None:
    with pytest.raises(BookError) as caught:
        read(event=closed({"home": {"$ref": reference}}), shared=ADDRESS, thing=ADDRESS)
    assert str(caught.value).startswith(f"book/event/1-0-0.json: {said}")


def test_the_file_that_is_wrong_is_named_also_where_another_refers_to_it() -> None:
    with pytest.raises(BookError, match=r"^book/_shared/address.json: it refers to http://a/b"):
        read(
            event=closed({"home": {"$ref": "../_shared/address.json"}}),
            shared={"properties": {"x": {"$ref": "http://a/b"}}},
        )
    with pytest.raises(BookError, match=r"^book/_shared/address.json: Invalid URI reference"):
        read(event=closed({}), shared={"$id": "http://[bad"})
    with pytest.raises(BookError, match=r"^book/_shared/address.json: \$\.type"):
        read(event=closed({}), shared={"type": "objekt"})


def test_two_files_of_one_iglu_uri_are_refused() -> None:
    described = {"self": {"vendor": "com.acme", "name": "thing", "format": "jsonschema", "version": "1-0-0"}}
    with pytest.raises(BookError, match=r"another file is iglu:com.acme/thing/jsonschema/1-0-0 already"):
        read(event={**described, **ADDRESS}, thing=ADDRESS)


def test_versions_may_share_an_id_and_each_refers_to_itself() -> None:
    one, two = (
        {"$id": "https://acme.com/event", "definitions": {"x": x}, **closed({"a": {"$ref": "#/definitions/x"}})}
        for x in (INT, STR)
    )
    book = load_files({"event/1-0-0.json": orjson.dumps(one), "event/2-0-0.json": orjson.dumps(two)}, origin="book")
    assert (column(book, "a"), column(book, "a", "event/v2")) == (pa.int64(), pa.string())
    judges = [found.judge for version in ("1-0-0", "2-0-0") if (found := book.page("event", version))]
    assert [broken(judge, [{"a": 1}, {"a": "x"}]) for judge in judges if judge] == [[1], [0]]


# ---- dialects


@pytest.mark.parametrize(
    "name", [*DRAFTS.values(), "https://json-schema.org/draft-07/schema", None, "iglu:x/y/jsonschema/1-0-0"]
)
def test_a_dialect_has_its_keywords(name: str | None) -> None:
    """What tells them apart: `exclusiveMinimum` is a number since draft-06, `const` is known since, `if` since 07."""
    said = {} if name is None else {"$schema": name}
    old = name in {DRAFTS["04"], "iglu:x/y/jsonschema/1-0-0"}
    bound = {"minimum": 3, "exclusiveMinimum": True} if old else {"exclusiveMinimum": 3}
    assert broken(compiled({**said, **bound}), [3, 4]) == [0]
    assert broken(compiled({**said, "const": 1}), [1, 2]) == ([] if old else [1])
    known = name not in {DRAFTS["04"], DRAFTS["06"], "iglu:x/y/jsonschema/1-0-0"}
    assert broken(compiled({**said, "if": {}, "then": STR}), [1]) == ([0] if known else [])


@pytest.mark.parametrize(
    "name", ["http://json-schema.org/draft-03/schema#", "http://json-schema.org/schema#", "x", 7, None]
)
def test_an_unknown_dialect_is_refused(name: object) -> None:
    with pytest.raises(
        SchemaError, match=r"^\$schema: found .*, expected draft-04, 06, 07, 2019-09 or 2020-12, or an iglu"
    ):
        compiled({"$schema": name})


@pytest.mark.parametrize("draft", DRAFTS.values(), ids=DRAFTS)
def test_formats_are_checked_in_every_draft(draft: str) -> None:
    wrong = {"date-time": "2026-02-30T00:00:00Z", "date": "2026-13-01", "email": "a", "ipv4": "1.2.3.256", "uri": "a b"}
    for form, text in wrong.items():
        assert broken(compiled({"$schema": draft, "format": form}), [text, 7]) == [0], form
    assert broken(compiled({"$schema": draft, "format": "colour"}), ["x"]) == []


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (True, "found true, expected a JSON Schema, an object"),
        ([], "found an array, expected a JSON Schema, an object"),
        ({"$id": 7}, r"^\$\['\$id'\]: found the number 7, expected text"),
        ({"properties": {"a": 7}}, r"^\$\.properties\.a: found the number 7, expected true or false or an object"),
    ],
)
def test_what_is_no_schema_is_refused(schema: Any, said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        compiled(schema)


def test_schemas_that_are_true_or_false_inside_another_work() -> None:
    book = read(event={"$schema": DRAFTS["2020-12"], "properties": {"a": True, "b": False}, "type": "object"})
    assert book.tables()["event/v1"].schema.names[len(ENVELOPE) :] == ["a", "b"]
    assert valid(book, {"a": [1]})
    assert not valid(book, {"b": 1})


def test_a_schema_too_deep_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(DEPTH_MAX // 2):
        schema = {"properties": {"a": schema}}
    compiled(schema)
    with pytest.raises(SchemaError, match=f"found more than {DEPTH_MAX} levels"):
        compiled({"not": schema})
