"""Where one schema judges otherwise than another. Rule: no narrowing is overlooked; a doubt counts as one.

Each keyword of the new schema must follow from the same keyword of the old one, at the same place; what cannot be
compared so (`oneOf`, `not`, `if`, other patterns) must be the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import Any, Final

from tailrace.schema.contract import json_path, shown
from tailrace.schema.kinds import NESTED_MAX
from tailrace.schema.same import Document, Sameness, canonical
from tailrace.schema.steps import Change, Step

Parts = tuple[str | int, ...]

ANY_OF_THEM: Final = "*"  # in a path: every item, or every member without a name of its own
_TYPES: Final = frozenset(("null", "boolean", "integer", "number", "string", "array", "object"))
_ANY: Final[dict[str, Any]] = {}
_NEVER: Final[dict[str, Any]] = {"not": {}}
_LEAST: Final = {"minLength": "string", "minItems": "array", "minProperties": "object"}
_MOST: Final = {"maxLength": "string", "maxItems": "array", "maxProperties": "object"}
_TEXTS: Final = ("pattern", "format", "contentEncoding", "contentMediaType")
# Groups of keywords whose change has no direction that can be told; the first one is what makes them judge.
_OPAQUE: Final = (
    (("propertyNames",), "object"),
    (("patternProperties",), "object"),
    (("dependencies",), "object"),
    (("dependentRequired",), "object"),
    (("dependentSchemas",), "object"),
    (("contains", "minContains", "maxContains"), "array"),
    (("oneOf",), None),
    (("not",), None),
    (("if", "then", "else"), None),
    (("unevaluatedProperties",), None),
    (("unevaluatedItems",), None),
    (("$dynamicRef",), None),
    (("$recursiveRef",), None),
)
_OLD_DRAFTS: Final = ("draft-03", "draft-04", "draft-06", "draft-07")


class Comparison:
    """Walks two schemas side by side. Each keyword of the new one must follow from the same one of the old."""

    def __init__(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        self._old, self._new = Document(old), Document(new)
        self._same = Sameness(self._old, self._new)
        self._seen: set[tuple[int, int, bool]] = set()
        self._siblings = not any(draft in str(new.get("$schema", "draft-07")) for draft in _OLD_DRAFTS)
        self.changes: list[Change] = []

    def whole(self) -> None:
        """Compare the documents."""
        old, new = self._old.root, self._new.root
        if old.get("$schema", "").rstrip("#") != new.get("$schema", "").rstrip("#"):
            self._altered((), "$schema", "the dialect changed, and with it what keywords mean")
        self._schemas(old, new, (), always=True)

    def _say(self, path: Parts, keyword: str, message: str, *, wider: bool, dead: bool = False) -> None:
        step = Step.ADDITION if wider else Step.BREAKING if dead else Step.REVISION
        direction = "widened" if wider else "narrowed"
        self.changes.append(Change(event_path(path), keyword, direction, message, step))

    def _altered(self, path: Parts, keyword: str, message: str) -> None:
        self.changes.append(Change(event_path(path), keyword, "altered", message, Step.REVISION))

    def _schemas(self, old: Any, new: Any, path: Parts, *, always: bool) -> None:
        """Compare what stands at a path. `always`: every event has a value there."""
        old, new = _schema(old), _schema(new)
        if {(id(old), id(new), True), (id(old), id(new), always)} & self._seen:
            return
        self._seen.add((id(old), id(new), always))
        if old is _NEVER or new is _NEVER:
            if old is not new:
                what = "nothing was allowed here" if old is _NEVER else "nothing is allowed here any more"
                self._say(path, "not", what, wider=old is _NEVER, dead=always)
            return
        if "$ref" in old or "$ref" in new:
            self._references(old, new, path, always=always)
            return
        self._anything(old, new, path, always=always)
        types = _types(old)
        self._scalars(old, new, path, types)
        if "array" in types:
            self._items(old, new, path)
        if "object" in types:
            self._required(old, new, path, always=always)
            self._properties(old, new, path, always=always)
        self._sizes(old, new, path, types)
        for keywords, kind in _OPAQUE:
            if kind is None or kind in types:
                self._opaque(keywords, old, new, path)

    def _scalars(self, old: dict[str, Any], new: dict[str, Any], path: Parts, types: frozenset[str]) -> None:
        if "number" in types or "integer" in types:
            self._bounds(old, new, path)
            self._multiple(old, new, path)
        if "string" in types:
            for keyword in _TEXTS:
                self._text(keyword, old, new, path)

    def _anything(self, old: dict[str, Any], new: dict[str, Any], path: Parts, *, always: bool) -> None:
        """Compare what judges values of every type."""
        self._type(old, new, path, always=always)
        self._values(old, new, path, always=always)
        self._all_of(old, new, path, always=always)
        self._any_of(old, new, path)
        left_over = "unevaluatedProperties" in new or "unevaluatedItems" in new
        if left_over and not self._same(old, new):
            self._altered(path, "unevaluatedProperties", "something changed beside it, and with it what is left over")

    def _references(self, old: dict[str, Any], new: dict[str, Any], path: Parts, *, always: bool) -> None:
        if self._same(old, new):
            return
        targets = []
        for schema, document in ((old, self._old), (new, self._new)):
            target: Any = schema
            for _ in range(NESTED_MAX):
                if not isinstance(target, dict) or "$ref" not in target:
                    break
                alone = not self._siblings or len(target) == 1
                target = document.target(target["$ref"]) if alone else None
            targets.append(target)
        if any(target is None or (isinstance(target, dict) and "$ref" in target) for target in targets):
            self._altered(path, "$ref", "it or what it refers to changed")
        else:
            self._schemas(targets[0], targets[1], path, always=always)

    # ---- any value

    def _type(self, old: dict[str, Any], new: dict[str, Any], path: Parts, *, always: bool) -> None:
        had, has, declared = _types(old), _declared(new), _declared(old)
        gone = {kind for kind in had if kind not in has and not (kind == "integer" and "number" in has)}
        more = {kind for kind in has if kind not in declared and not (kind == "integer" and "number" in declared)}
        if gone:
            left = (had & has) or ("number" in had and "integer" in has)
            message = f"was {_listed(had)}, is {_listed(has)}"
            self._say(path, "type", message, wider=False, dead=always and not left)
        if more:
            self._say(path, "type", f"was {_listed(declared)}, is {_listed(has)}", wider=True)

    def _values(self, old: dict[str, Any], new: dict[str, Any], path: Parts, *, always: bool) -> None:
        had, has = _enumerated(old), _enumerated(new)
        keyword = "const" if "const" in (old if has is None else new) else "enum"
        if has is None:
            if had is not None:
                self._say(path, keyword, f"was one of {_shown(had)}, is any value", wider=True)
            return
        if had is None:
            self._say(path, keyword, f"was any value, is one of {_shown(has)}", wider=False)
            return
        gone, more = had.keys() - has.keys(), has.keys() - had.keys()
        if gone:
            message = f"no longer allowed: {_shown({key: had[key] for key in had if key in gone})}"
            self._say(path, keyword, message, wider=False, dead=always and len(gone) == len(had))
        if more:
            message = f"now allowed: {_shown({key: has[key] for key in has if key in more})}"
            self._say(path, keyword, message, wider=True)

    def _all_of(self, old: dict[str, Any], new: dict[str, Any], path: Parts, *, always: bool) -> None:
        had, has = _list(old, "allOf"), _list(new, "allOf")
        if all(any(self._same(one, other) for one in had) for other in has):
            if not all(any(self._same(one, other) for other in has) for one in had):
                self._say(path, "allOf", "a part was taken away", wider=True)
        elif len(had) == len(has):
            for one, other in zip(had, has, strict=True):
                self._schemas(one, other, path, always=always)
        else:
            self._altered(path, "allOf", f"had {len(had)} parts, has {len(has)}")

    def _any_of(self, old: dict[str, Any], new: dict[str, Any], path: Parts) -> None:
        had, has = _list(old, "anyOf"), _list(new, "anyOf")
        if not has:
            if had:
                self._say(path, "anyOf", "was taken away", wider=True)
        elif not had:
            self._say(path, "anyOf", "was not there", wider=False)
        elif all(any(self._same(one, other) for other in has) for one in had):
            if not all(any(self._same(one, other) for one in had) for other in has):
                self._say(path, "anyOf", "has one choice more", wider=True)
        elif len(had) == len(has):
            for one, other in zip(had, has, strict=True):
                self._schemas(one, other, path, always=False)
        else:
            self._altered(path, "anyOf", f"had {len(had)} choices, has {len(has)}")

    def _opaque(self, keywords: tuple[str, ...], old: dict[str, Any], new: dict[str, Any], path: Parts) -> None:
        first = keywords[0]
        had = {key: old[key] for key in keywords if key in old} if first in old else None
        has = {key: new[key] for key in keywords if key in new} if first in new else None
        if has is None:
            if had is not None:
                self._say(path, first, "was taken away", wider=True)
                if first == "patternProperties":  # its members are now judged by additionalProperties
                    self._altered(path, first, "its members are judged otherwise now")
        elif had is None:
            self._say(path, first, "was not there", wider=False)
        elif not self._same.keywords(had, has):
            self._altered(path, first, "changed")

    # ---- numbers, text, arrays

    def _bounds(self, old: dict[str, Any], new: dict[str, Any], path: Parts) -> None:
        for keyword, exclusive, sign in (("minimum", "exclusiveMinimum", 1), ("maximum", "exclusiveMaximum", -1)):
            had, has = _bound(old, keyword, exclusive, sign), _bound(new, keyword, exclusive, sign)
            if had == has:
                continue
            tighter = has is not None and (had is None or has > had)
            message = f"was {_bound_text(had, sign)}, is {_bound_text(has, sign)}"
            self._say(path, keyword, message, wider=not tighter)

    def _multiple(self, old: dict[str, Any], new: dict[str, Any], path: Parts) -> None:
        had, has = old.get("multipleOf"), new.get("multipleOf")
        if canonical(had) == canonical(has):
            return
        wider = has is None or (had is not None and Fraction(str(had)) % Fraction(str(has)) == 0)
        self._say(path, "multipleOf", f"was {_or_none(had)}, is {_or_none(has)}", wider=wider)

    def _sizes(self, old: dict[str, Any], new: dict[str, Any], path: Parts, types: frozenset[str]) -> None:
        for table, free, sign in ((_LEAST, 0, 1), (_MOST, float("inf"), -1)):
            for keyword, kind in table.items():
                had, has = old.get(keyword, free), new.get(keyword, free)
                if kind in types and had != has:
                    message = f"was {_or_none(had, free)}, is {_or_none(has, free)}"
                    self._say(path, keyword, message, wider=has * sign < had * sign)
        unique_before, unique_now = old.get("uniqueItems", False), new.get("uniqueItems", False)
        if "array" in types and unique_before != unique_now:
            what = "items must differ" if unique_now else "items may repeat"
            self._say(path, "uniqueItems", f"{what} now", wider=not unique_now)

    def _text(self, keyword: str, old: dict[str, Any], new: dict[str, Any], path: Parts) -> None:
        had, has = old.get(keyword), new.get(keyword)
        if had == has:
            return
        message = f"was {_or_none(had)}, is {_or_none(has)}"
        if had is not None and has is not None:
            self._altered(path, keyword, message)
        else:
            self._say(path, keyword, message, wider=has is None)

    def _items(self, old: dict[str, Any], new: dict[str, Any], path: Parts) -> None:
        by_place = any("prefixItems" in one or isinstance(one.get("items"), list) for one in (old, new))
        if not by_place:
            self._schemas(old.get("items", True), new.get("items", True), (*path, ANY_OF_THEM), always=False)
            return
        keys = ("items", "prefixItems", "additionalItems")
        had, has = ({key: one[key] for key in keys if key in one} for one in (old, new))
        if not has:
            self._say(path, "items", "were judged, are not any more", wider=True)
        elif not self._same.keywords(had, has):
            self._altered(path, "items", "changed")

    # ---- objects

    def _required(self, old: dict[str, Any], new: dict[str, Any], path: Parts, *, always: bool) -> None:
        had, has = _names(old), _names(new)
        known = old.get("properties", {})
        for name in [name for name in has if name not in had]:
            what = "was optional, is required" if name in known else "was not known, is required"
            # An event of the old version may hold by chance what that version does not know; nobody counts on it.
            self._say((*path, name), "required", what, wider=False, dead=always and name not in known)
        for name in [name for name in had if name not in has]:
            self._say((*path, name), "required", "was required, is optional", wider=True)

    def _properties(self, old: dict[str, Any], new: dict[str, Any], path: Parts, *, always: bool) -> None:
        had, has = old.get("properties", {}), new.get("properties", {})
        old_rest, new_rest = old.get("additionalProperties", True), new.get("additionalProperties", True)
        unsure = True if "patternProperties" in old else old_rest
        for name in had:
            there = always and name in _names(old)
            if name in has:
                self._schemas(had[name], has[name], (*path, name), always=there)
                continue
            if _schema(had[name]) is not _NEVER:
                self._rest(had[name], new_rest, (*path, name), "was known, is not any more", always=there)
        for name in has:
            if name not in had:
                self._say((*path, name), "properties", "was not known, is known", wider=True)
                what = "was open to any value"
                self._rest(unsure, has[name], (*path, name), what, always=False)
        if _schema(old_rest) is not _NEVER:
            if _schema(new_rest) is _NEVER:
                message = "was open, is closed: no other members"
                self._say(path, "additionalProperties", message, wider=False)
            else:
                self._schemas(old_rest, new_rest, (*path, ANY_OF_THEM), always=False)
        elif _schema(new_rest) is not _NEVER:
            self._say(path, "additionalProperties", "was closed, is open to other members", wider=True)

    def _rest(self, old: Any, new: Any, path: Parts, what: str, *, always: bool) -> None:
        """Compare a member that one version names with what the other says of members it does not name."""
        if _schema(old) is _NEVER:
            return
        if _schema(new) is _NEVER:
            self._say(path, "additionalProperties", f"{what}: not allowed", wider=False, dead=always)
        else:
            self._schemas(old, new, path, always=always)


def event_path(parts: Parts) -> str:
    """Return `$.a[*].b`."""
    return json_path(parts).replace(f"['{ANY_OF_THEM}']", f"[{ANY_OF_THEM}]")


# ---- reading keywords


def _schema(value: Any) -> dict[str, Any]:
    if value is False:
        return _NEVER
    return value if isinstance(value, dict) else _ANY


def _declared(schema: Mapping[str, Any]) -> frozenset[str]:
    given = schema.get("type")
    named = frozenset((given,) if isinstance(given, str) else given or _TYPES)
    return named | {"integer"} if "number" in named else named


def _types(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the types a valid value may have."""
    declared, values = _declared(schema), _enumerated(schema)
    if values is None:
        return declared
    names = {str: "string", int: "integer", float: "number", bool: "boolean", dict: "object", list: "array"}
    return declared & {names.get(type(value), "null") for value in values.values()} if values else declared


