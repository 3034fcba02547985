"""Owners of one lane, and shards of one key, at the same time in DynamoDB: real threads, real conditions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pyarrow as pa
import pytest

from support.hot_rows import TOPIC, Published, Tier, options, row, rows_of
from support.hot_table import FOREVER, hot_tables
from tailrace.ops.clock import SystemClock
from tailrace.sinks.hot import keys
from tailrace.sinks.hot.dynamodb import DynamoTable
from tailrace.sinks.hot.read import Reader
from tailrace.world import WorldError

Make = Callable[[], DynamoTable]
USERS = 20
COLUMNS = {"price": pa.int64()}
OPTIONS = options(
    **FOREVER,
    value="price",
    profile={"view": ["price"]},
    aggregates=[
        {
            "name": "types",
            "key": ["tenant", "type"],
            "window": "hour",
            "measures": {
                "n": {"op": "count"},
                "low": {"op": "min", "of": "price"},
                "high": {"op": "max", "of": "price"},
                "latest": {"op": "last", "of": "price"},
            },
        }
    ],
    alerts=[
        {"name": "busy", "aggregate": "types", "measure": "n", "threshold": 100, "publish": TOPIC},
        {"name": "keen", "aggregate": "DAILY", "measure": "event_count", "threshold": 5, "publish": TOPIC},
    ],
)


class Later(SystemClock):
    """A clock that is ahead, or behind."""

    def __init__(self, by_s: int) -> None:
        self._by_ms = by_s * 1000

    def now_ms(self) -> int:
        return super().now_ms() + self._by_ms


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    with hot_tables(tmp_path_factory.mktemp("ddb")) as make:
        yield make


def together(*acts: Callable[[], object]) -> None:
    """Do all of it at once."""
    barrier = Barrier(len(acts))

    def at_once(act: Callable[[], object]) -> None:
        barrier.wait(30)
        act()

    with ThreadPoolExecutor(len(acts)) as pool:
        for flight in [pool.submit(at_once, act) for act in acts]:
            flight.result()


def some(shard: int, first: int, count: int = 60) -> list[Any]:
    rows = [row(n, shard=shard, user_id=f"user-{n % USERS}", price=n) for n in range(first, first + count)]
    return rows_of(rows, COLUMNS)


def types(table: DynamoTable) -> dict[str, Any]:
    (found,) = Reader(table, OPTIONS, 0).aggregate("types", ["north", "view"])
    return dict(found.values)


def days(table: DynamoTable) -> list[tuple[Any, Any]]:
    found = Reader(table, OPTIONS, 0).top("north", "2026-01-31", most=1000)
    return [(one.values["event_count"], one.values["total_value"]) for one in found]


def owners(table: DynamoTable, count: int, publish: Published, shard: int = 0) -> list[Tier]:
    return [Tier(table, OPTIONS, shard=shard, threads=4, publish=publish) for _ in range(count)]


def test_owners_who_carry_out_one_plan_together_add_it_once(made: Make) -> None:
    table, publish = made(), Published()
    for chain in range(1, 4):
        rows = some(0, 60 * chain)
        acts: Sequence[Tier] = owners(table, 4, publish)
        together(*(lambda one=one, chain=chain, rows=rows: one.deliver(chain, rows) for one in acts))
    assert types(table) == {"n": 180, "low": 60, "high": 239, "latest": 239}
    assert [count for count, _ in days(table)] == [9] * USERS
    assert sum(value for _, value in days(table)) == sum(range(60, 240))
    assert {identity for _, identity, _ in publish.messages} == {json.loads(t)["id"] for *_, t in publish.messages}
    assert len({identity for _, identity, _ in publish.messages}) == 1 + USERS


def test_a_zombie_with_an_older_plan_adds_nothing_while_the_next_is_carried_out(made: Make) -> None:
    table, publish = made(), Published()
    zombie, owner, other = owners(table, 3, publish)
    first, second = some(0, 0), some(0, 60)
    owner.deliver(1, first)
    together(
        lambda: owner.deliver(2, second),
        lambda: other.deliver(2, second),
        lambda: zombie.deliver(1, first),
        lambda: zombie.deliver(1, first),
    )
    assert types(table) == {"n": 120, "low": 0, "high": 119, "latest": 119}
    assert [count for count, _ in days(table)] == [6] * USERS
    profile = Reader(table, OPTIONS, 0).user("north", "user-19").profile
    assert profile is not None
    assert (profile.first_seen, profile.last_seen) == ("2026-01-31T00:00:19.000000Z", "2026-01-31T00:01:59.000000Z")
    assert profile.attributes == {"price": 119}


@pytest.mark.parametrize("turn", range(3))
def test_shards_that_cross_a_threshold_together_alert_once(made: Make, turn: int) -> None:
    table, publish = made(), Published()
    shards = [Tier(table, OPTIONS, shard=shard, threads=2, publish=publish) for shard in range(4)]
    together(*(lambda one=one, at=at: one.deliver(1, some(at, 0, 30)) for at, one in enumerate(shards)))
    assert types(table)["n"] == 120
    told = [json.loads(text) for _, _, text in publish.messages]
    assert [one["key"] for one in told if one["alert"] == "busy"] == [{"tenant": "north", "type": "view"}]
    keen = sorted(one["key"]["user"] for one in told if one["alert"] == "keen")
    assert keen == sorted(f"user-{n}" for n in range(10))  # these have eight events, the others four
    assert Reader(table, OPTIONS, 0).pending() == []
    states = [item["state"] for item in table.query(keys.aggregate_pk(["tenant", "type"], ["north", "view"]), "ALERT#")]
    assert states == ["sent"]


def test_shards_that_find_alerts_pending_together_tell_each_once(made: Make) -> None:
    table, away, publish = made(), Published(), Published()
    away.trouble = WorldError("away")
    Tier(table, OPTIONS, threads=4, publish=away, clock=Later(-120)).deliver(1, some(0, 0, 5 * USERS))
    assert len(Reader(table, OPTIONS, 0).pending()) == USERS + 1
    shards = [Tier(table, OPTIONS, shard=shard, publish=publish) for shard in range(1, 5)]
    together(*(lambda one=one: one.deliver(1, []) for one in shards))
    assert len(publish.messages) == len({identity for _, identity, _ in publish.messages}) == USERS + 1
    assert Reader(table, OPTIONS, 0).pending() == []


def test_shards_write_one_profile_together(made: Make) -> None:
    table, publish = made(), Published()
    shards = [Tier(table, OPTIONS, shard=shard, threads=2, publish=publish) for shard in range(6)]
    rows = [
        rows_of([row(100 - shard, shard=shard, price=shard), row(shard, shard=shard, price=99)], COLUMNS)
        for shard in range(6)
    ]
    together(*(lambda at=at, one=one: one.deliver(1, rows[at]) for at, one in enumerate(shards)))
    found = Reader(table, OPTIONS, 0).user("north", "ann")
    assert found.profile is not None
    assert (found.profile.first_seen, found.profile.attributes) == ("2026-01-31T00:00:00.000000Z", {"price": 0})
    assert found.profile.last_seen == "2026-01-31T00:01:40.000000Z"
    assert len(found.events) == 12
