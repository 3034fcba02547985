"""What a child counts and logs of what its shard says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from support.editions import edition_of
from tailrace.kcl.watch import Watch
from tailrace.nouns import Outcome
from tailrace.ops import logs, metrics
from tailrace.ops.clock import SystemClock


def filtered(kind: str, why: str) -> float:
    return float(metrics.FILTERED.labels(kind, why)._value.get())


def test_filtered_events_are_counted_by_type_and_why(tmp_path: Path) -> None:
    watch = Watch("shard", logs.get("test"), SystemClock())
    watch.edition(edition_of(tmp_path, "click"), from_copy=False)
    wanted: Any = {("click", "duplicate"): 2, ("odd", "schema"): 1, ("", "unknown_type"): 3}
    before = [filtered("click", "duplicate"), filtered("other", "schema"), filtered("other", "unknown_type")]
    watch("processed", records=6, bytes=6, last=0, outcome=Outcome([], 6, 0, 0, 6, Counter(), Counter(), wanted))
    after = [filtered("click", "duplicate"), filtered("other", "schema"), filtered("other", "unknown_type")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 1, 3]


def value(metric: Any, *labels: str) -> float:
    return float(metric.labels("shard", *labels)._value.get())


def stored(kind: str) -> float:
    return float(metrics.STORED.labels(kind)._value.get())


def test_types_follow_the_edition(tmp_path: Path) -> None:
    watch = Watch("shard", logs.get("test"), SystemClock())
    one = Outcome([], 1, 1, 0, 0, Counter(), Counter({"signup": 1}))
    watch.edition(edition_of(tmp_path, "click"), from_copy=False)
    before = stored("signup"), stored("other")
    watch("processed", records=1, bytes=1, last=0, outcome=one)
    watch.edition(edition_of(tmp_path, "click", "signup"))
    watch("processed", records=1, bytes=1, last=0, outcome=one)
    assert (stored("signup") - before[0], stored("other") - before[1]) == (1, 1)


def test_what_becomes_of_editions_is_counted(tmp_path: Path) -> None:
    watch = Watch("shard", logs.get("test"), SystemClock())
    results = ("adopted", "unchanged", "changing", "failed")
    before = [value(metrics.EDITION_REFRESHES, result) for result in results]
    watch.edition(edition_of(tmp_path, "click"), from_copy=True)
    assert value(metrics.EDITION_COPY) == 1
    watch("edition_looked", result="failed")
    watch("edition_looked", result="changing")
    watch("edition_refused", error="away")
    assert value(metrics.EDITION_COPY) == 1
    watch("edition_looked", result="unchanged")
    watch("edition_looked", result="loaded")
    assert value(metrics.EDITION_COPY) == 0
    watch.edition(edition_of(tmp_path, "click", "signup"))
    after = [value(metrics.EDITION_REFRESHES, result) for result in results]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1, 1]
    assert value(metrics.EDITION_SUCCESS) > 1.7e9
    assert value(metrics.EDITION_TIME) >= value(metrics.EDITION_SUCCESS)


def counted(metric: Any, *labels: str) -> float:
    return float(metric.labels(*labels)._value.get())


def test_forwards_are_counted_by_destination_and_result() -> None:
    watch = Watch("shard", logs.get("test"), SystemClock())
    there = "a-destination-of-this-test"
    watch("forwarded", lane=there, sent=5, refused=1, dead=2, retries=3, calls=4)
    watch("forwarded", lane=there, sent=5, refused=0, dead=0, retries=0, calls=1)
    found = {result: counted(metrics.FORWARD_MESSAGES, there, result) for result in ("sent", "refused", "dead")}
    assert found == {"sent": 10, "refused": 1, "dead": 2}
    assert (counted(metrics.FORWARD_RETRIES, there), counted(metrics.FORWARD_CALLS, there)) == (3, 5)
    watch("away", lane=there, why="no")
    assert value(metrics.FORWARD_AWAY, there) == 1
    watch("back", lane=there)
    assert value(metrics.FORWARD_AWAY, there) == 0
    watch("uncopied", lane=there, letters=7, why="no")
    assert counted(metrics.DEAD_LETTERS_UNCOPIED, there) == 7


def test_the_hot_tiers_writes_units_and_alerts_are_counted() -> None:
    watch, there = Watch("shard", logs.get("test"), SystemClock()), "a-hot-table-of-this-test"
    for chain, oversize in ((1, 0), (2, 2)):
        watch("hot", lane=there, chain=chain, events=9, oversize=oversize, profiles=3, aggregates=0, units=12.5)
    found = {
        kind: counted(metrics.HOT_WRITES, there, kind) for kind in ("events", "oversize", "profiles", "aggregates")
    }
    assert found == {"events": 18, "oversize": 2, "profiles": 6, "aggregates": 0}
    assert counted(metrics.HOT_UNITS, there) == 25
    watch("alert", lane=there, alert="busy", window="ALL")
    watch("alert_waits", lane=there, id="1", publish="arn", error="no")
    assert [counted(metrics.HOT_ALERTS, there, result) for result in ("fired", "waits")] == [1, 1]


def test_each_lane_has_its_own_plan_under_way() -> None:
    seconds = [0.0]

    class Clock(SystemClock):
        def monotonic(self) -> float:
            return seconds[0]

    watch = Watch("shard", logs.get("test"), Clock())
    lanes = ("one-of-this-test", "other-of-this-test")
    counts = dict.fromkeys(("received", "stored", "rejected", "filtered", "archived"), 1)
    for lane in lanes:
        watch("cut", lane=lane)
        seconds[0] += 10
    for lane in lanes:
        watch("prepared", lane=lane, taken_over=False)
    watch("put", lane=lanes[0], bytes=7)
    for lane in lanes:
        watch("written", lane=lane)
        watch("committed", lane=lane, **counts)
    took = [metrics.PLAN_SECONDS.labels("prepare", lane)._sum.get() for lane in lanes]
    assert took == [20.0, 10.0]
    assert [metrics.PLAN_BYTES.labels(lane)._sum.get() for lane in lanes] == [7.0, 0.0]


def waits(lane: str) -> list[str]:
    return [state for state in ("parked", "paused", "stopped") if value(metrics.LANE_WAITS, lane, state)]


def test_a_lane_beside_the_lakes_waits_alone() -> None:
    watch = Watch("shard", logs.get("test"), SystemClock())
    facts: dict[str, Any] = {"careful": False}
    watch("opened", lane="lake", stopped="why", **facts)
    watch("opened", lane="hot", stopped=None, **facts)
    assert (value(metrics.SHARD_STOPPED), waits("hot")) == (1, [])
    watch("opened", lane="lake", stopped=None, **facts)
    for state in ("parked", "paused", "stopped"):
        watch(state, lane="hot", why="why")
        assert (value(metrics.SHARD_STOPPED), waits("hot")) == (0, [state])
    before = value(metrics.LANE_SKIPS, "hot")
    watch("skipped", lane="hot", upto="7", why="why")
    assert (value(metrics.LANE_SKIPS, "hot") - before, waits("hot")) == (1, [])


def test_how_old_the_oldest_record_is_that_a_lane_has_not() -> None:
    watch = Watch("shard", logs.get("test"), SystemClock())
    watch("standing", lane="hot", state="fill", oldest_ms=SystemClock().now_ms() - 5_000)
    assert 5.0 <= value(metrics.LANE_LAG, "hot") < 60.0
    watch("standing", lane="hot", state="fill", oldest_ms=None)
    assert value(metrics.LANE_LAG, "hot") == 0.0
