"""Whether a program made a request by itself. Rule: a flag, never a filter: who wants people asks for `not bot`.

Two sources say so: ua-parser's device family, and the patterns of `data/bots.txt`. RE2 runs those, in linear time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from tailrace.rows.enrich.uniques import REMEMBERED_CHARS_MAX
from tailrace.rows.enrich.user_agent import CACHE_ENTRIES, CHARS_MAX, UserAgent, families

SPIDER: Final = "Spider"


class Bot:
    """The step `bot`: true for crawlers, headless browsers, monitors and libraries; null where there is no text."""

    name = "bot"
    inputs = ("user_agent",)
    outputs = pa.schema([("bot", pa.bool_())])

    def __init__(self, patterns: bytes) -> None:
        """Take the lines of a file of patterns. Raises ValueError for one that RE2 does not take."""
        lines = [line.strip() for line in patterns.decode().splitlines()]
        self._patterns = [line for line in lines if line and not line.startswith("#")]
        for pattern in self._patterns:
            _matches(pa.array([""]), pattern)
        self._all = "|".join(f"(?:{pattern})" for pattern in self._patterns)
        self._known: dict[str, bool] = {}  # all new texts of a chunk are matched in one call, which compiles once
        self.digest = f"{UserAgent.digest}, {hashlib.sha256(patterns).hexdigest()}"

    def __call__(self, columns: Mapping[str, pa.Array]) -> Mapping[str, pa.Array]:
        texts = columns["user_agent"].dictionary_encode()
        different = texts.dictionary.to_pylist()
        flags = {text: self._known[text] for text in different if text in self._known}
        flags |= self._flags([text for text in different if text not in flags])
        return {"bot": pa.array([flags[text] for text in different], pa.bool_()).take(texts.indices)}

    def _flags(self, texts: list[str]) -> dict[str, bool]:
        """Look at new texts, and remember what the short ones say."""
        if not texts:
            return {}
        found = [families(text).device == SPIDER for text in texts]
        if self._patterns:
            named = _matches(pc.utf8_slice_codeunits(pa.array(texts), 0, CHARS_MAX), self._all)
            found = [spider or match for spider, match in zip(found, named.to_pylist(), strict=True)]
        flags = dict(zip(texts, found, strict=True))
        if len(self._known) + len(flags) > CACHE_ENTRIES:
            self._known.clear()
        self._known |= {text: flag for text, flag in flags.items() if len(text) <= REMEMBERED_CHARS_MAX}
        return flags


def _matches(texts: pa.Array, pattern: str) -> pa.Array:
    try:
        return pc.match_substring_regex(texts, pattern, ignore_case=True)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{pattern}: {str(error).splitlines()[0]}") from None
