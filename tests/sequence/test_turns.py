"""What a child answers, and when it must not: the daemon's turns, one by one."""

from __future__ import annotations

import pytest

from sequence.play import END, FAILOVER_S, LOST, STOP, TICK, Feed, Play, Wait
from support.simulated_world import IDENTITY, KEY, LANE
from tailrace.cli.resolve import decide
from tailrace.commit import rules
from tailrace.commit.plan import Item, item_from_dict, item_to_dict
from tailrace.nouns import START

OPENING = ["Opened", "Answered"]
PLAN = ["Prepared", "Put", "Put", "PutCommitFile", "Committed"]
ONES = (b"1",) * 6


def another_opens(play: Play) -> None:
    """Somebody else takes the shard over, wherever it is."""
    found = play.world.ledger.read(KEY)
    assert found is not None
    opened = rules.opening(item_from_dict(found[1])).item
    assert play.world.ledger.swap(KEY, found[0], item_to_dict(opened)) is None


def test_who_is_refused_answers_and_writes_nothing() -> None:
    play = Play(*ONES, rows=3)
    done = play.child(Feed(2), lambda: another_opens(play), Feed(2), Feed(2), TICK, LOST)
    assert done == [*OPENING, "Answered", "Prepared", *["Answered"] * 4]
    assert play.world.place.objects == {}
    assert play.world.checkpoint == START
    assert "script" in play.end


def test_who_is_still_fed_after_twice_the_failover_time_exits() -> None:
    play = Play(*ONES, rows=1)
    over = 2 * FAILOVER_S + 1
    done = play.child(lambda: another_opens(play), Feed(1), Feed(1), Wait(over), TICK, Feed(1), TICK)
    assert done == [*OPENING, "Prepared", *["Answered"] * 3]
    assert "Superseded" in play.end


def test_who_is_not_fed_any_more_waits_for_its_lease_to_be_lost() -> None:
    play = Play(*ONES, rows=1)
    play.child(lambda: another_opens(play), Feed(1), TICK, Wait(100 * FAILOVER_S), TICK, TICK, LOST)
    assert "script" in play.end


def test_the_end_of_a_shard_is_answered_after_its_checkpoint() -> None:
    play = Play(*ONES)
    assert play.child(Feed(6), END) == [*OPENING, "Answered", *PLAN, "CheckpointedEnd", "Answered"]


def test_a_refused_checkpoint_of_the_end_is_tried_again_before_the_answer() -> None:
    play = Play(*ONES)
    done = play.child(Feed(6), END, strikes={("checkpoint_end", 1): "fail", ("checkpoint_end", 2): "lose the reply"})
    assert done == [*OPENING, "Answered", *PLAN, *["CheckpointedEnd"] * 3, "Answered"]


def test_an_end_that_cannot_be_checkpointed_is_not_answered() -> None:
    play = Play(*ONES)
    refused = {("checkpoint_end", nth): "fail" for nth in range(1, 20)}
    done = play.child(Feed(6), END, strikes=refused)  # type: ignore[arg-type]
    assert done[-1] == "CheckpointedEnd"
    assert "CheckpointError" in play.end


def test_an_end_with_another_owner_is_not_answered() -> None:
    play = Play(*ONES)
    assert play.child(Feed(6), lambda: another_opens(play), END) == [*OPENING, "Answered", "Prepared"]
    assert "Superseded" in play.end


def test_a_stop_flushes_checkpoints_and_says_goodbye() -> None:
    play = Play(*ONES, item=Item(generation=4, failures=2))
    assert play.child(Feed(6), STOP, LOST) == [*OPENING, "Answered", *PLAN, "Checkpointed", "Answered", "Answered"]
    assert play.world.item.failures == 0


def test_a_stop_with_nothing_in_hand_is_no_failure() -> None:
    play = Play(*ONES, item=Item(generation=4, failures=2))
    assert play.child(STOP) == [*OPENING, "Left", "Answered"]
    assert play.world.item.failures == 0


def test_a_lost_lease_touches_nothing() -> None:
    play = Play(*ONES)
    assert play.child(Feed(6), LOST) == [*OPENING, "Answered", "Answered"]
    assert play.world.item.failures == 1


