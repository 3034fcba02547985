"""What a schema says and nobody heeds. Rule: a remark refuses nothing; it names what most likely was meant.

A keyword or a format that the dialect does not know judges nothing, and JSON Schema is silent about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from tailrace.schema.contract import json_path, shown
from tailrace.schema.references import SIBLINGS
from tailrace.schema.words import nearest

REMARKS_MAX: Final = 20  # of one schema

# What judges, by the draft that first has it. Keywords that only describe are no matter.
_JUDGING: Final = (
    ("draft-04", (
        "$ref", "additionalProperties", "allOf", "anyOf", "dependencies", "enum", "exclusiveMaximum",
        "exclusiveMinimum", "format", "items", "maxItems", "maxLength", "maxProperties", "maximum", "minItems",
        "minLength", "minProperties", "minimum", "multipleOf", "not", "oneOf", "pattern", "patternProperties",
        "properties", "required", "type", "uniqueItems",
    )),
    ("draft-06", ("const", "contains", "propertyNames")),
    ("draft-07", ("contentEncoding", "contentMediaType", "else", "if", "then")),
    ("2019-09", (
        "$recursiveRef", "dependentRequired", "dependentSchemas", "maxContains", "minContains", "unevaluatedItems",
        "unevaluatedProperties",
    )),
    ("2020-12", ("$dynamicRef", "prefixItems")),
)  # fmt: skip
_FORMATS: Final = (
    ("draft-04", (
        "date", "date-time", "email", "hostname", "idn-email", "ipv4", "ipv6", "regex", "time", "uri",
    )),
    ("draft-06", ("json-pointer", "uri-reference", "uri-template")),
    ("draft-07", ("idn-hostname", "iri", "iri-reference", "relative-json-pointer")),
    ("2019-09", ("duration", "uuid")),
    ("2020-12", ()),
)  # fmt: skip
_OTHER_WORDS: Final = frozenset((  # known, and no slip of the pen
    "$anchor", "$comment", "$defs", "$dynamicAnchor", "$id", "$recursiveAnchor", "$schema", "$vocabulary",
    "additionalItems", "contentSchema", "default", "definitions", "deprecated", "description", "examples", "id",
    "readOnly", "self", "title", "writeOnly",
))  # fmt: skip
_BY_NAME: Final = ("properties", "patternProperties", "definitions", "$defs", "dependentSchemas", "dependencies")
_BELOW: Final = (
    "additionalItems", "additionalProperties", "allOf", "anyOf", "contains", "else", "if", "items", "not", "oneOf",
    "prefixItems", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip

Path = tuple[str | int, ...]


def remarks(schema: Mapping[str, Any]) -> list[str]:
    """Return what a schema, its dialect said, has that judges nothing or lets nothing through: one line each."""
    draft = next(name for name, _ in _JUDGING if name in str(schema["$schema"]))
    return list(islice((f"{json_path(path)}: {said}" for path, said in _of(schema, (), draft)), REMARKS_MAX))


def _of(schema: Any, path: Path, draft: str) -> Iterator[tuple[Path, str]]:
    if not isinstance(schema, dict):
        return
    alone = "$ref" in schema and not any(draft in name for name in SIBLINGS)
    for keyword in schema:
        if said := _word(keyword, draft):
            yield (*path, keyword), said
        elif alone and keyword not in _OTHER_WORDS and keyword != "$ref" and keyword in _known(_JUDGING):
            yield (*path, keyword), f"judges nothing: {draft} passes over what stands beside $ref"
    if said := _format(schema.get("format"), draft):
        yield (*path, "format"), said
    yield from ((path, said) for said in _impossible(schema))
    for keyword in _BY_NAME:
        below = schema.get(keyword)
        for name, one in below.items() if isinstance(below, dict) else ():
            yield from _of(one, (*path, keyword, name), draft)
    for keyword in _BELOW:
        below = schema.get(keyword)
        for at, one in enumerate(below) if isinstance(below, list) else ():
            yield from _of(one, (*path, keyword, at), draft)
        yield from _of(below, (*path, keyword), draft)


def _word(keyword: str, draft: str) -> str | None:
    """Return what is wrong with a keyword."""
    since = _known(_JUDGING).get(keyword)
    if since is not None:
        later = _order(since) > _order(draft)
        return f"judges nothing: a keyword from {since} on, and the dialect is {draft}" if later else None
    if keyword == "nullable":
        return 'judges nothing: no keyword of JSON Schema, which has "type": [..., "null"]'
    if keyword in _OTHER_WORDS or keyword.startswith("x-"):
        return None
    guess = nearest(keyword, [*_known(_JUDGING)])
    return None if guess is None else f"judges nothing: no keyword; did you mean {shown(guess)}?"


def _format(name: object, draft: str) -> str | None:
    """Return what is wrong with a format."""
    if not isinstance(name, str):
        return None
    since = _known(_FORMATS).get(name)
    if since is None:
        guess = nearest(name, [*_known(_FORMATS)])
        return f"{shown(name)} is checked by no dialect" + (f"; did you mean {shown(guess)}?" if guess else "")
    later = _order(since) > _order(draft)
    return f"{shown(name)} is checked from {since} on, and the dialect is {draft}" if later else None


def _impossible(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield members that are required where they are not allowed."""
    known, needed = schema.get("properties", {}), schema.get("required")
    if schema.get("additionalProperties") is not False or "patternProperties" in schema or "$ref" in schema:
        return
    for name in needed if isinstance(needed, list) and isinstance(known, dict) else ():
        if name not in known:
            yield f"{shown(name)} is required, and not allowed: no object can be valid"


def _known(table: tuple[tuple[str, tuple[str, ...]], ...]) -> dict[str, str]:
    return {word: draft for draft, words in table for word in words}


def _order(draft: str) -> int:
    return [name for name, _ in _JUDGING].index(draft)
