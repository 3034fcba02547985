"""A small lake, made by the real lane, sink and ledger. Rule: nothing here is a stand-in but rows and clock."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa

from tailrace.commit.batch import FlushLimits, part_of
from tailrace.commit.lane import Lane
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.ledger_sqlite import SqliteLedger
from tailrace.commit.patience import Patience
from tailrace.commit.plan import app_key
from tailrace.commit.ports import LedgerStore, Place
from tailrace.nouns import Identity, Outcome, Record, Rows, Table
from tailrace.sinks.lake.filling import LakeSink
from tailrace.sinks.lake.formats import Format
from tailrace.sinks.lake.layout import Layout
from tailrace.sinks.lake.places.directory import DirectoryPlace

STREAM, EPOCH = "clicks", "0a1b2c3d"
NOON_MS = 1_800_014_400_000  # 2027-01-15 12:00 UTC
TIME = pa.timestamp("us", "UTC")
EVENT_FIELDS = [
    ("row_id", pa.string()),
    ("event_id", pa.string()),
    ("tenant", pa.string()),
    ("event_time", TIME),
    ("time_source", pa.string()),
    ("received_at", TIME),
    ("shard", pa.string()),
    ("position", pa.string()),
]
ENVELOPE = pa.schema(EVENT_FIELDS)
PAGE_VIEW = Table("page_view/v1", pa.schema([*EVENT_FIELDS, ("path", pa.string())]), ("tenant",), "tenant")
QUARANTINE = Table(
    "quarantine",
    pa.schema(
        [
            ("row_id", pa.string()),
            ("event_id", pa.string()),
            ("received_at", TIME),
            ("stage", pa.string()),
            ("reasons", pa.string()),
            ("shard", pa.string()),
            ("position", pa.string()),
        ]
    ),
    ("stage",),
)
TABLES = {table.name: table for table in (PAGE_VIEW, QUARANTINE)}


def records(first: int, count: int, *, step_ms: int = 1000, begin_ms: int = NOON_MS) -> list[Record]:
    """Return records with sequence numbers from `first` on."""
    return [Record(b"x", str(n), 0, begin_ms + (n - first) * step_ms) for n in range(first, first + count)]


def outcome(shard: str, made: Sequence[Record], *, bad_every: int = 10) -> Outcome:
    """Return what a pipeline would: every tenth record is a reject, each other is a page view."""
    bad = [r for r in made if int(r.sequence) % bad_every == 0]
    good = [r for r in made if int(r.sequence) % bad_every]
    rows = [Rows(PAGE_VIEW, page_views(shard, good))] if good else []
    rows += [Rows(QUARANTINE, rejects(shard, bad))] if bad else []
    return Outcome(rows, len(made), len(good), len(bad), 0, Counter(), Counter())


def page_views(shard: str, made: Sequence[Record]) -> pa.RecordBatch:
    """Return rows of the events' table."""
    return pa.RecordBatch.from_pylist([page_view(shard, record) for record in made], PAGE_VIEW.schema)


def page_view(shard: str, record: Record) -> dict[str, Any]:
    """Return one row of the events' table."""
    return {
        **_who(shard, record),
        "tenant": f"tenant-{int(record.sequence) % 3}",
        "event_time": record.arrival_ms * 1000,
        "time_source": "event",
        "path": f"/p/{record.sequence}",
    }


def rejects(shard: str, made: Sequence[Record]) -> pa.RecordBatch:
    """Return rows of the quarantine."""
    why = json.dumps([{"stage": "parse", "keyword": "json", "path": "$", "message": "not JSON"}])
    rows = [{**_who(shard, record), "stage": "parse", "reasons": why} for record in made]
    return pa.RecordBatch.from_pylist(rows, QUARANTINE.schema)


def _who(shard: str, record: Record) -> dict[str, Any]:
    position = f"{record.sequence}/{record.sub}/0"
    return {
        "row_id": blake2b(f"{shard}/{position}".encode(), digest_size=16).hexdigest(),
        "event_id": f"{shard}-{record.sequence}",
        "received_at": record.arrival_ms * 1000,
        "shard": shard,
        "position": position,
    }


FORM = Format(row_group_rows=50)
BOTH = FORM._replace(avro=("*",))
AVRO_ALONE = FORM._replace(parquet=(), avro=("*",))


def sink(form: Format = FORM, **layout: Any) -> LakeSink:
    return LakeSink(Layout(**layout), form, TABLES, ENVELOPE)


class Still:
    """A clock for waits that never come."""

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nothing here waits, least of all {seconds} s")


def silent(_what: str, /, **_facts: object) -> None:
    """Listen, and tell nobody."""


def lane(shard: str, store: LedgerStore, place: Place, form: Format = FORM) -> Lane:
    """Return an opened lane over the real parts."""
    identity = Identity(STREAM, EPOCH, shard)
    made = Lane(
        "lake",
        identity,
        LaneLedger(store, place, identity, "lake"),
        place,
        sink(form),
        FlushLimits(10**9, 10**9, 10**9, 10**9),
        digests=(("code", "1"),),
        patience=lambda: Patience(Still(), 0.0, lambda: 0.0),
        say=silent,
        alive=lambda: None,
        uploads=2,
    )
    made.open()
    return made


def commit(
    shard: str, store: LedgerStore, place: Place, plans: Sequence[Sequence[Record]], form: Format = FORM
) -> None:
    """Bring each list of records into the lake as one plan."""
    made = lane(shard, store, place, form)
    try:
        for plan in plans:
            made.add(part_of(plan), outcome(shard, plan), 0)
            assert made.flush()
        made.leave()
    finally:
        made.close()


class SmallLake:
    """Two shards, three plans and two plans, in a directory with a SQLite ledger."""

    def __init__(self, folder: Path, form: Format = FORM) -> None:
        self.root = folder / "lake"
        self.ledger_path = folder / "ledger.sqlite"
        self.place = DirectoryPlace(self.root)
        self.store = SqliteLedger(self.ledger_path)
        assert self.store.swap(app_key("tailrace"), 0, {"epoch": EPOCH}) is None
        commit("shard-0", self.store, self.place, [records(100, 120), records(220, 50), records(270, 9)], form)
        commit("shard-1", self.store, self.place, [records(500, 30), records(530, 45)], form)

    def objects(self, prefix: str) -> list[Path]:
        """Return the files below a prefix, in name order."""
        return [self.root / name for name, _ in self.place.names(prefix)]

    def close(self) -> None:
        self.store.close()
