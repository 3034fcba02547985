"""What reasons say: all of them as a person reads them, and laws for every schema and event."""

from __future__ import annotations

import json
import time
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden import messages as golden
from local.flaws import FLAWS
from support.pipelines import closed
from tailrace.nouns import Reason
from tailrace.schema.messages import GUESSES_MAX, MESSAGE_CHARS_MAX, REASONS_MAX, Explainer
from tailrace.schema.validate import VALUES_MAX, SchemaError, compiled, judge
from tailrace.schema.words import SENTENCES, nearest

CPU_MOST_S = 2.0
WITHOUT_A_SENTENCE = {  # what another part says, what no engine of ours raises, what is Python's own
    "AdditionalProperties", "AnyOf", "BacktrackLimitExceeded", "Custom", "FromUtf8", "OneOfNotValid", "PropertyNames",
    "Referencing", "RegexEngineFailure", "Required", "UnevaluatedProperties",
}  # fmt: skip


def test_messages_are_as_they_were_read() -> None:
    """`python -m tests.golden.messages` writes the file anew: read the difference before you commit it."""
    text = golden.FILE.read_text()
    assert golden.rendered(text).splitlines() == text.splitlines()


def test_every_flaw_is_among_them() -> None:
    named = {line.removeprefix("flaw ") for line in golden.FILE.read_text().splitlines() if line.startswith("flaw ")}
    assert named == {flaw.name for flaw in FLAWS}


def test_every_kind_of_error_has_a_sentence() -> None:
    kinds = {name for name in dir(jsonschema_rs.ValidationErrorKind) if name[0].isupper()}
    assert kinds - {kind.__name__ for kind in SENTENCES} == WITHOUT_A_SENTENCE


def reads_well(reason: Reason) -> None:
    assert reason.path.startswith("$"), reason
    assert "found" in reason.message, reason
    assert "expected" in reason.message, reason
    assert len(reason.message) < MESSAGE_CHARS_MAX + 40, reason
    for text in (reason.message, reason.path):
        assert len(text.splitlines()) == 1, reason
        text.encode()


