"""Host, path and campaign."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tailrace.rows.enrich.url import CHARS_MAX, Url, host_of, parts


@pytest.mark.parametrize(
    ("text", "host", "path"),
    [
        ("https://shop.example/a/b", "shop.example", "/a/b"),
        ("HTTPS://User:Pass@WWW.Shop.Example:8443/A?x=1#f", "www.shop.example", "/A"),
        ("https://shop.example", "shop.example", "/"),
        ("https://shop.example?x=/y", "shop.example", "/"),
        ("https://shop.example.:443/", "shop.example", "/"),
        ("https://a@b@shop.example/", "shop.example", "/"),
        ("//cdn.example/x.js", "cdn.example", "/x.js"),
        ("/a/b?x=1", None, "/a/b"),
        ("a/b#c", None, "a/b"),
        ("http://[2001:db8::1]:80/x", "2001:db8::1", "/x"),
        ("http:\\\\shop.example\\x", "shop.example", "\\x"),
        ("android-app://com.google.android.gm/", "com.google.android.gm", "/"),
        ("file:///etc/hosts", None, "/etc/hosts"),
        (" https://shop.example/a ", "shop.example", "/a"),
        ("https://bücher.example/ü", "bücher.example", "/ü"),
        ("https://two words.example/a", None, "/a"),
        ("https://" + "a" * 254 + "/x", None, "/x"),
        ("mailto:someone@shop.example", None, None),
        ("javascript:void(0)", None, None),
        ("about:blank", None, None),
        ("", None, None),
        ("?x=1", None, None),
        ("https://", None, None),
        ("http://[", None, None),
        ("http://[::1", "::1", "/"),
        ("https://:80/", None, "/"),
    ],
)
def test_host_and_path(text: str, host: str | None, path: str | None) -> None:
    found = parts(text)
    assert (found.host, found.path) == (host, path)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("utm_source=news&utm_medium=email", ("news", "email", None, None, None)),
        ("utm_campaign=spring+sale%21&utm_term=a%26b", (None, None, "spring sale!", "a&b", None)),
        ("utm_source=first&utm_source=second", ("first", None, None, None, None)),
        ("utm_content=%C3%A9%ff%zz", (None, None, None, None, "é\N{REPLACEMENT CHARACTER}%zz")),
        ("utm_source=&x=1", (None, None, None, None, None)),
        ("utm_source", (None, None, None, None, None)),
        ("UTM_SOURCE=x&xutm_source=y", (None, None, None, None, None)),
        ("&&=&utm_source==x=", ("=x=", None, None, None, None)),
    ],
)
def test_campaigns_of_addresses_and_paths(query: str, expected: tuple[str | None, ...]) -> None:
    assert parts(f"https://shop.example/a?{query}#utm_source=no").campaign == expected
    assert parts(f"/a?{query}").campaign == expected


@pytest.mark.parametrize(
    ("query", "paid"),
    [
        ("gclid=abc", True),
        ("x=1&fbclid=abc", True),
        ("msclkid=a", True),
        ("gclid=", False),
        ("utm_medium=cpc", True),
        ("utm_medium=PPC", True),
        ("utm_medium=paid-social", True),
        ("utm_medium=paid", True),
        ("utm_medium=unpaid", False),
        ("utm_medium=email", False),
        ("xgclid=1", False),
    ],
)
def test_what_was_paid_for(query: str, paid: bool) -> None:
    assert parts(f"/?{query}").paid is paid


def test_what_is_too_long_is_cut() -> None:
    found = parts("https://shop.example/" + "a" * 2 * CHARS_MAX + "?utm_source=x")
    assert found.host == "shop.example"
    assert found.path is not None
    assert len(found.path) < CHARS_MAX
    assert found.campaign[0] is None


def test_hosts_alone() -> None:
    assert host_of("Shop.Example") == "shop.example"
    assert host_of("https://shop.example/a") == "shop.example"
    assert [host_of(text) for text in ("(direct)", "localhost", "a/b.c", "", "not a host.")] == [None] * 5


def test_columns_align_with_the_texts() -> None:
    texts = pa.array(["/a?utm_source=x", None, "https://shop.example/b", "/a?utm_source=x"], pa.string())
    made = Url()({"url": texts})
    assert list(made) == Url.outputs.names
    assert made["url_host"].to_pylist() == [None, None, "shop.example", None]
    assert made["url_path"].to_pylist() == ["/a", None, "/b", "/a"]
    assert made["utm_source"].to_pylist() == ["x", None, None, "x"]
