"""A batch: the records one plan will cover, as they come. Rule: time is handed in; nothing here touches the world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tailrace.commit.plan import Counts, Plan, PositionsDigest
from tailrace.nouns import START, Outcome, Record, mark


class FlushLimits(NamedTuple):
    """When a batch is due."""

    rows: int
    bytes: int  # of record data
    age_ms: int
    objects: int
    idle_ms: int = 0  # the age of a batch that brings nothing about, where that is more


class Part(NamedTuple):
    """Records that no lane's boundary cuts, and where they stand."""

    records: Sequence[Record]
    positions: list[str]  # `<sequence>/<sub>`, one a record
    last: str  # mark of the last record
    bytes: int


def part_of(records: Sequence[Record]) -> Part:
    """Return the records with what every lane needs of them. At least one record."""
    tail = records[-1]
    return Part(
        records,
        [f"{r.sequence}/{r.sub}" for r in records],
        mark(tail.sequence, tail.sub),
        sum([len(r.data) for r in records]),
    )


def parts(records: Sequence[Record], boundaries: Sequence[str]) -> list[Part]:
    """Split records after each boundary (a mark) that falls among them."""
    if not records:
        return []
    first, last = mark(records[0].sequence, records[0].sub), mark(records[-1].sequence, records[-1].sub)
    inside = sorted({b for b in boundaries if first <= b < last})
    if not inside:
        return [part_of(records)]
    out, start = [], 0
    marks = [mark(r.sequence, r.sub) for r in records]
    for boundary in inside:
        end = start
        while end < len(marks) and marks[end] <= boundary:
            end += 1
        if end > start:
            out.append(part_of(records[start:end]))
        start = end
    out.append(part_of(records[start:]))
    return out


class Batch:
    """What has come since the last cut."""

    def __init__(self, after: str) -> None:
        self.after = after
        self.last = START
        self.bytes = 0
        self.rows = 0
        self.stored = 0  # of those, what the lane itself brings about
        self.counts = Counts()
        self.first_ms = 0
        self.arrival_ms = 0  # of the first record
        self.seen: dict[str, str] = {}  # keys of its events and their owners, for who looks for those that come again
        self.repeated: dict[str, str] = {}  # position -> why, of events left out since they came before
        self._digest = PositionsDigest()

    def __bool__(self) -> bool:
        return self.last != START

    @property
    def records(self) -> int:
        return self._digest.records

    def add(self, part: Part, outcome: Outcome, now_ms: int) -> None:
        """Take a part and what became of it."""
        if not self:
            self.first_ms = now_ms
            self.arrival_ms = part.records[0].arrival_ms
        self.last = part.last
        self.bytes += part.bytes
        self.rows += outcome.stored + outcome.rejected
        self.stored += outcome.stored
        became = Counts(outcome.received, outcome.stored, outcome.rejected, outcome.filtered, outcome.archived)
        self.counts = self.counts.plus(became)
        self.repeated.update(outcome.repeated)
        self._digest.add(part.positions)

    def due(self, now_ms: int, objects: int, limits: FlushLimits) -> str:
        """Return why the batch must be cut now, or an empty text."""
        if not self:
            return ""
        if self.rows >= limits.rows:
            return "rows"
        if self.bytes >= limits.bytes:
            return "bytes"
        if objects >= limits.objects:
            return "objects"
        if now_ms - self.first_ms >= max(limits.age_ms, limits.idle_ms if not self.stored else 0):
            return "age"
        return ""

    def draft(self, names: tuple[str, ...], digests: tuple[tuple[str, str], ...], deltas: str = "") -> Plan:
        """Return the plan of this batch, without the chain and generation that the ledger gives it."""
        return Plan(
            chain=0,
            generation=0,
            after=self.after,
            last=self.last,
            records=self.records,
            positions_digest=self._digest.hexdigest(),
            counts=self.counts,
            names=names,
            digests=digests,
            repeated=tuple(sorted(self.repeated.items())),
            deltas=deltas,
        )
