"""The hot tier's sink: what becomes of rows that are odd, and of a table that is."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from support.hot_rows import START_S, Tier, options, plan, row, rows_of
from support.memory_ports import MemoryPlace
from support.memory_table import MemoryTable
from tailrace.nouns import Destination, Identity, Rows
from tailrace.ops.clock import SystemClock
from tailrace.settings import Settings, SettingsError
from tailrace.sinks.destinations import Around, check, sink_of
from tailrace.sinks.hot import deltas, keys
from tailrace.sinks.hot.values import Item
from tailrace.world import WorldDenied, WorldError

ANN = keys.user_pk("north", "ann")


def events(table: MemoryTable) -> dict[str, dict[str, Any]]:
    return {sk.rpartition("#")[2]: dict(item) for (_, sk), item in table.items.items() if sk.startswith("EVENT#")}


def test_an_event_is_an_item_with_its_row_as_json() -> None:
    table = MemoryTable()
    one = row(7, price=1.5, big=2**62, inner={"a": None, "b": [1]}, empty=None)
    columns = {
        "price": pa.float64(),
        "big": pa.int64(),
        "inner": pa.struct({"a": pa.string(), "b": pa.list_(pa.int64())}),
        "empty": pa.string(),
    }
    Tier(table, options(ttl_days=2, write_shards=1)).deliver(1, rows_of([one], columns))
    item = events(table)[one["row_id"]]
    assert json.loads(item.pop("body")) == {
        "row_id": one["row_id"],
        "tenant": "north",
        "event_type": "view",
        "event_time": "2026-01-31T00:00:07Z",
        "received_at": "2026-01-31T00:00:07Z",
        "user_id": "ann",
        "position": "1007/0/0",
        "price": 1.5,
        "big": 2**62,
        "inner": {"a": None, "b": [1]},
    }
    assert item == {
        "PK": "TENANT#north#USER#ann",
        "SK": f"EVENT#2026-01-31T00:00:07.000000Z#{one['row_id']}",
        "GSI1PK": "TENANT#north#TYPE#view#0",
        "GSI1SK": f"2026-01-31T00:00:07.000000Z#{one['row_id']}",
        "event_type": "view",
        "ttl": START_S + 7 + 2 * 86_400,
    }


def test_events_of_other_types_have_no_item_but_count() -> None:
    table = MemoryTable()
    rows = rows_of([row(1), row(2, event_type="buy"), row(3, event_type="buyback")])
    Tier(table, options(events=["buy"])).deliver(1, rows)
    assert list(events(table)) == [row(2)["row_id"]]
    assert table.items[ANN, f"{keys.aggregate_prefix('DAILY', '2026-01-31')}epoch#shard-0#hot"]["event_count"] == 3


@pytest.mark.parametrize("user", [None, ""])
def test_an_event_without_a_user_is_nobodys_and_has_neither_profile_nor_day(user: str | None) -> None:
    table = MemoryTable()
    Tier(table, options(write_shards=4)).deliver(1, rows_of([row(n, user_id=user) for n in range(40)]))
    assert len(table.items) == 40
    assert {pk for pk, _ in table.items} == {f"TENANT#north#USER#-#{n}" for n in range(4)}


def test_an_event_that_is_too_large_has_no_body_and_says_its_size() -> None:
    table = MemoryTable()
    tier = Tier(table, options())
    tier.deliver(1, rows_of([row(1, text="é" * 250_000), row(2, text="x" * 400_000)], {"text": pa.string()}))
    large, fits = (events(table)[row(n)["row_id"]] for n in (1, 2))
    assert (large["oversize"] > 500_000, "body" in large) == (True, False)
    assert ("oversize" in fits, "body" in fits) == (False, True)
    assert [facts["oversize"] for what, facts in tier.said if what == "hot"] == [1]


def test_an_event_from_the_future_goes_by_its_arrival() -> None:
    table = MemoryTable()
    ahead = row(1, event_time=row(1)["event_time"] + timedelta(hours=2))
    soon = row(2, event_time=row(2)["event_time"] + timedelta(minutes=59), user_id="bob")
    Tier(table, options()).deliver(1, rows_of([ahead, soon]))
    assert table.items[ANN, keys.PROFILE]["last_seen"] == "2026-01-31T00:00:01.000000Z"
    assert table.items[keys.user_pk("north", "bob"), keys.PROFILE]["last_seen"] == "2026-01-31T00:59:02.000000Z"


def test_a_users_writes_are_one_of_each_kind_a_plan() -> None:
    table = MemoryTable()
    Tier(table, options(events=[])).deliver(1, rows_of([row(n) for n in range(100)]))
    assert table.writes == 2  # the profile, and the day


def test_a_route_may_be_for_sums_alone() -> None:
    table = MemoryTable()
    sums = {"name": "all", "window": "all", "measures": {"n": {"op": "count"}}}
    given = options(events=[], profiles=False, daily=False, aggregates=[sums])
    Tier(table, given).deliver(1, rows_of([row(n, user_id=f"{n}") for n in range(100)]))
    assert [item["n"] for item in table.items.values()] == [100]


def test_a_profile_takes_what_an_event_type_sets_and_leaves_what_others_say() -> None:
    table = MemoryTable()
    tier = Tier(table, options(profile={"predict": ["score", "model", "note"]}, events=[], profile_ttl_days=1))
    columns = {"score": pa.float64(), "model": pa.string(), "note": pa.string()}
    first = row(1, event_type="predict", score=0.5, model="a", note="n")
    tier.deliver(1, rows_of([first, row(9)], columns))
    tier.deliver(2, rows_of([row(5, event_type="predict", score=1e-200, model="x" * 9000)], columns))
    item = table.items[ANN, keys.PROFILE]
    assert (item["last_seen"], item["last_event_type"]) == ("2026-01-31T00:00:09.000000Z", "view")
    assert item["score"] == "1e-200"  # no number of the service's
    assert "model" not in item  # too long
    assert "note" not in item  # the newest event has none
    assert item["ttl"] == START_S + 9 + 86_400


def test_a_profile_that_is_to_stay_does_not_expire_by_what_an_earlier_setting_said() -> None:
    table = MemoryTable()
    Tier(table, options(profile_ttl_days=1)).deliver(1, rows_of([row(1)]))
    assert keys.TTL in table.items[ANN, keys.PROFILE]
    Tier(table, options()).deliver(2, rows_of([row(2)]))
    assert keys.TTL not in table.items[ANN, keys.PROFILE]


def test_what_is_of_long_ago_expires_as_it_comes() -> None:
    table = MemoryTable()  # DynamoDB deletes nothing that expired more than five years ago
    Tier(table, options(profile_ttl_days=1)).deliver(1, rows_of([row(7, event_time=datetime(1970, 1, 1, tzinfo=UTC))]))
    expires = {sk.partition("#")[0]: item[keys.TTL] for (_, sk), item in table.items.items()}
    assert expires == {"EVENT": START_S + 7 + 7 * 86_400, "PROFILE": START_S + 7, "AGGREGATE": START_S + 7}


def test_large_events_go_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    table, puts = MemoryTable(), list[int]()

    def counted(items: Sequence[Item]) -> Sequence[Item]:
        puts.append(len(items))
        return MemoryTable.put(table, items)

    monkeypatch.setattr(table, "put", counted)
    rows = [row(n, text="\U0001f642" * 90_000) for n in range(30)] + [row(n) for n in range(30, 60)]
    Tier(table, options()).deliver(1, rows_of(rows, {"text": pa.string()}))
    assert puts == [13, 13, 25, 9]
    assert len(events(table)) == 60


def test_a_column_of_bytes_is_no_key_and_no_number() -> None:
    table = MemoryTable()
    measures = {"n": {"op": "count"}, "total": {"op": "sum", "of": "raw"}}
    given = options(aggregates=[{"name": "raw", "key": ["raw"], "window": "all", "measures": measures}], daily=False)
    Tier(table, given).deliver(1, rows_of([row(1, raw=b"\xff"), row(2, raw=b"a")], {"raw": pa.binary()}))
    assert [(pk, item["n"], item["left_out"]) for (pk, sk), item in table.items.items() if "AGGREGATE" in sk] == [
        ("raw#-", 2, 2)
    ]


def test_what_the_table_gives_back_is_given_again() -> None:
    table = MemoryTable()
    table.unprocessed = 60
    tier = Tier(table, options(daily=False))
    tier.deliver(1, rows_of([row(n) for n in range(100)]))
    assert len(events(table)) == 100
    assert any(what == "trouble" for what, _ in tier.said)


def struck(error: Exception) -> Callable[[str, Callable[[], object]], object]:
    def reach(_kind: str, _act: Callable[[], object]) -> object:
        raise error

    return reach


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("error", [WorldError("throttled"), WorldDenied("no such table")])
def test_a_table_that_is_away_ends_the_plan_after_patience_and_one_that_says_no_at_once(
    error: Exception, threads: int
) -> None:
    tier = Tier(MemoryTable(struck(error)), options(), threads=threads, patience_s=0.3)
    with pytest.raises(type(error), match=str(error)):
        tier.deliver(1, rows_of([row(n) for n in range(100)]))
    assert any(what == "trouble" for what, _ in tier.said) is isinstance(error, WorldError)


def test_a_table_that_gives_everything_back_for_ever_ends_the_plan_too() -> None:
    table = MemoryTable()
    table.unprocessed = 10**9
    with pytest.raises(WorldError, match="the table took 0 of 25 events: throttled"):
        Tier(table, options(), patience_s=0.3).deliver(1, rows_of([row(n) for n in range(25)]))


def test_the_table_is_looked_at_once_before_the_first_write() -> None:
    table, looks = MemoryTable(), []
    tier = Tier(table, options())
    tier.sink._ready = lambda: looks.append(table.writes)
    for chain in (1, 2):
        tier.deliver(chain, rows_of([row(chain)]))
    assert looks == [0]


def test_the_planned_deltas_are_applied_whatever_these_rows_would_add() -> None:
    table = MemoryTable()
    tier = Tier(table, options())
    planned = tier.filling(rows_of([row(1), row(2)])).deltas()
    tier.deliver(1, rows_of([row(1)]), planned)  # another version of the code rejects the second
    tier.deliver(1, rows_of([row(1), row(2), row(3)]))
    assert table.items[ANN, f"{keys.aggregate_prefix('DAILY', '2026-01-31')}epoch#shard-0#hot"]["event_count"] == 2


def test_a_plan_that_comes_late_adds_nothing() -> None:
    table = MemoryTable()
    tier = Tier(table, options(aggregates=[PEAKS]))
    for chain, value in ((1, 1), (3, 3), (2, 9)):
        tier.deliver(chain, rows_of([row(chain, value=value)], {"value": pa.int64()}))
    found = [item for (_, sk), item in table.items.items() if sk.startswith("AGGREGATE#")]
    assert [(one.get("n"), one.get("high"), one.get("event_count")) for one in found] == [
        (2, 3, None),
        (None, None, 2),
    ]


def test_a_sum_of_whole_numbers_is_exact_beyond_64_bits_and_one_of_floats_to_nine_decimals() -> None:
    table = MemoryTable()
    measures = {"whole": {"op": "sum", "of": "whole"}, "broken": {"op": "sum", "of": "broken"}}
    given = options(aggregates=[{"name": "sums", "window": "all", "measures": measures}], daily=False)
    rows = [row(n, whole=2**63 - 1, broken=value) for n, value in enumerate((1e18, 0.1, 0.2, 1e-10))]
    Tier(table, given).deliver(1, rows_of(rows, {"whole": pa.int64(), "broken": pa.float64()}))
    (found,) = (item for (_, sk), item in table.items.items() if sk.startswith("AGGREGATE#"))
    assert (found["whole"], found["broken"]) == (4 * (2**63 - 1), Decimal("1000000000000000000.3"))


PEAKS: dict[str, Any] = {
    "name": "peaks",
    "key": ["tenant"],
    "window": "day",
    "measures": {"n": {"op": "count"}, "high": {"op": "max", "of": "value"}},
}


def test_no_rows_are_no_deltas_and_no_writes() -> None:
    table = MemoryTable()
    tier = Tier(table, options())
    assert tier.deliver(1, []) == ""
    assert tier.said == []
    assert table.writes == 0


def test_deltas_of_a_version_that_is_not_known_are_not_applied() -> None:
    table = MemoryTable()
    with pytest.raises(ValueError, match="deltas of another version: found 'hot 2"):
        Tier(table, options()).deliver(1, rows_of([row(1)]), 'hot 2\n["x"]')
    assert all(not sk.startswith("AGGREGATE#") for _, sk in table.items)


def many(count: int) -> list[Rows]:
    return rows_of([row(n % 1000, user_id=f"user-{n}", row_id=f"{n:032x}") for n in range(count)])


def test_a_plan_of_very_many_keys_is_carried_out() -> None:
    table = MemoryTable()
    Tier(table, options(events=[])).deliver(1, many(100_000))
    assert table.writes == 200_000


def test_a_key_takes_little_memory_and_deltas_are_read_one_at_a_time() -> None:
    rows, tier = many(20_000), Tier(MemoryTable(), options(events=[]))
    tracemalloc.start()
    planned = tier.filling(rows).deltas()
    reduced = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    assert sum(1 for _ in deltas.read(planned)) == 20_000
    read = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert reduced / 20_000 < 4096
    assert read < 2**20


def test_a_delta_ends_with_its_window() -> None:
    day = 86_400
    assert [deltas.ends_s(text) - START_S for text in ("2026-01-31", "2026-01-31T23", "2026-01-31T00:01")] == [
        day, day, 120,
    ]  # fmt: skip


def test_the_sink_of_a_route_is_wired_and_refuses_what_it_does_not_know() -> None:
    around = Around(Settings(), Identity("s", "e", "0"), SystemClock(), lambda *_, **__: None, MemoryPlace())
    arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/hot-events"
    filling = sink_of(Destination("hot", "dynamodb", arn, {}), around).start()
    assert (filling.rows, filling.deltas()) == (0, "")
    with pytest.raises(SettingsError, match=r"^route hot: options: colour is no key here"):
        sink_of(Destination("hot", "dynamodb", arn, {"colour": 1}), around)
    with pytest.raises(SettingsError, match=r"^route hot: options: colour is no key here"):
        check(Destination("hot", "dynamodb", arn, {"colour": 1}), Settings())


def test_a_plan_is_named_by_its_chain() -> None:
    assert Tier(MemoryTable(), options()).sink.owner(plan(7, "").chain) == "epoch#shard-0#hot#7"
