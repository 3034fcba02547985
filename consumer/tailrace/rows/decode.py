"""Records in, events out. Rule: every record becomes events or rejects, and never none.

Most records are one JSON object: those take the short way, one call of orjson. Whatever looks odd in the bytes of the
whole chunk (length, depth, huge integers) or does not parse takes the long way, which finds the reasons. Avro is
found there, since none of it parses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson

from tailrace.nouns import Reason, Record
from tailrace.rows import raw as rawly
from tailrace.rows.avro import Payloads
from tailrace.schema.avro import NO_WRITERS, Writer, Writers
from tailrace.schema.contract import Contract, shown
from tailrace.settings import Limits

EVENTS_MAX: Final = 50_000  # in a record; more is an attack on memory
AROUND_BYTES_MAX: Final = 64 * 1024 * 1024  # what stands around a batch, in the row of each of its events
_MEMBER_BYTES_MIN: Final = 5  # `"":0,`
# A number of 19 digits or more may need more than 64 bits. Bytes are sorted into digits, what may stand before a
# number, and others, the whole chunk at once: three times as fast as a regular expression.
_SORTED: Final = bytes(48 if byte in b"0123456789" else 58 if byte in b":[, \t\r\n-\0" else 120 for byte in range(256))
_HUGE: Final = b":" + b"0" * 19
_BETWEEN: Final = b"\0"  # in no JSON: what holds it takes the long way
_NO_BRACKET: Final = bytes(byte for byte in range(256) if byte not in b"{[" + _BETWEEN)
_SPACE: Final = b" \t\r\n"
_BLANK: Final = re.compile(rb"[ \t\r\n]*")


class Events(NamedTuple):
    """Events that are objects, as parallel lists."""

    values: list[dict[str, Any]]
    records: list[Record]
    indexes: list[int]  # in the record
    batches: list[dict[str, Any] | None]  # the other members of the object that held the event in a list
    several: set[int]  # id() of the records that hold a list of events
    writers: dict[int, Writer]  # by the place of an event that came as Avro: its schema says what it is


class Spoilt(NamedTuple):
    """What is no event."""

    record: Record
    at: int  # its index in the record
    raw: bytes
    reasons: tuple[Reason, ...]
    value: Any = None  # where the bytes could be read after all
    writer: Writer | None = None  # where they are Avro of a known schema


class Decoder:
    """Takes records apart."""

    def __init__(self, contract: Contract, limits: Limits, known: Any, writers: Writers = NO_WRITERS) -> None:
        """`known` says by `in` which event types are known: such an event is no batch, whatever members it has."""
        self._contract, self._limits, self._known = contract, limits, known
        self._payloads = Payloads(writers, limits)
        self._batch_keys = contract.batch_keys
        self._bytes_max = limits.event_bytes_max

    def decode(self, records: Sequence[Record]) -> tuple[Events, list[Spoilt]]:
        """Return the events of records, single ones first, and what is none. Raises TooMuch."""
        self._payloads.begin()
        late, spoilt = Events([], [], [], [], set(), {}), list[Spoilt]()
        datas = [record.data for record in records]
        odd = {at for at, record in enumerate(records) if record.fault is not None}
        joined = _BETWEEN.join(datas)
        if _HUGE in joined.translate(_SORTED):
            odd |= {at for at, data in enumerate(datas) if _is_huge(data)}
        odd |= self._large(datas, joined)
        values, kept = list[dict[str, Any]](), list[Record]()
        loads, add_value, add_record = orjson.loads, values.append, kept.append
        batch_key, more_keys = (*self._batch_keys, None)[0], len(self._batch_keys) > 1
        for at, data in enumerate(datas):
            if at in odd:
                self._suspect(records[at], late, spoilt)
                continue
            try:
                value = loads(data)
            except orjson.JSONDecodeError:
                self._long_way(records[at], late, spoilt)
                continue
            if type(value) is not dict or batch_key in value or (more_keys and self._batch_key(value) is not None):
                self._parsed(records[at], value, late, spoilt, check=False)
            else:
                add_value(value)
                add_record(records[at])
        indexes, batches = [0] * len(values), list[dict[str, Any] | None]([None]) * len(values)
        writers = {at + len(values): writer for at, writer in late.writers.items()}
        return Events(
            values + late.values,
            kept + late.records,
            indexes + late.indexes,
            batches + late.batches,
            late.several,
            writers,
        ), spoilt

    def _large(self, datas: list[bytes], joined: bytes) -> set[int]:
        """Return the records that may be too deep, too long or hold too many members."""
        depth, count = self._limits.depth_max, self._limits.properties_max
        found = set[int]()
        brackets = joined.translate(None, _NO_BRACKET).split(_BETWEEN)
        if max(map(len, brackets)) > depth:
            found = {at for at, data in enumerate(datas) if data.count(b"{") + data.count(b"[") > depth}
        long = min(_MEMBER_BYTES_MIN * count, self._bytes_max)
        if max(map(len, datas), default=0) > long:
            found |= {
                at
                for at, data in enumerate(datas)
                if len(data) > long and (len(data) > self._bytes_max or data.count(b":") > count)
            }
        return found

    def _suspect(self, record: Record, events: Events, spoilt: list[Spoilt]) -> None:
        """Look closer at a record that is perhaps sound."""
        if record.fault is not None or _is_huge(record.data) or len(record.data) > self._bytes_max:
            self._long_way(record, events, spoilt)
            return
        try:
            value = orjson.loads(record.data)
        except orjson.JSONDecodeError:
            self._long_way(record, events, spoilt)
        else:
            self._parsed(record, value, events, spoilt, check=True)

    def _parsed(self, record: Record, value: Any, events: Events, spoilt: list[Spoilt], *, check: bool) -> None:
        """Take the events of a sound value: itself, or the members of a list."""
        batch, members = None, value
        key = self._batch_key(value) if type(value) is dict else None
        listed = type(value) is list or key is not None
        if key is not None:
            batch = {name: member for name, member in value.items() if name != key} or None
            members = value[key]
        elif not listed:
            members = [value]
        sound = type(members) is list and 0 < len(members) <= EVENTS_MAX
        sound = sound and all(type(member) is dict for member in members)
        heavy = batch is not None and len(record.data) * len(members) > AROUND_BYTES_MAX
        if (
            heavy
            or not sound
            or (check and not all(rawly.within(one, self._limits) for one in (*members, batch or {})))
        ):
            self._long_way(record, events, spoilt)
            return
        if listed:
            events.several.add(id(record))
        events.values.extend(members)
        events.records.extend([record] * len(members))
        events.indexes.extend(range(len(members)))
        events.batches.extend([batch] * len(members))

    def _batch_key(self, value: dict[str, Any]) -> str | None:
        """Return the key under which an object holds a list of events, None when it is an event itself."""
        for key in self._batch_keys:
            if key in value and type(value[key]) is list:
                named = self._contract.key(value)[0]
                event = isinstance(named, str) and (named in self._known or named.startswith("iglu:"))
                return None if event else key
        return None

    def _long_way(self, record: Record, events: Events, spoilt: list[Spoilt]) -> None:
        if record.fault is None and self._is_avro(record, events, spoilt):
            return
        whole = self._whole(record)
        if whole is not None:
            spoilt.append(Spoilt(record, 0, record.data, (whole,)))
            return
        raws, around = self.split(record.data)
        if not 0 < len(raws) <= EVENTS_MAX:
            keyword = "empty" if not raws else "events"
            message = f"found {len(raws)} events in a record, expected 1 to {EVENTS_MAX}"
            spoilt.append(Spoilt(record, 0, record.data, (Reason("decode", keyword, "$", message),)))
            return
        batch, wrong = (None, []) if around is None else rawly.parsed(around, self._limits)
        if wrong:  # every event would carry it: the record is one reject, and so no byte of it is lost
            wrong = [reason._replace(message=f"around the events: {reason.message}") for reason in wrong]
            spoilt.append(Spoilt(record, 0, record.data, tuple(wrong)))
            return
        if around is not None and len(around) * len(raws) > AROUND_BYTES_MAX:
            message = f"found {len(around)} bytes around {len(raws)} events, expected at most {AROUND_BYTES_MAX} in all"
            spoilt.append(Spoilt(record, 0, record.data, (Reason("decode", "events", "$", message),)))
            return
        if raws[0] is not record.data:
            events.several.add(id(record))
        for index, raw in enumerate(raws):
            value, reasons = rawly.parsed(raw, self._limits)
            if not reasons and type(value) is not dict:
                twice = isinstance(value, str) and value.lstrip().startswith(("{", "["))
                more = ", not encoded as text once more" if twice else ""
                message = f"found {shown(value)}, expected an object: an event{more}"
                reasons = [Reason("contract", "event", "$", message)]
            if reasons:
                spoilt.append(Spoilt(record, index, raw, tuple(reasons), value))
                continue
            events.values.append(value)
            events.records.append(record)
            events.indexes.append(index)
            events.batches.append(batch)

    def _is_avro(self, record: Record, events: Events, spoilt: list[Spoilt]) -> bool:
        """Take the event of a record that is an Avro payload, and say whether it is one."""
        found = self._payloads(record.data)
        if found is None:
            return False
        if found.reasons or found.value is None or found.writer is None:
            spoilt.append(Spoilt(record, 0, record.data, found.reasons, found.value, found.writer))
            return True
        events.writers[len(events.values)] = found.writer
        events.values.append(found.value)
        events.records.append(record)
        events.indexes.append(0)
        events.batches.append(None)
        return True

    @staticmethod
    def _whole(record: Record) -> Reason | None:
        """Return what is wrong with a record as a whole."""
        if record.fault is not None:
            return record.fault
        if _BLANK.fullmatch(record.data):
            return Reason("decode", "empty", "$", f"found {len(record.data)} bytes and no event, expected JSON")
        if record.data.startswith(rawly.KPL_MAGIC):
            return rawly.damaged_aggregate(record.data)
        return None

    def split(self, data: bytes) -> tuple[list[bytes], bytes | None]:
        """Return the bytes of each event of a record, in the order of their index, and an object of what is around."""
        found = self._listed(data)
        if found is not None:
            return found
        lines = [line.strip(_SPACE) for line in data.split(b"\n")]
        lines = [line for line in lines if line]
        # Bytes that are no JSON as a whole may be JSON lines; a pretty-printed event that is cut off is not.
        if len(lines) < 2 or _loads(data) is not None or sum(map(_is_object, lines)) * 2 < len(lines):
            return [data], None
        return lines, None

    def _listed(self, data: bytes) -> tuple[list[bytes], bytes | None] | None:
        """Return the members of an array, or of the array under a batch key; None when there is none."""
        start = data.lstrip(_SPACE)[:1]
        if start == b"[":
            inside = rawly.members(data)
            return None if inside is None else ([member.value for member in inside], None)
        if start != b"{" or not self._batch_keys:
            return None
        members = [(_loads(member.key), member) for member in rawly.members(data) or ()]
        around = {key: member.value for key, member in members if type(key) is str}
        outside = {key: _loads(value) for key, value in around.items() if not value.startswith(b"[")}
        key = self._batch_key(outside | {key: [] for key, value in around.items() if value.startswith(b"[")})
        inside = None if key is None else rawly.members(around[key])
        if key is None or inside is None:
            return None
        # Members whose key cannot be read are among them: they are not sound, and must not vanish.
        others = [member.text for name, member in members if name != key and member.text]
        return [member.value for member in inside], b"{" + b",".join(others) + b"}" if others else None


def _is_huge(data: bytes) -> bool:
    """Say whether a record may hold an integer beyond 64 bits: parsed, it would be a float."""
    return _HUGE in (b"\n" + data).translate(_SORTED)


def _loads(raw: bytes) -> Any:
    """Return the value of JSON bytes, None when they are none."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _is_object(line: bytes) -> bool:
    return line[:1] == b"{" and type(_loads(line)) is dict
