"""Plans and items as values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.memory_plans import item, plan
from tailrace.commit.plan import (
    Counts,
    Item,
    PositionsDigest,
    app_key,
    commit_name,
    facts,
    item_from_dict,
    item_to_dict,
    lane_key,
    shelf_name,
    stem,
)
from tailrace.nouns import Identity

IDENTITY = Identity("clicks", "0a1b", "shardId-000000000001")
FULL = item(
    plan=plan(shelf="name#digest", repeated=(("1/0/0", "duplicate"), ("2/0/1", "redriven"))),
    poison=("a", "b"),
    resolved=("r",),
    totals=Counts(9, 5, 3, 1),
    watermark="w",
)


@pytest.mark.parametrize("one", [Item(), item(), FULL])
def test_an_item_comes_back_equal_from_json(one: Item) -> None:
    assert item_from_dict(json.loads(json.dumps(item_to_dict(one)))) == one


def test_an_older_version_does_not_act_on_what_it_does_not_know() -> None:
    with pytest.raises(TypeError):
        item_from_dict({**item_to_dict(item()), "news": 1})
    raw = item_to_dict(FULL)
    with pytest.raises(TypeError):
        item_from_dict({**raw, "plan": {**raw["plan"], "news": 1}})


def test_an_item_from_before_poison_was_known_is_read() -> None:
    raw = item_to_dict(item())
    del raw["poison"], raw["resolved"]
    assert item_from_dict(raw) == item()


def test_a_plan_from_before_repetitions_were_known_is_read() -> None:
    raw = item_to_dict(item(plan=plan()))
    del raw["plan"]["repeated"]
    assert item_from_dict(raw) == item(plan=plan())


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"generation": 9}, True),
        ({"names": ()}, True),
        ({"counts": Counts()}, True),
        ({"repeated": (("1/0/0", "duplicate"),)}, True),
        ({"records": 9}, False),
        ({"positions_digest": ""}, False),
        ({"last": 9}, False),
        ({"after": 1}, False),
    ],
)
def test_a_plan_covers_another_when_both_cut_the_same_records(other: dict[str, Any], same: bool) -> None:
    assert plan().covers(plan(**other)) is same


def test_counts_are_added_member_by_member() -> None:
    assert Counts(1, 2, 3, 4).plus(Counts(10, 20, 30, 40)) == Counts(11, 22, 33, 44)


@given(st.lists(st.text("0123456789/", min_size=1)), st.data())
def test_the_digest_of_positions_does_not_depend_on_how_they_came(positions: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(positions)))
    whole, halves = PositionsDigest(), PositionsDigest()
    whole.add(positions)
    halves.add(positions[:at])
    halves.add(positions[at:])
    assert (whole.hexdigest(), whole.records) == (halves.hexdigest(), halves.records)


def test_the_digest_sees_order_and_borders() -> None:
    def digest(*positions: str) -> str:
        one = PositionsDigest()
        one.add(list(positions))
        return one.hexdigest()

    assert len({digest("1/0", "2/0"), digest("2/0", "1/0"), digest("1/02/0"), digest("1/0"), digest()}) == 5


def test_names_say_whose_they_are() -> None:
    assert stem(IDENTITY, 7) == "0a1b-clicks-shardId-000000000001-0000000007"
    assert commit_name(IDENTITY, 7) == "_commits/0a1b/clicks/shardId-000000000001/0000000007.json"
    assert shelf_name(IDENTITY, "lake", 7, 2) == "_plans/0a1b/clicks/shardId-000000000001/lake/0000000007.2.json"
    assert lane_key(IDENTITY, "lake") == "lane/0a1b/clicks/shardId-000000000001/lake"
    assert app_key("tailrace") == "app/tailrace"


def test_the_facts_of_a_commit_file_are_the_plans() -> None:
    told = facts(IDENTITY, "lake", plan(chain=7), 3)
    assert (told.stream, told.epoch, told.shard, told.lane) == ("clicks", "0a1b", "shardId-000000000001", "lake")
    assert (told.chain, told.generation, told.records, told.received, told.stored) == (7, 3, 3, 3, 3)
    assert (told.after, told.last, told.digests) == (plan().after, plan().last, {"code": "1"})
