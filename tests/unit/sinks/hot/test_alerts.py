"""Alerts: pending before anybody is told, told again after any crash, with an id by which readers drop repeats."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from support.hot_rows import START_S, TOPIC, Published, Tier, options, row, rows_of
from support.memory_table import MemoryTable
from tailrace.sinks.hot import keys
from tailrace.sinks.hot.alerts import AWAY_S, OUTLIVES_S, SLOW_S, SWEEP_S, SWEEPING_S, SWEPT_MAX, pending
from tailrace.sinks.hot.options import DAY_S, Options
from tailrace.sinks.hot.read import Reader
from tailrace.world import WorldDenied, WorldError

ANN = keys.user_pk("north", "ann")
ITEM = (ANN, "ALERT#busy#2026-01-31")


def watched(threshold: float = 3, measure: str = "event_count", **more: Any) -> Options:
    alert = {"name": "busy", "aggregate": "DAILY", "measure": measure, "threshold": threshold, "publish": TOPIC}
    return options(alerts=[alert], **more)


class Time:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def now_ms(self) -> int:
        return int(self.now_s * 1000)

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


class Died(BaseException):
    """The process is no more."""


def some(first: int, count: int, **more: Any) -> list[Any]:
    return rows_of([row(n, **more) for n in range(first, first + count)])


def test_a_threshold_that_is_reached_is_told_once() -> None:
    table, publish = MemoryTable(), Published()
    tier = Tier(table, watched(), publish=publish)
    for chain in range(1, 6):
        tier.deliver(chain, some(chain, 1))
        assert len(publish.messages) == (1 if chain >= 3 else 0)
    ((arn, identity, text),) = publish.messages
    assert arn == TOPIC
    assert json.loads(text) == {
        "id": identity,
        "alert": "busy",
        "aggregate": "DAILY",
        "measure": "event_count",
        "threshold": 3,
        "value": 3,
        "window": "2026-01-31",
        "key": {"tenant": "north", "user": "ann"},
    }
    assert table.items[ITEM]["state"] == "sent"
    assert keys.GSI_PK not in table.items[ITEM]


def test_each_key_and_each_window_has_its_own() -> None:
    table, publish = MemoryTable(), Published()
    tier = Tier(table, watched(), publish=publish)
    tier.deliver(1, some(0, 3))
    tier.deliver(2, some(0, 3, user_id="bob"))
    tier.deliver(3, some(86_400, 3))
    assert len({identity for _, identity, _ in publish.messages}) == len(publish.messages) == 3


def test_a_sum_is_watched_as_well() -> None:
    publish = Published()
    tier = Tier(MemoryTable(), watched(2.5, "total_value", value="price"), publish=publish)
    for chain, price in enumerate((1.25, 1.0, 0.25), start=1):
        tier.deliver(chain, rows_of([row(chain, price=price)], {"price": pa.float64()}))
        assert len(publish.messages) == (chain == 3)


@pytest.mark.parametrize("when", ["before the item", "before it is told", "before it is noted"])
def test_an_owner_that_dies_leaves_it_to_who_takes_the_plan_over(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table, publish = MemoryTable(), Published()

    def dying(arn: str, identity: str, text: str) -> None:
        if when == "before it is noted":
            publish(arn, identity, text)
        raise Died

    rows = some(0, 3)
    first = Tier(table, watched(), publish=dying)
    planned = first.filling(rows).deltas()
    if when == "before the item":
        monkeypatch.setattr(first.sink.alerts, "look", died)
    with pytest.raises(Died):
        first.deliver(1, rows, planned)
    Tier(table, watched(), publish=publish).deliver(1, rows, planned)
    assert len({identity for _, identity, _ in publish.messages}) == 1
    assert len(publish.messages) == (2 if when == "before it is noted" else 1)
    assert table.items[ITEM]["state"] == "sent"


def died(*_: Any) -> None:
    raise Died


@pytest.mark.parametrize("error", [WorldError("away"), WorldDenied("no such topic")])
def test_a_topic_that_is_away_stops_nothing_and_hears_of_it_later_from_any_shard(error: Exception) -> None:
    table, publish, time = MemoryTable(), Published(), Time()
    one = Tier(table, watched(), publish=publish, clock=time)
    publish.trouble = error
    one.deliver(1, some(0, 3))
    assert [item["SK"] for item in pending(table)] == [ITEM[1]]
    assert ("alert_waits" in [what for what, _ in one.said]) is True
    publish.trouble = None
    other = Tier(table, watched(), shard=1, publish=publish, clock=time)
    other.deliver(1, [])
    assert publish.messages == []  # who made it may still be at it
    time.now_s += SWEEP_S + 1
    other.deliver(2, [])
    assert len(publish.messages) == 1
    assert (list(pending(table)), table.items[ITEM]["state"]) == ([], "sent")


def test_to_look_for_pending_alerts_costs_one_query_a_minute() -> None:
    class Counting(MemoryTable):
        queries = 0

        def query(self, *args: Any, **more: Any) -> Any:
            self.queries += 1
            return super().query(*args, **more)

    table, time = Counting(), Time()
    tier = Tier(table, watched(), clock=time)
    for chain in range(1, 61):
        time.now_s += 2
        tier.deliver(chain, [])
    assert table.queries == 2
    unwatched = Tier(table, options(), clock=time)
    unwatched.deliver(1, [])
    assert table.queries == 2


def test_a_window_that_was_told_of_is_not_looked_at_again() -> None:
    table = MemoryTable()
    tier = Tier(table, watched(), publish=Published())
    tier.deliver(1, some(0, 3))
    writes, refused = table.writes, table.refused
    tier.deliver(2, some(3, 1))
    assert (table.writes - writes, table.refused - refused) == (3, 0)  # event, profile, day


def test_an_alert_outlives_its_window_and_does_not_expire_before_it_is_told() -> None:
    table, publish, time = MemoryTable(), Published(), Time()
    time.now_s = START_S + 400 * DAY_S  # the day's sums have expired
    publish.trouble = WorldError("away")
    Tier(table, watched(), publish=publish, clock=time).deliver(1, some(0, 3))
    assert keys.TTL not in table.items[ITEM]
    publish.trouble = None
    time.now_s += SWEEP_S + 1
    Tier(table, watched(), shard=1, publish=publish, clock=time).deliver(1, [])
    assert len(publish.messages) == 1
    assert table.items[ITEM][keys.TTL] == int(time.now_s) + OUTLIVES_S


def test_an_alert_of_a_window_that_is_over_is_told_once_though_its_sums_linger() -> None:
    table, publish, time = MemoryTable(), Published(), Time()
    time.now_s = START_S
    Tier(table, watched(daily_ttl_days=1), publish=publish, clock=time).deliver(1, some(0, 3))
    time.now_s = START_S + 5 * DAY_S
    if int(table.items[ITEM][keys.TTL]) <= time.now_s:  # DynamoDB may delete it, and the sums later
        del table.items[ITEM]
    Tier(table, watched(daily_ttl_days=1), publish=publish, clock=time).deliver(2, some(3, 1))
    assert len(publish.messages) == 1


def test_a_sum_beyond_64_bits_is_told_exactly() -> None:
    table, publish = MemoryTable(), Published()
    tier = Tier(table, watched(5, "total_value", value="whole"), publish=publish)
    tier.deliver(1, rows_of([row(n, whole=2**63 - 1) for n in range(4)], {"whole": pa.int64()}))
    ((_, _, text),) = publish.messages
    assert json.loads(text)["value"] == 4 * (2**63 - 1)
    (fired,) = Reader(table, watched(), START_S).alerts(ANN)
    assert fired.message["value"] == 4 * (2**63 - 1)


def test_shards_that_look_together_tell_a_pending_alert_once() -> None:
    table, publish, time = MemoryTable(), Published(), Time()
    publish.trouble = WorldError("away")
    Tier(table, watched(), publish=publish, clock=time).deliver(1, some(0, 3))
    publish.trouble = None
    time.now_s += SWEEP_S + 1
    other = Tier(table, watched(), shard=2, publish=publish, clock=time)

    def meanwhile(arn: str, identity: str, text: str) -> None:
        publish(arn, identity, text)
        other.deliver(1, [])

    Tier(table, watched(), shard=1, publish=meanwhile, clock=time).deliver(1, [])
    assert len(publish.messages) == 1
    assert list(pending(table)) == []


def test_alerts_that_cannot_be_told_hold_up_no_others() -> None:
    table, publish, time = MemoryTable(), Published(), Time()
    first = Tier(table, watched(), publish=publish, clock=time)
    publish.trouble = WorldDenied("no such topic")
    first.deliver(1, rows_of([row(n, user_id=f"user-{n // 3}") for n in range(3 * (SWEPT_MAX + 20))]))
    time.now_s += 1
    first.deliver(2, some(0, 3, user_id="zoe"))

    def of_zoe(_arn: str, _identity: str, text: str) -> None:
        if "zoe" not in text:
            raise WorldDenied("no such topic")
        publish.messages.append(("", "", text))

    other = Tier(table, watched(), shard=1, publish=of_zoe, clock=time)
    for chain in (1, 2):
        time.now_s += SWEEP_S + 1
        other.deliver(chain, [])
    assert len(publish.messages) == 1
    assert len(Reader(table, watched(), 0).pending()) == SWEPT_MAX + 20


def test_a_look_at_what_is_pending_takes_so_long_and_no_longer() -> None:
    table, publish, time = MemoryTable(), Published(), Time()
    publish.trouble = WorldError("away")
    Tier(table, watched(), publish=publish, clock=time).deliver(
        1, rows_of([row(n, user_id=f"user-{n % 20}") for n in range(60)])
    )
    time.now_s += SWEEP_S + 1

    def slow(_arn: str, _identity: str, _text: str) -> None:
        time.now_s += 2

    Tier(table, watched(), shard=1, publish=slow, clock=time).deliver(1, [])
    assert len(list(pending(table))) == 20 - SWEEPING_S / 2


def test_a_topic_that_is_slow_to_fail_is_left_alone_for_a_while() -> None:
    table, time, tried = MemoryTable(), Time(), []

    def slow(_arn: str, identity: str, _text: str) -> None:
        tried.append(identity)
        time.now_s += SLOW_S
        raise WorldError("timed out")

    tier = Tier(table, watched(), publish=slow, clock=time)
    tier.deliver(1, rows_of([row(n, user_id=f"user-{n % 10}") for n in range(30)]))
    assert (len(tried), len(list(pending(table)))) == (1, 10)
    time.now_s += AWAY_S + SWEEP_S
    Tier(table, watched(), shard=1, publish=Published(), clock=time).deliver(1, [])
    assert list(pending(table)) == []
