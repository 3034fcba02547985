"""What steps remember between chunks, and what they do not."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from tailrace.rows.enrich.addresses import address
from tailrace.rows.enrich.referer import Referer
from tailrace.rows.enrich.uniques import REMEMBERED_CHARS_MAX, remembered
from tailrace.rows.enrich.url import host_of, parts
from tailrace.rows.enrich.user_agent import families

LONG = 100_000


def test_short_texts_are_looked_at_once_and_long_ones_each_time() -> None:
    seen: list[int] = []

    @remembered(2)
    def size(text: str) -> int:
        seen.append(len(text))
        return len(text)

    short, long = "a" * REMEMBERED_CHARS_MAX, "a" * (REMEMBERED_CHARS_MAX + 1)
    assert [size(short), size(long)] * 2 == [size(short), size(long)] * 2
    assert seen == [512, 513, 513]


@pytest.mark.parametrize(
    "look",
    [address, parts, host_of, families, Referer(b"{}")._look],
    ids=["address", "parts", "host_of", "families", "referer"],
)
def test_long_texts_are_not_kept(look: Callable[[str], Any]) -> None:
    look("https://a.example/?utm_source=1")
    tracemalloc.start()
    try:
        for at in range(100):
            look(f"https://a.example/{at}?utm_source={'x' * LONG}")
        assert tracemalloc.get_traced_memory()[0] < 10 * LONG
    finally:
        tracemalloc.stop()
