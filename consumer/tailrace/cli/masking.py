"""What of a reject a screen may show. Rule: values are masked; keys, structure and what was expected stay.

Names that have columns of their own (event type, tenant, ids) are shown: by them rejects are found.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson

from tailrace.nouns import Reason

DOTS: Final = "\N{BULLET}" * 3
DEPTH_MAX: Final = 40  # what stands deeper is shown as dots
_INDEX: Final = re.compile(r"\[\d+\]")
_NUMBER: Final = re.compile(r"0x[0-9a-f]+|-?\d[\d.]*(?:[eE][+-]?\d+)?")
_QUOTED: Final = re.compile(r'".*"?', re.DOTALL)
_FOUND, _EXPECTED = "found ", ", expected"
_NAMES: Final = ("no member ", "a member ")  # what follows is a key
_PLACE: Final = re.compile(r"line \d+ column \d+ \(char \d+\)")  # in bytes that are no JSON
_FRAME: Final = re.compile(r"^ *File .*$", re.MULTILINE)


def event(raw: bytes) -> str:
    """Return a rejected event as JSON without its values; of bytes that are no JSON only how many they are."""
    try:
        value = parsed(raw)
    except ValueError:
        return f"({len(raw):,} bytes, no JSON)"
    return printable(orjson.dumps(_masked(value, 0)).decode())


def unmasked(raw: bytes) -> str:
    """Return the bytes as text that a screen can bear."""
    return printable(raw.decode(errors="backslashreplace"))


def printable(text: str) -> str:
    """Return a text without what would move a terminal's cursor or colour it: names may be made up by anybody."""
    return "".join(char if char.isprintable() else "\N{MIDDLE DOT}" for char in text)


def line(text: str) -> str:
    """Return a text as one line for a screen."""
    return printable(" ".join(text.split()))


def parsed(raw: bytes) -> Any:
    """Return the value of JSON bytes, with numbers of any size and NaN. ValueError where they are none."""
    try:
        return json.loads(raw)
    except RecursionError:
        raise ValueError("too deep") from None


def message(reason: Reason) -> str:
    """Return a reason's message without the values that were found."""
    text = reason.message
    if reason.stage == "internal":
        return text if reason.keyword == "died" else "\n".join([DOTS, *_FRAME.findall(text)])
    start = text.find(_FOUND)
    if start < 0:
        return DOTS if reason.stage in {"schema", "columns"} else text
    start += len(_FOUND)
    if text.startswith(_NAMES, start):
        return text
    end = text.rfind(_EXPECTED)  # the last: what was found may hold the same word
    end = len(text) if end < start else end
    return text[:start] + _values(text[start:end]) + text[end:].partition(" asks for (")[0]


def shape(reason: Reason) -> tuple[str, str]:
    """Return (path, message) without what differs from event to event."""
    said = re.sub(rf"{DOTS}\(\d+\)", DOTS, message(reason))
    return _INDEX.sub("[*]", reason.path), _PLACE.sub(lambda place: _NUMBER.sub("#", place[0]), said)


def _values(found: str) -> str:
    quoted = _QUOTED.search(found)
    if quoted is None:
        return _NUMBER.sub("#", found)
    before, inside = found[: quoted.start()], quoted[0]
    last = inside.rfind('"')
    inside, after = (inside[1:last], inside[last + 1 :]) if last > 0 else (inside[1:], "")
    return f'{_NUMBER.sub("#", before)}"{DOTS}({len(inside)})"{_NUMBER.sub("#", after)}'


def _masked(value: Any, depth: int) -> Any:
    if depth > DEPTH_MAX:
        return DOTS
    match value:
        case bool() | None:
            return value
        case str():
            return f"{DOTS}({len(value)})"
        case int() | float():
            return "#"
        case list():
            return [_masked(one, depth + 1) for one in value]
        case _:
            return {_key(key): _masked(one, depth + 1) for key, one in value.items()}


def _key(key: str) -> str:
    return key.encode(errors="backslashreplace").decode()
