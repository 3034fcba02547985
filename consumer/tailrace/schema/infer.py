"""Schemas from events that were seen. Rule: every event that was seen is valid, and fits the columns.

What is in every event is required. A member has the types that were seen; whole numbers stay whole numbers. A text is
one of few values only where few came often, and has a format only where all of it fits. Objects are closed, but for
the outermost of a type that was seen seldom, and for those whose members are named by data (a hundred names, or many
that hardly repeat): these stay open, and are JSON text in a column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, Final

from tailrace.schema.validate import compiled

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ENOUGH: Final = 20  # events of a type, to say that it has no other members
NAMES_MAX: Final = 100  # members of an object
NAMES_FEW: Final = 20
DEPTH_MAX: Final = 10  # what is deeper in an event stays open
CHOICES_MAX: Final = 8  # values of an enum
CHOICE_CHARS_MAX: Final = 30
CHOICES_SEEN: Final = 100  # times, before few values count as all there are
CHOICE_SEEN: Final = 5  # times each of them
FORMAT_SEEN: Final = 5  # times
INT64: Final = range(-(2**63), 2**63)
EXACT_MAX: Final = 2**53  # whole numbers up to it are exact in a column of numbers
_CHOICE: Final = re.compile(r"[A-Za-z][A-Za-z_ -]*")
_FORMATS: Final = {
    "date-time": re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:.*", re.ASCII),
    "date": re.compile(r"\d{4}-\d\d-\d\d", re.ASCII),
    "uuid": re.compile(r"[0-9A-Fa-f-]{36}"),
    "ipv4": re.compile(r"[0-9.]{7,15}"),
    "ipv6": re.compile(r"[0-9A-Fa-f:.]{2,45}"),
    "email": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
}


class Seen:
    """What was seen at one place."""

    def __init__(self) -> None:
        self.count = 0  # values, nulls among them
        self.kinds: dict[str, int] = {}
        self.members: dict[str, Seen] = {}
        self.items: Seen | None = None
        self.choices: dict[str, int] | None = {}  # None: too many, or none that looks like one
        self.formats = set(_FORMATS)
        self.exact = True  # whole numbers fit where they would stand

    def add(self, value: Any) -> None:
        """Take a value in."""
        self.count += 1
        kind = _KINDS[type(value)]
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if kind == "string":
            self._text(value)
        elif kind == "object":
            for name, member in value.items():
                self.members.setdefault(name, Seen()).add(member)
        elif kind == "array":
            self.items = self.items or Seen()
            for item in value:
                self.items.add(item)
        elif kind == "integer":
            self._most(value)

    def _text(self, value: str) -> None:
        if self.choices is not None:
            self.choices[value] = self.choices.get(value, 0) + 1
            if len(self.choices) > CHOICES_MAX or len(value) > CHOICE_CHARS_MAX:
                self.choices = None
        for name in list(self.formats):
            if not _FORMATS[name].fullmatch(value) or not _checked(name)(value):
                self.formats.discard(name)

    def _most(self, value: int) -> None:
        self.largest = max(self.largest, abs(value))
        self.exact = self.exact and value in INT64

    largest = 0

    def schema(self, *, plain: bool = False, depth: int = 0) -> dict[str, Any]:
        """Return what all that was seen obeys. `plain`: a text without choices and formats."""
        kinds = set(self.kinds)
        if {"integer", "number"} <= kinds:
            kinds.discard("integer")
            self.exact = self.exact and self.largest <= EXACT_MAX
        if not kinds or not self.exact:
            return {}
        out: dict[str, Any] = {"type": _one(sorted(kinds))}
        others = kinds - {"null"}
        if others == {"string"} and not plain:
            out |= self._said_of_text(null="null" in kinds)
        elif others == {"array"} and depth < DEPTH_MAX:
            items = self.items.schema(depth=depth + 1) if self.items and self.items.count else {}
            out |= {"items": items} if items else {}
        elif others == {"object"} and depth < DEPTH_MAX:
            out |= self._said_of_object(depth + 1)
        return out

    def _said_of_text(self, *, null: bool) -> dict[str, Any]:
        count = self.kinds["string"]
        choices = self.choices or {}
        often = count >= CHOICES_SEEN and all(seen >= CHOICE_SEEN for seen in choices.values())
        if choices and often and all(_CHOICE.fullmatch(one) for one in choices):
            return {"enum": [*sorted(choices), *([None] if null else [])]}
        formats = [name for name in _FORMATS if name in self.formats] if count >= FORMAT_SEEN else []
        return {"format": formats[0]} if formats else {}

    def _said_of_object(self, depth: int) -> dict[str, Any]:
        if not self.members or self._is_map():
            return {}
        return {
            "additionalProperties": False,
            "required": self.required(),
            "properties": {name: member.schema(depth=depth) for name, member in self.members.items()},
        }

    def required(self) -> list[str]:
        """Return the members that every object had."""
        return [name for name, member in self.members.items() if member.count == self.kinds["object"]]

    def _is_map(self) -> bool:
        """Are the members named by data?"""
        names = len(self.members)
        often = max(member.count for member in self.members.values()) * 2 >= self.kinds["object"]
        return names > NAMES_MAX or (names > NAMES_FEW and not often)

    def mixed(self, path: str = "$") -> list[tuple[str, Mapping[str, int]]]:
        """Return the places where values of several types were seen, with how often each."""
        kinds = {kind: count for kind, count in self.kinds.items() if kind != "null"}
        numbers = set(kinds) == {"integer", "number"}
        out: list[tuple[str, Mapping[str, int]]] = [(path, kinds)] if len(kinds) > 1 and not numbers else []
        for name, member in self.members.items():
            out += member.mixed(f"{path}.{name}")
        return out + (self.items.mixed(f"{path}[*]") if self.items else [])


def inferred(seen: Seen, title: str, kind_members: Mapping[str, str], plain: Collection[str]) -> dict[str, Any]:
    """Return the schema of a type's events. `kind_members`: those that name the type, with its name."""
    properties = {}
    often = seen.count // 2 if len(seen.members) > NAMES_MAX else 0  # an event whose members are named by data
    for name, member in seen.members.items():
        if member.count < often:
            continue
        named = kind_members.get(name)
        if named is not None and set(member.kinds) == {"string"} and member.choices == {named: member.count}:
            properties[name] = {"const": named}
        else:
            properties[name] = member.schema(plain=name in plain)
    out: dict[str, Any] = {"$schema": DIALECT, "title": title, "type": "object"}
    if seen.count >= ENOUGH and not often:
        out["additionalProperties"] = False
    return out | {"required": seen.required(), "properties": properties}


_KINDS: Final[dict[type, str]] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def _one(kinds: list[str]) -> str | list[str]:
    return kinds[0] if len(kinds) == 1 else kinds


@cache
def _checked(name: str) -> Callable[[Any], bool]:
    """Return what judges a format: the same that judges events."""
    judge = compiled({"$schema": DIALECT, "type": "string", "format": name})
    return judge.validator.is_valid
