"""What is wrong with an event, in sentences. Rule: each says what was found and what was expected, on one short line.

The path is where a person would mend it: a member that is missing, or that nobody knows, is named by its own path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, Final, NamedTuple

from jsonschema_rs import ValidationError
from jsonschema_rs import ValidationErrorKind as Kinds

from tailrace.nouns import Reason
from tailrace.schema.contract import json_path, one_line, shortened, shown
from tailrace.schema.words import (
    NAMES_MAX,
    SENTENCES,
    Schema,
    allowed,
    either,
    finding,
    kinded,
    listed,
    nearest,
    one_of,
    wanted,
)

MESSAGE_CHARS_MAX: Final = 300
REASONS_MAX: Final = 100  # of one event; a hostile event can have as many as it has members
GUESSES_MAX: Final = 3  # of what an unknown member was meant to be, in one object: each is looked for in all names
NESTED_MAX: Final = 4  # alternatives of alternatives
REFERENCES_MAX: Final = 16

Path = tuple[str | int, ...]

_NAMING: Final = (Kinds.Constant, Kinds.Enum)


class Said(NamedTuple):
    """One sentence, and the place it is about."""

    path: Path
    found: str
    expected: str

    @property
    def message(self) -> str:
        return f"{self.found}, {self.expected}"


class Explainer:
    """Makes sentences of errors; it looks into the schema for what an error does not carry."""

    def __init__(self, schema: Schema, others: Mapping[str, Schema] | None = None) -> None:
        """`others` are schemas that references lead to, by address."""
        self._root, self._others = schema, others or {}

    def reasons(self, errors: Iterable[ValidationError], instance: object = None) -> list[Reason]:
        """Return a bounded number of reasons, each once. `instance`: what they are about."""
        made = (
            Reason("schema", keyword, json_path(said.path), shortened(said.message, MESSAGE_CHARS_MAX))
            for error in errors
            for keyword, told in (self._of_no_members(error, instance) or (error.kind.name, self._said(error)),)
            for said in told
        )
        return list(dict.fromkeys(islice(made, REASONS_MAX)))

    def _said(self, error: ValidationError, depth: int = 0) -> Iterator[Said]:
        """Yield the sentences of one error: several where it speaks of several members."""
        path, kind = tuple(error.instance_path), error.kind
        sentence = SENTENCES.get(type(kind))
        unwanted = _unwanted(kind.schema) if isinstance(kind, Kinds.Not) else None
        if unwanted is not None:
            yield Said((*path, unwanted), f"found a member {shown(unwanted)}", "expected none of this name here")
        elif sentence is not None:
            yield Said(path, *sentence(error, kind, partial(self._around, error)))
        elif isinstance(kind, Kinds.Required):
            yield Said((*path, kind.property), f"found no member {shown(kind.property)}", self._missing(error, kind))
        elif isinstance(kind, (Kinds.AdditionalProperties, Kinds.UnevaluatedProperties)):
            declared = self._declared(self._around(error))
            for at, name in enumerate(kind.unexpected):
                known = self._known(name if at < GUESSES_MAX else None, declared)
                yield Said((*path, name), f"found a member {shown(name)}", known)
        elif isinstance(kind, (Kinds.AnyOf, Kinds.OneOfNotValid)):
            yield self._alternatives(error, kind.context, depth)
        elif isinstance(kind, Kinds.PropertyNames):
            name = str(kind.error.instance)
            inner = next(self._said(kind.error, depth))
            other = f"expected another name: {inner.expected[9:]}"
            yield Said((*path, name), f"found a member named {shown(name)}", other)
        else:
            expected = f"expected what {kind.name} asks for ({one_line(shortened(error.message))})"
            yield Said(path, finding(error.instance), expected)

    # ---- members

    @staticmethod
    def _of_no_members(error: ValidationError, instance: object) -> tuple[str, Iterator[Said]] | None:
        """Say it of each member of an object that may have none: there jsonschema-rs names neither key nor place."""
        if not isinstance(error.kind, Kinds.FalseSchema) or error.schema_path[-1:] != ["additionalProperties"]:
            return None
        held: Any = instance
        path = tuple(error.instance_path)
        for step in path:
            known = (isinstance(held, dict) and step in held) or (isinstance(held, list) and step in range(len(held)))
            held = held[step] if known else None
        if not isinstance(held, dict):
            return None
        said = (
            Said((*path, name), f"found a member {shown(name)}", "expected an object without members") for name in held
        )
        return "additionalProperties", said

    @staticmethod
    def _known(name: str | None, declared: list[str]) -> str:
        """Say which members may stand there, and which one is like this name."""
        if not declared:
            return "expected one that its schema describes"
        guess = None if name is None else nearest(name, declared)
        if guess is not None:
            return f"expected a known one; did you mean {shown(guess)}?"
        return f"expected one of: {listed(declared)}"

    def _missing(self, error: ValidationError, kind: Kinds.Required) -> str:
        where = self._around(error)
        properties = where.get("properties")
        wanted = self._wanted(properties.get(kind.property)) if isinstance(properties, dict) else ""
        expected = f"expected one: {wanted}" if wanted else "expected one: it is required"
        keyword = error.schema_path[-1] if error.schema_path else ""
        present = error.instance if isinstance(error.instance, dict) else {}
        if keyword in {"dependencies", "dependentRequired"} and isinstance(where.get(str(keyword)), dict):
            for trigger, needed in where[str(keyword)].items():
                if isinstance(needed, list) and kind.property in needed and trigger in present:
                    return f"expected one, since there is {shown(trigger)}"
        return expected

    def _declared(self, schema: Any, depth: int = 0) -> list[str]:
        """Return the members that a schema names, those of its parts included."""
        schema = self._resolved(schema)
        if depth > NESTED_MAX or not isinstance(schema, dict):
            return []
        properties = schema.get("properties")
        names = dict.fromkeys(properties if isinstance(properties, dict) else ())
        if "unevaluatedProperties" in schema or depth:
            parts = [schema.get(key) for key in ("$ref", "then", "else")]
            parts = [{"$ref": parts[0]}] * ("properties" in schema and parts[0] is not None) + parts[1:]
            for key in ("allOf", "anyOf", "oneOf"):
                parts += schema.get(key) or ()
            for part in parts:
                names |= dict.fromkeys(self._declared(part, depth + 1))
        return list(names)[:NAMES_MAX]

    # ---- alternatives

    def _alternatives(self, error: ValidationError, context: list[list[ValidationError]], depth: int) -> Said:
        """Say what all alternatives have in common, or else what is wrong with the nearest one."""
        path, branches = tuple(error.instance_path), [branch for branch in context if branch]
        found = finding(error.instance)
        if not branches or depth >= NESTED_MAX:
            return Said(path, found, f"expected one of {len(context)} alternatives, and it fits none")
        types = [[one for one in branch if _is_type(one, path)] for branch in branches]
        if all(types):
            names = [name for branch in types for one in branch for name in one.kind.types]  # type: ignore[attr-defined]
            return Said(path, kinded(error.instance), f"expected {either(names)}")
        named = _same_place(branches)
        if named is not None:
            place, values = named
            first = next(one for one in branches[0] if isinstance(one.kind, _NAMING))
            return Said(place, finding(first.instance), one_of(first.instance, values))
        at, branch = min(enumerate(context), key=lambda each: (not each[1], *_distance(each[1], path)))
        inner = next(self._said(branch[0], depth + 1))
        more = f" ({len(branch) - 1} more)" if len(branch) > 1 else ""
        told = f"{shortened(json_path(inner.path))} {shortened(inner.found, 110)}, {shortened(inner.expected)}{more}"
        return Said(
            path,
            f"{found} that fits none of {len(context)} alternatives",
            f"expected one of them (the nearest is number {at + 1}: at {told})",
        )

    # ---- the schema

    def _around(self, error: ValidationError) -> Schema:
        """Return the part of the schema whose keyword was broken; an empty one where it cannot be found."""
        node: Any = self._root
        address = (error.absolute_keyword_location or "").partition("#")[0]
        if address and address != self._root.get("$id", self._root.get("id")):
            node = self._others.get(address)
        for step in error.schema_path[:-1]:
            if isinstance(node, dict):
                node = node.get(str(step))
            elif isinstance(node, list) and isinstance(step, int) and step < len(node):
                node = node[step]
            else:
                return {}
        return node if isinstance(node, dict) else {}

    def _resolved(self, schema: Any) -> Any:
        """Follow references inside the schema, as long as nothing stands beside them."""
        for _ in range(REFERENCES_MAX):
            reference = schema.get("$ref") if isinstance(schema, dict) else None
            if not isinstance(reference, str) or not reference.startswith("#") or "properties" in schema:
                return schema
            node: Any = self._root
            for part in reference.split("/")[1:]:
                node = node.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
            schema = node
        return schema

    def _wanted(self, schema: Any) -> str:
        return wanted(self._resolved(schema))


def _unwanted(schema: Any) -> str | None:
    """Return the one member that `{"required": [...]}` speaks of, and it alone."""
    needed = schema.get("required") if isinstance(schema, dict) and len(schema) == 1 else None
    return needed[0] if isinstance(needed, list) and len(needed) == 1 and isinstance(needed[0], str) else None


def _is_type(error: ValidationError, path: Path) -> bool:
    return isinstance(error.kind, Kinds.Type) and tuple(error.instance_path) == path


def _same_place(branches: list[list[ValidationError]]) -> tuple[Path, list[Any]] | None:
    """Return the one member whose value no alternative allows, and the values that they do."""
    naming = [{tuple(one.instance_path): allowed(one) for one in branch if allowed(one)} for branch in branches]
    for place in naming[0]:
        if all(place in branch for branch in naming):
            found = [value for branch in naming for value in branch[place]][:NAMES_MAX]
            return place, [value for at, value in enumerate(found) if value not in found[:at]]
    return None


def _distance(branch: list[ValidationError], path: Path) -> tuple[bool, int, int]:
    """Say how far an event is from an alternative: another kind of thing, another name for it, more wrong with it."""
    return any(_is_type(one, path) for one in branch), sum(bool(allowed(one)) for one in branch), len(branch)
