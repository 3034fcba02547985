"""Texts as addresses."""

from __future__ import annotations

import pytest

from tailrace.rows.enrich.addresses import address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("203.0.113.7:443", "203.0.113.7"),
        ("203.0.113.7, 10.0.0.1", "203.0.113.7"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:cb00:7107", "203.0.113.7"),
    ],
)
def test_addresses(text: str, expected: str) -> None:
    assert str(address(text)) == expected


@pytest.mark.parametrize(
    "text", ["", "junk", "203.0.113", "203.0.113.256", "0xcb.0.113.7", "010.0.0.1", "[", ":", "%", ",", "1" * 999]
)
def test_junk_is_none(text: str) -> None:
    assert address(text) is None
