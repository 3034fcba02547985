"""Looks at the bytes of a record that orjson does not simply take. Rule: each of those suspects gets an answer.

Members of an array are found by their brackets, so that one bad member does not spoil its neighbours.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

import orjson

from tailrace.nouns import Reason
from tailrace.schema.contract import json_path, shortened
from tailrace.schema.validate import REASONS_MAX
from tailrace.settings import Limits

KPL_MAGIC: Final = b"\xf3\x89\x9a\xc2"
DIGEST_BYTES: Final = 16
TOO_MANY: Final = 1 << 40
INT_MIN, UINT_MAX = -(2**63), 2**64 - 1  # what orjson and Arrow can tell apart

# Possessive, so that no text makes it look at a byte twice.
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},:"]', re.DOTALL)
_CLOSES: Final = {b"[": b"]", b"{": b"}"}
_ENDS: Final = frozenset(_CLOSES.values())
_OPEN_TEXT: Final = b'"'
_PARTS: Final = frozenset((b",", b":"))


class Member(NamedTuple):
    """A member of an array or object, as bytes."""

    key: bytes  # with its quotation marks; empty in arrays
    value: bytes

    @property
    def text(self) -> bytes:
        """Return the member as it stands in JSON; empty when there is nothing between two commas."""
        return self.key + b":" + self.value if self.key else self.value


def members(raw: bytes) -> list[Member] | None:
    """Return the members of an array or object; None when its brackets do not match.

    Needs no valid JSON between the brackets. An empty one has no members.
    """
    raw = raw.strip(b" \t\r\n")
    if raw[:1] not in _CLOSES or raw[-1:] != _CLOSES[raw[:1]]:
        return None
    out: list[Member] = []
    start, colon = 1, 0
    for char, at in _outermost(raw):
        if char == b":":
            colon = colon or at + 1
            continue
        out.append(_member(raw, start, colon, at))
        start, colon = at + 1, 0
        if char != b",":
            whole = at + 1 == len(raw)
            return None if not whole else [] if out == [Member(b"", b"")] else out
    return None


def _outermost(raw: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the commas and colons of the outermost array or object and its end; stop where brackets do not match."""
    stack: list[bytes] = []
    for token in _TOKEN.finditer(raw):
        char = token[0]
        if char in _CLOSES:
            stack.append(_CLOSES[char])
        elif char in _ENDS:
            if not stack or stack.pop() != char:
                return
            if not stack:
                yield char, token.start()
        elif char == _OPEN_TEXT:  # a text without an end: what follows may be inside it
            return
        elif len(stack) == 1 and char in _PARTS:
            yield char, token.start()


def _member(raw: bytes, start: int, colon: int, end: int) -> Member:
    if raw[:1] == b"[" or not colon:
        return Member(b"", raw[start:end].strip(b" \t\r\n"))
    return Member(raw[start : colon - 1].strip(b" \t\r\n"), raw[colon:end].strip(b" \t\r\n"))


def depth(raw: bytes) -> int:
    """Return how many brackets are open at once at most."""
    now = deepest = 0
    for token in _TOKEN.finditer(raw):
        char = token[0]
        if char in _CLOSES:
            now += 1
            deepest = max(deepest, now)
        elif char in _ENDS:
            now -= 1
        elif char == _OPEN_TEXT:  # a text without an end: all that follows is inside it
            break
    return deepest


def properties(value: Any, depth_max: int) -> int:
    """Return how many members all objects in a value have, a number past every limit when it is nested too deep."""
    if depth_max <= 0:
        return TOO_MANY
    inside = value.values() if type(value) is dict else value
    count = len(value) if type(value) is dict else 0
    for below in inside:
        kind = type(below)
        if kind is dict or kind is list:
            count += properties(below, depth_max - 1)
    return count


def within(value: Any, limits: Limits) -> bool:
    """Say whether an object or array keeps to the limits of depth and number of members."""
    return properties(value, limits.depth_max) <= limits.properties_max


