"""Every built-in step, with small data, for tests of rows that carry all of them."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

from tailrace import enrichers
from tailrace.rows.enrich.port import Enricher
from tailrace.settings import Enrich

STEPS = ("user_agent", "bot", "url", "referer", "geo", "tenant", "fingerprint")
TENANTS = {"north": {"plan": "pro"}, "tenant-00": {"plan": "free", "since": 2019}}
CITIES: dict[str, dict[str, Any]] = {
    "192.0.2.0/24": {
        "country": {"iso_code": "FR"},
        "subdivisions": [{"iso_code": "IDF"}],
        "city": {"names": {"en": "Paris"}},
    },
    "2001:db8::/32": {"country": {"iso_code": "DE"}},
}


@cache
def _files() -> dict[str, bytes]:
    writer = MMDBWriter(6, "City", languages=["en"], description="test", ipv4_compatible=True)
    for network, what in CITIES.items():
        writer.insert_network(IPSet([network]), what)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cities.mmdb"
        writer.to_db_file(str(path))
        cities = path.read_bytes()
    return {"cities.mmdb": cities, "tenants.json": json.dumps(TENANTS).encode()}


@cache
def steps(*names: str) -> tuple[Enricher, ...]:
    """Return some steps, all of them where none is named."""
    section = Enrich(steps=names or STEPS, internal_hosts=("shop.example",), geo="cities.mmdb", tenants="tenants.json")
    return enrichers.built(section, lambda uri: _files()[uri])
