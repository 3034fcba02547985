"""Events that break their schema and are stored all the same. Rule: what no column holds is in `extra`.

A member goes to its column whole, or to `extra` whole: half an object in each would be neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from tailrace.nouns import Reason
from tailrace.rows import columns
from tailrace.schema.book import Page
from tailrace.schema.contract import json_path
from tailrace.schema.kinds import Field, Kind, List, Struct

BENDABLE: Final = frozenset({"schema", "columns"})  # stages whose reasons a verdict may overrule
NAMES_ONLY: Final = frozenset({"required", "additionalProperties", "dependentRequired"})  # they show no value
HIDDEN: Final = "not shown: it speaks of a value that is kept secret"


def relaxed(page: Page) -> Page:
    """Return a page whose readers expect nothing of an event: no member is certain, any may be there."""
    fields = tuple(field._replace(kind=_relaxed(field.kind), required=False) for field in page.fields)
    return page._replace(fields=fields, closed=False, certain=frozenset())


def _relaxed(kind: Kind) -> Kind:
    if isinstance(kind, Struct):
        return Struct(tuple(field._replace(kind=_relaxed(field.kind), required=False) for field in kind.fields))
    return List(_relaxed(kind.item)) if isinstance(kind, List) else kind


def unfit(fields: Sequence[Field], event: dict[str, Any]) -> frozenset[str]:
    """Return the members that are a column's and that it cannot hold as they are."""
    found = {field.name for field in fields if _loses(field.kind, event.get(field.name))}
    return frozenset(found.union(f.name for f in fields if f.name not in found and columns.misfits([f], event)))


def _loses(kind: Kind, value: Any) -> bool:
    """Would a column of this kind leave out some member of an object?"""
    if isinstance(kind, Struct) and isinstance(value, dict):
        members = {field.name: field.kind for field in kind.fields}
        return any(name not in members or _loses(members[name], below) for name, below in value.items())
    if isinstance(kind, List) and isinstance(value, list):
        return any(_loses(kind.item, item) for item in value)
    return False


def findings(reasons: Sequence[Reason], pairs: Sequence[tuple[str, Any, Any]]) -> str:
    """Return reasons as JSON text. They speak of the original; what of it is not stored, they do not show either.

    `pairs` are (JSON path, original, as stored): the event, and what it is enclosed in.
    """
    secret = [
        inside + path[1:]
        for inside, original, stored in pairs
        if stored is not original
        for path in _altered(original, stored, ())
    ]
    if secret:
        reasons = [reason._replace(message=HIDDEN) if _shows(reason, secret) else reason for reason in reasons]
    return msgspec.json.encode([reason._asdict() for reason in reasons]).decode()


def _shows(reason: Reason, secret: Sequence[str]) -> bool:
    if reason.keyword in NAMES_ONLY:
        return False
    return any(_leads_to(path, reason.path) or _leads_to(reason.path, path) for path in secret)


def _leads_to(path: str, below: str) -> bool:
    return below.startswith(path) and below[len(path) :][:1] in {"", ".", "["}


def _altered(before: Any, after: Any, path: tuple[str | int, ...]) -> Iterator[str]:
    """Yield the JSON paths of the values that differ."""
    if before is after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            yield from _altered(value, after.get(name), (*path, name))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for at, value in enumerate(before):
            yield from _altered(value, after[at], (*path, at))
    elif before != after or type(before) is not type(after):
        yield json_path(path)