def parsed(raw: bytes, limits: Limits) -> tuple[Any, list[Reason]]:
    """Return the value of one event's bytes and what is wrong with them; without reasons the value is sound."""
    if len(raw) > limits.event_bytes_max:
        return None, [_wrong("size", "$", f"found {len(raw)} bytes, expected at most {limits.event_bytes_max}")]
    deepest = depth(raw)
    if deepest > limits.depth_max:
        return None, [_wrong("depth", "$", f"found {deepest} levels, expected at most {limits.depth_max}")]
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return None, _why_no_json(raw, str(error))
    found = properties(value, limits.depth_max) if isinstance(value, dict | list) else 0
    if found > limits.properties_max:
        return None, [_wrong("properties", "$", f"found {found} members, expected at most {limits.properties_max}")]
    return value, list(islice(_odd_numbers(raw), REASONS_MAX))


def _why_no_json(raw: bytes, what: str) -> list[Reason]:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return [_wrong("utf8", "$", f"found byte 0x{raw[error.start]:02x} at offset {error.start}, expected UTF-8")]
    odd = list(islice(_odd_numbers(raw), REASONS_MAX))
    expected = "" if ", expected" in what else ", expected an object"
    return odd or [_wrong("json", "$", f"found no JSON: {shortened(what, 200)}{expected}")]


class _Odd(str):
    """The text of a number that JSON, or 64 bits, cannot hold."""

    __slots__ = ("keyword",)
    keyword: str


def _odd(keyword: str, text: str) -> _Odd:
    odd = _Odd(text)
    odd.keyword = keyword
    return odd


def _integer(text: str) -> object:
    if len(text) < 19 or (len(text) <= 21 and INT_MIN <= int(text) <= UINT_MAX):
        return 0
    return _odd("integer_range", text)


def _float(text: str) -> object:
    return _odd("number_range", text) if math.isinf(float(text)) else 0.0


_EXPECTED: Final = {
    "integer_range": f"a whole number from {INT_MIN} to {UINT_MAX}",
    "number_range": "a number that fits 64 bits",
    "nan": "a JSON number",
}


def _odd_numbers(raw: bytes) -> Iterator[Reason]:
    """Yield a reason for each number that cannot be held, where the bytes are JSON but for that."""
    try:
        value = json.loads(
            raw.decode(),  # bytes, it would take UTF-16 too, whose depth nobody has looked at
            parse_int=_integer,
            parse_float=_float,
            parse_constant=lambda text: _odd("nan", text),
        )
    except (ValueError, RecursionError):  # not JSON at all: the caller says so
        return
    for path, odd in _find(value, ()):
        found = shortened(str(odd), 40)
        yield _wrong(odd.keyword, json_path(path), f"found {found}, expected {_EXPECTED[odd.keyword]}")


def _find(value: object, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], _Odd]]:
    if isinstance(value, _Odd):
        yield path, value
    elif isinstance(value, dict):
        for key, below in value.items():
            yield from _find(below, (*path, key))
    elif isinstance(value, list):
        for at, below in enumerate(value):
            yield from _find(below, (*path, at))


def _wrong(keyword: str, path: str, message: str) -> Reason:
    return Reason("parse", keyword, path, message)


def damaged_aggregate(data: bytes) -> Reason:
    """Say what is wrong with a KPL aggregate that the engine could not take apart."""
    body, digest = data[len(KPL_MAGIC) : -DIGEST_BYTES], data[-DIGEST_BYTES:]
    if len(data) < len(KPL_MAGIC) + DIGEST_BYTES:
        what = "cut short: no room for its MD5"
    elif hashlib.md5(body, usedforsecurity=False).digest() == digest:
        what = "bad protobuf" if _protobuf(body) != "whole" else "whole, but the engine did not take it apart"
    elif _protobuf(body) == "cut":
        what = "cut short"
    else:
        what = "bad MD5"
    message = f"found a KPL aggregate of {len(data)} bytes: {what}; expected magic, protobuf and its MD5"
    return Reason("decode", "kpl_aggregate", "$", message)


def _protobuf(body: bytes) -> str:
    """Say whether bytes are a protobuf message of length-delimited fields and varints: whole, cut or bad."""
    at = 0
    while at < len(body):
        tag, at = _varint(body, at)
        if tag < 0:
            return "cut"
        if tag >> 3 not in {1, 2, 3} or tag & 7 != 2:  # AggregatedRecord: two string tables and records
            return "bad"
        length, at = _varint(body, at)
        if length < 0 or at + length > len(body):
            return "cut"
        at += length
    return "whole"


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(body):
            return -1, at
        value |= (body[at] & 0x7F) << shift
        at += 1
        if body[at - 1] < 0x80:
            return value, at
    return 1 << 62, at  # longer than any length can be
