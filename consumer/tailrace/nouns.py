"""The nouns every stage shares. Rule: plain values only; nothing here acts.

Record -> Event -> Row -> Batch -> Plan. A *mark* is a record's position as zero-padded text, so that marks
compare as text just as positions compare as numbers (sequence numbers have up to 56 digits).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec
import pyarrow as pa

SEQUENCE_DIGITS = 64
SUB_DIGITS = 10
SUB_MAX: Final = 10**SUB_DIGITS - 1
START = ""  # the mark before every record
LAKE: Final = "lake"  # the lane that stores all: rejects too


def mark(sequence: str, sub: int) -> str:
    """Return the mark of a record: `<sequence, 64 digits>.<sub, 10 digits>`."""
    return f"{sequence:0>{SEQUENCE_DIGITS}}.{sub:0{SUB_DIGITS}d}"


def unmark(text: str) -> tuple[str, int]:
    """Return (sequence without leading zeros, sub) of a mark."""
    sequence, _, sub = text.partition(".")
    return sequence.lstrip("0") or "0", int(sub)


def told(text: str) -> str:
    """Return a mark as a person reads it: `<sequence>/<sub>`."""
    return "/".join(map(str, unmark(text))) if "." in text else text or "the start"


END: Final = mark("9" * SEQUENCE_DIGITS, 0)  # the mark after every record


class Reason(NamedTuple):
    """One thing that is wrong with an event."""

    stage: str  # decode, parse, contract, schema, columns, internal
    keyword: str  # what rule broke: json, base64, type, required, integer_range, ...
    path: str  # JSON path inside the event, `$` for the whole
    message: str  # for a person: what was found, what was expected


class Redriven(msgspec.Struct, frozen=True, gc=False):
    """What is known of an event that was rejected once and has been sent again."""

    row_id: str  # of its reject, and of that one's own reject where there is one: the first
    event_id: str  # the client's, or the row_id it had in place of one


class Record(
    msgspec.Struct,
    gc=False,
    rename={
        "partition_key": "partitionKey",
        "sequence": "sequenceNumber",
        "sub": "subSequenceNumber",
        "arrival_ms": "approximateArrivalTimestamp",
    },
):
    """One user record as the daemon delivers it. `fault` is set where the line itself could not be read."""

    data: bytes
    sequence: str
    sub: int
    arrival_ms: int
    partition_key: str | None = None
    fault: Reason | None = None
    redriven: Redriven | None = None


class Discreet(Exception):
    """A mistake whose own words hold nothing of an event, and may be logged."""


class TooMuch(Exception):
    """Records that unpack to more than is held at once. Fewer of them can be processed, one always can."""


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """One event that is kept in quarantine, with every reason."""

    reasons: tuple[Reason, ...]
    sequence: str
    sub: int
    index: int  # in the record
    arrival_ms: int
    raw: bytes
    event_type: str | None = None
    schema: str | None = None  # `<event type>/<version>` it was judged by
    tenant: str | None = None
    event_id: str | None = None
    redrive_of: str | None = None  # row_id of the reject it was sent again from


class Identity(NamedTuple):
    """What makes a row's position unique in the world."""

    stream: str
    epoch: str
    shard: str


class Destination(NamedTuple):
    """Where a route sends events besides the lake: a lane of its own."""

    name: str  # the route's, and the lane's
    service: str  # `dynamodb`, `sqs`, ..., or `https`
    address: str  # an ARN, or a URL
    options: Mapping[str, Any] = MappingProxyType({})  # as its route has them

    @property
    def shown(self) -> str:
        """The address without what may be a secret: user, password, query."""
        scheme, there, rest = self.address.partition("?")[0].partition("://")
        host, path, way = rest.partition("/")
        return f"{scheme}{there}{host.rpartition('@')[2]}{path}{way}"


class Table(NamedTuple):
    """One table of the lake: its path below the lake and its columns, in the files' order."""

    name: str  # `page_view/v1`, `quarantine`
    schema: pa.Schema
    dictionary: tuple[str, ...]  # columns of low cardinality
    sort: str | None = None  # rows are sorted by it within a row group
    json: tuple[str, ...] = ()  # columns of JSON text, and members of columns as `column.member`


class Rows(NamedTuple):
    """Rows of one table. What goes elsewhere stands beside what goes to the lake: often it is the same batch."""

    table: Table
    batch: pa.RecordBatch
    sent: Mapping[str, pa.RecordBatch] = MappingProxyType({})  # by lane, none of them empty


class Outcome(NamedTuple):
    """What a chunk of records became: `received == stored + rejected + filtered`, in events."""

    rows: list[Rows]  # rejects among them, as rows of the quarantine table
    received: int
    stored: int
    rejected: int
    filtered: int
    reasons: Counter[tuple[str, str, str]]  # (event type or "", stage, keyword) -> events rejected (first reason)
    stored_by_type: Counter[str]
    filtered_by: Mapping[tuple[str, str], int] = MappingProxyType({})  # (event type or "", why) -> events
    repeated: Mapping[str, str] = MappingProxyType({})  # position -> why, of those left out for what came before
    archived: int = 0  # records kept as they came, as rows of a table of their own; no part of the sum

    def of(self, lane: str) -> Outcome:
        """Return what goes to a lane. Rejects are the lake's to store; what another one does not get is filtered."""
        if lane == LAKE:
            return self
        rows = [Rows(part.table, part.sent[lane]) for part in self.rows if lane in part.sent]
        stored = sum(part.batch.num_rows for part in rows)
        return self._replace(rows=rows, stored=stored, filtered=self.received - self.rejected - stored, archived=0)
