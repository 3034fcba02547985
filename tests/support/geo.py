"""A small MaxMind DB, made in memory."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

PLACES: dict[str, Any] = {
    "203.0.113.0/24": {
        "country": {"iso_code": "AT", "names": {"en": "Austria"}},
        "subdivisions": [{"iso_code": "9"}, {"iso_code": "901"}],
        "city": {"names": {"en": "Vienna", "de": "Wien"}},
    },
    "198.51.100.0/24": {"country": {"iso_code": "US"}, "subdivisions": [], "city": {"names": {"de": "Ohne"}}},
    "192.0.2.0/24": {"country": "odd", "subdivisions": {"iso_code": 4}, "city": {"names": {"en": 7}}},
}
SIXES: dict[str, Any] = {"2001:db8:1::/48": {"country": {"iso_code": "JP"}, "subdivisions": [{"iso_code": "13"}]}}


@cache
def database(version: int) -> bytes:
    """Return a database of IPv4 addresses, or of both kinds (6)."""
    writer = MMDBWriter(version, "Test-City", languages=["en"], ipv4_compatible=version == 6)
    for network, record in (PLACES | (SIXES if version == 6 else {})).items():
        writer.insert_network(IPSet([network]), record)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "test.mmdb")
        writer.to_db_file(str(path))
        return path.read_bytes()
