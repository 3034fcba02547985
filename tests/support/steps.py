"""The built-in steps, made of small data, and as the contract test for authors takes them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pyarrow as pa

from support.geo import database
from tailrace.rows import enrich
from tailrace.rows.enrich.bot import Bot
from tailrace.rows.enrich.fingerprint import Fingerprint
from tailrace.rows.enrich.geo import Geo
from tailrace.rows.enrich.port import Enricher
from tailrace.rows.enrich.referer import Referer
from tailrace.rows.enrich.tenant import Tenant
from tailrace.rows.enrich.url import Url
from tailrace.rows.enrich.user_agent import UserAgent

DATA = Path(enrich.__path__[0], "data")


@cache
def built_in() -> Mapping[str, Enricher]:
    """Return each step by its name."""
    steps: list[Enricher] = [
        UserAgent(),
        Bot((DATA / "bots.txt").read_bytes()),
        Url(),
        Referer((DATA / "referers.json").read_bytes(), ["shop.example"]),
        Geo(database(6)),
        Tenant(b'{"acme": {"tier": "gold"}}'),
        Fingerprint(["tenant", "user_id", "url"]),
    ]
    return {step.name: step for step in steps}


class Renamed:
    """A built-in step's work under other names: those of the envelope belong to no plug-in."""

    def __init__(self, inner: Enricher) -> None:
        self.name, self.inputs, self.digest = inner.name, inner.inputs, inner.digest
        self.outputs = pa.schema([field.with_name(f"my_{field.name}") for field in inner.outputs])
        self._inner = inner

    def __call__(self, columns: Mapping[str, pa.Array]) -> Mapping[str, pa.Array]:
        return {f"my_{name}": column for name, column in self._inner(columns).items()}