def _enumerated(schema: Mapping[str, Any]) -> dict[bytes, Any] | None:
    values = schema.get("enum")
    listed = {canonical(value): value for value in values} if isinstance(values, list) else None
    if "const" not in schema:
        return listed
    only = canonical(schema["const"])
    return {only: schema["const"]} if listed is None or only in listed else {}


def _bound(schema: Mapping[str, Any], keyword: str, exclusive: str, sign: int) -> tuple[Any, bool] | None:
    """Return a bound such that a tighter one compares as greater."""
    bounds = []
    edge, strict = schema.get(keyword), schema.get(exclusive)
    if edge is not None:
        bounds.append((edge * sign, strict is True))  # draft-04 has true there
    if strict is not None and not isinstance(strict, bool):
        bounds.append((strict * sign, True))
    return max(bounds, default=None)


def _bound_text(bound: tuple[Any, bool] | None, sign: int) -> str:
    if bound is None:
        return "none"
    word = ("above" if bound[1] else "at least") if sign == 1 else ("below" if bound[1] else "at most")
    return f"{word} {bound[0] * sign}"


def _list(schema: Mapping[str, Any], keyword: str) -> list[Any]:
    value = schema.get(keyword)
    return value if isinstance(value, list) else []


def _names(schema: Mapping[str, Any]) -> list[str]:
    return [name for name in _list(schema, "required") if isinstance(name, str)]


def _listed(types: Collection[str]) -> str:
    plain = set(types) - ({"integer"} if "number" in types else set())
    return "anything" if plain == _TYPES - {"integer"} else " or ".join(sorted(plain))


def _shown(values: Mapping[bytes, Any]) -> str:
    return ", ".join(map(shown, values.values()))


def _or_none(value: Any, free: Any = None) -> str:
    return "none" if value is None or value == free else shown(value) if isinstance(value, str) else str(value)
