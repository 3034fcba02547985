"""What a user agent says of browser, system and device. Rule: each different text is looked at once.

The cache must be larger than the number of texts in use: below that it thrashes, and a miss costs 250 times a hit.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Final, NamedTuple

import pyarrow as pa
from ua_parser import Parser
from ua_parser.loaders import load_builtins
from ua_parser.regex import Resolver

from tailrace.rows.enrich.uniques import mapped, remembered

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


@remembered(CACHE_ENTRIES)
def families(text: str) -> Families:
    """Return what a user agent's text says."""
    found = _parser().parse(text[:CHARS_MAX])
    return Families(
        found.user_agent.family if found.user_agent else OTHER,
        found.os.family if found.os else OTHER,
        found.device.family if found.device else OTHER,
    )


class UserAgent:
    """The step `user_agent`: three families; null where there is no text."""

    name = "user_agent"
    inputs = ("user_agent",)
    outputs = pa.schema([("ua_family", pa.string()), ("os_family", pa.string()), ("device_family", pa.string())])
    digest = ", ".join(f"{name} {version(name)}" for name in ("ua-parser", "ua-parser-builtins", "ua-parser-rs"))

    def __call__(self, columns: Mapping[str, pa.Array]) -> Mapping[str, pa.Array]:
        return mapped(columns["user_agent"], families, self.outputs)
