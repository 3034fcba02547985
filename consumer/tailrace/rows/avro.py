"""Avro payloads to events. Rule: any bytes become an event or reasons, in time and memory that the limits bound.

A payload is Avro's single-object encoding (C3 01, eight bytes of fingerprint) or stands under the header of Glue's
schema registry (03, a byte that says how it is packed, sixteen bytes of id). Both fail as JSON at their first byte.
"""

from __future__ import annotations

import zlib
from itertools import islice
from typing import Any, Final, NamedTuple

from tailrace.nouns import Reason, TooMuch
from tailrace.rows.avro_values import Cursor, Read, Wrong, compiled, no_numbers, uuid_text, wrong
from tailrace.schema.avro import Writer, Writers
from tailrace.schema.validate import REASONS_MAX
from tailrace.settings import Limits

SINGLE_OBJECT: Final = b"\xc3\x01"
REGISTRY: Final = b"\x03"
PLAIN, ZLIB = 0, 5
FINGERPRINT_BYTES, ID_BYTES = 8, 16
INFLATED_MAX: Final = 16 * 1024 * 1024  # at once: a value takes up to 25 times its bytes, which zlib packs to 1/1000
NAMED_MAX: Final = 3  # of the schemas that a message names


class Payload(NamedTuple):
    """What a payload is: an event, unless there are reasons."""

    writer: Writer | None  # None: its header names no schema of the book
    value: dict[str, Any] | None
    reasons: tuple[Reason, ...] = ()


class Payloads:
    """Opens payloads."""

    def __init__(self, writers: Writers, limits: Limits) -> None:
        self._writers, self._limits = writers, limits
        self._reads: dict[str, Read] = {}  # by the writer's name
        self._inflated_bytes = 0

    def begin(self) -> None:
        """A chunk begins: what is inflated is counted from here."""
        self._inflated_bytes = 0

    def __call__(self, data: bytes) -> Payload | None:
        """Return what a payload is; None where its first bytes are not Avro's. Raises TooMuch."""
        if data.startswith(SINGLE_OBJECT):
            return self._single_object(data)
        return self._registered(data) if data.startswith(REGISTRY) else None

    def _single_object(self, data: bytes) -> Payload:
        start = len(SINGLE_OBJECT)
        key, body = data[start : start + FINGERPRINT_BYTES], data[start + FINGERPRINT_BYTES :]
        if len(key) < FINGERPRINT_BYTES:
            return _no_header(data, start + FINGERPRINT_BYTES)
        writer = self._writers.by_fingerprint.get(key)
        if writer is None:
            return _unknown(
                "the fingerprint " + key.hex(), {k.hex(): w for k, w in self._writers.by_fingerprint.items()}
            )
        return self._event(writer, body)

    def _registered(self, data: bytes) -> Payload:
        key, body = data[2 : 2 + ID_BYTES], data[2 + ID_BYTES :]
        if len(key) < ID_BYTES:
            return _no_header(data, 2 + ID_BYTES)
        writer = self._writers.by_id.get(key)
        if writer is None:
            return _unknown(
                "the schema version " + uuid_text(key), {uuid_text(k): w for k, w in self._writers.by_id.items()}
            )
        if data[1] == PLAIN:
            return self._event(writer, body)
        if data[1] != ZLIB:
            message = f"found the compression byte 0x{data[1]:02x}, expected 0x00 (none) or 0x05 (zlib)"
            return Payload(writer, None, (wrong("avro", message),))
        try:
            return self._event(writer, self._inflated(body))
        except Wrong as error:
            return Payload(writer, None, (error.reason,))

    def _inflated(self, body: bytes) -> bytes:
        inflate, most = zlib.decompressobj(), self._limits.event_bytes_max
        try:
            found = inflate.decompress(body, most + 1)
        except zlib.error as error:
            raise Wrong(wrong("avro", f"found no zlib: {error}")) from None
        self._inflated_bytes += len(found)
        if self._inflated_bytes > INFLATED_MAX + most:  # so that one alone never is
            raise TooMuch(f"found payloads of more than {INFLATED_MAX} bytes once inflated, expected fewer at a time")
        if len(found) > most:
            message = f"found more than {most} bytes after inflating {len(body)}, expected at most {most}"
            raise Wrong(Reason("parse", "size", "$", message))
        if not inflate.eof:
            raise Wrong(wrong("avro", f"found zlib that ends early, after {len(found)} bytes of its content"))
        if inflate.unused_data:
            raise Wrong(wrong("avro", f"found {len(inflate.unused_data)} bytes after the zlib, expected none"))
        return found

    def _event(self, writer: Writer, body: bytes) -> Payload:
        most = self._limits.event_bytes_max
        if len(body) > most:
            message = f"found {len(body)} bytes, expected at most {most}"
            return Payload(writer, None, (Reason("parse", "size", "$", message),))
        read = self._reads.get(writer.name)
        if read is None:
            read = self._reads[writer.name] = compiled(writer.parsed)
        cursor = Cursor(body, self._limits)
        try:
            value = read(cursor, 1)
            if cursor.at != len(body):
                found = f"found {len(body) - cursor.at} bytes after the event"
                raise Wrong(wrong("avro", f"{found}, expected none: is it {writer.name}?"))
        except Wrong as error:
            return Payload(writer, None, (error.reason,))
        reasons = tuple(islice(no_numbers(value, ()), REASONS_MAX)) if cursor.odd else ()
        return Payload(writer, value, reasons)


# ---- messages


def _no_header(data: bytes, expected: int) -> Payload:
    message = f"found {len(data)} bytes, expected a header of {expected} bytes and an Avro value"
    return Payload(None, None, (wrong("avro", message),))


def _unknown(found: str, known: dict[str, Writer]) -> Payload:
    names = [f"{writer.name} ({key})" for key, writer in known.items()][-NAMED_MAX:]
    more = ", ..." if len(known) > NAMED_MAX else ""
    expected = (
        f"expected one of the book's: {', '.join(names)}{more}"
        if known
        else "expected a schema of the book, which has none"
    )
    return Payload(None, None, (wrong("avro_schema", f"found {found}, {expected}"),))
