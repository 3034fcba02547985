"""Where a shard is put together. Rule: the one place that knows every part; the parts know only shapes."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import msgspec
import pyarrow as pa

from tailrace.commit.batch import FlushLimits
from tailrace.commit.claims import LedgerClaims
from tailrace.commit.lane import Lane
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.patience import Bound, Patience
from tailrace.commit.ports import Claims, LedgerStore, Place, Say, Sink
from tailrace.commit.switches import Order
from tailrace.edition import Edition
from tailrace.nouns import LAKE, Destination, Identity
from tailrace.ops.clock import Clock
from tailrace.repeats import Repeats
from tailrace.rows.archive import Archiving
from tailrace.rows.pipeline import Pipeline
from tailrace.schema.book import ARCHIVE
from tailrace.settings import Settings
from tailrace.shard import Shard
from tailrace.sinks.destinations import Around, sink_of
from tailrace.sinks.lake.filling import LakeSink

NO_END = 2**62  # of objects, where there are none
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
    destinations: Sequence[Destination] = (),
    orders: Mapping[str, Order] = MappingProxyType({}),
) -> Shard:
    """Build one shard. Nothing is touched before `open`.

    `claims` tell what came before in other plans; None: de-duplication looks within a plan. `origin`: the shard that
    records of an archive came from, by which their rows are known. `destinations`: each has a lane; `orders` for them.
    """
    flush, patient, rng = settings.flush, settings.lanes, random.Random()  # noqa: S311 - jitter between retries

    def patience() -> Patience:
        return Patience(clock, settings.world.patience_s, rng.random)

    def lane(name: str, sink: Sink, limits: FlushLimits, bound: Bound | None = None) -> Lane:
        return Lane(
            name,
            identity,
            LaneLedger(store, place, identity, name),
            place if name == LAKE else None,
            sink,
            limits,
            digests=_digests(settings, edition),
            patience=patience,
            say=say,
            alive=alive,
            uploads=settings.lake.upload_threads,
            bound=bound,
        )

    lake = _lake(settings, edition, event_time_window=event_time_window)
    lanes = [lane(LAKE, lake, FlushLimits(flush.rows, flush.bytes, int(flush.age_s * 1000), flush.objects))]
    soon = FlushLimits(patient.rows, patient.bytes, int(patient.age_s * 1000), NO_END, int(patient.idle_age_s * 1000))
    for one in destinations:
        bound = Bound(clock, patient.patience_s)
        sink = sink_of(one, Around(settings, identity, clock, say, place, bound.pressing))
        lanes.append(lane(one.name, sink, soon, bound))
    repeats = Repeats(
        identity.epoch,
        settings.dedup,
        claims=claims,
        redriven=LedgerClaims(store),
        now_ms=clock.now_ms,
        patience=patience,
        say=say,
    )
    now_ms = lambda: int(clock.monotonic() * 1000)  # noqa: E731
    return Shard(_pipeline(settings, origin or identity, edition), lanes, now_ms, say, repeats, orders)


def adopt(shard: Shard, settings: Settings, identity: Identity, edition: Edition) -> bool:
    """Have a shard go on under another edition, after all it has in hand. False where that must wait.

    Its destinations must be those it began with; what they do depends on no edition.
    """
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
