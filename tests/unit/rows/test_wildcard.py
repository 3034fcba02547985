"""The star stands for any characters, everything else for itself."""

from __future__ import annotations

import pytest

from tailrace.rows.wildcard import wildcard


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("click", "click", True),
        ("click", "clicks", False),
        ("c*", "click", True),
        ("*.click", "com.click", True),
        ("a.b", "axb", False),
        ("[ab]", "a", False),
        ("?", "a", False),
        ("*", "two\nlines", True),
    ],
)
def test_wildcards_know_the_star_alone(pattern: str, text: str, fits: bool) -> None:
    assert wildcard(["nothing", pattern])(text) is fits


def test_without_patterns_nothing_fits() -> None:
    assert not wildcard([])("")
