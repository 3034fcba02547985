"""Where a shard is put together. Rule: the one place that knows every part; the parts know only shapes."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import pyarrow as pa

from tailrace.commit.batch import FlushLimits
from tailrace.commit.claims import LedgerClaims
from tailrace.commit.committed import LAKE
from tailrace.commit.lane import Lane, Say
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.patience import Patience
from tailrace.commit.ports import Claims, LedgerStore, Place
from tailrace.edition import Edition
from tailrace.nouns import Identity
from tailrace.ops.clock import Clock
from tailrace.repeats import Repeats
from tailrace.rows.archive import Archiving
from tailrace.rows.pipeline import Pipeline
from tailrace.schema.book import ARCHIVE
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
    claims: Claims | None = None,
    origin: Identity | None = None,
) -> Shard:
    """Build one shard: its pipeline and its lanes. Nothing is touched before `open`.

    `claims` tell what came before in other plans; None: de-duplication looks within a plan alone. `origin`: the shard
    that records of an archive came from first, by which their rows are known.
    """
    rng = random.Random()  # noqa: S311 - jitter between retries
    flush = settings.flush

    def patience() -> Patience:
        return Patience(clock, settings.world.patience_s, rng.random)

    lane = Lane(
        LAKE,
        identity,
        LaneLedger(store, place, identity, LAKE),
        place,
        _lake(settings, edition, event_time_window=event_time_window),
        FlushLimits(flush.rows, flush.bytes, int(flush.age_s * 1000), flush.objects),
        digests=_digests(settings, edition),
        patience=patience,
        say=say,
        alive=alive,
        uploads=settings.lake.upload_threads,
    )
    repeats = Repeats(
        identity.epoch,
        settings.dedup,
        claims=claims,
        redriven=LedgerClaims(store),
        now_ms=clock.now_ms,
        patience=patience,
        say=say,
    )
    pipeline = _pipeline(settings, origin or identity, edition)
    return Shard(pipeline, [lane], lambda: int(clock.monotonic() * 1000), say, repeats)


def adopt(shard: Shard, settings: Settings, identity: Identity, edition: Edition) -> bool:
    """Have a shard go on under another edition, after all it has in hand. False where that must wait."""
    pipeline, sinks = _pipeline(settings, identity, edition), {LAKE: _lake(settings, edition)}
    return shard.adopt(pipeline, sinks, _digests(settings, edition))


def _pipeline(settings: Settings, identity: Identity, edition: Edition) -> Pipeline | Archiving:
    pipeline = Pipeline(settings.contract, edition.book, settings.limits, identity, edition.treatment)
    return Archiving(pipeline, identity) if settings.lake.raw else pipeline


def _digests(settings: Settings, edition: Edition) -> tuple[tuple[str, str], ...]:
    """Return what a plan says it was made under: the edition, and whether its records are archived."""
    raw = settings.lake.raw
    return tuple(sorted((*edition.digests, (ARCHIVE.name, raw)))) if raw else edition.digests


def _lake(settings: Settings, edition: Edition, *, event_time_window: bool = True) -> LakeSink:
    lake = settings.lake
    if not event_time_window:
        lake = msgspec.structs.replace(lake, past_days=0, late_hours=0, future_hours=EVER_HOURS)
    tables = {**edition.book.tables(), ARCHIVE.name: ARCHIVE}
    return LakeSink.of(lake, tables, edition.book.envelope)


def tune() -> None:
    """Set what a process that works on shards wants of its libraries: one core each, memory given back."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(2)
