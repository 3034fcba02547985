"""Whether two schemas say the same. Rule: a doubt is a no; words for people are passed over.

Local references are followed, so that a change inside `$defs` is seen wherever it is referred to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

import orjson

NOTES: Final = frozenset((
    "title", "description", "$comment", "examples", "default", "deprecated", "readOnly", "writeOnly", "self",
    "$schema", "$defs", "definitions",
))  # fmt: skip
_MAPS: Final = frozenset(("properties", "patternProperties", "dependentSchemas", "dependencies"))
_DATA: Final = frozenset(("enum", "const", "required", "type", "dependentRequired"))
REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")


class Document:
    """A whole schema, in which references are looked up."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.base = root.get("$id", root.get("id"))
        self.inner_ids = any(_ids_below(value) for value in root.values())

    def target(self, reference: object) -> Any:
        """Return what a local reference points to, None where that cannot be told."""
        if not isinstance(reference, str) or self.inner_ids or not (reference == "#" or reference.startswith("#/")):
            return None
        at: Any = self.root
        for part in unquote(reference).split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(at, dict):
                at = at.get(name)
            elif isinstance(at, list) and name.isdigit() and int(name) < len(at):
                at = at[int(name)]
            else:
                return None
        return at


class Sameness:
    """Compares parts of two documents."""

    def __init__(self, old: Document, new: Document) -> None:
        self._old, self._new = old, new
        self._assumed: set[tuple[int, int]] = set()

    def __call__(self, old: Any, new: Any) -> bool:
        """Say whether two schemas (or lists of schemas) judge alike, as far as their text tells."""
        if isinstance(old, dict) and isinstance(new, dict):
            return self._objects(old, new)
        if isinstance(old, list) and isinstance(new, list):
            return len(old) == len(new) and all(map(self, old, new))
        return canonical(old) == canonical(new)

    def _objects(self, old: dict[str, Any], new: dict[str, Any]) -> bool:
        pair = (id(old), id(new))
        if pair in self._assumed:  # a schema that refers to itself: alike unless something else differs
            return True
        self._assumed.add(pair)
        old_keys, new_keys = set(old) - NOTES, set(new) - NOTES
        if self.keywords({key: old[key] for key in old_keys}, {key: new[key] for key in new_keys}):
            return True
        self._assumed.clear()  # what was found alike rested on this pair being alike
        return False

    def keywords(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        """Say whether some keywords of two schemas judge alike."""
        return old.keys() == new.keys() and all(self._keyword(key, old[key], new[key]) for key in old)

    def _keyword(self, key: str, old: Any, new: Any) -> bool:
        if key in REFERENCES:
            return self._references(key, old, new)
        if key in _DATA:
            return canonical(old) == canonical(new)
        if key in _MAPS and isinstance(old, dict) and isinstance(new, dict):
            return old.keys() == new.keys() and all(self(old[name], new[name]) for name in old)
        return self(old, new)

    def _references(self, key: str, old: Any, new: Any) -> bool:
        if old != new:
            return False
        if key == "$ref" and isinstance(old, str) and not old.startswith("#"):  # into another file, the same for both
            inside = self._old.inner_ids or self._new.inner_ids
            return not inside and self._old.base == self._new.base
        old_target, new_target = self._old.target(old), self._new.target(new)
        return old_target is not None and new_target is not None and key == "$ref" and self(old_target, new_target)


def canonical(value: Any) -> bytes:
    """Return JSON values as bytes that are equal where JSON Schema calls the values equal."""
    return orjson.dumps(_plain(value), option=orjson.OPT_SORT_KEYS)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value) if abs(value) < 1 << 63 else value
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value


def _ids_below(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_ids_below, value))
    if isinstance(value, dict):
        named = any(isinstance(value.get(key), str) for key in ("$id", "id"))
        return named or any(map(_ids_below, value.values()))
    return False
