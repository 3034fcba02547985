"""A light shard with the real hot tier beside it, and what must hold of its table. Rule: judged by what plans say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from faults.simulation import BOUND_S, PATIENCE_S, Kind, Scenery, Story, light_shard, record_of
from support.hot_rows import TOPIC, options, row, rows_of
from support.memory_sink import ASIDE, MemoryReader, values
from support.memory_table import MemoryTable
from support.simulated_world import ASIDE_KEY, IDENTITY, Process
from tailrace.commit.batch import FlushLimits
from tailrace.commit.lane import Lane
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.patience import Bound, Patience
from tailrace.commit.plan import item_from_dict
from tailrace.nouns import Rows, mark
from tailrace.shard import Shard
from tailrace.sinks.hot import aggregates, deltas
from tailrace.sinks.hot.alerts import SENT, STATE, Alerts, pending
from tailrace.sinks.hot.crew import Crew
from tailrace.sinks.hot.keys import GSI_PK, GSI_SK, PK, SK
from tailrace.sinks.hot.options import Options
from tailrace.sinks.hot.sink import HotFilling, HotSink
from tailrace.sinks.hot.table import Update

THRESHOLD = 4
ALERT = {"name": "busy", "aggregate": "DAILY", "measure": "event_count", "threshold": THRESHOLD, "publish": TOPIC}
PEAKS: dict[str, Any] = {
    "name": "peaks",
    "window": "all",
    "measures": {"n": {"op": "count"}, "high": {"op": "max", "of": "worth"}, "total": {"op": "sum", "of": "worth"}},
}
VERSIONS = (options(alerts=[ALERT], aggregates=[PEAKS]), options(alerts=[ALERT], ttl_days=1))  # of the code, in turn


class OfPositions:
    """The real sink, for pipelines whose rows are lists of positions; what a row is worth, versions say differently."""

    def __init__(self, sink: HotSink, worth: int) -> None:
        self._sink, self._worth = sink, worth

    def start(self) -> HotFilling:
        return _FillingOfPositions(self._sink, self._worth)


class _FillingOfPositions(HotFilling):
    def __init__(self, sink: HotSink, worth: int) -> None:
        super().__init__(sink)
        self._worth = worth

    def add(self, rows: Sequence[Rows]) -> None:
        for part in rows:
            made = [
                row(int(position.partition("/")[0]), row_id=position, position=position, worth=self._worth)
                for position in list(part.batch)
            ]
            super().add(rows_of(made, {"worth": pa.int64()}))


def shard(process: Process, scenery: Scenery) -> Shard:
    """Return the light shard, its second lane the hot tier."""
    light = light_shard(process, scenery._replace(aside=False))
    given, bound = VERSIONS[process.number % len(VERSIONS)], Bound(process.clock, BOUND_S)
    light._lanes = [
        *light._lanes,
        Lane(
            ASIDE,
            IDENTITY,
            LaneLedger(process.ledger, process.place, IDENTITY, ASIDE),
            None,
            OfPositions(_sink(process, given), 1 + process.number % 2 * 9),
            FlushLimits(scenery.rows, 10**9, scenery.age_ms // 2, 10**9, 2 * scenery.age_ms),
            digests=(("code", str(process.number)),),
            patience=lambda: Patience(process.clock, PATIENCE_S, lambda: 0.5),
            say=process.say,
            alive=lambda: None,
            bound=bound,
        ),
    ]
    return light


def _sink(process: Process, given: Options) -> HotSink:
    def reach(kind: str, act: Callable[[], object]) -> object:
        return process.effect("aside.send" if kind == "put" else "aside.add", act)

    def publish(_arn: str, identity: str, _text: str) -> None:
        process.effect("aside.send", lambda: process.world.aside.messages.append(identity))

    table = MemoryTable(reach)
    table.items = process.world.items
    crew = Crew(process.say, ASIDE, threads=1)
    alerts = Alerts(table, given, publish, process.clock, process.say, crew)
    return HotSink(ASIDE, IDENTITY, given, table, alerts, crew, process.say)


HOT = Kind(shard, MemoryReader(), values)


def judge(story: Story) -> int:
    """Hold the table against the plans and against what is stored; return how often somebody was told."""
    world = story.world
    item = item_from_dict(world.ledger.at(ASIDE_KEY, world.ledger.revision(ASIDE_KEY)) or {})
    world.expect(not item.stopped and item.plan is None, f"aside: {item}")
    world.expect(item.watermark >= world.last, f"aside stands at {item.watermark}")
    once = MemoryTable()
    for chain, text in sorted(world.planned.items()):
        for delta in deltas.read(text):
            aggregates.apply(once, delta, chain)
    sums = {key: one for key, one in world.items.items() if one[SK].startswith("AGGREGATE#")}
    world.expect(sums == once.items, f"sums {sums}, of plans {once.items}")
    events = {
        one[SK].partition("#")[2].partition("#")[2] for one in world.items.values() if one[SK].startswith("EVENT#")
    }
    stored = {found for found in story.rows() if ":" not in found}
    known = {one for one in events if one in stored or _mark(one) not in world.blamed}
    world.expect(known == stored, f"events {sorted(events)}, stored {sorted(stored)}")
    counted = sum(int(one["event_count"]) for one in sums.values() if "event_count" in one)
    _look_once_more(story)
    fired = [one for one in world.items.values() if one[SK].startswith("ALERT#")]
    told = set(world.aside.messages)
    world.expect(len(fired) == len(told) == (counted >= THRESHOLD), f"{counted} counted, {fired}, told {told}")
    world.expect(all(one["state"] == "sent" for one in fired), f"alerts {fired}")
    assert not world.wrong, story.told()
    return len(world.aside.messages)


def _look_once_more(story: Story) -> None:
    """Tell of alerts that could not be published before the story ended, as any shard's next plan would."""
    table, messages = MemoryTable(), story.world.aside.messages
    table.items = story.world.items

    for item in pending(table):
        messages.append(str(item["id"]))
        table.update(Update((str(item[PK]), str(item[SK])), (), {STATE: SENT}, remove=(GSI_PK, GSI_SK)))


def _mark(position: str) -> str:
    sequence, sub = record_of(position).split("/")
    return mark(sequence, int(sub))
