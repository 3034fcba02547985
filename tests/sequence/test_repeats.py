"""Events that come again, and a child that dies in between: the verdict of a plan stands, and nobody is asked twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults import real, repeated
from faults.repeated import AGAIN, click
from faults.simulation import Kind, Scenery, calm_rows
from sequence.play import END, STOP, Feed, Play, Wait
from support.pipelines import SCHEMAS
from support.simulated_world import IDENTITY, Fault
from tailrace.commit.plan import Counts
from tailrace.edition import Edition
from tailrace.nouns import Redriven
from tailrace.rows.redriven import wrap
from tailrace.rows.rejects import row_ids
from tailrace.rows.treatment import Treatment
from tailrace.schema.book import Book

AGAIN_BARE = wrap(Redriven("q" * 32, "q-id"), b'{"eventType":"click"}')
A, B, SOUTH = click("a"), click("b"), click("a", "south")
TTL_S = 100


def play_of(*datas: bytes, dedup: str = "table", **scenery: Any) -> Play:
    return Play(*datas, kind=real.REAL, dedup=dedup, ttl_s=TTL_S, **scenery)


def places(play: Play) -> list[str]:
    return sorted(row.rpartition(":")[2] for row in play.rows().elements())


def test_one_plan_stores_an_id_once_and_says_which_it_left_out() -> None:
    play = play_of(A, B, A, SOUTH, A, dedup="plan")
    play.child(Feed(5), END, strikes={("swap.prepare", 1): "kill after"})
    play.child(Feed(2), Feed(3), strikes={("swap.take_over", 1): "kill after"})
    play.child(Feed(5), END)
    assert places(play) == ["100/0/0", "100/1/0", "101/1/0"]
    assert play.world.item.totals == Counts(5, 3, 0, 2)
    assert play.world.kinds()["claim"] == 0


def test_the_verdicts_stand_in_the_plan() -> None:
    play = play_of(A, A, AGAIN, AGAIN)
    play.child(Feed(4), END, strikes={("swap.prepare", 1): "kill after"})
    plan = play.world.item.plan
    assert plan is not None
    assert dict(plan.repeated) == {"100/1/0": "duplicate", "101/1/0": "redriven"}


def test_another_plan_leaves_out_what_the_table_knows() -> None:
    play = play_of(A, B, A, B, rows=2)
    play.child(Feed(2), Feed(2), END)
    assert places(play) == ["100/0/0", "100/1/0"]
    assert play.world.item.totals == Counts(4, 2, 0, 2)


def test_without_a_table_another_plan_stores_it_again() -> None:
    play = play_of(A, A, rows=1, dedup="plan")
    play.child(Feed(1), Feed(1), END)
    assert places(play) == ["100/0/0", "100/1/0"]


def test_a_plan_that_is_taken_over_is_not_judged_again() -> None:
    play = play_of(A, A, B)
    play.child(Feed(3), END, strikes={("swap.prepare", 1): "kill after"})
    asked = play.world.kinds()["claim"]
    play.world.claims.standing.clear()
    play.world.claims.claim(dict.fromkeys({grant.key for grant in play.world.grants}, "another"), 0, 10**9)
    play.child(Feed(1), Feed(2), END)
    assert play.world.kinds()["claim"] == asked
    assert places(play) == ["100/0/0", "101/0/0"]


def test_a_replay_before_the_plan_asks_again_and_gets_its_own() -> None:
    play = play_of(A, B, A)
    play.child(Feed(3), END, strikes={("swap.prepare", 1): "kill before"})
    play.child(Feed(1), Feed(1), Feed(1), END)
    assert places(play) == ["100/0/0", "100/1/0"]


def test_a_claim_whose_reply_is_lost_is_asked_for_again() -> None:
    play = play_of(A, AGAIN)
    lost: dict[tuple[str, int], Fault] = {("claim", 1): "lose the reply", ("swap.redriven", 1): "lose the reply"}
    play.child(Feed(2), END, strikes=lost)
    assert places(play) == ["100/0/0", "100/1/0"]
    assert play.said("trouble") == 2


def test_when_its_time_is_over_an_id_is_stored_again() -> None:
    play = play_of(A, A, A, age_ms=1_000)
    play.child(Feed(1), Wait(TTL_S - 10), Feed(1), Wait(20), Feed(1), END)
    assert places(play) == ["100/0/0", "101/0/0"]


def test_what_comes_after_a_plan_that_was_found_is_judged_afresh() -> None:
    play = play_of(A, B, A, A, dedup="plan", rows=2)
    play.child(Feed(2), strikes={("swap.prepare", 1): "kill after"})
    play.child(Feed(4), END)
    assert places(play) == ["100/0/0", "100/1/0", "101/0/0"]


def test_an_event_sent_again_in_two_plans_is_stored_once_though_nothing_is_set() -> None:
    play = play_of(AGAIN, A, A, AGAIN, dedup="", rows=1)
    play.child(Feed(1), Feed(1), strikes={("swap.commit", 1): "kill after"})
    play.child(Feed(4), END)
    assert places(play) == ["100/0/0", "100/1/0", "101/0/0"]
    assert play.world.item.totals == Counts(4, 3, 0, 1)


# ---- another edition between two tries

CLICK = "click", "1-0-0"
STRICT_BOOK = Book(real.CONTRACT, {**SCHEMAS, CLICK: {**SCHEMAS[CLICK], "required": ["path"]}})
STRICT = Edition(STRICT_BOOK, Treatment(), (("book", STRICT_BOOK.digest),))
STRICTLY = Kind(lambda process, scenery: real.real_shard(process, scenery, STRICT), real.READER, real.rows)


@pytest.mark.parametrize("dedup", ["table", "plan"])
def test_what_a_replay_finds_sound_that_was_rejected_is_asked_for_too(dedup: str) -> None:
    play = play_of(A, A, AGAIN_BARE, AGAIN_BARE, B, dedup=dedup)
    play.kind = STRICTLY
    play.child(Feed(5), END, strikes={("swap.prepare", 1): "kill after"})
    plan = play.world.item.plan
    assert plan is not None
    assert (plan.counts.rejected, plan.repeated) == (5, ())
    play.kind = real.REAL
    play.child(Feed(5), strikes={("swap.take_over", 1): "kill after"})
    plan = play.world.item.plan
    assert plan is not None
    assert dict(plan.repeated) == {"100/1/0": "duplicate", "101/1/0": "redriven"}
    play.child(Feed(5), END)
    assert places(play) == ["100/0/0", "101/0/0", "102/0/0"]


def test_what_was_claimed_and_rejected_comes_back_when_it_is_sent_again() -> None:
    (row_id,) = row_ids(IDENTITY, ["100/0/0"])
    play = play_of(A, wrap(Redriven(row_id, "a"), A), A)
    play.child(Feed(1), END, strikes={("swap.prepare", 1): "kill before"})
    play.kind = STRICTLY
    play.child(Feed(1), STOP)
    assert play.world.item.totals == Counts(1, 0, 1, 0)
    play.kind = real.REAL
    play.child(Feed(2), END)
    assert places(play) == ["100/0/0", "100/1/0"], "the reject in quarantine, what was sent again, and no copy of it"
    assert play.world.item.totals == Counts(3, 1, 1, 1)


datas = st.lists(st.sampled_from(repeated.DATAS), min_size=1, max_size=10).map(tuple)
turns = st.lists(st.integers(0, 5), max_size=8)
kinds = st.sampled_from(["claim", "swap.prepare", "create.object", "swap.commit", "swap.redriven", "swap.take_over"])
deaths = st.dictionaries(
    st.tuples(kinds, st.integers(1, 3)), st.sampled_from(["kill before", "kill after", "lose the reply"]), max_size=2
)


@given(found=datas, lives=st.lists(st.tuples(turns, deaths), max_size=3), rows=st.integers(1, 8), last=turns)
def test_however_records_come_and_whoever_dies_the_same_events_are_stored(
    found: tuple[bytes, ...], lives: list[tuple[list[int], dict[tuple[str, int], Fault]]], rows: int, last: list[int]
) -> None:
    play = play_of(*found, rows=rows)
    for sizes, strikes in lives:
        play.child(*(Feed(size, behind_ms=1) for size in sizes), strikes=strikes)
    play.child(*(Feed(size, behind_ms=1) for size in last), Feed(1_000), END)
    play.judge(calm_rows(Scenery(datas=found, dedup="table", ttl_s=TTL_S), real.REAL))
    repeated.judge(play, calm_rows(Scenery(datas=found), real.REAL))
