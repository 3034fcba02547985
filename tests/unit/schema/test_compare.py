"""Steps between versions: what each kind of change is called, and which number must be given to it."""

from __future__ import annotations

from typing import Any

import pytest

from tailrace.schema.compare import compare
from tailrace.schema.steps import Step, expected, found, said

BASE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "data"],
    "properties": {
        "id": {"type": "string", "maxLength": 10},
        "n": {"type": "integer", "minimum": 0, "maximum": 100},
        "kind": {"enum": ["a", "b"]},
        "data": {"type": "object", "additionalProperties": False, "properties": {"x": {"type": "number"}}},
        "tags": {"type": "array", "items": {"$ref": "#/definitions/tag"}},
    },
    "definitions": {"tag": {"type": "string"}},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the schema with something at a dotted path replaced; `...` takes it away."""
    *parts, last = path.split("/")

    def inside(at: Any, rest: list[str]) -> Any:
        if rest:
            return {**at, rest[0]: inside(at.get(rest[0], {}), rest[1:])}
        if value is ...:
            return {key: one for key, one in at.items() if key != last}
        return {**at, last: value}

    out: dict[str, Any] = inside(BASE, parts)
    return out


def lines(new: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    changes = compare(old or BASE, new)
    return [f"{one.step.word} {one.path} {one.keyword} {one.direction}: {one.message}" for one in changes]


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("properties/new", {"type": "string"}, "addition $.new properties widened: was not known, is known"),
        ("properties/n/maximum", 200, "addition $.n maximum widened: was at most 100, is at most 200"),
        ("properties/n/maximum", 50, "revision $.n maximum narrowed: was at most 100, is at most 50"),
        ("properties/n/exclusiveMinimum", 0, "revision $.n minimum narrowed: was at least 0, is above 0"),
        ("properties/n/minimum", ..., "addition $.n minimum widened: was at least 0, is none"),
        ("properties/n/multipleOf", 5, "revision $.n multipleOf narrowed: was none, is 5"),
        ("properties/id/maxLength", 5, "revision $.id maxLength narrowed: was 10, is 5"),
        ("properties/id/pattern", "^a", 'revision $.id pattern narrowed: was none, is "^a"'),
        ("properties/id/type", ["string", "null"], "addition $.id type widened: was string, is null or string"),
        ("properties/kind/enum", ["a", "b", "c"], 'addition $.kind enum widened: now allowed: "c"'),
        ("properties/kind/enum", ["a"], 'revision $.kind enum narrowed: no longer allowed: "b"'),
        ("required", ["id"], "addition $.data required widened: was required, is optional"),
        ("required", ["id", "data", "n"], "revision $.n required narrowed: was optional, is required"),
        ("definitions/tag/minLength", 1, "revision $.tags[*] minLength narrowed: was none, is 1"),
        ("properties/data/properties/y", {}, "addition $.data.y properties widened: was not known, is known"),
        (
            "properties/data/required",
            ["z"],
            "breaking $.data.z required narrowed: was not known, is required",
        ),
    ],
)
def test_one_change_is_one_line(path: str, value: Any, line: str) -> None:
    assert lines(changed(path, value)) == [line]


def test_a_column_that_changes_its_kind_breaks() -> None:
    assert lines(changed("properties/n/type", "number")) == [
        "addition $.n type widened: was integer, is number",
        "breaking $.n column altered: the column was integer, is number",
    ]
    assert lines(changed("properties/data/additionalProperties", True))[-1] == (
        "breaking $.data column altered: the column was a closed object, is JSON text"
    )


def test_a_column_that_disappears_breaks() -> None:
    assert lines(changed("properties/n", ...)) == [
        "revision $.n additionalProperties narrowed: was known, is not any more: not allowed",
        "breaking $.n column narrowed: the column disappears",
    ]


def test_a_member_that_an_envelope_column_holds_may_change_its_kind() -> None:
    new = changed("properties/id/type", ["string", "integer"])
    assert found(compare(BASE, new)) is Step.BREAKING
    assert found(compare(BASE, new, lifted={"id"})) is Step.ADDITION


def test_another_type_for_what_every_event_has_leaves_no_event_valid() -> None:
    new = changed("properties/id/type", "integer")
    assert lines(new)[0] == "breaking $.id type narrowed: was string, is integer"


def test_a_new_member_of_an_open_object_may_have_been_there_otherwise() -> None:
    old = changed("additionalProperties", True)
    new = {**old, "properties": {**old["properties"], "new": {"type": "string"}}}
    assert found(compare(old, new)) is Step.REVISION
    assert found(compare(old, {**old, "properties": {**old["properties"], "new": {}}})) is Step.ADDITION


def test_closing_an_object_narrows_and_opening_widens() -> None:
    opened = changed("additionalProperties", True)
    assert lines(opened) == ["addition $ additionalProperties widened: was closed, is open to other members"]
    assert lines(BASE, opened) == [
        "revision $ additionalProperties narrowed: was open, is closed: no other members"
    ]  # fmt: skip


def test_words_for_people_are_a_patch() -> None:
    new = {**changed("properties/n/description", "how many"), "title": "t", "examples": [{}]}
    assert compare(BASE, new) == []


def test_a_member_may_be_called_like_a_note() -> None:
    old = {"not": {"properties": {"title": {"type": "string"}}}}
    new = {"not": {"properties": {"title": {"type": "number"}}}}
    assert [one.direction for one in compare(old, new)] == ["altered"]


def test_a_choice_more_widens_and_a_choice_less_does_not() -> None:
    two: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    three: dict[str, Any] = {"anyOf": [{"type": "integer"}, {"type": "null"}, {"type": "string"}]}
    assert [one.step for one in compare(two, three)] == [Step.ADDITION]
    assert [one.step for one in compare(three, two)] == [Step.REVISION]


def test_a_schema_that_refers_to_itself_is_compared() -> None:
    tree: dict[str, Any] = {"properties": {"left": {"$ref": "#"}, "n": {"type": "integer"}}}
    assert compare(tree, {**tree}) == []
    wider = {"properties": {"left": {"$ref": "#"}, "n": {"type": ["integer", "null"]}}}
    assert [(one.path, one.step) for one in compare(tree, wider)] == [("$.n", Step.ADDITION)]


def test_another_dialect_is_a_doubt() -> None:
    old = {"$schema": "http://json-schema.org/draft-07/schema#", **BASE}
    same = {"$schema": "http://json-schema.org/draft-07/schema", **BASE}
    assert compare(old, same) == []
    new = {"$schema": "https://json-schema.org/draft/2020-12/schema", **BASE}
    assert [(one.keyword, one.step) for one in compare(old, new)] == [("$schema", Step.REVISION)]


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        ("1-0-0", "1-0-1", Step.ADDITION),
        ("1-0-5", "1-1-0", Step.REVISION),
        ("1-2-3", "2-0-0", Step.BREAKING),
        ("1", "1-0-0", Step.PATCH),
        ("1-0", "1-0-2", Step.ADDITION),
        ("1", "2", Step.BREAKING),
    ],
)
def test_the_first_number_that_differs_says_the_step(old: str, new: str, step: Step) -> None:
    assert said(old, new) is step
    if step is not Step.PATCH:
        assert said(old, expected(old, step)) is step


def test_a_member_that_a_pattern_judged_may_have_been_anything() -> None:
    old = {"patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": False}
    new = {**old, "properties": {"ab": {"type": "string"}}}
    assert found(compare(old, new)) is Step.REVISION


def test_what_is_left_over_changes_with_what_stands_beside_it() -> None:
    old: dict[str, Any] = {"anyOf": [{"required": ["a"]}, {"properties": {"b": {}}}], "unevaluatedProperties": False}
    new: dict[str, Any] = {
        "anyOf": [{"required": ["a"]}, {}, {"properties": {"b": {}}}],
        "unevaluatedProperties": False,
    }
    changes = compare(old, new)
    assert "unevaluatedProperties" in [one.keyword for one in changes]
    assert found(changes) is Step.REVISION


def test_a_member_that_goes_is_seen_where_no_column_goes_with_it() -> None:
    def mixed(*names: str) -> dict[str, Any]:
        inner = {
            "type": ["object", "string"],
            "additionalProperties": False,
            "properties": {name: {} for name in names},
        }
        return {"properties": {"data": inner}}

    assert lines(mixed("a"), mixed("a", "b")) == [
        "revision $.data.b additionalProperties narrowed: was known, is not any more: not allowed"
    ]
