"""What a lake costs by how often it is flushed and how it is laid out. Rule: the engine's own lane makes every request.

Ten event types; some events come late, from each of the 23 hours before: a plan has rows in 240 folders at most. No
clock is needed: a plan of an age has as many events as come in that time. Rows are made once and go through a lane for
every line of the tables, to a bucket and a ledger in memory that count.
"""

from __future__ import annotations

import gc
import json
import random
import re
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from bench import lanes
from bench.billed import GB, GB_MONTH_DOLLARS, Bucket, Ledger, Requests, requests
from bench.events import FIRST_SEQUENCE, RECORDS_A_LINE, START_MS, TYPES, events
from bench.ours import IDENTITY, SCHEMAS
from tailrace import settings
from tailrace.cli.compact import Compacting
from tailrace.commit.batch import Part, part_of
from tailrace.commit.committed import shards_of
from tailrace.nouns import Outcome, Record
from tailrace.ops.clock import SystemClock
from tailrace.rows.enrich import user_agent
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.treatment import Treatment
from tailrace.schema.book import Book
from tailrace.sinks.lake.candidates import Limits
from tailrace.wiring import tune

RATE = 200  # events/s of a shard, which takes 1,000
AGES_S = (10, 60, 300, 900)
HOURS = 24
LATE_SHARE = 0.01
MONTH_S = 30 * 24 * 3600
FIRST_MS = START_MS - 48 * 60_000  # five minutes past the hour: none ends before the last age is over
COPIES = {"page_view": "screen_view", "click": "press", "scroll": "swipe", "custom": "search"}
EVERY_HOUR = datetime(2100, 1, 1, tzinfo=UTC)
PLAIN = settings.Lake()
LAYOUT_AGE_S = 60
LAYOUTS = {
    "Parquet": PLAIN,
    "Parquet, `late_hours` = 2": settings.Lake(late_hours=2),
    "Parquet and Avro": settings.Lake(avro=("*",)),
    "Parquet by tenant, 20 of them": settings.Lake(tenant_partition=True),
}
_STAMP = re.compile(rb'"timestamp":"[^"]*Z"')
_TYPE = re.compile(rb'"eventType":"(page_view|click|scroll|custom)"')

Made = tuple[Part, Outcome]


class Taken(NamedTuple):
    """What one lake took."""

    cpu_s: float
    asked: Requests
    objects: int
    bytes: int


class Lake:
    """A lake in memory, and the requests it took."""

    def __init__(self, lake: settings.Lake) -> None:
        self._lake, self._bucket, self._ledger = lake, Bucket(), Ledger()

    def filled(self, made: Sequence[Made], rows: int) -> Taken:
        """Bring rows in, so many a plan."""
        started = self._started()
        lane = lanes.opened(self._ledger, self._bucket, self._lake, book(), rows)
        for part, outcome in made:
            assert lane.make_room(outcome), "the rows of one line open more objects than a plan may have"
            lane.add(part, outcome, 0)
            lane.flush_due(0)
        lanes.closed(lane)
        return self._taken(started)

    def compacted(self) -> Taken:
        """Compact every hour."""
        started = self._started()
        shards = list(shards_of(self._ledger, IDENTITY.epoch, ""))
        asked = settings.Settings(lake=self._lake)
        Compacting(asked, IDENTITY.epoch, self._ledger, self._bucket, shards, SystemClock(), Limits()).run(
            EVERY_HOUR, None
        )
        return self._taken(started)

    def _started(self) -> tuple[float, Requests]:
        gc.collect()
        return time.process_time(), requests(self._bucket, self._ledger)

    def _taken(self, started: tuple[float, Requests]) -> Taken:
        lengths = self._bucket.lengths
        asked = requests(self._bucket, self._ledger).less(started[1])
        return Taken(time.process_time() - started[0], asked, len(lengths), sum(lengths))


@cache
def book() -> Book:
    """Return the schemas: six types and copies of four of them."""
    schemas = {}
    for name in TYPES:
        schema = json.loads((SCHEMAS / name / "1-0-0.json").read_text())
        schemas[name, "1-0-0"] = schema
        if name in COPIES:
            members = {**schema["properties"], "eventType": {"const": COPIES[name]}}
            schemas[COPIES[name], "1-0-0"] = {**schema, "properties": members}
    return Book(settings.Contract(), schemas)