names = st.sampled_from(["a", "b", "session_id", "sessionId", "", "new\nline", "'", "é", "\u2028"])
texts = st.text(max_size=6) | st.sampled_from(["x" * 400, "a\nb", "\x85"])
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
plain = st.recursive(  # what a schema may hold: JSON alone
    st.none() | st.booleans() | st.integers(-100, 100) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
few = st.integers(0, 3)
types = st.sampled_from(["string", "integer", "number", "boolean", "object", "array", "null"])


def _schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    by_name = st.dictionaries(names, inner, max_size=3)
    keywords: dict[str, st.SearchStrategy[Any]] = {
        "type": types | st.lists(types, min_size=1, max_size=3, unique=True),
        "enum": st.lists(plain, min_size=1, max_size=3),
        "const": plain,
        "required": st.lists(names, max_size=2, unique=True),
        "properties": by_name,
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "_id$"]), inner, max_size=1),
        "additionalProperties": inner,
        "unevaluatedProperties": inner,
        "unevaluatedItems": inner,
        "propertyNames": inner,
        "dependentRequired": st.dictionaries(names, st.lists(names, max_size=2, unique=True), max_size=2),
        "dependentSchemas": by_name,
        "items": inner,
        "prefixItems": several,
        "contains": inner,
        "allOf": several,
        "anyOf": several,
        "oneOf": several,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "uniqueItems": st.booleans(),
        "multipleOf": st.sampled_from([1, 3, 0.1, 7.5]),
        "pattern": st.sampled_from(["^a+$", "b", "^$", "\n"]),
        "format": st.sampled_from(["date-time", "email", "ipv4", "uuid", "unheard-of"]),
        "$ref": st.sampled_from(["#", "#/$defs/one", "#/$defs/two"]),
    }
    keywords |= dict.fromkeys(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"], st.integers(-5, 5))
    keywords |= dict.fromkeys(
        ["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains"], few
    )
    return st.sampled_from([*keywords]).flatmap(
        lambda first: st.fixed_dictionaries(
            {first: keywords[first]}, optional={name: one for name, one in keywords.items() if name != first}
        )
    )


parts = st.recursive(st.booleans() | st.builds(lambda one: {"type": one}, types), _schemas, max_leaves=6)


@given(parts, parts, parts, values)
def test_every_reason_of_any_event_by_any_schema_reads_well(root: Any, one: Any, two: Any, event: Any) -> None:
    whole = {"$schema": golden.LATEST, "allOf": [root], "$defs": {"one": one, "two": two}}
    if isinstance(root, dict):
        whole = {**root, "$schema": golden.LATEST, "$defs": {"one": one, "two": two}}
    try:
        schema = compiled(whole)
    except SchemaError:  # a pattern, or a reference to itself
        return
    reasons = judge(schema, [event]).get(0, ())
    assert len(set(reasons)) == len(reasons) <= REASONS_MAX
    for reason in reasons:
        reads_well(reason)


@pytest.mark.parametrize("count", [1, 3, 400, 10_000])
def test_each_unknown_member_is_a_reason_and_there_are_not_too_many(count: int) -> None:
    schema = compiled(closed({f"member_{at}": {} for at in range(1000)}))
    start = time.process_time()
    reasons = judge(schema, [{f"membre_{at}": 1 for at in range(count)}])[0]
    assert time.process_time() - start < CPU_MOST_S
    named = 1 if count > VALUES_MAX else min(count, REASONS_MAX)
    assert [reason.path for reason in reasons] == [f"$.membre_{at}" for at in range(named)]
    assert "did you mean" in reasons[0].message
    assert ("did you mean" in reasons[-1].message) == (named <= GUESSES_MAX)


def test_alternatives_within_alternatives_end() -> None:
    inner: dict[str, Any] = {"type": "integer"}
    for _ in range(12):
        inner = {"anyOf": [inner, {"required": ["a"], "minProperties": 2}]}
    start = time.process_time()
    (reason,) = judge(compiled(inner), [{"x": "y"}])[0]
    assert time.process_time() - start < CPU_MOST_S
    reads_well(reason)


def test_a_guess_is_close_or_none() -> None:
    known = ["session_id", "user_id", "path"]
    assert nearest("SESSION-ID", known) == "session_id"
    assert nearest("sesion_id", known) == "session_id"
    assert nearest("colour", known) is None
    assert nearest("session_id" * 50, known) is None


def test_members_of_a_schema_elsewhere_are_known_when_it_is_handed_over() -> None:
    other = closed({"latitude": {"type": "number"}})
    where = {"$schema": golden.LATEST, "$id": "https://a.example/a"}
    schema = {**where, "properties": {"at": {"$ref": "b"}}, "$defs": {"b": {"$id": "b", **other}}}
    errors = compiled(schema).validator.iter_errors({"at": {"lattitude": 1}})
    (reason,) = Explainer(schema, {"https://a.example/b": other}).reasons(errors)
    assert (reason.path, reason.message) == (
        "$.at.lattitude",
        'found a member "lattitude", expected a known one; did you mean "latitude"?',
    )


def test_a_long_list_of_values_is_cut() -> None:
    schema = compiled({"enum": [f"value number {at}" for at in range(5000)]})
    (reason,) = judge(schema, ["?"])[0]
    assert reason.message.endswith('"value number 7" and 4992 more')
    assert json.dumps(reason.message).isascii()


def test_a_member_of_an_object_that_may_have_none_is_named_where_it_stands() -> None:
    none = {"additionalProperties": False}
    schema = compiled({"$schema": golden.LATEST, "properties": {"o": {"type": "array", "items": none}}})
    reasons = judge(schema, [{"o": [{}, {"a": 1, "b c": "secret"}]}])[0]
    assert [(reason.keyword, reason.path) for reason in reasons] == [
        ("additionalProperties", "$.o[1].a"),
        ("additionalProperties", "$.o[1]['b c']"),
    ]
    assert not any("secret" in reason.message for reason in reasons)
