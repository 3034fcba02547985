"""Verdicts and their reasons."""

from __future__ import annotations

from typing import Any

import pytest

from support.pipelines import closed
from tailrace.schema.validate import MESSAGE_CHARS_MAX, REASONS_MAX, VALUES_MAX, SchemaError, compiled, judge


def test_only_the_guilty_are_named_with_every_reason() -> None:
    schema = compiled(closed({"x": {"type": "integer"}, "y": closed({"z": {"maxLength": 2}})}, ["x"]))
    verdict = judge(schema, [{"x": 1}, {"x": "12", "y": {"z": "long"}, "w": 1}, {"x": 1.0}, {}])
    assert sorted(verdict) == [1, 3]
    assert {(r.stage, r.keyword, r.path) for r in verdict[1]} == {
        ("schema", "type", "$.x"),
        ("schema", "maxLength", "$.y.z"),
        ("schema", "additionalProperties", "$.w"),
    }
    messages = {reason.keyword: reason.message for reason in verdict[1]}
    assert messages["type"] == 'found the text "12", expected a whole number'
    assert messages["additionalProperties"] == 'found a member "w", expected one of: "x", "y"'
    assert [r.keyword for r in verdict[3]] == ["required"]


def test_messages_and_their_number_are_bounded() -> None:
    schema = compiled({"additionalProperties": {"type": "integer"}})
    reasons = judge(schema, [{str(at): "x" * 10_000 for at in range(500)}])[0]
    assert len(reasons) == REASONS_MAX
    (first,) = judge(schema, [{str(at): "x" * 10_000 for at in range(VALUES_MAX + 1)}])[0]
    assert first == reasons[0]
    assert max(len(reason.message) for reason in reasons) < MESSAGE_CHARS_MAX + 50


def test_without_a_dialect_a_schema_is_draft_07_and_an_iglu_one_draft_04() -> None:
    draft_07 = {"properties": {"x": {"exclusiveMinimum": 1}}}
    draft_04 = {"properties": {"x": {"minimum": 1, "exclusiveMinimum": True}}}
    iglu = "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#"
    assert judge(compiled(draft_07), [{"x": 1}])
    assert judge(compiled({"$schema": iglu, "self": {"name": "x"}, **draft_04}), [{"x": 1}])
    with pytest.raises(SchemaError):
        compiled(draft_04)


@pytest.mark.parametrize("schema", [{"pattern": "(a)\\1"}, {"pattern": "a{1000}{1000}"}, {"$ref": "file:///etc/hosts"}])
def test_what_could_take_unbounded_time_or_reach_outside_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        compiled(schema)


def test_a_pattern_that_would_backtrack_for_ever_answers() -> None:
    schema = compiled({"properties": {"x": {"pattern": "^(a+)+$"}}})
    assert [r.keyword for r in judge(schema, [{"x": "a" * 100_000 + "b"}])[0]] == ["pattern"]
