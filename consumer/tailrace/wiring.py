"""Where a shard is put together. Rule: the one place that knows every part; the parts know only shapes."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import pyarrow as pa

from tailrace.commit.batch import FlushLimits
from tailrace.commit.committed import LAKE
from tailrace.commit.lane import Lane, Say
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.patience import Patience
from tailrace.commit.ports import LedgerStore, Place
from tailrace.edition import Edition
from tailrace.nouns import Identity
from tailrace.ops.clock import Clock
from tailrace.rows.pipeline import Pipeline
from tailrace.settings import Settings
from tailrace.shard import Shard
from tailrace.sinks.lake.filling import LakeSink

EVER_HOURS = 24 * 366 * 10_000  # no event time is later


def shard_of(
    settings: Settings,
    identity: Identity,
    *,
    edition: Edition,
    store: LedgerStore,
    place: Place,
    clock: Clock,
    say: Say,
    alive: Callable[[], None],
    event_time_window: bool = True,
) -> Shard:
    """Build one shard: its pipeline and its lanes. Nothing is touched before `open`."""
    rng = random.Random()  # noqa: S311 - jitter between retries
    lake, flush = settings.lake, settings.flush
    if not event_time_window:
        lake = msgspec.structs.replace(lake, past_days=0, future_hours=EVER_HOURS)
    lane = Lane(
        LAKE,
        identity,
        LaneLedger(store, place, identity, LAKE),
        place,
        LakeSink.of(lake, edition.book.tables(), edition.book.envelope),
        FlushLimits(flush.rows, flush.bytes, int(flush.age_s * 1000), flush.objects),
        digests=edition.digests,
        patience=lambda: Patience(clock, settings.world.patience_s, rng.random),
        say=say,
        alive=alive,
        uploads=lake.upload_threads,
    )
    pipeline = Pipeline(settings.contract, edition.book, settings.limits, identity, edition.treatment)
    return Shard(pipeline, [lane], lambda: int(clock.monotonic() * 1000), say)


def tune() -> None:
    """Set what a process that works on shards wants of its libraries: one core each, memory given back."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(2)
