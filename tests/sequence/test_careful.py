"""Our own mistakes must not loop for ever: after three failures a child goes record by record."""

from __future__ import annotations

import pytest

from sequence.play import END, STOP, TICK, Feed, Play
from support.memory_sink import INTERNAL
from tailrace.commit.plan import Item
from tailrace.nouns import START, mark

OPENING = ["Opened", "Answered"]
OFTEN = Item(generation=5, failures=3)


def test_three_failures_are_borne_the_fourth_child_is_careful() -> None:
    play = Play(b"1", b"raise", b"1")
    for _ in range(3):
        assert play.child(Feed(3)) == OPENING
        assert "OurMistake" in play.end
    assert play.child(Feed(3)) == [*OPENING, *["Suspected"] * 4, "Answered"]
    assert play.said("poison") == 1
    play.child(Feed(3), END)
    assert play.stored() == ["100/0/0", "101/0/0", f"{INTERNAL}:100/1/0"]


def test_a_record_that_kills_its_child_is_quarantined_by_the_next() -> None:
    play = Play(b"1", b"die", b"1", b"bad", item=OFTEN)
    play.child(Feed(4))
    assert play.end == "killed"
    assert play.world.item.suspect == mark("100", 1)
    play.child(Feed(4), END)
    assert play.stored() == ["100/0/0", "101/0/0", f"{INTERNAL}:100/1/0", "parse:101/1/0"]
    assert play.world.item.poison == ()


def test_several_such_records_cost_a_child_each() -> None:
    play = Play(b"die", b"1", b"die", b"die", item=OFTEN)
    for _ in range(3):
        play.child(Feed(4))
        assert play.end == "killed"
    play.child(Feed(4), END)
    assert play.stored() == ["100/1/0", *(f"{INTERNAL}:{p}/0" for p in ("100/0", "101/0", "101/1"))]


def test_a_commit_ends_the_careful_mode() -> None:
    play = Play(*[b"1"] * 6, item=OFTEN, rows=2)
    done = play.child(Feed(2), Feed(2), Feed(2))
    assert done.count("Suspected") == 2
    assert done.count("Committed") == 3


def test_a_goodbye_ends_it_too() -> None:
    play = Play(b"1", item=OFTEN)
    play.child(TICK, STOP)
    assert "Suspected" not in play.child(Feed(1))


def test_quiet_stops_are_no_failures() -> None:
    play = Play(b"1")
    for _ in range(6):
        play.child(TICK, STOP)
    assert play.world.item.failures == 0


@pytest.mark.parametrize("kind", ["create.object", "swap.commit"])
def test_no_record_is_blamed_for_what_its_plan_met(kind: str) -> None:
    play = Play(b"1", b"1", item=OFTEN, rows=2)
    play.child(Feed(2), strikes={(kind, 1): "kill before"})
    assert play.world.item.suspect == START
    play.child(Feed(2), END)
    assert play.stored() == ["100/0/0", "100/1/0"]


def test_a_large_part_is_cut_so_that_its_commit_comes_soon() -> None:
    play = Play(*[b"1"] * 450, item=OFTEN)
    assert play.child(Feed(450)).count("Committed") == 2
    assert play.child(Feed(450), END).count("Committed") == 1
    assert len(play.stored()) == 450
