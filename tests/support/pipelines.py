"""Pipelines over small schemas, and what came out of them, for tests of rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from tailrace import settings
from tailrace.nouns import Identity, Outcome, Record
from tailrace.rows.enrich.user_agent import UserAgent
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.treatment import Treatment
from tailrace.schema.book import ENVELOPE, Book

TREATMENT = Treatment(enrichers=(UserAgent(),))  # as the settings have it by default
ARRIVAL_MS = 1_760_000_000_123
IDENTITY = Identity("stream", "epoch-1", "shardId-000000000000")
BIG_SEQUENCE = "49590338271490256608559692538361571095921575989136588898"


def closed(properties: Mapping[str, Any], required: Sequence[str] = ()) -> dict[str, Any]:
    """Return a closed object schema."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": dict(properties),
    }


CLICK = closed(
    {
        "eventType": {"const": "click"},
        "browser": {"type": "string"},
        "timestamp": {"type": ["string", "number"]},
        "tenant": {"type": ["string", "integer"]},
        "eventId": {"type": "string"},
        "path": {"type": "string"},
        "target": closed({"id": {"type": "string"}, "x": {"type": "integer"}, "ratio": {"type": "number"}}, ["id"]),
        "items": {"type": "array", "items": closed({"sku": {"type": "string"}, "qty": {"type": "integer"}})},
        "data": {"type": "object"},
    },
    ["eventType"],
)
READING = closed(
    {
        "user_id": {"type": "string"},
        "event_type": {"const": "reading"},
        "timestamp": {"type": "number"},
        "value": {"type": "number"},
    },
    ["event_type", "value"],
)
SIGNUP = closed({"name": {"const": "signup"}, "data": {"type": "object"}}, ["name", "data"])
ORDER = {
    "self": {"vendor": "com.acme", "name": "order", "format": "jsonschema", "version": "1-0-0"},
    **closed({"order_id": {"type": "string"}, "total": {"type": "number"}, "name": {"type": "string"}}, ["order_id"]),
}
OPEN = {"type": "object", "required": ["type"], "properties": {"type": {"const": "open"}, "n": {"type": "integer"}}}
Schemas = Mapping[tuple[str, str], Mapping[str, Any]]
SCHEMAS: Schemas = {
    ("click", "1-0-0"): CLICK,
    ("reading", "1-0-0"): READING,
    ("signup", "1-0-0"): SIGNUP,
    ("order", "1-0-0"): ORDER,
    ("open", "1-0-0"): OPEN,
}


def pipeline(
    schemas: Schemas = SCHEMAS,
    *,
    limits: Mapping[str, int] | None = None,
    treatment: Treatment = TREATMENT,
    **keys: Any,
) -> Pipeline:
    """Return a pipeline; `keys` are settings of the contract."""
    contract = settings.Contract(**keys)
    added = [field for one in treatment.enrichers for field in one.outputs if field.name not in ENVELOPE.names]
    book = Book(contract, schemas, added)
    return Pipeline(contract, book, settings.Limits(**(limits or {})), IDENTITY, treatment)


def record(data: bytes | object, at: int = 0, sub: int = 0) -> Record:
    """Return a record of bytes, or of a value as JSON."""
    body = data if isinstance(data, bytes) else orjson.dumps(data)
    return Record(body, str(int(BIG_SEQUENCE) + at), sub, ARRIVAL_MS + at)


def records(*bodies: bytes | object) -> list[Record]:
    """Return records in a row."""
    return [record(body, at) for at, body in enumerate(bodies)]


def stored(outcome: Outcome, table: str | None = None) -> list[dict[str, Any]]:
    """Return rows that are no rejects, by position."""
    rows = [
        row
        for part in outcome.rows
        if part.table.name != "quarantine" and table in {None, part.table.name}
        for row in part.batch.to_pylist()
    ]
    return sorted(rows, key=lambda row: place(row["position"]))


def rejected(outcome: Outcome) -> list[dict[str, Any]]:
    """Return rejects by position, their reasons as a list."""
    rows = [row for part in outcome.rows if part.table.name == "quarantine" for row in part.batch.to_pylist()]
    for row in rows:
        row["reasons"] = json.loads(row["reasons"])
    return sorted(rows, key=lambda row: place(row["position"]))


def place(position: str) -> tuple[int, ...]:
    """Return a position as numbers."""
    return tuple(map(int, position.split("/")))


def why(outcome: Outcome) -> list[tuple[str, str, str]]:
    """Return (stage, keyword, path) of each reject's first reason, by position."""
    return [(row["stage"], row["keyword"], row["path"]) for row in rejected(outcome)]


def holds(outcome: Outcome) -> None:
    """Assert the law of counts."""
    assert outcome.received == outcome.stored + outcome.rejected + outcome.filtered
    assert outcome.stored == len(stored(outcome)) == outcome.stored_by_type.total()
    assert outcome.rejected == len(rejected(outcome)) == outcome.reasons.total()
