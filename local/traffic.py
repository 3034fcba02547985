"""The traffic. Rule: the same seed gives the same bytes, and what was made is known: each event, its fate, its place.

Events come in parcels, as trackers send them: one event, a JSON array, JSON lines, or `{"events": [...]}`. A parcel is
one user record; whether it travels in a KPL aggregate or as a record of its own is part of it too.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from local.events import Visit
from local.flaws import FLAWS, Flaw, encode
from local.people import Crowd

BROKEN = 0.01
VISITS = 60  # at the same time
FORMS = (("one", 8), ("array", 1), ("lines", 1), ("events", 1))  # how a tracker packs, with weights
AGGREGATED = 0.8


class Made(NamedTuple):
    """One event as it went out, and what must become of it."""

    raw: bytes
    type: str  # what it was before it was broken
    tenant: str
    event_id: str | None  # None: its shape has none, or it cannot be read
    flaw: Flaw | None  # None: it must be stored

    @property
    def good(self) -> bool:
        """Say whether it must be stored; else it must be in quarantine."""
        return self.flaw is None


class Parcel(NamedTuple):
    """One user record. The index of an event in `events` is its index in the record."""

    key: str
    data: bytes
    form: str
    aggregated: bool
    events: tuple[Made, ...]


def parcels(events: int, seed: int, end_ms: int, span_ms: int = 60_000, broken: float = BROKEN) -> Iterator[Parcel]:
    """Yield parcels of `events` events in all, spread over the `span_ms` before `end_ms`."""
    rng = random.Random(f"traffic {seed}")
    crowd = Crowd(seed)
    visits: list[tuple[Visit, str]] = []
    made = 0
    while made < events:
        while len(visits) < VISITS:
            form = rng.choices([name for name, _ in FORMS], [weight for _, weight in FORMS])[0]
            visits.append((Visit(crowd.pick(rng), rng), form))
        at = rng.randrange(len(visits))
        visit, form = visits[at]
        count = 1 if form == "one" else rng.randint(2, 12)
        count = min(count, events - made, max(1, visit.left))
        now_ms = end_ms - span_ms + span_ms * made // events
        batch = _batch(visit, rng, now_ms, form, count, broken)
        yield Parcel(visit.person.user_id, join(form, batch), form, rng.random() < AGGREGATED, batch)
        made += count
        if visit.left <= 0:
            visits.pop(at)


def day(events: int, seed: int, end_ms: int) -> Iterator[Made]:
    """Yield a day's events for a file of JSON lines."""
    for parcel in parcels(events, seed, end_ms, span_ms=86_400_000):
        yield from parcel.events


def join(form: str, events: tuple[Made, ...]) -> bytes:
    """Return the bytes of one user record that holds the events."""
    if form == "one":
        return events[0].raw
    if form == "lines":
        return b"\n".join(made.raw for made in events)
    array = b"[" + b",".join(made.raw for made in events) + b"]"
    return array if form == "array" else b'{"events":' + array + b"}"


def _batch(visit: Visit, rng: random.Random, now_ms: int, form: str, count: int, broken: float) -> tuple[Made, ...]:
    batch: list[Made] = []
    for _ in range(count):
        # At most one bad line among lines: with more of them nobody could tell lines from one broken text.
        share = 0.0 if form == "lines" and not all(made.good for made in batch) else broken
        batch.append(_event(visit, rng, now_ms, share, whole=form in {"one", "lines"}))
    return tuple(batch)


def _event(visit: Visit, rng: random.Random, now_ms: int, broken: float, *, whole: bool) -> Made:
    kind, event = visit.next(now_ms)
    event_id, tenant = event.get("event_id"), event.get("tenant")
    if event_id is None or rng.random() >= broken:
        return Made(encode(event), kind, tenant or "none", event_id, None)
    flaw = rng.choice([flaw for flaw in FLAWS if whole or not flaw.whole])
    return Made(flaw.apply(event), kind, tenant or "none", event_id, flaw)
