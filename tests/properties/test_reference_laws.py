"""Laws of references: columns hold whatever the schemas behind them let through, wherever those stand in the book."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.rows import columns, lenient
from tailrace.schema.book import Book, BookError
from tailrace.schema.kinds import Leaf
from tailrace.schema.load import load_files
from tailrace.schema.validate import broken

OLD, NEW = "http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"
PATHS = ("event/1-0-0.json", "_shared/d.json", "com.acme/thing/jsonschema/1-0-0")
NAMES = ("a", "b", "c")
LOCAL = ("#", "#c", *(f"#/definitions/{name}" for name in NAMES))
SHARED = ("d.json", *(f"d.json#/definitions/{name}" for name in NAMES))
IGLU = ("iglu:com.acme/thing/jsonschema/1-0-0", "iglu:com.acme/thing/jsonschema/1-0-0#/definitions/b")
ANCHORS = {OLD: {"$id": "#c"}, NEW: {"$anchor": "c"}}
LEAVES = st.sampled_from([{"type": "string"}, {"type": "integer"}, {"type": ["integer", "null"]}, True])


def objects(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects, most of them closed."""
    return st.fixed_dictionaries(
        {
            "type": st.just("object"),
            "properties": st.dictionaries(st.sampled_from(NAMES), parts, min_size=1, max_size=3),
            "additionalProperties": st.sampled_from([False, False, False, True]),
        },
        optional={"patternProperties": st.just({"^c": {"type": "string"}})},
    )


def beside(references: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return references with other keywords beside them, which count in some drafts."""
    loose = objects(LEAVES).map(lambda one: {"properties": one["properties"], "type": "object"})
    return st.tuples(references, loose | objects(LEAVES)).map(lambda two: two[1] | two[0])


def documents(shared: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return documents that refer to each other, `shared` being the way to the folder of definitions."""
    names = (*LOCAL, *IGLU, *(shared + name for name in SHARED))
    references = st.sampled_from(names).map(lambda name: {"$ref": name})
    parts = st.recursive(
        LEAVES | references | beside(references),
        lambda below: (
            objects(below)
            | below.map(lambda one: {"type": "array", "items": one})
            | st.tuples(below, below).map(lambda two: {"type": "array", "prefixItems": [two[0]], "items": two[1]})
        ),
        max_leaves=5,
    )
    return st.builds(
        lambda root, first, second, draft: {
            **root,
            "$schema": draft,
            "definitions": {"a": first, "b": second, "c": {**ANCHORS[draft], "type": "integer"}},
        },
        objects(parts) | objects(parts) | beside(references),
        objects(parts) | parts,
        objects(parts) | parts,
        st.sampled_from([OLD, NEW]),
    )


VALUES: tuple[Any, ...] = (
    1, "x", None, [], ["x"], [1], ["x", 1], [[1]], {}, {"a": 1}, {"a": "x"}, {"b": 1}, {"c": "x"}, {"a": 1, "c": "x"},
    {"a": {"b": 1}}, [{"a": 1}], [{"a": "x", "b": 1}],
)  # fmt: skip
EVENTS = [
    *({}, *({name: value} for name in NAMES for value in VALUES)),
    *({"a": one, name: other} for name in NAMES[1:] for one in VALUES for other in VALUES),
]


def read(files: dict[str, bytes]) -> Book | str:
    try:
        return load_files(files, origin="")
    except BookError as error:
        return str(error).removeprefix("/")


@settings(max_examples=200)
@given(st.tuples(documents("../_shared/"), documents(""), documents("../../../_shared/")))
def test_what_is_valid_fits_its_columns_and_loses_nothing(files: tuple[Any, ...]) -> None:
    book = read({path: orjson.dumps(one) for path, one in zip(PATHS, files, strict=True)})
    if isinstance(book, str):  # an anchor that draft-07 does not know
        assert "\n" not in book
        assert book.startswith(PATHS)
        return
    page = book.page("event", None)
    assert page is not None
    assert page.judge is not None
    refused = set(broken(page.judge, EVENTS))
    for event in (event for at, event in enumerate(EVENTS) if at not in refused):
        assert columns.misfits(page.fields, event) == []
        assert lenient.unfit(page.fields, event) == frozenset()
        assert not page.closed or set(event) <= page.declared


def test_the_law_is_tried_on_columns_that_are_typed_through_references() -> None:
    """Guards the law above: such columns exist at all."""
    files = {
        "event/1-0-0.json": {"type": "object", "properties": {"a": {"$ref": "../_shared/d.json#/definitions/a"}}},
        "_shared/d.json": {
            "definitions": {"a": {"type": "array", "items": {"$ref": "#/definitions/b"}}, "b": {"type": "integer"}}
        },
    }
    page = load_files({path: orjson.dumps(one) for path, one in files.items()}, origin="book").page("event", None)
    assert page is not None
    assert not isinstance(page.fields[0].kind, Leaf)
