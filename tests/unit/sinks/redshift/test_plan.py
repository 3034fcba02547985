"""Loads as values: they survive a store, take whole plans in order, and their SQL keeps the service's limits."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.commit.committed import StoredObject
from tailrace.commit.rules import Already, Refused
from tailrace.sinks.ddl.model import DdlError
from tailrace.sinks.redshift import plan, rules, statements
from tailrace.sinks.redshift.plan import Item, Load, Pending, Range
from tailrace.sinks.redshift.statements import Counts

RANGE = Range("clicks", "shard-0", 3, 7)
LOAD = Load("ab", "click/v1", (RANGE,), "ab-1-0", "st")


@pytest.mark.parametrize("item", [Item(), Item(2, "h", 9, LOAD, 1, 2, 3, "_loads/x.json", "d")])
def test_an_item_survives_a_store(item: Item) -> None:
    assert plan.from_dict(json.loads(json.dumps(plan.to_dict(item)))) == item


def pending(shard: str, chain: int, name: str, size: int) -> Pending:
    one = StoredObject(name, "t", 1, size, "")
    return Pending("s", shard, chain, one, one)


PENDING = st.lists(
    st.builds(pending, st.sampled_from(["0", "1", "2"]), st.integers(1, 5), st.uuids().map(str), st.integers(1, 50)),
    min_size=1,
)


@given(PENDING, st.integers(1, 200))
def test_a_load_takes_whole_plans_each_shards_in_order(waiting: list[Pending], most: int) -> None:
    taken = plan.cut(waiting, most)
    rest = [one for one in waiting if one not in taken]
    assert taken
    assert not {one[:3] for one in taken} & {one[:3] for one in rest}
    for shard in "012":
        last = max((one.chain for one in taken if one.shard == shard), default=0)
        assert all(one.chain > last for one in rest if one.shard == shard)
    assert len(plan.plans(taken)) == 1 or sum(one.file.bytes for one in taken) <= most


def test_the_same_ranges_are_the_same_load() -> None:
    made = [plan.load_of("w", "e", "t", ranges).id for ranges in itertools.permutations([RANGE, Range("a", "b", 0, 1)])]
    assert len(set(made)) == 1
    assert plan.load_of("w", "e", "t", [RANGE]).id not in made


def test_the_largest_load_keeps_the_limits_of_the_data_api() -> None:
    ranges = [Range("s" * 128, f"{n:064d}", 10**9, 10**9 + n) for n in range(plan.SHARDS_MAX)]
    columns = tuple(f"column_{n:03d}" for n in range(500))
    copies = [statements.Copy("t" * 110, columns, "s3://b/" + "k" * 300, 10**9, True, "q" * 110)] * (
        plan.SHAPES_MAX + 1
    )
    load = plan.load_of("w", "e" * 8, "t" * 120, ranges)
    made = statements.transaction("s" * 63, "e" * 8, load, copies, Counts(10**9, 10**9, 10**9), "")
    assert len(made) <= statements.STATEMENTS_MAX
    assert max(len(one) for one in made) <= statements.STATEMENT_BYTES_MAX


def test_the_lock_comes_first_and_the_count_last() -> None:
    copy = statements.Copy("click_v1", ("row_id", "a"), "s3://lake/m.json", 12, False)
    made = statements.transaction("tailrace", "e", LOAD, [copy], Counts(12, 0, 0), "arn:aws:iam::123456789012:role/r")
    assert made[0] == 'LOCK "tailrace"."load_ledger"'
    assert 'CASE WHEN coalesce(max("chain"), 0) = 3 THEN 3 END, 7' in made[1]
    assert made[3] == (
        "COPY \"load_stage_0\" FROM 's3://lake/m.json' IAM_ROLE 'arn:aws:iam::123456789012:role/r' "
        "FORMAT AS PARQUET MANIFEST"
    )
    assert made[-1] == (
        'INSERT INTO "load_check" ("rows")\nSELECT CASE WHEN count(*) = 12 THEN 12 END FROM "load_stage_0"'
    )


@pytest.mark.parametrize("value", ["a\\", "a\nb"])
def test_texts_that_redshift_may_read_otherwise_are_refused(value: str) -> None:
    with pytest.raises(DdlError, match="without a backslash"):
        statements.literal(value)
    assert statements.literal("it's") == "'it''s'"


def test_a_lease_keeps_others_out_until_it_is_over() -> None:
    taken = rules.taking(Item(), "one", 1000, 500)
    assert taken == rules.Next(Item(generation=1, holder="one", until_ms=1500))
    assert isinstance(taken, rules.Next)
    assert isinstance(rules.taking(taken.item, "two", 1499, 500), Refused)
    assert isinstance(rules.taking(taken.item, "two", 1499, 500, force=True), rules.Next)
    assert isinstance(rules.taking(taken.item, "two", 1500, 500), rules.Next)


LAWS: dict[str, tuple[Item, Any]] = {
    "sending": (Item(1), lambda item, of: rules.sending(item, of, LOAD)),
    "sent": (Item(1, open=LOAD._replace(statement="")), lambda item, of: rules.sent(item, of, "st")),
    "settling": (Item(1, open=LOAD), lambda item, of: rules.settling(item, of, "ab", (5, 1))),
    "renewing": (Item(1), lambda item, of: rules.renewing(item, of, 9)),
    "leaving": (Item(1, "one", 5), lambda item, of: rules.leaving(item, of, "n", "d")),
}


@pytest.mark.parametrize("law", LAWS)
def test_a_law_is_written_once_and_by_its_owner_alone(law: str) -> None:
    item, change = LAWS[law]
    assert change(item, 2) == Refused(rules.LATER)
    written = change(item, 1)
    assert isinstance(written, rules.Next)
    assert change(written.item, 1) == Already()
