"""Where an address is, by a MaxMind DB. Rule: a database says what it says; an address it does not know is null."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

import maxminddb
import pyarrow as pa

from tailrace.rows.enrich.addresses import address
from tailrace.rows.enrich.uniques import mapped

CACHE_ENTRIES: Final = 32_768  # a look-up costs 50 times a hit
_UNREADABLE: Final = (maxminddb.InvalidDatabaseError, ValueError, TypeError, LookupError, RecursionError)
_NOTHING: Final = (None, None, None)
Place = tuple[str | None, str | None, str | None]


class Geo:
    """The step `geo`: country, region and city; null where the address is absent, junk, or not in the database."""

    name = "geo"
    inputs = ("ip",)
    outputs = pa.schema([("geo_country", pa.string()), ("geo_region", pa.string()), ("geo_city", pa.string())])

    def __init__(self, data: bytes) -> None:
        """Take a database. Raises ValueError, one line, for what is none."""
        try:
            self._reader = maxminddb.open_database(io.BytesIO(data), maxminddb.MODE_FD)
        except _UNREADABLE:  # what the library says names our buffer, and no more
            raise ValueError(f"found {len(data)} bytes that are no MaxMind DB") from None
        self.digest = f"maxminddb {version('maxminddb')}, {hashlib.sha256(data).hexdigest()}"
        self._place = lru_cache(CACHE_ENTRIES)(self._uncached)

    def __call__(self, columns: Mapping[str, pa.Array]) -> Mapping[str, pa.Array]:
        return mapped(columns["ip"], self._look, self.outputs)

    def _look(self, text: str) -> Place:
        found = address(text)
        return _NOTHING if found is None else self._place(found)

    def _uncached(self, one: IPv4Address | IPv6Address) -> Place:
        try:
            record = self._reader.get(one)
        except _UNREADABLE:  # a damaged record; IPv6 in a database of IPv4 alone
            return _NOTHING
        regions = _member(record, "subdivisions")
        region = regions[0] if isinstance(regions, list) and regions else None
        return (
            _text(_member(_member(record, "country"), "iso_code")),
            _text(_member(region, "iso_code")),
            _text(_member(_member(_member(record, "city"), "names"), "en")),
        )


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
