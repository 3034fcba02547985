"""Where visitors came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tailrace.rows import enrich
from tailrace.rows.enrich.referer import CLASSES, Referer

DATA = Path(enrich.__path__[0], "data", "referers.json").read_bytes()
REFERER = Referer(DATA, ["shop.example", "Pay.Example."])


def told(referer: str | None, url: str | None = None, step: Referer = REFERER) -> tuple[Any, ...]:
    made = step({"referer": pa.array([referer], pa.string()), "url": pa.array([url], pa.string())})
    return tuple(column[0].as_py() for column in made.values())


@pytest.mark.parametrize(
    ("referer", "host", "kind", "source"),
    [
        ("https://www.google.com/", "www.google.com", "search", "Google"),
        ("https://www.google.co.uk/search?q=x", "www.google.co.uk", "search", "Google"),
        ("https://google.de", "google.de", "search", "Google"),
        ("https://google.evil.example/", "google.evil.example", "other", None),
        ("https://notgoogle.com/", "notgoogle.com", "other", None),
        ("https://mail.google.com/mail/u/0", "mail.google.com", "email", "Gmail"),
        ("android-app://com.google.android.gm/", "com.google.android.gm", "email", "Gmail"),
        ("https://duckduckgo.com/", "duckduckgo.com", "search", "DuckDuckGo"),
        ("https://l.facebook.com/l.php?u=x", "l.facebook.com", "social", "Facebook"),
        ("https://t.co/abc", "t.co", "social", "X"),
        ("https://www.t.co.example/", "www.t.co.example", "other", None),
        ("https://googleads.g.doubleclick.net/", "googleads.g.doubleclick.net", "paid", "Google Ads"),
        ("https://shop.example/cart", "shop.example", "internal", None),
        ("https://www.shop.example/", "www.shop.example", "internal", None),
        ("https://pay.example/", "pay.example", "internal", None),
        ("https://myshop.example/", "myshop.example", "other", None),
        ("duckduckgo.com", "duckduckgo.com", "search", "DuckDuckGo"),
        ("(direct)", None, None, None),
        ("", None, None, None),
        (None, None, None, None),
    ],
)
def test_classes(referer: str | None, host: str | None, kind: str | None, source: str | None) -> None:
    assert told(referer) == (host, kind, source)


def test_the_pages_own_host_is_internal() -> None:
    assert told("https://other.example/a", "https://OTHER.example:443/b") == ("other.example", "internal", None)
    assert told("https://www.google.com/a", "https://www.google.com/b") == ("www.google.com", "internal", None)
    assert told("https://www.google.com/a", "/b") == ("www.google.com", "search", "Google")


def test_what_was_paid_for_is_paid_but_not_within_the_site() -> None:
    assert told("https://www.google.com/", "https://x.example/?gclid=1") == ("www.google.com", "paid", "Google")
    assert told("https://blog.example/", "/?utm_medium=cpc") == ("blog.example", "paid", None)
    assert told(None, "https://x.example/?fbclid=1") == (None, "paid", None)
    assert told("https://shop.example/", "/?utm_medium=cpc") == ("shop.example", "internal", None)


def test_the_shipped_file_names_each_host_once_and_is_not_small() -> None:
    classes = json.loads(DATA)
    hosts = [host for sources in classes.values() for below in sources.values() for host in below]
    assert set(classes) < set(CLASSES)
    assert len(hosts) == len(set(hosts)) > 150
    assert all(host == host.lower().strip() and "/" not in host for host in hosts)


def test_another_file_takes_its_place() -> None:
    mine = Referer(b'{"other": {"Partner": ["partner.example"]}}')
    assert told("https://a.partner.example/", None, mine) == ("a.partner.example", "other", "Partner")
    assert told("https://www.google.com/", None, mine) == ("www.google.com", "other", None)
    assert mine.digest != REFERER.digest != Referer(DATA).digest


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{", "no JSON"),
        (b"[]", "expected an object"),
        (b'{"searching": {}}', "found the class 'searching', expected one of: search, social"),
        (b'{"search": []}', "search: expected an object"),
        (b'{"search": {"A": "a.example"}}', "search, A: expected a list of hosts"),
        (b'{"search": {"A": ["a.example"], "B": ["A.example"]}}', "search, B: A.example stands twice"),
    ],
)
def test_a_file_that_is_none_is_refused(data: bytes, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Referer(data)