def bodies(count: int, late: float) -> Iterator[tuple[bytes, int]]:
    """Yield events with the times they arrive at."""
    rng = random.Random(5)
    for at, body in enumerate(events(count)):
        arrival = FIRST_MS + at * 1000 // RATE
        moment = datetime.fromtimestamp(arrival // 1000, UTC) - timedelta(seconds=rng.randrange(2))
        if rng.random() < late:
            moment -= timedelta(hours=rng.randrange(1, HOURS))
        sent = _STAMP.sub(b'"timestamp":"%sZ"' % moment.isoformat()[:19].encode(), body, count=1)
        if rng.random() < 0.5:
            sent = _TYPE.sub(lambda found: b'"eventType":"%s"' % COPIES[found[1].decode()].encode(), sent, count=1)
        yield sent, arrival


def rows(count: int, late: float) -> tuple[list[Made], float]:
    """Return the rows of events, line by line, and the CPU-seconds that making them took."""
    pipeline = Pipeline(
        settings.Contract(), book(), settings.Limits(), IDENTITY, Treatment(enrichers=(user_agent.UserAgent(),))
    )
    made: list[Made] = []
    waiting: list[Record] = []
    cpu_s = 0.0
    for at, (body, arrival) in enumerate(bodies(count, late), 1):
        waiting.append(Record(body, str(FIRST_SEQUENCE + 17 * at), 0, arrival))
        if len(waiting) == RECORDS_A_LINE or at == count:
            started = time.process_time()
            part, outcome = part_of(waiting), pipeline(waiting)
            cpu_s += time.process_time() - started
            made.append((part._replace(records=waiting[:1]), outcome))  # the bytes of the others are not needed
            waiting = []
    return made, cpu_s


def row(name: str, count: int, cpu_s: float, taken: Taken) -> str:
    """Return a line of the first and the last table."""
    million, month = 1_000_000 / count, MONTH_S * RATE / count
    store = taken.asked._replace(writes=0, reads=0).dollars
    ledger = taken.asked.dollars - store
    return (
        f"| {name} | {(cpu_s + taken.cpu_s) * million:.1f} | {taken.objects * million:,.0f} | {taken.bytes / count:.0f}"
        f" | {store * month:,.2f} | {ledger * month:,.2f} | {taken.bytes * month / GB * GB_MONTH_DOLLARS:,.2f} |"
    )


def compacted_row(name: str, count: int, before: Taken, after: Taken) -> str:
    """Return a line of the second table."""
    million, month = 1_000_000 / count, MONTH_S * RATE / count
    return (
        f"| {name} | {after.cpu_s * million:.1f} | {after.asked.puts * million:,.0f}"
        f" | {after.asked.gets * million:,.0f} | {after.asked.dollars * month:,.2f}"
        f" | {before.asked.dollars * month:,.2f}"
        f" | {before.objects * million:,.0f} to {after.objects * million:,.0f}"
        f" | {before.bytes / count:.0f} to {after.bytes / count:.0f} |"
    )


def head(first: str) -> str:
    """Return the head of the first and the last table."""
    names = ("CPU-s per million", "objects per million", "bytes an event", "S3 requests", "ledger", "a month's bytes")
    return f"\n| {first} | {' | '.join(names)} |\n|{'---|' * (1 + len(names))}"


def main(ages: Sequence[int] = AGES_S, late: float = LATE_SHARE) -> None:
    """Print what flush ages cost, what compaction adds, and what layouts cost."""
    tune()
    count = RATE * max(ages)
    made, cpu_s = rows(count, late)
    print(
        f"ten event types, {RATE} events/s a shard, {late:.0%} late by 1 to {HOURS - 1} hours; {count:,} events,"
        f" {cpu_s * 1e6 / count:.1f} CPU-s per million of them before the lake; dollars a month and shard"
    )
    print(head("flush age"))
    compactions = []
    for age in ages:
        lake, name = Lake(PLAIN), f"{age} s, {RATE * age:,} rows"
        before = lake.filled(made, RATE * age)
        print(row(name, count, cpu_s, before), flush=True)
        if max(ages) // age >= Limits().least:  # else too few files are left
            compactions.append(compacted_row(name, count, before, lake.compacted()))
    print(
        "\n| compacted, of a flush age | CPU-s per million | PUT | GET and HEAD | its requests | those before | objects"
        " per million | bytes an event |\n|---|---|---|---|---|---|---|---|\n" + "\n".join(compactions)
    )
    lines = min(len(made), -(-RATE * 5 * LAYOUT_AGE_S // RECORDS_A_LINE))
    few, share = lines * RECORDS_A_LINE, lines / len(made)
    print(head(f"layout, {LAYOUT_AGE_S} s"))
    for name, lake_settings in LAYOUTS.items():
        print(row(name, few, cpu_s * share, Lake(lake_settings).filled(made[:lines], RATE * LAYOUT_AGE_S)), flush=True)
    del made
    on_time, cpu_s = rows(few, 0.0)
    print(row("Parquet, no event late", few, cpu_s, Lake(PLAIN).filled(on_time, RATE * LAYOUT_AGE_S)))


if __name__ == "__main__":
    main()
