"""Host, path and campaign of a page's address. Rule: any text has an answer; what cannot be told is null."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

import pyarrow as pa

from tailrace.rows.enrich.uniques import mapped, remembered

CACHE_ENTRIES: Final = 8192
CHARS_MAX: Final = 4096  # what stands beyond is not looked at
HOST_CHARS_MAX: Final = 253
CAMPAIGN: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
CLICK_IDS: Final = frozenset(("gclid", "gbraid", "wbraid", "dclid", "fbclid", "msclkid"))
PAID_MEDIA: Final = re.compile(r"cpc|ppc|paid.*", re.IGNORECASE)

# Browsers take a backslash for a slash. No part can match in two ways, so time is linear.
_PARTS: Final = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:[/\\]{2}([^/\\?#]*))?([^?#]*)(?:\?([^#]*))?", re.DOTALL)
_TELLING: Final = re.compile(r"utm_|clk?id=|braid=")  # most queries hold nothing of a campaign
_PORT: Final = re.compile(r":[0-9]*\Z")
_NO_HOST: Final = re.compile(r"[\s\x00-\x1f\x7f<>\"'`{}|^\\%,;()]")


class Parts(NamedTuple):
    """What an address says."""

    host: str | None
    path: str | None
    campaign: tuple[str | None, ...]  # as CAMPAIGN
    paid: bool  # someone paid for the click that led here


@remembered(CACHE_ENTRIES)
def parts(text: str) -> Parts:
    """Return what an absolute address, or a path, says."""
    found = _PARTS.match(text.strip()[:CHARS_MAX])
    assert found is not None  # each part of the pattern may be empty
    scheme, authority, path, query = found.groups()
    if authority is None and scheme is not None:  # mailto:, javascript:, about: have neither host nor path
        return Parts(None, None, (None,) * len(CAMPAIGN), paid=False)
    host = None if authority is None else _host(authority)
    values = _values(query) if query else {}
    medium = values.get("utm_medium")
    paid = not CLICK_IDS.isdisjoint(values) or (medium is not None and PAID_MEDIA.fullmatch(medium) is not None)
    return Parts(host, path or ("/" if host else None), tuple(values.get(name) or None for name in CAMPAIGN), paid=paid)


def host_of(text: str) -> str | None:
    """Return the host of an absolute address, or a text that is a host alone."""
    host = parts(text).host
    if host is not None or "/" in text:
        return host
    alone = _host(text.strip()[:CHARS_MAX])
    return alone if alone is not None and "." in alone else None


@remembered(CACHE_ENTRIES)
def _host(authority: str) -> str | None:
    """Return the host in lower case, without user, port and a last dot."""
    host = authority.rpartition("@")[2]
    host = host[1:].partition("]")[0] if host.startswith("[") else _PORT.sub("", host)
    host = host.rstrip(".").lower()
    return host if host and len(host) <= HOST_CHARS_MAX and not _NO_HOST.search(host) else None


def _values(query: str) -> dict[str, str]:
    """Return the parameters that say something of a campaign, each one's first value."""
    values: dict[str, str] = {}
    if not _TELLING.search(query):
        return values
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name not in values and (name in CAMPAIGN or (name in CLICK_IDS and value)):
            values[name] = _decoded(value)
    return values


@remembered(CACHE_ENTRIES)
def _decoded(value: str) -> str:
    return unquote_plus(value, errors="replace").strip()


class Url:
    """The step `url`. A path alone has no host; null where there is no text."""

    name = "url"
    inputs = ("url",)
    outputs = pa.schema([(name, pa.string()) for name in ("url_host", "url_path", *CAMPAIGN)])
    digest = "1"

    def __call__(self, columns: Mapping[str, pa.Array]) -> Mapping[str, pa.Array]:
        return mapped(columns["url"], lambda text: _flat(parts(text)), self.outputs)


def _flat(one: Parts) -> tuple[str | None, ...]:
    return (one.host, one.path, *one.campaign)
