"""The hot tier as a lane's sink. Rule: all it does may be done again, by anyone, and the table is the same.

Events are put under their row ids, profiles only rise, and an aggregate takes a plan's delta once, by its chain. The
deltas alone depend on who reckoned them; so the plan holds them, and whoever comes later applies those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain as chained
from typing import Any, Final

import pyarrow as pa

from tailrace.commit.patience import Patience
from tailrace.commit.plan import CommitFacts, Plan
from tailrace.commit.ports import Body, Say
from tailrace.nouns import Destination, Identity, Rows
from tailrace.settings import Settings
from tailrace.sinks.destinations import Around
from tailrace.sinks.hot import aggregates, deltas, events, keys, profiles
from tailrace.sinks.hot.alerts import Alerts
from tailrace.sinks.hot.crew import Crew
from tailrace.sinks.hot.dynamodb import DynamoTable
from tailrace.sinks.hot.gather import Gathered
from tailrace.sinks.hot.options import Options, options_of
from tailrace.sinks.hot.publish import Publisher
from tailrace.sinks.hot.table import Table
from tailrace.sinks.hot.values import Item
from tailrace.world import WorldDenied, WorldError

PUTS_MAX: Final = 25  # items of one BatchWriteItem
PUT_CHARS_MAX: Final = 1_200_000  # of their bodies: one character may be 12 bytes on its way, and 16 MB may go at once


def sink(destination: Destination, around: Around) -> HotSink:
    """Return the sink of a destination. Raises SettingsError for options that it does not take."""
    options = options_of(destination)
    table = _table(options, around.settings)
    crew = Crew(around.say, destination.name)
    alerts = Alerts(table, options, Publisher(around.settings.aws), around.clock, around.say, crew)
    return HotSink(
        destination.name,
        around.identity,
        options,
        table,
        alerts,
        crew,
        around.say,
        table.must_have_keys,
        lambda: table.capacity,
    )


def check(destination: Destination, _settings: Settings) -> None:
    """See that address and options are understood. Raises SettingsError."""
    options_of(destination)


def look(destination: Destination, settings: Settings) -> str:
    """Return why the table cannot be used, or nothing. Raises WorldError."""
    try:
        _table(options_of(destination), settings).must_have_keys()
    except WorldDenied as denied:
        return str(denied)
    return ""


def _table(options: Options, settings: Settings) -> DynamoTable:
    return DynamoTable.connect(options.table, region=options.region, endpoint=settings.aws.dynamodb_endpoint)


class HotSink:
    """Where a lane's rows become items."""

    def __init__(
        self,
        lane: str,
        identity: Identity,
        options: Options,
        table: Table,
        alerts: Alerts,
        crew: Crew,
        say: Say,
        ready: Callable[[], None] = lambda: None,
        units: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`ready` raises where the table cannot be used; it is asked once, before the first write.

        `units`: those of writes that the table has taken so far.
        """
        self.lane = lane
        self.identity = identity
        self.options = options
        self.table = table
        self.alerts = alerts
        self.crew = crew
        self.say = say
        self.units = units
        self._ready = ready
        self._looked = False

    def start(self) -> HotFilling:
        """Return a new, empty filling."""
        return HotFilling(self)

    def look(self, patience: Patience) -> None:
        """See once that the table is there, with the keys it must have."""
        if not self._looked:
            self.crew.bear(patience, self._ready)
            self._looked = True

    def owner(self, chain: int) -> str:
        """Return what names a plan, whoever carries it out."""
        return f"{keys.origin(self.identity, self.lane)}#{chain}"


class HotFilling:
    """Rows of one batch."""

    def __init__(self, hot: HotSink) -> None:
        self._hot = hot
        self._batches: list[pa.RecordBatch] = []
        self._gathered: Gathered | None = None
        self._counts = {"events": 0, "oversize": 0, "profiles": 0, "aggregates": 0}

    @property
    def rows(self) -> int:
        return sum(batch.num_rows for batch in self._batches)

    @property
    def objects(self) -> int:
        return 0

    def opens(self, _rows: Sequence[Rows]) -> int:
        return 0

    def add(self, rows: Sequence[Rows]) -> None:
        """Take rows in."""
        self._batches += [part.batch for part in rows]

    def names(self, _stem: str) -> tuple[str, ...]:
        raise AssertionError("a lane without a place asks for no names")

    def seal(self, names: Sequence[str], _facts: CommitFacts) -> dict[str, Body]:
        assert not names
        return {}

    def deltas(self) -> str:
        """Return what aggregates get of these rows."""
        return deltas.written(self._hot.options, self._rows(), self._hot.identity, self._hot.lane)

    def deliver(self, plan: Plan, patience: Patience) -> str:
        """Write all of it, and then look at what alerts are for."""
        hot, done = self._hot, self._counts
        hot.look(patience)
        before = hot.units()
        if self._batches or plan.deltas:
            hot.crew.each(self._work(plan), lambda act, patience: act(patience), patience)
            hot.say("hot", lane=hot.lane, chain=plan.chain, **done, units=hot.units() - before)
        touched = (one for one in deltas.read(plan.deltas) if hot.alerts.concerns(one))
        if hot.options.alerts:
            owner = hot.owner(plan.chain)
            hot.crew.each(touched, lambda one, patience: hot.alerts.look(one, owner, patience), patience)
            hot.alerts.sweep()
        return ""

    def drop(self) -> None:
        """Forget the rows."""
        self._batches, self._gathered = [], None

    def _rows(self) -> Gathered:
        if self._gathered is None:
            self._gathered = Gathered(self._batches)
        return self._gathered

    def _work(self, plan: Plan) -> Iterator[Callable[[Patience], None]]:
        """Yield every write, one after the other; nothing of them depends on another."""
        rows, options, table = self._rows(), self._hot.options, self._hot.table
        return chained(
            (self._put(part) for part in _batched(self._counted(events.items(rows, options)))),
            (self._borne("profiles", profiles.write, table, one) for one in profiles.seen(rows, options)),
            (self._borne("aggregates", aggregates.apply, table, one, plan.chain) for one in deltas.read(plan.deltas)),
        )

    def _counted(self, items: Iterator[Item]) -> Iterator[Item]:
        for item in items:
            self._counts["oversize" if "oversize" in item else "events"] += 1
            yield item

    def _borne(self, what: str, act: Callable[..., None], *args: Any) -> Callable[[Patience], None]:
        self._counts[what] += 1
        return lambda patience: self._hot.crew.bear(patience, lambda: act(*args))

    def _put(self, items: Sequence[Item]) -> Callable[[Patience], None]:
        def act(patience: Patience) -> None:
            left = items
            while left:
                asked = left
                left = self._hot.crew.bear(patience, partial(self._hot.table.put, asked))
                if left:
                    error = WorldError(f"the table took {len(asked) - len(left)} of {len(asked)} events: throttled")
                    self._hot.crew.trouble(error)
                    patience.wait(error)

        return act


def _batched(items: Iterator[Item]) -> Iterator[Sequence[Item]]:
    part: list[Item] = []
    left = PUT_CHARS_MAX
    for item in items:
        chars = len(str(item.get("body", "")))
        if part and (len(part) == PUTS_MAX or chars > left):
            yield part
            part, left = [], PUT_CHARS_MAX
        part.append(item)
        left -= chars
    if part:
        yield part
