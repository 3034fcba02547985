"""Editions for tests. Rule: small, in a folder of the test's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tailrace.edition import Edition, load
from tailrace.settings import Refresh, Routes, Schemas, Settings


def schema(folder: Path, event_type: str, version: str, **properties: Any) -> None:
    """Write a schema of an event type: properties by name, as JSON Schema has them."""
    file = folder / event_type / f"{version}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"type": "object", "properties": properties}))


def settings_of(folder: Path, **routes: str) -> Settings:
    """Return settings whose schemas are in a folder, looked at again only when asked."""
    return Settings(schemas=Schemas(path=str(folder)), routes=Routes(**routes), refresh=Refresh(every_s=0))


def edition_of(folder: Path, *event_types: str) -> Edition:
    """Return an edition of types without properties."""
    for event_type in event_types:
        schema(folder, event_type, "1")
    return load(settings_of(folder))
