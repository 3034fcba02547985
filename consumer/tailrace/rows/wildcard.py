"""Patterns of texts. Rule: `*` stands for any characters, and everything else for itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence


def wildcard(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return what says whether a text fits one of some patterns."""
    if not patterns:
        return lambda _text: False
    one = re.compile("|".join(".*".join(map(re.escape, pattern.split("*"))) for pattern in patterns), re.DOTALL)
    return lambda text: one.fullmatch(text) is not None
