"""What a step is called holds for every event: after a patch or an addition, what was valid is valid."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.schema.compare import compare
from tailrace.schema.kinds import KindError, fields, merged_fields
from tailrace.schema.steps import Step, found
from tailrace.schema.validate import SchemaError, compiled

NAMES = ("a", "b", "title")
SCALARS = st.sampled_from([None, True, False, 0, 1, 1.0, 2.5, -3, 7, "", "a", "ab", "abc", "b1"])
FEW = [None, True, 0, 2.5, 7, "a", "b1"]
FLAT: list[Any] = [
    *[None, True, False, -3, -1, 0, 1, 2, 2.5, 3, 5, 7, 9, "", "a", "ab", "abc", "b1"],
    *[list(items) for size in range(3) for items in product(FEW, repeat=size)],
    *[
        {name: value for name, value in zip(NAMES, values, strict=True) if value is not ...}
        for values in product([..., *FEW], repeat=3)
    ],
]
SOME = FLAT[::17]
EVENTS = [*FLAT, *[[value] for value in SOME], *[{"a": value} for value in SOME], *[{"b": value} for value in SOME]]
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
    "enum": st.lists(SCALARS, min_size=1, max_size=3),
    "const": SCALARS,
    "minimum": st.integers(-3, 3),
    "maximum": st.integers(-3, 8),
    "exclusiveMinimum": st.integers(-3, 3),
    "exclusiveMaximum": st.integers(-3, 8),
    "multipleOf": st.sampled_from([1, 2, 0.5, 2.5]),
    "minLength": st.integers(0, 3),
    "maxLength": st.integers(0, 3),
    "pattern": st.sampled_from(["^a", "b", "1$"]),
    "minItems": st.integers(0, 2),
    "maxItems": st.integers(0, 3),
    "uniqueItems": st.booleans(),
    "minProperties": st.integers(0, 2),
    "maxProperties": st.integers(0, 3),
    "required": st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
    "dependentRequired": st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=1)),
    "title": st.sampled_from(["x", "y"]),
    "$ref": st.sampled_from(["#/$defs/one", "#/$defs/two", "#"]),
}


def nested(inner: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    """Return the keywords that hold schemas."""
    named = st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    some = st.lists(inner, min_size=1, max_size=2)
    return {
        "properties": named,
        "additionalProperties": inner,
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "t"]), inner, max_size=1),
        "propertyNames": inner,
        "items": inner,
        "prefixItems": some,
        "contains": inner,
        "minContains": st.integers(0, 2),
        "allOf": some,
        "anyOf": some,
        "oneOf": some,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "dependentSchemas": named,
        "unevaluatedProperties": inner,
        "unevaluatedItems": inner,
    }


@st.composite
def objects(draw: st.DrawFn, keywords: dict[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
    """Draw a schema of a few keywords."""
    chosen = draw(st.lists(st.sampled_from(sorted(keywords)), max_size=4, unique=True))
    return {key: draw(keywords[key]) for key in chosen}


SCHEMAS = st.recursive(
    st.booleans() | objects(LEAVES), lambda inner: st.booleans() | objects(LEAVES | nested(inner)), max_leaves=6
)
SIMPLE = st.recursive(
    st.booleans() | objects({key: LEAVES[key] for key in ("type", "minimum", "maxLength", "enum", "$ref")}),
    lambda inner: objects(
        {
            "type": LEAVES["type"],
            "properties": st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
            "additionalProperties": inner,
            "required": LEAVES["required"],
            "items": inner,
        }
    ),
    max_leaves=6,
)


SMALL = objects(LEAVES | nested(st.booleans() | objects(LEAVES)))


@st.composite
def documents(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw two versions, the second often the first with a few keywords drawn anew."""
    schemas = draw(st.sampled_from([SCHEMAS, SIMPLE, SMALL]))
    old = draw(schemas.filter(lambda schema: isinstance(schema, dict)))
    old = {**old, "$defs": {"one": draw(schemas), "two": draw(schemas)}}
    if draw(st.booleans()):
        new = mutated(draw, old, schemas)
    else:
        other = draw(schemas.filter(lambda schema: isinstance(schema, dict)))
        new = {**other, "$defs": old["$defs"]}
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, **old}, {"$schema": dialect, **new}


def mutated(draw: st.DrawFn, value: Any, schemas: st.SearchStrategy[Any]) -> Any:
    """Return a value with some part of it dropped or drawn anew."""
    if isinstance(value, dict) and value:
        key = draw(st.sampled_from(sorted(value)))
        if key in LEAVES:
            if draw(st.booleans()):
                return {**value, key: draw(LEAVES[key])}
        elif draw(st.integers(0, 3)):
            return {**value, key: mutated(draw, value[key], schemas)}
        if draw(st.booleans()) and key not in {"one", "two", "$defs"}:
            return {name: one for name, one in value.items() if name != key}
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and value and draw(st.booleans()):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], mutated(draw, value[at], schemas), *value[at + 1 :]]
    return draw(schemas) if isinstance(value, bool) else value


@given(documents())
@settings(max_examples=400, deadline=None)
def test_after_an_addition_whatever_was_valid_is_valid(versions: tuple[dict[str, Any], dict[str, Any]]) -> None:
    old, new = versions
    try:
        before, after = compiled(old), compiled(new)
    except SchemaError:
        return
    changes = compare(old, new)
    if found(changes) > Step.ADDITION:
        return
    were, are = before.validator.is_valid, after.validator.is_valid
    assert [event for event in EVENTS if were(event) and not are(event)] == [], changes


@given(documents())
@settings(max_examples=300, deadline=None)
def test_below_breaking_the_columns_only_append(versions: tuple[dict[str, Any], dict[str, Any]]) -> None:
    old, new = versions
    if found(compare(old, new)) is Step.BREAKING:
        return
    had = fields(old, old)
    try:
        both = merged_fields(had, fields(new, new))
    except KindError as error:
        raise AssertionError(f"{old} to {new}: {error}") from error
    assert [field.name for field in both[: len(had)]] == [field.name for field in had]


@given(documents())
@settings(max_examples=200, deadline=None)
def test_a_schema_compared_with_itself_has_not_changed(versions: tuple[dict[str, Any], dict[str, Any]]) -> None:
    old, new = versions
    assert compare(old, old) == []
    noted = {**new, "title": "another", "description": "other words", "examples": [1]}
    assert found(compare(new, noted)) is Step.PATCH
