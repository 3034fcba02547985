"""Our own mistakes must not loop for ever: after three failures a child goes record by record."""

from __future__ import annotations

import pytest

from faults import real
from faults.repeated import AGAIN, click
from sequence.play import END, STOP, TICK, Feed, Play
from support.memory_sink import INTERNAL
from support.simulated_world import Fault
from tailrace.commit.plan import Item
from tailrace.nouns import mark

OPENING = ["Opened", "Answered"]
OFTEN = Item(generation=5, failures=3)


def test_three_failures_are_borne_the_fourth_child_is_careful() -> None:
    play = Play(b"1", b"raise", b"1")
    for _ in range(3):
        assert play.child(Feed(3)) == OPENING
        assert "OurMistake" in play.end
    assert play.child(Feed(3)) == [*OPENING, *["Suspected"] * 2, "Answered"]
    assert play.said("poison") == 1
    play.child(Feed(3), END)
    assert play.stored() == ["100/0/0", "101/0/0", f"{INTERNAL}:100/1/0"]


def test_a_record_that_kills_its_child_alone_and_twice_is_quarantined() -> None:
    play = Play(b"1", b"die", b"1", b"bad", item=OFTEN)
    alone = (mark("100", 1), mark("100", 1))
    for suspect in [(mark("100", 0), mark("101", 1)), alone, alone]:  # all of them, then one by one, twice
        play.child(Feed(4))
        assert play.end == "killed"
        assert play.world.item.suspect == suspect
    play.child(Feed(4), END)
    assert play.stored() == ["100/0/0", "101/0/0", f"{INTERNAL}:100/1/0", "parse:101/1/0"]
    assert play.world.item.poison == ()


def test_several_such_records_cost_three_children_each() -> None:
    play = Play(b"die", b"1", b"die", b"die", item=OFTEN)
    for _ in range(9):
        play.child(Feed(4))
        assert play.end == "killed"
    play.child(Feed(4), END)
    assert play.stored() == ["100/1/0", *(f"{INTERNAL}:{p}/0" for p in ("100/0", "101/0", "101/1"))]


def test_a_commit_ends_the_careful_mode() -> None:
    play = Play(*[b"1"] * 6, item=OFTEN, rows=2)
    done = play.child(Feed(2), Feed(2), Feed(2))
    assert done.count("Suspected") == 1
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


def test_a_death_by_chance_blames_nobody() -> None:
    play = Play(*[b"1"] * 6, item=OFTEN)
    for number in (1, 2, 4, 2):  # nothing noted, all of them, one of them alone, then others than that one
        play.child(Feed(6), strikes={("swap.suspect", number): "kill before"})
        assert play.end == "killed"
    play.child(Feed(6), END)
    assert len(play.stored()) == 6
    assert not [row for row in play.stored() if row.startswith(INTERNAL)]


@pytest.mark.parametrize("kind", ["create.object", "swap.commit"])
def test_no_record_is_blamed_for_what_its_plan_met(kind: str) -> None:
    play = Play(b"1", b"1", item=OFTEN, rows=2)
    play.child(Feed(2), strikes={(kind, 1): "kill before"})
    assert play.world.item.suspect == ()
    play.child(Feed(2), END)
    assert play.stored() == ["100/0/0", "100/1/0"]


@pytest.mark.parametrize("data", [click("a"), AGAIN], ids=["claimed", "sent again"])
def test_no_record_is_blamed_for_a_table_that_is_away(data: bytes) -> None:
    play = Play(data, item=OFTEN, kind=real.REAL, dedup="table")
    away: dict[tuple[str, int], Fault] = {
        (kind, n): "fail" for kind in ("claim", "swap.redriven") for n in range(1, 100)
    }
    for _ in range(4):
        assert play.child(Feed(1), strikes=away)[-2:] == ["Suspected", "Suspected"]
        assert "WorldError" in play.end
        assert (play.world.item.suspect, play.world.item.hot, play.world.item.poison) == ((), (), ())
    play.child(Feed(1), END)
    assert [row.partition(":")[0] for row in play.stored()] == ["click/v1"]


def test_a_large_part_is_cut_so_that_its_commit_comes_soon() -> None:
    play = Play(*[b"1"] * 1050, item=OFTEN)
    assert play.child(Feed(1050)).count("Committed") == 2
    assert play.child(Feed(1050), END).count("Committed") == 1
    assert len(play.stored()) == 1050
