"""Events that were rejected once and are sent again. Rule: the bytes around them are ours, the event's are kept as are.

One record holds one such event: `{"$tailrace":{"row_id":..,"event_id":..},"raw":"<base64>"}`. base64 adds a third, and
a record has an end; so the bytes of a large event follow as they are, after `{"$tailrace":{..}}`, if they are one line.
Only `redrive` writes such records; what begins like one and is none is treated as any record.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import msgspec

from tailrace.nouns import Record, Redriven

PREFIX: Final = b'{"$tailrace":{'
LARGE: Final = 512 * 1024  # bytes of an event
HEAD_MAX: Final = 4096


class _Wrapped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mark: Redriven = msgspec.field(name="$tailrace")
    raw: bytes


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mark: Redriven = msgspec.field(name="$tailrace")


_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder(_Wrapped).decode
_HEAD_OF: Final = json.JSONDecoder().raw_decode


def wrap(mark: Redriven, raw: bytes) -> bytes:
    """Return the record that sends an event again."""
    if len(raw) > LARGE and b"\n" not in raw and raw == raw.strip():
        head = json.dumps(msgspec.to_builtins(_Head(mark)), separators=(",", ":")).encode()
        if len(head) <= HEAD_MAX:
            return head + raw
    return _ENCODE(_Wrapped(mark, raw))


def _headed(data: bytes) -> _Wrapped | None:
    if len(data) <= LARGE:
        return None
    text = data[:HEAD_MAX].decode("latin-1")
    try:
        found, end = _HEAD_OF(text)
        head = msgspec.convert(found, _Head)
    except (ValueError, RecursionError, msgspec.ValidationError):
        return None
    return _Wrapped(head.mark, data[end:]) if text[:end].isascii() and len(data) - end > LARGE else None


def mark_of(record: Record, index: int) -> Redriven | None:
    """Return the mark of one event of a record. Mended bytes may hold several events: each has a mark of its own."""
    mark = record.redriven
    return mark if mark is None or not index else Redriven(f"{mark.row_id}/{index}", f"{mark.event_id}/{index}")


def marks(records: Sequence[Record], indexes: Sequence[int]) -> list[Redriven | None]:
    """Return the marks of events by their record and index in it; an empty list when there are none, as mostly."""
    if all([record.redriven is None for record in records]):  # noqa: C419 a list is quicker
        return []
    return [mark_of(record, index) for record, index in zip(records, indexes, strict=True)]


def unwrapped(record: Record) -> Record:
    """Return the record as if the event had come by itself, with its mark; the record itself where it is none."""
    if record.fault is not None or not record.data.startswith(PREFIX):
        return record
    found = _headed(record.data) or _wrapped(record.data)
    return record if found is None else msgspec.structs.replace(record, data=found.raw, redriven=found.mark)


def _wrapped(data: bytes) -> _Wrapped | None:
    try:
        return _DECODE(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # msgspec raises the two for bad texts and depth
        return None
