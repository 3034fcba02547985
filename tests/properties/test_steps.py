"""Laws of every step and of masks, for whatever clients send."""

from __future__ import annotations

import base64
import copy
import hmac
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from urllib.parse import quote, quote_plus

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.steps import Renamed, built_in
from tailrace.rows.enrich.addresses import address
from tailrace.rows.enrich.contract import check
from tailrace.rows.enrich.fingerprint import Fingerprint
from tailrace.rows.enrich.url import CAMPAIGN, CHARS_MAX, HOST_CHARS_MAX, parts
from tailrace.rows.mask import Addresses, Key, Masking, Pseudonyms

hosts = st.sampled_from(
    ["shop.example", "www.google.co.uk", "t.co", "[::1]", "a@b", "x:80", "", "%", "é.example", "g."]
)
queries = st.lists(
    st.tuples(st.sampled_from([*CAMPAIGN, "gclid", "x", ""]), st.text(max_size=5)).map("=".join), max_size=4
).map("&".join)
urls = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["https://", "http:", "//", "", "javascript:", "\\\\"]), hosts, st.text(max_size=5), queries
    ),
)
ips = st.ip_addresses().map(str) | st.sampled_from(["203.0.113.7:80", "[2001:db8:1::1]:80", "::ffff:1.2.3.4", "1.2.3"])
agents = st.sampled_from(["curl/8", "Mozilla/5.0 (compatible; Googlebot/2.1)", "CUBOT", "Mozilla/5.0 Chrome/120.0"])
texts = st.none() | st.text(max_size=20) | urls | ips | agents | st.sampled_from(["acme", "x" * 10_000])


@pytest.mark.parametrize("name", built_in())
@given(data=st.data())
def test_a_step_is_pure_takes_any_text_and_knows_no_chunks(name: str, data: st.DataObject) -> None:
    step = built_in()[name]
    rows = data.draw(st.lists(st.tuples(*(texts for _ in step.inputs)), min_size=1, max_size=6))
    columns = zip(*rows, strict=True)
    check(Renamed(step), {one: list(column) for one, column in zip(step.inputs, columns, strict=True)})


# ---- addresses of pages


@given(urls | st.text())
def test_what_an_address_says_is_bounded(text: str) -> None:
    found = parts(text)
    assert found.host is None or (0 < len(found.host) <= HOST_CHARS_MAX and found.host == found.host.lower())
    assert all(len(value) <= CHARS_MAX for value in (found.path, *found.campaign) if value is not None)
    assert "" not in (found.host, found.path, *found.campaign)


@given(st.text(max_size=30), st.sampled_from(CAMPAIGN), st.sampled_from(["https://a.example/", "/b", ""]))
def test_a_campaign_is_read_as_it_was_written(value: str, name: str, page: str) -> None:
    expected = value.strip() or None
    for written in (quote_plus(value), quote(value, safe="")):
        found = parts(f"{page}?x=1&{name}={written}&{name}=second#utm_source=no")
        assert found.campaign == tuple(expected if one == name else None for one in CAMPAIGN)


# ---- fingerprints

cells = st.none() | st.text(alphabet="ab:-1", max_size=3)


@given(st.lists(st.tuples(cells, cells, cells), min_size=2, max_size=6))
def test_fingerprints_are_equal_where_all_fields_are(rows: list[tuple[str | None, ...]]) -> None:
    columns = {
        name: pa.array(list(column), pa.string()) for name, column in zip("abc", zip(*rows, strict=True), strict=True)
    }
    made = Fingerprint(["a", "b", "c"])(columns)["fingerprint"].to_pylist()
    for row, one in zip(rows, made, strict=True):
        assert [one == other for other in made] == [row == other for other in rows]


# ---- masks

SECRETS = {"old": bytes(32), "new": bytes(range(32))}
MASK = Masking(
    {("ip",): Addresses(24, 48), ("email",): Pseudonyms(SECRETS, "new"), ("users", "name"): Pseudonyms(SECRETS, "new")},
    "",
)
numbers = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
keys = st.sampled_from(["ip", "email", "users", "name", "x"])
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=6) | ips,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
events = st.dictionaries(keys, values, max_size=5)


@given(events)
def test_masking_twice_is_masking_once_and_the_event_stays_as_it_came(event: dict[str, Any]) -> None:
    before = copy.deepcopy(event)
    once = MASK(event)
    assert event == before
    assert MASK(once) == once
    assert once.keys() == event.keys()
    assert all(once[key] is event[key] for key in event if key not in {"ip", "email", "users"})


@given(values)
def test_no_text_or_number_is_left_below_a_masked_member(value: Any) -> None:
    def hidden(of: Any) -> bool:
        if isinstance(of, dict):
            return all(hidden(one) for one in of.values())
        if isinstance(of, list):
            return all(hidden(one) for one in of)
        return of is None or isinstance(of, bool) or of == "" or (isinstance(of, str) and of.startswith("new:"))

    assert hidden(MASK({"email": value})["email"])


@given(values)
def test_a_masked_address_is_a_cut_one_or_nothing(value: Any) -> None:
    def cut(of: Any) -> bool:
        if isinstance(of, list):
            return all(cut(one) for one in of)
        if of is None:
            return True
        found = address(of)
        return str(found) == of and int(found or 1) % 2 ** (8 if isinstance(found, IPv4Address) else 80) == 0

    assert cut(MASK({"ip": value})["ip"])


@given(st.ip_addresses(), st.integers(0, 32), st.integers(0, 128))
def test_the_first_bits_of_an_address_stay(one: IPv4Address | IPv6Address, v4: int, v6: int) -> None:
    made = Addresses(v4, v6)(str(one))
    whole = address(str(one))
    if isinstance(whole, IPv6Address):
        if whole.sixtofour is not None:
            return
        assert int(IPv6Address(made)) == int(whole) >> (128 - v6) << (128 - v6)
    else:
        assert whole is not None
        assert int(IPv4Address(made)) == int(whole) >> (32 - v4) << (32 - v4)


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_pseudonyms_are_equal_where_values_are(one: str, other: str) -> None:
    change = Pseudonyms(SECRETS, "new")
    assert (change(one) == change(other)) == (one == other)
    assert change(one) != Pseudonyms(SECRETS, "old")(one)


@given(st.binary(min_size=1, max_size=200), st.binary(max_size=200))
def test_codes_are_the_standard_librarys(secret: bytes, data: bytes) -> None:
    assert Key(secret).of(data) == hmac.digest(secret, data, "sha256")
    token = base64.urlsafe_b64encode(hmac.digest(secret, b"a", "sha256")).decode().rstrip("=")
    assert Pseudonyms({"k": secret}, "k")("a") == f"k:{token}"