def test_a_checkpoint_that_may_be_tried_again_is_tried_at_the_next_turn() -> None:
    play = Play(*ONES)
    done = play.child(Feed(6), STOP, strikes={("checkpoint", 1): "fail"})
    assert done[-2:] == ["Checkpointed", "Answered"]
    play = Play(*ONES, rows=6)
    done = play.child(Feed(6), TICK, TICK, TICK, strikes={("checkpoint", 1): "fail"})
    assert done == [*OPENING, *PLAN, "Answered", *["Checkpointed", "Answered"] * 2, "Answered"]


def test_a_checkpoint_of_a_lost_lease_is_let_go() -> None:
    play = Play(*ONES, rows=6)
    done = play.child(lambda: setattr(play.world, "holder", None), Feed(6), TICK, LOST)
    assert done == [*OPENING, *PLAN, "Answered", "Checkpointed", "Answered", "Answered"]
    assert play.world.checkpoint == START


@pytest.mark.parametrize("service", ["ledger", "place"])
def test_a_world_away_for_long_ends_the_child_and_nothing_is_checkpointed(service: str) -> None:
    play = Play(*ONES, rows=6)
    first = {"ledger": "swap.prepare", "place": "create.object"}[service]
    done = play.child(Feed(6), TICK, TICK, strikes={(first, 1): f"{service} away"})  # type: ignore[dict-item]
    assert done.count("Answered") == 2  # the child noticed at its second turn
    assert "Committed" not in done
    assert "WorldError" in play.end
    assert play.world.checkpoint == START
    play.world.now_s += 100
    play.child(Feed(6), END)
    assert len(play.stored()) == 6


def test_a_world_away_for_a_moment_is_waited_for() -> None:
    play = Play(*ONES, rows=6)
    troubles = {("swap.prepare", 1): "fail", ("create.object", 2): "fail", ("swap.commit", 1): "fail"}
    done = play.child(Feed(6), TICK, strikes=troubles)  # type: ignore[arg-type]
    assert done[-4:] == ["Committed", "Answered", "Checkpointed", "Answered"]
    assert play.said("trouble") == 3


def stopped() -> Play:
    """A shard that waits for a person: its open plan's first record is gone."""
    play = Play(*ONES, rows=6)
    play.child(Feed(6), strikes={("swap.prepare", 1): "kill after"})
    del play.world.records[0]
    play.child(Feed(5))
    assert play.world.item.stopped.startswith("chain 1 planned 6 records")
    return play


def test_a_stopped_shard_stays_stopped_for_the_next_child() -> None:
    play = stopped()
    assert play.child(Feed(5), STOP, LOST) == [*OPENING, "Answered", "Answered", "Answered"]
    assert play.world.place.objects == {}


def test_the_end_of_a_stopped_shard_is_held_until_a_person_has_decided() -> None:
    play = stopped()
    asked = 0

    def person(_process: object, kind: str) -> None:
        nonlocal asked
        asked += kind == "ledger.read"
        if kind == "ledger.read" and asked == 4:
            assert decide(play.world.ledger, play.world.place, IDENTITY, accept=True)

    play.strike = person
    assert play.child(Feed(5), END) == [*OPENING, "Answered"]
    assert "Resolved" in play.end
    assert asked == 4


def test_what_a_person_accepts_is_taken_and_the_hole_recorded() -> None:
    play = stopped()
    assert LANE == "lake"
    assert decide(play.world.ledger, play.world.place, IDENTITY, accept=True)
    assert "Committed" in play.child(Feed(5), END)
    item = play.world.item
    assert len(play.stored()) == item.records == 5
    assert item.resolved[0].startswith("chain 1: 6 records were planned")


def test_a_retry_that_finds_the_same_stops_again_and_one_that_finds_all_goes_on() -> None:
    play = stopped()
    assert decide(play.world.ledger, play.world.place, IDENTITY, accept=False)
    assert "Stopped" in play.child(Feed(5), TICK)
    play = Play(*ONES, rows=6)
    play.child(Feed(6), strikes={("swap.prepare", 1): "kill after"})
    hidden = play.world.records.pop(0)
    play.child(Feed(5), TICK, TICK, TICK)
    play.world.records.insert(0, hidden)
    assert decide(play.world.ledger, play.world.place, IDENTITY, accept=False)
    play.child(Feed(6), END)
    assert len(play.stored()) == 6
    assert play.world.item.resolved == ()
