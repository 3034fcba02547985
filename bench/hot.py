"""What the hot tier costs: write units of DynamoDB, and CPU. Rule: the same rows for every way.

A stream of `RATE` events a second, cut once a second, as the lane is by default. Beside it what such systems commonly
do: each event an item, and with each event the user's profile and day. The table is one in memory that bills as
DynamoDB does; a test holds it to what DynamoDB Local says it took.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.events import events
from bench.ours import IDENTITY, SCHEMAS
from bench.variants import record
from tailrace import settings
from tailrace.commit.patience import Patience
from tailrace.commit.plan import Counts, Plan
from tailrace.nouns import Destination, Record, Rows
from tailrace.ops.clock import SystemClock
from tailrace.rows.pipeline import Pipeline
from tailrace.schema.load import load
from tailrace.sinks.hot import deltas, profiles
from tailrace.sinks.hot import events as items
from tailrace.sinks.hot.alerts import Alerts
from tailrace.sinks.hot.crew import Crew
from tailrace.sinks.hot.gather import Gathered
from tailrace.sinks.hot.keys import GSI_PK, GSI_SK, PK, SK
from tailrace.sinks.hot.options import Options, options_of
from tailrace.sinks.hot.sink import HotSink
from tailrace.sinks.hot.table import Key, Update, holds
from tailrace.sinks.hot.values import EXACT, Item, Value, size
from tailrace.wiring import tune

RATE, SECONDS = 2_000, 100
UNIT_BYTES = 1024
MILLION = 1_000_000
ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/hot"
PER_TYPE: dict[str, Any] = {
    "name": "types",
    "key": ["tenant", "type"],
    "window": "minute",
    "measures": {"n": {"op": "count"}},
}
WAYS: Mapping[str, dict[str, Any]] = {
    "every event, profiles, days": {},
    "purchases, profiles, days": {"events": ["purchase"]},
    "profiles, days": {"events": []},
    "sums by tenant, type and minute alone": {
        "events": [],
        "daily": False,
        "profiles": False,
        "aggregates": [PER_TYPE],
    },
}


class Billed:
    """A table that counts write units: the larger of the item before and after, and one where the index changes."""

    def __init__(self) -> None:
        self.capacity = 0.0
        self._items: dict[Key, dict[str, Value]] = {}

    def put(self, items: Sequence[Item]) -> Sequence[Item]:
        """Store items."""
        for item in items:
            self._store((str(item[PK]), str(item[SK])), dict(item))
        return ()

    def update(self, update: Update) -> Item | None:
        """Write if the clauses hold."""
        stands = self._items.get(update.key, {})
        if not all(holds(clause, stands) for clause in update.clauses):
            self.capacity += _units(stands)
            return dict(stands)
        item = {PK: update.key[0], SK: update.key[1], **update.put_once, **stands, **update.put}
        for name, value in update.add.items():
            item[name] = EXACT.add(value, item[name]) if name in item else value  # type: ignore[arg-type]
        self._store(update.key, {name: value for name, value in item.items() if name not in update.remove})
        return None

    def get(self, key: Key) -> Item | None:
        """Return an item."""
        return self._items.get(key)

    def get_all(self, keys: Sequence[Key]) -> Mapping[Key, Item]:
        """Return items."""
        return {key: self._items[key] for key in keys if key in self._items}

    def query(self, pk: str, prefix: str = "", **_how: Any) -> Iterator[Item]:
        """Yield nothing: no alerts are looked at here."""
        yield from ()

    def _store(self, key: Key, item: dict[str, Value]) -> None:
        before = self._items.get(key, {})
        indexed = any(item.get(name) != before.get(name) for name in (GSI_PK, GSI_SK))
        self.capacity += max(_units(before), _units(item)) + indexed
        self._items[key] = item


def _units(item: Item) -> int:
    return max(1, -(-size(item) // UNIT_BYTES))


def plans(count: int, size: int) -> list[list[Rows]]:
    """Return rows of events, so many a plan."""
    contract = settings.Contract()
    pipeline = Pipeline(contract, load(str(SCHEMAS), contract), settings.Limits(), IDENTITY)
    records: list[Record] = [record(body, at) for at, body in enumerate(events(count))]
    return [
        [rows for rows in pipeline(records[start : start + size]).rows if rows.table.name != "quarantine"]
        for start in range(0, count, size)
    ]


def units(table: Any, options: Options, parts: Sequence[Sequence[Rows]]) -> float:
    """Return the write units that a table took for the plans."""
    clock = SystemClock()

    def say(_what: str, /, **_facts: object) -> None: ...

    crew = Crew(say, "hot", threads=1)
    alerts = Alerts(table, options, lambda *_: None, clock, say, crew)
    sink = HotSink("hot", IDENTITY, options, table, alerts, crew, say)
    for chain, rows in enumerate(parts, start=1):
        filling = sink.start()
        filling.add(rows)
        plan = Plan(chain, 1, "", "", 1, "", Counts(), (), deltas=filling.deltas())
        filling.deliver(plan, Patience(clock, 100.0, lambda: 0.5))
        filling.drop()
    return float(table.capacity)


def reduce(options: Options, parts: Sequence[Sequence[Rows]]) -> float:
    """Return the CPU seconds of all that is reckoned of the plans, without the writes."""
    started = time.process_time()
    for rows in parts:
        gathered = Gathered([part.batch for part in rows])
        deltas.written(options, gathered, IDENTITY, "hot")
        sum(1 for _ in profiles.seen(gathered, options))
        sum(1 for _ in items.items(gathered, options))
    return time.process_time() - started


def main() -> None:
    """Print the figures."""
    tune()
    parts = plans(RATE * SECONDS, RATE)
    count = sum(part.batch.num_rows for rows in parts for part in rows)
    print(f"the hot tier: {count:,} events, {RATE:,} a second, a plan a second; write units and CPU per million events")
    naive = Billed()
    for rows in parts:
        naive.put(list(items.items(Gathered([part.batch for part in rows]), options_of(destination({})))))
    written = naive.capacity * MILLION / count
    print(f"  {'one write an event, with its index':<42}{written:>12,.0f}")
    print(f"  {'the same, and a profile and a day with each':<42}{written + 2 * MILLION:>11,.0f}")
    for name, given in WAYS.items():
        options = options_of(destination(given))
        found = units(Billed(), options, parts) * MILLION / count
        print(f"  {name:<42}{found:>12,.0f}   {reduce(options, parts) * MILLION / count:5.1f} CPU-s")


def destination(given: dict[str, Any]) -> Destination:
    """Return a route's."""
    return Destination("hot", "dynamodb", ARN, given)


if __name__ == "__main__":
    main()
