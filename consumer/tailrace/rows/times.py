"""Event times to UTC microseconds. Rule: one value has one meaning, whichever way it is read.

ISO 8601 with a zone takes Arrow's own parser, a column at a time; all else is read value by value. A time without a
zone is UTC. A number is seconds since 1970 below 100,000,000,000 (the year 5138), milliseconds from there, and
microseconds from a thousand times that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from tailrace.schema.book import TIME

MICROSECOND: Final = timedelta(microseconds=1)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
US_MIN: Final = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // MICROSECOND
US_MAX: Final = (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) - EPOCH) // MICROSECOND
MILLISECONDS_FROM: Final = 100_000_000_000
MICROSECONDS_FROM: Final = 100_000_000_000_000

_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ].*)?", re.DOTALL)
_NUMBER: Final = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?")


def microseconds(value: object) -> int | None:
    """Return a time as microseconds since 1970, None when it is none or outside the years 1 to 9999."""
    if isinstance(value, str):
        value = value.strip()
        if _NUMBER.fullmatch(value):
            value = float(value) if "." in value else int(value)
        else:
            return _iso(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > US_MAX:
        return None
    size = abs(value)
    unit = 1_000_000 if size < MILLISECONDS_FROM else 1000 if size < MICROSECONDS_FROM else 1
    found = value * unit if isinstance(value, int) else round(value * float(unit))
    return found if US_MIN <= found <= US_MAX else None


def _iso(text: str) -> int | None:
    if not _ISO.fullmatch(text):
        return None
    try:
        time = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    found = (time.replace(tzinfo=time.tzinfo or UTC) - EPOCH) // MICROSECOND
    return found if US_MIN <= found <= US_MAX else None


def column(values: Sequence[object]) -> tuple[pa.Array, list[int]]:
    """Return times (null where there is none) and which of the values are no times."""
    try:
        times = pa.array(values, pa.string()).cast(TIME)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        times = None
    if times is not None and _in_range(times):
        return times, []
    found = [None if value is None else microseconds(value) for value in values]
    wrong = [at for at, (value, us) in enumerate(zip(values, found, strict=True)) if us is None and value is not None]
    return pa.array(found, pa.int64()).view(TIME), wrong


def _in_range(times: pa.Array) -> bool:
    ends = pc.min_max(times.view(pa.int64()))
    first, last = ends["min"].as_py(), ends["max"].as_py()
    return first is None or (first >= US_MIN and last <= US_MAX)
