"""Records in, events out. Rule: every record becomes events or rejects, and never none.

Most records are one JSON object: those take the short way, one call of orjson. Whatever looks odd in the bytes of the
whole chunk (length, depth, huge integers) or does not parse takes the long way, which finds the reasons.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tailrace.nouns import Reason, Record
from tailrace.rows import raw as rawly
from tailrace.schema.contract import Contract, shown
from tailrace.settings import Limits

EVENTS_MAX: Final = 100_000  # in a record; more is an attack on memory
_MEMBER_BYTES_MIN: Final = 5  # `"":0,`
_HUGE: Final = r"[:\[,\s-][0-9]{19}"  # a number of 19 digits or more; 64 bits hold some of those
_SPACE: Final = b" \t\r\n"
_BLANK: Final = re.compile(rb"[ \t\r\n]*")


class Events(NamedTuple):
    """Events that are objects, as parallel lists."""

    values: list[dict[str, Any]]
    records: list[Record]
    indexes: list[int]  # in the record
    batches: list[dict[str, Any] | None]  # the other members of the object that held the event in a list
    several: set[int]  # id() of the records that hold a list of events


class Spoilt(NamedTuple):
    """What is no event."""

    record: Record
    at: int  # its index in the record
    raw: bytes
    reasons: tuple[Reason, ...]
    value: Any = None  # where the bytes could be read after all


class Decoder:
    """Takes records apart."""

    def __init__(self, contract: Contract, limits: Limits, known: Any) -> None:
        """`known` says by `in` which event types are known: such an event is no batch, whatever members it has."""
        self._contract, self._limits, self._known = contract, limits, known
        self._batch_keys = contract.batch_keys
        self._bytes_max = limits.event_bytes_max

    def decode(self, records: Sequence[Record]) -> tuple[Events, list[Spoilt]]:
        """Return the events of records, and what is none."""
        events, spoilt = Events([], [], [], [], set()), list[Spoilt]()
        datas = [record.data for record in records]
        huge = self._huge(datas)
        large = self._large(datas)
        loads, keys = orjson.loads, self._batch_keys
        add_value, add_record = events.values.append, events.records.append
        add_index, add_batch = events.indexes.append, events.batches.append
        for at, record in enumerate(records):
            if at in huge or record.fault is not None:
                self._long_way(record, events, spoilt)
                continue
            try:
                value = loads(record.data)
            except orjson.JSONDecodeError:
                self._long_way(record, events, spoilt)
                continue
            if type(value) is not dict or (keys and self._batch_key(value) is not None):
                self._many(record, value, events, spoilt, check=at in large)
            elif at in large and not (len(record.data) <= self._bytes_max and rawly.within(value, self._limits)):
                self._long_way(record, events, spoilt)
            else:
                add_value(value)
                add_record(record)
                add_index(0)
                add_batch(None)
        return events, spoilt

    @staticmethod
    def _huge(datas: list[bytes]) -> set[int]:
        """Return the records that may hold an integer beyond 64 bits: parsed, it would be a float."""
        found = pc.match_substring_regex(pa.array(datas, pa.large_binary()), _HUGE)
        return set(pc.indices_nonzero(found).to_pylist()) if found.true_count else set()

    def _large(self, datas: list[bytes]) -> set[int]:
        """Return the records that may be too deep, too long or hold too many members."""
        depth, count = self._limits.depth_max, self._limits.properties_max
        found = {at for at, data in enumerate(datas) if data.count(b"{") + data.count(b"[") > depth}
        long = min(_MEMBER_BYTES_MIN * count, self._bytes_max)
        found.update(
            [
                at
                for at, data in enumerate(datas)
                if len(data) > long and (len(data) > self._bytes_max or data.count(b":") > count)
            ]
        )
        return found

    def _batch_key(self, value: dict[str, Any]) -> str | None:
        """Return the key under which an object holds a list of events, None when it is an event itself."""
        for key in self._batch_keys:
            if key in value and type(value[key]) is list:
                named = self._contract.key(value)[0]
                event = isinstance(named, str) and (named in self._known or named.startswith("iglu:"))
                return None if event else key
        return None

    def _many(self, record: Record, value: Any, events: Events, spoilt: list[Spoilt], *, check: bool) -> None:
        """Take a sound value apart: a list of events, or an object that holds one."""
        batch = None
        if type(value) is dict and (key := self._batch_key(value)) is not None:
            batch = {name: member for name, member in value.items() if name != key} or None
            value = value[key]
        if type(value) is not list or not 0 < len(value) <= EVENTS_MAX:
            self._long_way(record, events, spoilt)
            return
        sound = all(type(member) is dict for member in value)
        if sound and check:
            limits = self._limits
            sound = len(record.data) <= self._bytes_max and all(rawly.within(member, limits) for member in value)
        if not sound:
            self._long_way(record, events, spoilt)
            return
        events.several.add(id(record))
        events.values.extend(value)
        events.records.extend([record] * len(value))
        events.indexes.extend(range(len(value)))
        events.batches.extend([batch] * len(value))

    def _long_way(self, record: Record, events: Events, spoilt: list[Spoilt]) -> None:
        whole = self._whole(record)
        if whole is not None:
            spoilt.append(Spoilt(record, 0, record.data, (whole,)))
            return
        raws, batch = self.split(record.data)
        if not 0 < len(raws) <= EVENTS_MAX:
            keyword = "empty" if not raws else "events"
            message = f"found {len(raws)} events in a record, expected 1 to {EVENTS_MAX}"
            spoilt.append(Spoilt(record, 0, record.data, (Reason("decode", keyword, "$", message),)))
            return
        if raws[0] is not record.data:
            events.several.add(id(record))
        for index, raw in enumerate(raws):
            value, reasons = rawly.parsed(raw, self._limits)
            if not reasons and type(value) is not dict:
                reasons = [Reason("contract", "event", "$", f"found {shown(value)}, expected an object: an event")]
            if reasons:
                spoilt.append(Spoilt(record, index, raw, tuple(reasons), value))
                continue
            events.values.append(value)
            events.records.append(record)
            events.indexes.append(index)
            events.batches.append(batch)

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

    def split(self, data: bytes) -> tuple[list[bytes], dict[str, Any] | None]:
        """Return the bytes of each event of a record, in the order of their index, and the members around them."""
        found = self._listed(data)
        if found is not None:
            return found
        lines = [line.strip(_SPACE) for line in data.split(b"\n")]
        lines = [line for line in lines if line]
        # Bytes that are no JSON as a whole may be JSON lines; a pretty-printed event that is cut off is not.
        if len(lines) < 2 or _loads(data) is not None or sum(map(_is_object, lines)) * 2 < len(lines):
            return [data], None
        return lines, None

    def _listed(self, data: bytes) -> tuple[list[bytes], dict[str, Any] | None] | None:
        """Return the members of an array, or of the array under a batch key; None when there is none."""
        start = data.lstrip(_SPACE)[:1]
        if start == b"[":
            inside = rawly.members(data)
            return None if inside is None else ([member.value for member in inside], None)
        if start != b"{" or not self._batch_keys:
            return None
        members = rawly.members(data)
        around = {key: member.value for member in members or () if type(key := _loads(member.key)) is str}
        outside = {key: _loads(value) for key, value in around.items() if not value.startswith(b"[")}
        key = self._batch_key(outside | {key: [] for key, value in around.items() if value.startswith(b"[")})
        inside = None if key is None else rawly.members(around[key])
        if key is None or inside is None:
            return None
        batch = {name: _loads(value) for name, value in around.items() if name != key} or None
        return [member.value for member in inside], batch


def _loads(raw: bytes) -> Any:
    """Return the value of JSON bytes, None when they are none."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _is_object(line: bytes) -> bool:
    return line[:1] == b"{" and type(_loads(line)) is dict
