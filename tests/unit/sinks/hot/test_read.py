"""What the reader says of the hot table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import islice

import pyarrow as pa
import pytest

from support.hot_rows import START_S, TOPIC, Published, Tier, options, row, rows_of
from support.memory_table import MemoryTable
from tailrace.sinks.hot import keys
from tailrace.sinks.hot.read import Reader
from tailrace.sinks.hot.table import Key
from tailrace.sinks.hot.values import Item

OPTIONS = options(
    value="price",
    profile={"predict": ["score"]},
    aggregates=[
        {
            "name": "pages",
            "key": ["tenant", "path"],
            "window": "minute",
            "measures": {
                "n": {"op": "count"},
                "low": {"op": "min", "of": "price"},
                "latest": {"op": "last", "of": "price"},
            },
        }
    ],
    alerts=[{"name": "many", "aggregate": "DAILY", "measure": "event_count", "threshold": 5, "publish": TOPIC}],
    ttl_days=1,
    daily_ttl_days=2,
)
COLUMNS = {"price": pa.int64(), "score": pa.float64()}
NOW_S = START_S + 3600


@pytest.fixture
def table() -> MemoryTable:
    """Two shards: 300 events of ann and bob, one of a user with an odd name, and a score."""
    table = MemoryTable()
    for shard in range(2):
        tier = Tier(table, OPTIONS, shard=shard, publish=Published())
        rows = [
            row(
                2 * n + shard, shard=shard, user_id="ann" if n % 3 else "bob", price=n, url_path="/a" if n % 2 else None
            )
            for n in range(150)
        ]
        tier.deliver(1, rows_of(rows[:70], COLUMNS))
        tier.deliver(2, rows_of(rows[70:], COLUMNS))
    odd = row(900, shard=1, user_id="a#b", event_type="predict", score=0.25, tenant="so#uth")
    Tier(table, OPTIONS, shard=2).deliver(1, rows_of([odd], COLUMNS))
    return table


def test_a_user_is_a_profile_days_and_the_newest_events(table: MemoryTable) -> None:
    found = Reader(table, OPTIONS, NOW_S).user("north", "ann", last=3)
    assert found.profile is not None
    assert (found.profile.first_seen, found.profile.last_seen) == (
        "2026-01-31T00:00:02.000000Z",
        "2026-01-31T00:04:59.000000Z",
    )
    (day,) = found.days
    assert (day.window, day.values["event_count"]) == ("2026-01-31", 200)
    assert day.values["total_value"] == 2 * sum(n for n in range(150) if n % 3)
    assert [event.time[14:19] for event in found.events] == ["04:59", "04:58", "04:57"]
    assert [event.body["price"] for event in found.events if event.body] == [149, 149, 148]


def test_attributes_and_odd_names(table: MemoryTable) -> None:
    found = Reader(table, OPTIONS, NOW_S).user("so#uth", "a#b")
    assert found.profile is not None
    assert {name: float(value) for name, value in found.profile.attributes.items()} == {"score": 0.25}
    assert found.days[0].key == {"tenant": "so#uth", "user": "a#b"}


def test_who_is_not_there_is_not_there(table: MemoryTable) -> None:
    found = Reader(table, OPTIONS, NOW_S).user("north", "carl")
    assert (found.profile, found.days, found.events) == (None, [], [])


def test_a_type_is_read_over_all_write_shards_newest_first(table: MemoryTable) -> None:
    times = [event.time for event in Reader(table, OPTIONS, NOW_S).newest("north", "view")]
    assert len(times) == 300
    assert times == sorted(times, reverse=True)
    assert len({pk[keys.GSI_PK] for pk in table.items.values() if str(pk["SK"]).startswith("EVENT#")}) > 4


def test_few_events_are_read_where_few_are_asked_for(table: MemoryTable) -> None:
    asked: list[int] = []
    whole = table.get_all

    def noted(keys: Sequence[Key]) -> Mapping[Key, Item]:
        asked.append(len(keys))
        return whole(keys)

    table.get_all = noted  # type: ignore[method-assign]
    assert len(list(islice(Reader(table, OPTIONS, NOW_S).newest("north", "view"), 150))) == 150
    assert asked == [100, 100]


def test_the_days_top_users(table: MemoryTable) -> None:
    reader = Reader(table, OPTIONS, NOW_S)
    found = reader.top("north", "2026-01-31")
    assert [(one.key["user"], one.values["event_count"]) for one in found] == [("ann", 200), ("bob", 100)]
    assert [one.key["user"] for one in reader.top("north", "2026-01-31", "total_value", most=1)] == ["ann"]
    assert reader.top("north", "2026-02-01") == []
    assert [one.key["user"] for one in reader.top("so#uth", "2026-01-31")] == ["a#b"]
    with pytest.raises(KeyError):
        reader.top("north", "2026-01-31", "worth")
    with pytest.raises(KeyError):
        Reader(table, options(daily=False), NOW_S).top("north", "2026-01-31")


def test_windows_of_an_aggregate_over_all_shards(table: MemoryTable) -> None:
    reader = Reader(table, OPTIONS, NOW_S)
    found = reader.aggregate("pages", ["north", "/a"])
    assert [(one.window[11:], one.values) for one in found[:2]] == [
        ("00:00", {"n": 30, "low": 1, "latest": 29}),
        ("00:01", {"n": 30, "low": 31, "latest": 59}),
    ]
    assert len(found) == 5
    assert len(reader.aggregate("pages", ["north", None], "2026-01-31T00:03")) == 1
    with pytest.raises(KeyError):
        reader.aggregate("nope", [])


def test_what_has_expired_is_gone_though_it_is_there(table: MemoryTable) -> None:
    events_over = Reader(table, OPTIONS, START_S + 86_400 + 200)
    assert [event.time[14:19] for event in events_over.user("north", "ann", last=1000).events][-1] == "03:21"
    assert len(list(events_over.newest("north", "view"))) == 99
    days_over = Reader(table, OPTIONS, START_S + 3 * 86_400)
    assert (days_over.user("north", "ann").days, days_over.top("north", "2026-01-31")) == ([], [])
    assert days_over.user("north", "ann").profile is not None  # profiles stay
    alert = table.items[keys.user_pk("north", "ann"), "ALERT#many#2026-01-31"]
    assert Reader(table, OPTIONS, int(alert[keys.TTL])).alerts(keys.user_pk("north", "ann")) == []


def test_alerts_that_fired(table: MemoryTable) -> None:
    (fired,) = Reader(table, OPTIONS, NOW_S).alerts(keys.user_pk("north", "ann"))
    assert (fired.name, fired.window, fired.state, fired.message["threshold"]) == ("many", "2026-01-31", "sent", 5)


def test_a_late_event_lands_in_its_own_window(table: MemoryTable) -> None:
    late = row(1000, shard=3, price=1, url_path="/a")
    late["event_time"] -= timedelta(seconds=990)
    Tier(table, OPTIONS, shard=3, publish=Published()).deliver(1, rows_of([late], COLUMNS))
    found = Reader(table, OPTIONS, NOW_S).aggregate("pages", ["north", "/a"], "2026-01-31T00:00")
    assert found[0].values == {"n": 31, "low": 1, "latest": 1}  # it arrived last
