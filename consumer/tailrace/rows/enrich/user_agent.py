"""What a user agent says of browser, system and device. Rule: each different text is looked at once.

The cache must be larger than the number of texts in use: below that it thrashes, and a miss costs 250 times a hit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final, NamedTuple

import pyarrow as pa
from ua_parser import Parser
from ua_parser.loaders import load_builtins
from ua_parser.regex import Resolver

CACHE_ENTRIES: Final = 8192
CHARS_MAX: Final = 1024  # browsers stay below; what comes after says nothing more
OTHER: Final = "Other"


class Families(NamedTuple):
    """Three families; `Other` where the text fits none."""

    browser: str
    system: str
    device: str


@cache
def _parser() -> Parser:
    return Parser(Resolver(load_builtins()))


@lru_cache(CACHE_ENTRIES)
def families(text: str) -> Families:
    """Return what a user agent's text says."""
    found = _parser().parse(text[:CHARS_MAX])
    return Families(
        found.user_agent.family if found.user_agent else OTHER,
        found.os.family if found.os else OTHER,
        found.device.family if found.device else OTHER,
    )


def columns(texts: Sequence[object]) -> list[pa.Array]:
    """Return the columns ua_family, os_family, device_family; null where there is no text."""
    found = [families(text) if type(text) is str else _NOTHING for text in texts]
    return [pa.array(column, pa.string()) for column in zip(*found, strict=True)] if found else [_EMPTY] * 3


_NOTHING: Final = (None, None, None)
_EMPTY: Final = pa.array([], pa.string())
