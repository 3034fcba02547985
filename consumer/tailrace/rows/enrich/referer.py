"""Where a visitor came from. Rule: what was paid for is paid, whoever sent it; one's own pages are internal before all.

The hosts' classes are data: `data/referers.json`, or a file of the same form in its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tailrace.rows.enrich.uniques import mapped, remembered
from tailrace.rows.enrich.url import CACHE_ENTRIES, host_of, parts

CLASSES: Final = ("search", "social", "email", "paid", "other")  # that a file may name
_SECOND_LEVELS: Final = frozenset(("co", "com", "org", "net", "ne", "or", "ac", "gov"))
_FOUND: Final = pa.schema([("host", pa.string()), ("class", pa.string()), ("source", pa.string())])
_PAGE: Final = pa.schema([("host", pa.string()), ("paid", pa.bool_())])
_NO: Final = pa.scalar(False)


class Source(NamedTuple):
    """Whom a host belongs to."""

    kind: str  # one of CLASSES
    name: str


class Referer:
    """The step `referer`: host, class and source; null where there is no referer, but for `paid`."""

    name = "referer"
    inputs = ("referer", "url")
    outputs = pa.schema([(f"referer_{name}", pa.string()) for name in ("host", "class", "source")])

    def __init__(self, data: bytes, internal_hosts: Sequence[str] = ()) -> None:
        """Take a file of classes: {class: {source: [host, ...]}}. Raises ValueError, one line."""
        self._hosts = _read(data)
        self._internal = frozenset(host.lower().rstrip(".") for host in internal_hosts)
        own = " ".join(sorted(self._internal))
        self.digest = f"1, {hashlib.sha256(data).hexdigest()}, internal: {own}"
        self._look = remembered(CACHE_ENTRIES)(self._uncached)

    def __call__(self, columns: Mapping[str, pa.Array]) -> Mapping[str, pa.Array]:
        found = mapped(columns["referer"], self._look, _FOUND)
        page = mapped(columns["url"], _page, _PAGE)
        host, kind = found["host"], found["class"]
        internal = pc.or_(
            pc.fill_null(pc.equal(kind, "internal"), _NO),
            pc.fill_null(pc.equal(host, page["host"]), _NO),
        )
        paid = pc.fill_null(page["paid"], _NO)
        return {
            "referer_host": host,
            "referer_class": pc.if_else(internal, "internal", pc.if_else(paid, "paid", kind)),
            "referer_source": pc.if_else(internal, pa.scalar(None, pa.string()), found["source"]),
        }

    def _uncached(self, text: str) -> tuple[str | None, str | None, str | None]:
        host = host_of(text)
        if host is None:
            return (None, None, None)
        names = _suffixes(host)
        if not self._internal.isdisjoint(names):
            return (host, "internal", None)
        for name in names:
            source = self._hosts.get(name) or self._hosts.get(_any_country(name))
            if source is not None:
                return (host, source.kind, source.name)
        return (host, "other", None)


def _page(text: str) -> tuple[str | None, bool]:
    found = parts(text)
    return found.host, found.paid


def _suffixes(host: str) -> list[str]:
    """Return a host and what it is below of: a.b.c, b.c, c."""
    labels = host.split(".")
    return [".".join(labels[at:]) for at in range(len(labels))]


def _any_country(host: str) -> str:
    """Return `google.*` for google.de and google.co.uk, and nothing for google.evil.com."""
    name, _, rest = host.partition(".")
    second, _, country = rest.partition(".")
    if not rest or (country and (second not in _SECOND_LEVELS or len(country) != 2)):
        return ""
    return f"{name}.*"


def _read(data: bytes) -> dict[str, Source]:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error}") from None
    hosts: dict[str, Source] = {}
    for kind, sources in _members(document, "the file").items():
        if kind not in CLASSES:
            raise ValueError(f"found the class {kind!r}, expected one of: {', '.join(CLASSES)}")
        for name, below in _members(sources, kind).items():
            if not isinstance(below, list) or not all(isinstance(host, str) and host for host in below):
                raise ValueError(f"{kind}, {name}: expected a list of hosts")
            for host in below:
                if host.lower() in hosts:
                    raise ValueError(f"{kind}, {name}: {host} stands twice")
                hosts[host.lower()] = Source(kind, name)
    return hosts


def _members(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected an object")  # noqa: TRY004 - what is wrong is the value of a file
    return value
