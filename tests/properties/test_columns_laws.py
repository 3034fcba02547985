"""Laws of columns for whatever a schema says: a stored event can be read back whole from its row."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.pipelines import IDENTITY, record, rejected, stored
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.treatment import Treatment, Verdict
from tailrace.schema.book import Book, BookError
from tailrace.schema.kinds import JSON, Kind, List, Struct
from tailrace.settings import Contract, Limits

DRAFTS = [
    "http://json-schema.org/draft-04/schema#",
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2020-12/schema",
]
NAMES = st.sampled_from(["a", "b"]) | st.sampled_from(
    ["A", "x.y", "", "extra", "Bot", "bot", "position", "tenant", "user_id"]
)
TYPES = st.sampled_from(["object", "array", "string", "integer", "number", "boolean", "null"])
NO_ROOM = ("columns", "integer_range")
CONTRACT = Contract(event_type=("kind",), tenant=("t",), user_id=("u",), event_id=("e",), entities=())

leaves = st.sampled_from([None, True, False, 0, -7, 2.0, 1.5, 2**53 + 1, 2**60, 2**63, 1e300, "", "x", "2026-01-01"])
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))

objects = st.dictionaries(st.sampled_from(["a", "b"]), leaves, min_size=1, max_size=2)


def _schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    by_name = st.dictionaries(NAMES, inner, min_size=1, max_size=3)
    closed = st.fixed_dictionaries(
        {"type": st.just("object"), "additionalProperties": st.just(value=False), "properties": by_name},
        optional={"patternProperties": st.just({"^[ab]": {}}), "allOf": st.lists(inner, min_size=1, max_size=1)},
    )
    listed = st.fixed_dictionaries({"type": st.just("array"), "items": inner})
    referring = st.fixed_dictionaries(
        {"$ref": st.sampled_from(["#/definitions/one", "#/definitions/two"]), "type": TYPES}
    )
    return (
        closed
        | listed
        | referring
        | st.fixed_dictionaries(
            {},
            optional={
                "type": TYPES | st.lists(TYPES, min_size=1, max_size=2, unique=True),
                "properties": by_name,
                "additionalProperties": st.just(value=False) | inner,
                "patternProperties": st.fixed_dictionaries({"^[ab]": inner}),
                "items": inner,
                "allOf": st.lists(inner, min_size=1, max_size=2),
                "oneOf": st.lists(inner, min_size=1, max_size=2),
                "enum": st.lists(leaves, min_size=1, max_size=3, unique_by=repr),
                "$ref": st.sampled_from(["#/definitions/one", "#/definitions/two", "#"]),
            },
        )
    )


CLOSED = {"type": "object", "additionalProperties": False, "properties": {"b": {"type": "integer"}}}
simple = st.builds(lambda kind: {"type": kind}, TYPES) | st.sampled_from(
    [{}, CLOSED, CLOSED | {"patternProperties": {"^[ab]": {}}}]
)
parts = simple | st.recursive(simple, _schemas, max_leaves=8)


@st.composite
def books(draw: st.DrawFn) -> Book | None:
    root: dict[str, Any] = {"properties": draw(st.dictionaries(NAMES, parts, min_size=1, max_size=5))}
    beside: dict[str, st.SearchStrategy[Any]] = {
        "allOf": st.lists(parts, min_size=1, max_size=1),
        "$ref": st.just("#/definitions/one"),
    }
    root |= draw(st.fixed_dictionaries({}, optional=beside))
    root |= {"$schema": draw(st.sampled_from(DRAFTS)), "definitions": {"one": draw(parts), "two": draw(parts)}}
    try:
        return Book(CONTRACT, {("k", "1-0-0"): root})
    except BookError:  # a reference that leads nowhere but to itself
        return None


def _read_back(value: Any, kind: Kind) -> Any:
    if value is None:
        return None
    if isinstance(kind, Struct):
        return {field.name: _read_back(value[field.name], field.kind) for field in kind.fields}
    if isinstance(kind, List):
        return [_read_back(one, kind.item) for one in value]
    return json.loads(value) if kind is JSON else value


def _same(one: Any, other: Any) -> bool:
    """Say whether two values are equal, if what is null and what is not there are one."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_same(one.get(key), other.get(key)) for key in {*one, *other})
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


@given(books(), st.lists(st.dictionaries(NAMES, values | objects, max_size=5), min_size=1, max_size=4), st.booleans())
@settings(max_examples=250, deadline=None)
def test_a_stored_event_can_be_read_back_whole_whatever_its_schema_says(
    book: Book | None, events: list[dict[str, Any]], lenient: bool
) -> None:
    page = None if book is None else book.page("k", None)
    if book is None or page is None:
        return
    treatment = Treatment(verdict=lambda _kind: Verdict.LENIENT) if lenient else Treatment()
    pipe = Pipeline(CONTRACT, book, Limits(), IDENTITY, treatment)
    sent = [{"kind": "k", **event} for event in events]
    outcome = pipe([record(json.dumps(event).encode(), at) for at, event in enumerate(sent)])
    rows = stored(outcome)
    assert len(rows) + len(rejected(outcome)) == len(sent)
    if lenient:
        assert len(rows) == len(sent)
    for row in rejected(outcome):  # what a schema lets through fits its columns, but for numbers that no column has
        assert {(one["stage"], one["keyword"]) for one in row["reasons"] if one["stage"] != "schema"} <= {NO_ROOM}
    columns = page.table.schema.names[len(page.table.schema.names) - len(page.fields) :]
    for row in rows:
        back: dict[str, Any] = {"kind": row["event_type"]}
        for field, column in zip(page.fields, columns, strict=True):
            back[field.name] = _read_back(row[column], field.kind)
        back |= json.loads(row["extra"] or "{}")
        assert any(_same(back, event) for event in sent), (back, sent)
