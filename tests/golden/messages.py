"""What `messages.txt` should say; `python -m tests.golden.messages` writes it anew. Rule: a person reads the changes.

A block has a comment, a schema (or the name of a flaw of `local/flaws.py`) and events; below each stands what is said.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from local.flaws import BY_NAME
from support.pipelines import IDENTITY, record, rejected
from tailrace import settings
from tailrace.nouns import Reason
from tailrace.rows.pipeline import Pipeline
from tailrace.schema.load import load
from tailrace.schema.validate import compiled, judge

FILE = Path(__file__).with_name("messages.txt")
SCHEMAS = Path(__file__).resolve().parents[2] / "properties" / "schemas"
LATEST = "https://json-schema.org/draft/2020-12/schema"
CLICK: dict[str, Any] = {
    "event_id": "0b5cd7e4-1111-4222-8333-444455556666",
    "tenant": "acme",
    "eventType": "click",
    "browser": "Mozilla/5.0",
    "timestamp": "2026-01-31T08:00:00Z",
    "user_id": "u-1",
    "session_id": "s-1",
    "path": "/cart",
    "target": {"tag": "a", "id": "buy", "text": "Buy", "x": 1, "y": 2},
    "data": {"vw": 1280},
}


def said_of(schema: object, event: object) -> list[Reason]:
    """Return what is said of an event by its schema."""
    asked = {"$schema": LATEST, **schema} if isinstance(schema, dict) else {"$schema": LATEST, "allOf": [schema]}
    return list(judge(compiled(asked), [event]).get(0, ()))


def said_of_flaw(name: str) -> list[Reason]:
    """Return what is said of a good click after a flaw."""
    contract = settings.Contract()
    pipeline = Pipeline(contract, load(str(SCHEMAS), contract), settings.Limits(), IDENTITY)
    (row,) = rejected(pipeline([record(BY_NAME[name].apply(copy.deepcopy(CLICK)))]))
    return [Reason(**reason) for reason in row["reasons"]]


def rendered(text: str) -> str:
    """Return the text with what is said now."""
    out: list[str] = []
    schema: object = None
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word in {"says", "good"}:
            continue
        out.append(line)
        if word == "schema":
            schema = json.loads(rest)
        elif word == "event":
            out += _lines(said_of(schema, json.loads(rest)))
        elif word == "flaw":
            out += _lines(said_of_flaw(rest.strip()))
    return "\n".join(out) + "\n"


def _lines(reasons: list[Reason]) -> list[str]:
    if not reasons:
        return ["  good"]
    return [f"  says {reason.stage}/{reason.keyword} at {reason.path}: {reason.message}" for reason in reasons]


if __name__ == "__main__":
    FILE.write_text(rendered(FILE.read_text()))
