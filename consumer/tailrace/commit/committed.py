"""A plan's commit file as a value. Rule: what it says is enough to find and to check every object of the plan.

JSON, one object: the facts of the plan and, under `objects`, every object it wrote, zero-row ones too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from tailrace.commit.ports import CommitFacts

COMMITS = "_commits/"
VERSION = 1


class StoredObject(NamedTuple):
    """One object as its plan left it."""

    name: str
    table: str
    rows: int
    bytes: int
    sha256: str


class CommitFile(NamedTuple):
    """What one plan stored."""

    facts: CommitFacts
    objects: tuple[StoredObject, ...]


class CommitFileError(Exception):
    """These bytes are no commit file of a version known here."""


def encode(facts: CommitFacts, objects: Iterable[StoredObject]) -> bytes:
    """Return the commit file's bytes; the same facts and objects give the same bytes."""
    raw: dict[str, Any] = {"version": VERSION, **facts._asdict(), "digests": dict(facts.digests)}
    raw["objects"] = [entry._asdict() for entry in sorted(objects)]
    return json.dumps(raw, indent=1, ensure_ascii=False).encode() + b"\n"


def decode(data: bytes) -> CommitFile:
    """Read a commit file back."""
    try:
        raw = json.loads(data)
        if raw["version"] != VERSION:
            message = f"version {raw['version']} of the commit file is not known here"
            raise CommitFileError(message)
        facts = CommitFacts(**{field: raw[field] for field in CommitFacts._fields})
        objects = tuple(
            StoredObject(**{field: entry[field] for field in StoredObject._fields}) for entry in raw["objects"]
        )
    except (ValueError, TypeError, KeyError) as error:
        message = f"no commit file: {error!r}"
        raise CommitFileError(message) from error
    return CommitFile(facts, objects)
