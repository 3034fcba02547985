"""A text as an internet address. Rule: a port, brackets, a zone and a list of proxies are taken off; junk is None."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from tailrace.rows.enrich.uniques import remembered

CHARS_MAX: Final = 256  # an address has up to 45; a header that lists proxies is longer, and its first counts
CACHE_ENTRIES: Final = 8192
_OCTET: Final = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_QUAD: Final = re.compile(r"\.".join([_OCTET] * 4))


@remembered(CACHE_ENTRIES)
def address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the first address of a text. An IPv4 address that is mapped into IPv6 is the former."""
    quad = _QUAD.fullmatch(text)
    if quad is not None:  # most are this, and the module `ipaddress` takes its time with texts
        first, second, third, last = map(int, quad.groups())
        return IPv4Address(first << 24 | second << 16 | third << 8 | last)
    one = text[:CHARS_MAX].partition(",")[0].strip()
    if one.startswith("["):
        one = one[1:].partition("]")[0]
    elif one.count(":") == 1:
        one = one.partition(":")[0]
    try:
        found = ip_address(one.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
