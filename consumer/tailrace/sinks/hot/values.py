"""Values as DynamoDB holds them. Rule: a number is exact to its last digit, or it is text.

`Plain` is a value as a plan keeps it: its kind and its text. What an item holds in Python is text, Decimal or bool.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import Any, Final, Literal

import orjson

Plain = tuple[Literal["S", "N", "BOOL"], str]
Value = str | int | Decimal | bool
Item = Mapping[str, Value]

TEXT_BYTES_MAX: Final = 8 * 1024  # of one value in a profile, or an aggregate: 32 of them fit an item
DIGITS_MAX: Final = 38
EXACT: Final = Context(prec=100)  # Python's own rounds to 28 digits
_LARGEST, _SMALLEST = Decimal("9.9E+125"), Decimal("1E-130")


def plain(value: Any) -> Plain | None:
    """Return a column's value as a plan keeps it; None for none."""
    match value:
        case None:
            return None
        case bool():
            return ("BOOL", "true" if value else "false")
        case int():
            return ("N", str(value)) if len(str(abs(value))) <= DIGITS_MAX else ("S", str(value))
        case float() | Decimal():
            number = Decimal(repr(value)) if isinstance(value, float) else value
            return ("N", str(number)) if held(number) else ("S", str(value))
        case str():
            return ("S", value)
        case datetime():
            return ("S", time_text(value))
        case date():
            return ("S", value.isoformat())
    return ("S", json_text(value).decode())


def held(number: Decimal) -> bool:
    """Can DynamoDB hold the number?"""
    if not number.is_finite():
        return False
    size = abs(number)
    return not size or (_SMALLEST <= size <= _LARGEST and len(number.as_tuple().digits) <= DIGITS_MAX)


def value_of(given: Plain) -> Value:
    """Return what an item holds."""
    kind, text = given
    return text if kind == "S" else Decimal(text) if kind == "N" else text == "true"


def time_text(time: datetime) -> str:
    """Return a time in UTC, to the microsecond, like 2026-01-31T00:00:00.000000Z."""
    at = time.astimezone(UTC) if time.tzinfo else time
    return f"{at.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def json_text(value: Any) -> bytes:
    """Return anything a row holds as JSON."""
    return orjson.dumps(value, default=_other, option=orjson.OPT_UTC_Z)


def _other(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def attributes(item: Item) -> dict[str, dict[str, Any]]:
    """Return an item as the service takes it."""
    return {name: attribute(value) for name, value in item.items()}


def attribute(value: Value) -> dict[str, Any]:
    if isinstance(value, str):
        return {"S": value}
    return {"BOOL": value} if isinstance(value, bool) else {"N": str(value)}


def item_of(given: Mapping[str, Mapping[str, Any]]) -> dict[str, Value]:
    """Return an item as the service gives it; attributes of kinds that are not ours are left out."""
    out: dict[str, Value] = {}
    for name, one in given.items():
        ((kind, value),) = one.items()
        if kind in {"S", "BOOL"}:
            out[name] = value
        elif kind == "N":
            number = Decimal(value)
            out[name] = int(number) if number == number.to_integral_value() and abs(number) < 2**63 else number
    return out


def size(item: Item) -> int:
    """Return how many bytes an item is, as DynamoDB counts them, or a little more."""
    return sum(
        len(name.encode()) + (len(value.encode()) if isinstance(value, str) else 21) for name, value in item.items()
    )
