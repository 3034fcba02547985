"""Laws of the hot tier: whatever the cut into plans, and however often each is carried out, sums and profiles are the
same as those of a plain fold over the rows."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from support.hot_rows import TOPIC, Published, Tier, options, row, rows_of
from support.memory_table import MemoryTable
from tailrace.sinks.hot import keys
from tailrace.sinks.hot.aggregates import together
from tailrace.sinks.hot.read import Reader, dumped
from tailrace.sinks.hot.values import EXACT

OPTIONS = options(
    value="price",
    profile={"view": ["price", "label"], "buy": ["whole"]},
    aggregates=[
        {
            "name": "all",
            "key": ["tenant", "path"],
            "window": "all",
            "measures": {
                "n": {"op": "count"},
                "named": {"op": "count", "of": "label"},
                "total": {"op": "sum", "of": "whole"},
                "low": {"op": "min", "of": "price"},
                "high": {"op": "max", "of": "whole"},
                "label": {"op": "last", "of": "label"},
                "inside": {"op": "sum", "of": "extra.n"},
                "peak": {"op": "max", "of": "extra.n"},
            },
        },
        {"name": "buys", "key": ["type"], "window": "minute", "types": ["b*"], "measures": {"n": {"op": "count"}}},
    ],
)
COLUMNS = {"price": pa.float64(), "whole": pa.int64(), "label": pa.string(), "extra": pa.string()}
NINE = Decimal("1e-9")
SHARDS = 2

NUMBERS = (
    st.sampled_from([None, "a", 0.5, 2**53 + 1, 5 * 10**18, -(2**63)])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**64), 2**64)
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "shard": st.integers(0, SHARDS - 1),
            "event_type": st.sampled_from(["view", "buy"]),
            "user_id": st.sampled_from(["ann", "bob", "", None]),
            "tenant": st.sampled_from(["north", "no#rth"]),
            "url_path": st.sampled_from(["/", "", None]),
            "price": st.sampled_from([None, 0.25, 0.1, -1.5, 1e18, math.nan, math.inf, 1e30]) | st.floats(),
            "extra": st.none() | NUMBERS.map(lambda number: json.dumps({"n": number})),
            "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
            "label": st.none() | st.sampled_from(["a", "b", "c"]),
            "late": st.integers(0, 200),
            "cut": st.sampled_from([False, False, True]),
            "again": st.integers(0, 2),
        }
    ),
    min_size=1,
    max_size=25,
)


def made(drawn: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    out = []
    for number, one in enumerate(drawn):
        plain = {name: value for name, value in one.items() if name not in {"late", "cut", "again"}}
        made = row(number, **plain)
        made["event_time"] -= timedelta(seconds=one["late"])
        out.append({**made, "shard": one["shard"]})
    return out


def plans(
    drawn: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]
) -> list[tuple[int, list[dict[str, Any]], int]]:
    """Return (shard, rows, how often it is carried out again) of each plan, in the order of the stream."""
    out: list[tuple[int, list[dict[str, Any]], int]] = []
    open_: dict[int, list[dict[str, Any]]] = {}
    for one, made_row in zip(drawn, rows, strict=True):
        open_.setdefault(one["shard"], []).append(made_row)
        if one["cut"]:
            out.append((one["shard"], open_.pop(one["shard"]), one["again"]))
    return out + [(shard, left, 1) for shard, left in open_.items()]


def carried_out(drawn: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> MemoryTable:
    table = MemoryTable()
    tiers = [Tier(table, OPTIONS, shard=shard) for shard in range(SHARDS)]
    chains = [0] * SHARDS
    done: list[tuple[int, int, list[dict[str, Any]], str]] = []
    for shard, part, again in plans(drawn, rows):
        chains[shard] += 1
        chain, given_rows = chains[shard], rows_of(part, COLUMNS)
        deltas = tiers[shard].deliver(chain, given_rows)
        done.append((shard, chain, part, deltas))
        for late in range(again):  # again at once, and one that somebody carried out long ago
            for at, number, old, planned in (done[-1], done[late % len(done)]):
                tiers[at].deliver(number, rows_of(old, COLUMNS), planned)
    return table


@given(ROWS)
@settings(max_examples=120, deadline=None)
def test_sums_are_those_of_a_plain_fold_whatever_the_cut_and_the_repeats(drawn: list[dict[str, Any]]) -> None:
    rows = made(drawn)
    table = carried_out(drawn, rows)
    for aggregate in OPTIONS.aggregates:
        found: dict[tuple[str, str], list[Any]] = {}
        for (pk, sk), item in table.items.items():
            if sk.startswith(prefix := keys.aggregate_prefix(aggregate.name)):
                found.setdefault((pk, sk.removeprefix(prefix).partition("#")[0]), []).append(item)
        assert {key: together(aggregate, items) for key, items in found.items()} == folded(aggregate.name, rows)


def folded(name: str, rows: Sequence[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the windows of an aggregate, added up one row at a time."""
    out: dict[tuple[str, str], dict[str, Any]] = {}
    for one in rows:
        time = f"{one['event_time']:%Y-%m-%dT%H:%M}"
        if name == "all":
            key, window = keys.aggregate_pk(["tenant", "path"], [one["tenant"], one["url_path"]]), "ALL"
        elif name == "buys":
            if one["event_type"] != "buy":
                continue
            key, window = "TYPE#buy", time
        else:
            if not one["user_id"]:
                continue
            key, window = keys.user_pk(one["tenant"], one["user_id"]), time[:10]
        _fold(out.setdefault((key, window), {}), name, one)
    return out


