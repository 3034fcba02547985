"""A lane of the lake for benchmarks. Rule: the engine's own lane; only its store and its place are chosen here."""

from __future__ import annotations

import random

from bench.ours import IDENTITY
from tailrace import settings
from tailrace.commit.batch import FlushLimits
from tailrace.commit.lane import Lane
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.patience import Patience
from tailrace.commit.ports import LedgerStore, Place
from tailrace.ops.clock import SystemClock
from tailrace.schema.book import Book
from tailrace.sinks.lake.filling import LakeSink

MOST = 1_000_000_000


def opened(store: LedgerStore, place: Place, lake: settings.Lake, book: Book, rows: int = MOST) -> Lane:
    """Return an open lane that is cut by its rows, or by as many objects as the settings allow."""
    clock = SystemClock()
    lane = Lane(
        "lake",
        IDENTITY,
        LaneLedger(store, place, IDENTITY, "lake"),
        place,
        LakeSink.of(lake, book.tables(), book.envelope),
        FlushLimits(rows, MOST, MOST, settings.Flush().objects),
        digests=(),
        patience=lambda: Patience(clock, 10.0, random.random),
        say=lambda _what, /, **_facts: None,
        alive=lambda: None,
    )
    lane.open()
    return lane


def closed(lane: Lane) -> None:
    """Bring in what the lane has in hand, and close it."""
    lane.flush()
    lane.leave()
    lane.close()
