"""The daemon's lines: bytes in, turns and chunks of records out. Rule: a line is never held twice as a whole.

A line may have 35 MB and more. Its bytes stand once in a reused buffer; the array of records is decoded slice by slice.
A slice ends at a record boundary: in the daemon's compact JSON `},{"` followed by a letter stands between two
records and nowhere else, since inside a string every quotation mark has a backslash before it, and the one that ends a
string is followed by a comma, a colon or a bracket.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
from collections.abc import Iterator
from typing import Final

import msgspec

from tailrace.kcl.protocol import (
    CheckpointReply,
    DaemonGone,
    Initialize,
    LeaseLost,
    ProtocolError,
    Records,
    ShardEnded,
    ShutdownRequested,
    Turn,
)
from tailrace.nouns import Reason, Record

MIB: Final = 1024 * 1024
READ_BYTES: Final = MIB
KEPT_BYTES_MAX: Final = 8 * MIB  # the buffer between two turns; what a rare huge line needed more is given back
SLICE_BYTES: Final = 2 * MIB
TAIL_BYTES: Final = 128  # `],"millisBehindLatest":<number>}` fits

_HEAD: Final = b'{"action":"processRecords","records":['
_TAIL: Final = re.compile(rb'\],"millisBehindLatest":(null|-?[0-9]+)\}\s*\Z')
_BOUNDARY: Final = re.compile(rb'\},\{"[A-Za-z]')


class Stdin:
    """Whole lines from the daemon's pipe.

    A returned line is a view of the reused buffer: it is released by the next call of `line`.
    """

    def __init__(self, fd: int = 0, *, poll_s: float = 1.0) -> None:
        self._fd = fd
        self._poll_ms = int(poll_s * 1000)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN | select.POLLHUP)
        self._parent = os.getppid()
        self._buffer = bytearray(READ_BYTES)
        self._filled = 0  # bytes in the buffer
        self._used = 0  # of them, bytes of the line returned last
        self._view: memoryview | None = None
        with contextlib.suppress(OSError):  # not a pipe, or the user's pipe quota is used up: slower, not wrong
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, READ_BYTES)

    def gone(self) -> bool:
        """Has the daemon closed the pipe, or died? For waits that do not read."""
        if os.getppid() != self._parent:
            return True
        return any(events & (select.POLLHUP | select.POLLERR) for _, events in self._poll.poll(0))

    def line(self) -> memoryview:
        """Return the next line without its newline. Raises DaemonGone at the end."""
        self._drop_last()
        searched = 0
        while (end := self._buffer.find(b"\n", searched, self._filled)) < 0:
            searched = self._filled
            self._read()
        self._used = end + 1
        self._view = memoryview(self._buffer)[:end]
        return self._view

    def aside(self) -> bytes:
        """Return the next line, a small one, while the last one stays readable (a checkpoint's answer)."""
        got = bytes(memoryview(self._buffer)[self._used : self._filled])
        self._filled = self._used
        while not got.endswith(b"\n"):
            self._wait()
            more = os.read(self._fd, READ_BYTES)
            if not more:
                raise DaemonGone("the daemon closed the pipe")
            got += more
        if got.count(b"\n") != 1:
            raise ProtocolError("the daemon said more than one line at a time")
        return got[:-1]

    def _drop_last(self) -> None:
        if self._view is not None:
            self._view.release()
            self._view = None
        rest = self._filled - self._used
        if len(self._buffer) > KEPT_BYTES_MAX or rest:
            kept = bytes(memoryview(self._buffer)[self._used : self._filled])
            self._resize(max(READ_BYTES, min(len(self._buffer), KEPT_BYTES_MAX), rest))
            self._buffer[:rest] = kept
        self._filled, self._used = rest, 0

    def _resize(self, size: int) -> None:
        try:
            if size < len(self._buffer):
                del self._buffer[size:]
            else:
                self._buffer.extend(bytes(size - len(self._buffer)))
        except BufferError:  # someone still looks at the old bytes: leave them to him
            self._buffer = bytearray(self._buffer[: self._filled].ljust(size, b"\0"))

    def _wait(self) -> None:
        while not self._poll.poll(self._poll_ms):
            if os.getppid() != self._parent:
                raise DaemonGone("the daemon died")

    def _read(self) -> None:
        self._wait()
        if len(self._buffer) - self._filled < READ_BYTES // 2:
            self._resize(len(self._buffer) + max(READ_BYTES, len(self._buffer) // 4))
        with memoryview(self._buffer) as whole, whole[self._filled : self._filled + READ_BYTES] as free:
            count = os.readv(self._fd, [free])
        if count == 0:
            raise DaemonGone("the daemon closed the pipe")
        self._filled += count


class _Envelope(msgspec.Struct, rename="camel"):
    action: str
    records: msgspec.Raw = msgspec.Raw(b"[]")
    millis_behind_latest: int | None = None
    shard_id: str = ""
    sequence_number: str | None = None
    sub_sequence_number: int | None = None
    error: str | None = None


class _Lenient(msgspec.Struct, rename="camel"):
    """A record whose fields are read one by one, because the strict way failed."""

    sequence_number: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    sub_sequence_number: int | None = None
    approximate_arrival_timestamp: int | None = None


_records = msgspec.json.Decoder(list[Record])
_record = msgspec.json.Decoder(Record)
_envelope = msgspec.json.Decoder(_Envelope)
_lenient = msgspec.json.Decoder(_Lenient)
_SPOILT = (msgspec.MsgspecError, UnicodeDecodeError, ValueError)


def read(line: memoryview | bytes) -> Turn | CheckpointReply:
    """Return what a line says. Raises ProtocolError when it says nothing known."""
    plain = _plain(line)
    if plain is not None:
        return Records(chunks(line), plain[1], len(line))
    try:
        said = _envelope.decode(line)
    except _SPOILT as trouble:
        raise ProtocolError(f"a line of {len(line)} bytes could not be read: {trouble}") from None
    if said.action == "processRecords":
        return Records(_slices(memoryview(said.records), SLICE_BYTES), said.millis_behind_latest, len(line))
    return _small(said)


def _small(said: _Envelope) -> Turn | CheckpointReply:
    match said.action:
        case "initialize":
            return Initialize(said.shard_id, said.sequence_number or "", said.sub_sequence_number or 0)
        case "shardEnded":
            return ShardEnded()
        case "shutdownRequested":
            return ShutdownRequested()
        case "leaseLost":
            return LeaseLost()
        case "checkpoint":
            return CheckpointReply(said.sequence_number, said.sub_sequence_number, said.error)
    raise ProtocolError(f"unknown action {said.action!r}")


def _plain(line: memoryview | bytes) -> tuple[memoryview, int | None] | None:
    """Return (array of records, millis behind) of a line that is laid out as the daemon does it; else None."""
    if bytes(line[: len(_HEAD)]) != _HEAD:
        return None
    at = max(len(line) - TAIL_BYTES, len(_HEAD))
    tail = _TAIL.search(line, at)
    if tail is None:
        return None
    return memoryview(line)[len(_HEAD) - 1 : tail.start() + 1], None if tail[1] == b"null" else int(tail[1])


def chunks(line: memoryview | bytes, records_max_bytes: int = SLICE_BYTES) -> Iterator[list[Record]]:
    """Yield the records of one processRecords line, about `records_max_bytes` of text at a time.

    No list is empty: an empty tick yields nothing. What cannot be decoded comes as a record with a `fault`.
    """
    plain = _plain(line)
    array = memoryview(_envelope.decode(line).records) if plain is None else plain[0]
    yield from _slices(array, records_max_bytes)


def _slices(array: memoryview, bytes_max: int) -> Iterator[list[Record]]:
    """Yield the records of a JSON array, slice by slice."""
    start, last = 1, len(array) - 1  # inside the brackets
    if last - start <= bytes_max:  # one slice: no copy
        found = _decode(array)
        if found:
            yield found
        return
    while start < last:
        cut = _BOUNDARY.search(array, min(start + bytes_max, last))
        end = last if cut is None else cut.start() + 1
        yield _decode(b"".join((b"[", array[start:end], b"]")))
        start = end + 1  # past the comma


def _decode(array: memoryview | bytes) -> list[Record]:
    try:
        return _records.decode(array)
    except _SPOILT:
        return list(_one_by_one(bytes(array)))


def _one_by_one(array: bytes) -> Iterator[Record]:
    start = 1
    while start < len(array) - 1:
        cut = _BOUNDARY.search(array, start)
        end = len(array) - 1 if cut is None else cut.start() + 1
        yield _single(array[start:end])
        start = end + 1


def _single(text: bytes) -> Record:
    """Decode one record; what is wrong with it becomes its fault. Without a position there is no record."""
    try:
        return _record.decode(text)
    except _SPOILT as trouble:
        what = str(trouble)
    try:
        found = _lenient.decode(text)
        sequence, raw = found.sequence_number, bytes(found.data)
        sub, arrival = found.sub_sequence_number, found.approximate_arrival_timestamp
    except _SPOILT:
        sequence, sub, arrival, raw = _by_pattern(text)
    if sub is None or not sequence.isascii() or not sequence.isdigit():
        raise ProtocolError("a record has no position")
    if raw[:1] == b'"':
        raw = raw[1:-1]
    return Record(raw, sequence, sub, arrival or 0, None, Reason("decode", _keyword(what), "$", what))


def _by_pattern(text: bytes) -> tuple[str, int | None, int | None, bytes]:
    """Find a record's fields in bytes that are no valid JSON, or no valid UTF-8."""

    def field(name: bytes, value: bytes) -> bytes:
        found = re.search(rb'"' + name + rb'":' + value, text)
        return found[1] if found else b""

    sub, arrival = field(b"subSequenceNumber", rb"(\d+)"), field(b"approximateArrivalTimestamp", rb"(\d+)")
    return (
        field(b"sequenceNumber", rb'"(\d+)"').decode(),
        int(sub) if sub else None,
        int(arrival) if arrival else None,
        field(b"data", rb'("[^"]*")'),
    )


def _keyword(what: str) -> str:
    if "base64" in what:
        return "base64"
    if "utf-8" in what.lower():
        return "utf8"
    return "line"