def _fold(into: dict[str, Any], name: str, one: dict[str, Any]) -> None:
    price, whole, label = one["price"], one["whole"], one["label"]
    inside = None if one["extra"] is None else json.loads(one["extra"])["n"]
    odd = 0
    if name == "DAILY":
        into["event_count"] = into.get("event_count", 0) + 1
        into["last_event_type"] = one["event_type"]
        odd += not _added(into, "total_value", price)
    else:
        into["n"] = into.get("n", 0) + 1
    if name == "all":
        into["named"] = into.get("named", 0) + (label is not None)
        if whole is not None:
            into["total"] = into.get("total", 0) + whole
            into["high"] = max(into.get("high", whole), whole)
        odd += not _chosen(into, "low", price, min)
        odd += not _added(into, "inside", inside)
        odd += not _chosen(into, "peak", inside, max)
        if label is not None:
            into["label"] = label
    if odd:
        into["left_out"] = into.get("left_out", 0) + odd


def _added(into: dict[str, Any], name: str, number: Any) -> bool:
    """Add a number exactly, of a float nine decimals; False where it is none that can be summed."""
    if number is None:
        return True
    whole = type(number) is int and -(2**63) <= number < 2**63
    if not whole and not (type(number) in {int, float} and abs(number) <= 1e18):
        return False
    exact = Decimal(number) if whole else Decimal(number).quantize(NINE, context=EXACT)
    into[name] = EXACT.add(into.get(name, Decimal(0)), exact)
    return True


def _chosen(into: dict[str, Any], name: str, number: Any, better: Any) -> bool:
    """Keep the better number; False where it is none that can be held."""
    if number is None:
        return True
    if type(number) not in {int, float} or not kept(float(number)):
        return False
    exact = Decimal(repr(number if -(2**63) <= number < 2**63 else float(number)))
    into[name] = better(into.get(name, exact), exact)
    return True


def kept(number: float) -> bool:
    """Can DynamoDB hold it?"""
    return number == 0 or 1e-130 <= abs(number) <= 9.9e125


@given(ROWS, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_profiles_and_events_are_the_same_in_any_order_of_plans(drawn: list[dict[str, Any]], rng: Any) -> None:
    rows = made(drawn)
    todo = [part for part in plans(drawn, rows) for _ in range(1 + part[2])]
    rng.shuffle(todo)
    table = MemoryTable()
    tiers = [Tier(table, OPTIONS, shard=shard) for shard in range(SHARDS)]
    for chain, (shard, part, _) in enumerate(todo, start=1):
        tiers[shard].deliver(chain, rows_of(part, COLUMNS))
    events = {sk for _, sk in table.items if sk.startswith("EVENT#")}
    assert len(events) == len(rows)
    assert {sk.rpartition("#")[2] for sk in events} == {one["row_id"] for one in rows}
    for tenant, user in {(one["tenant"], one["user_id"]) for one in rows if one["user_id"]}:
        own = [one for one in rows if (one["tenant"], one["user_id"]) == (tenant, user)]
        found = Reader(table, OPTIONS, 0).user(tenant, user).profile
        assert found is not None
        newest = max(own, key=age)
        assert found.first_seen == iso(min(one["event_time"] for one in own))
        assert (found.last_seen, found.last_event_type) == (iso(newest["event_time"]), newest["event_type"])
        assert found.attributes == attributes(own)


def attributes(own: Sequence[dict[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for event_type, columns in OPTIONS.profile.items():
        of_type = [one for one in own if one["event_type"] == event_type]
        if of_type:
            newest = max(of_type, key=age)
            out |= {name: newest[name] for name in columns if newest[name] is not None}
    return {name: held(value) for name, value in out.items()}


def held(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(repr(value)) if kept(value) else str(value)
    return value


def age(one: dict[str, Any]) -> tuple[Any, ...]:
    return one["event_time"], int(one["position"].split("/")[0]), one["row_id"]


def iso(time: Any) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}Z"


HOSTILE = st.text(max_size=20) | st.text(alphabet="#%~-é🙂\x00", max_size=5).map(lambda text: text * 600)
WATCHED = options(
    value="price",
    profile={"view": ["label", "price"]},
    aggregates=[
        {
            "name": "all",
            "key": ["tenant", "user", "path", "type", "label", "price"],
            "window": "minute",
            "measures": {"latest": {"op": "last", "of": "label"}, "most": {"op": "max", "of": "price"}},
        }
    ],
    alerts=[
        {"name": "sum", "aggregate": "DAILY", "measure": "total_value", "threshold": -1e15, "publish": TOPIC},
        {"name": "most", "aggregate": "all", "measure": "most", "threshold": -1e15, "publish": TOPIC},
    ],
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "tenant": HOSTILE,
                "user_id": st.none() | HOSTILE,
                "url_path": st.none() | HOSTILE,
                "event_type": st.just("view") | HOSTILE.filter(bool),
                "label": st.none() | HOSTILE,
                "price": st.floats() | st.integers(-(2**63), 2**63 - 1).map(float),
                "event_time": st.datetimes(timezones=st.just(UTC)),
            }
        ),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=150, deadline=None)
def test_no_row_ends_a_plan_and_each_is_an_item_that_is_read(drawn: list[dict[str, Any]]) -> None:
    rows = [row(number, **one) for number, one in enumerate(drawn)]
    table = MemoryTable()
    Tier(table, WATCHED, publish=Published()).deliver(1, rows_of(rows, COLUMNS))
    reader = Reader(table, WATCHED, 0)
    for one in rows:
        found = {event.row_id for event in reader.newest(one["tenant"], one["event_type"])}
        assert one["row_id"] in found
        if one["user_id"]:
            user = reader.user(one["tenant"], one["user_id"])
            assert user.profile is not None
            assert one["row_id"] in {event.row_id for event in user.events}
    assert json.loads(dumped(reader.pending())) == []
