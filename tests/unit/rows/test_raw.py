"""Bytes that orjson does not simply take."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.rows import raw
from tailrace.settings import Limits

LIMITS = Limits(event_bytes_max=1000, depth_max=64, properties_max=5)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
)


@given(st.lists(JSON_VALUES), st.sampled_from([None, 1]), st.booleans())
def test_members_are_those_a_parser_finds(values: list[Any], indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    found = raw.members(text)
    assert found is not None
    assert [member.value for member in found] == [bytes(one) for one in _split(text)]


def _split(text: bytes) -> list[msgspec.Raw]:
    return msgspec.json.decode(text, type=list[msgspec.Raw])


@given(st.dictionaries(st.text(), JSON_VALUES))
def test_members_of_objects_have_their_keys(value: dict[str, Any]) -> None:
    found = raw.members(json.dumps(value).encode())
    assert found is not None
    assert {json.loads(member.key): json.loads(member.value) for member in found} == value


@pytest.mark.parametrize("text", [b"", b"[", b"[1,2", b"[1]]", b"[1}", b'["]', b"[1][2]", b"{]", b"1", b'"[1]"'])
def test_what_does_not_close_has_no_members(text: bytes) -> None:
    assert raw.members(text) is None


def test_members_need_not_be_sound() -> None:
    found = raw.members(b'[NaN, {"a":"\xff]"} , {bad}]')
    assert found is not None
    assert [member.value for member in found] == [b"NaN", b'{"a":"\xff]"}', b"{bad}"]


@given(JSON_VALUES)
def test_depth_counts_brackets_not_texts(value: Any) -> None:
    def deep(one: Any) -> int:
        inside = one.values() if isinstance(one, dict) else one if isinstance(one, list) else None
        return 0 if inside is None else 1 + max(map(deep, inside), default=0)

    assert raw.depth(json.dumps(value).encode()) == deep(value)


@pytest.mark.parametrize(
    ("text", "keyword", "path", "message"),
    [
        (b"{" + b" " * 1000 + b"}", "size", "$", "found 1002 bytes, expected at most 1000"),
        (b"[" * 200 + b"]" * 200, "depth", "$", "found 200 levels, expected at most 64"),
        (b"[" * 65, "depth", "$", "found 65 levels, expected at most 64"),
        (b'{"a":1,"b":[{"c":1,"d":1},{"e":1,"f":1}]}', "properties", "$", "found 6 members, expected at most 5"),
        (b'{"a":NaN}', "nan", "$.a", "found NaN, expected a JSON number"),
        (b'{"a":[1,-Infinity]}', "nan", "$.a[1]", "found -Infinity, expected a JSON number"),
        (b'{"a":1e999}', "number_range", "$.a", "found 1e999, expected a number that fits 64 bits"),
        (b'{"a":"x\xffy"}', "utf8", "$", "found byte 0xff at offset 7, expected UTF-8"),
        (b'{"a":', "json", "$", "found no JSON: "),
        (b'{"a":1}}', "json", "$", "found no JSON: "),
        (b'{"a":"\\ud800"}', "json", "$", "found no JSON: "),
        (b"", "json", "$", "found no JSON: "),
        (b'{"\\ud800":NaN}', "nan", "$['\\ud800']", "found NaN, expected a JSON number"),
        (b'{"a":[{"\\udfff":1e999}]}', "number_range", "$.a[0]['\\udfff']", "found 1e999"),
        ('{"a":NaN}'.encode("utf-16-le"), "json", "$", "found no JSON: "),
        (b'{"a":{"b":[0,18446744073709551616]}}', "integer_range", "$.a.b[1]", "found 18446744073709551616, expected"),
        (b'{"a":-9223372036854775809}', "integer_range", "$.a", "found -9223372036854775809, expected a whole"),
        (b'{"a":' + b"9" * 800 + b"}", "integer_range", "$.a", "found 9999999999"),
    ],
)
def test_each_wrong_has_its_reason(text: bytes, keyword: str, path: str, message: str) -> None:
    reasons = raw.parsed(text, LIMITS)[1]
    assert [(r.stage, r.keyword, r.path) for r in reasons] == [("parse", keyword, path)]
    assert reasons[0].message.startswith(message)
    assert len(reasons[0].message) < 300


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":18446744073709551615}',
        b'{"a":-9223372036854775808}',
        b'{"a":12345678901234567890.5}',
        b'{"a":1e30,"b":"99999999999999999999999"}',
        b"[" * 64 + b"]" * 64,
    ],
)
def test_what_64_bits_hold_is_sound(text: bytes) -> None:
    assert raw.parsed(text, LIMITS) == (json.loads(text), [])


@pytest.mark.parametrize("levels", [500, 970, 3000])
def test_utf_16_hides_no_depth(levels: int) -> None:
    """The half of a character that looks like a quotation mark hides the brackets after it from who reads bytes."""
    text = ('{"a":"\u2200", "c":' + "[" * levels + "NaN" + "]" * levels + "}").encode("utf-16-le")
    assert raw.depth(text) == 1
    assert [reason.keyword for reason in raw.parsed(text, Limits())[1]] == ["json"]


def test_the_number_of_reasons_is_bounded() -> None:
    assert len(raw.parsed(b"[" + b",".join([b"NaN"] * 200) + b"]", LIMITS)[1]) == 100


def test_a_text_without_an_end_has_no_brackets() -> None:
    assert raw.depth(b'[{"a":"[[[[') == 2
    assert raw.depth(b"[" + b'\\"' * 50_000) == 1
    assert raw.members(b'["a" , "b]') is None


def test_several_wrong_numbers_are_several_reasons() -> None:
    reasons = raw.parsed(b'{"a":NaN,"b":[99999999999999999999],"c":1}', LIMITS)[1]
    assert [(r.keyword, r.path) for r in reasons] == [("nan", "$.a"), ("integer_range", "$.b[0]")]


def aggregate(body: bytes) -> bytes:
    return raw.KPL_MAGIC + body + hashlib.md5(body, usedforsecurity=False).digest()


BODY = b"\x0a\x01k" + b"\x1a\x06\x08\x00\x1a\x02{}" + b"\x1a\x06\x08\x00\x1a\x02{}"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (aggregate(BODY)[:-1] + b"\x00", "bad MD5"),
        (aggregate(BODY)[:4] + b"\x0a\x01x" + aggregate(BODY)[7:], "bad MD5"),
        (aggregate(b"\x0b\x01k"), "bad protobuf"),
        (aggregate(b"\x0a\x7fk"), "bad protobuf"),
        (aggregate(b"\xff" * 12), "bad protobuf"),
        (aggregate(BODY * 3)[:-20], "cut short"),
        (aggregate(BODY)[:10], "cut short: no room for its MD5"),
        (raw.KPL_MAGIC, "cut short: no room for its MD5"),
        (aggregate(BODY), "whole, but the engine did not take it apart"),
    ],
)
def test_a_damaged_aggregate_is_told_apart(data: bytes, what: str) -> None:
    reason = raw.damaged_aggregate(data)
    assert (reason.stage, reason.keyword) == ("decode", "kpl_aggregate")
    assert reason.message == (
        f"found a KPL aggregate of {len(data)} bytes: {what}; expected magic, protobuf and its MD5"
    )


@given(st.binary(max_size=60))
def test_no_aggregate_raises(tail: bytes) -> None:
    assert raw.damaged_aggregate(raw.KPL_MAGIC + tail).keyword == "kpl_aggregate"
