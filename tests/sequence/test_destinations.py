"""A destination in trouble, or under a person's hand: what a child does turn by turn, and what it costs the lake."""

from __future__ import annotations

import pytest

from sequence.play import END, RETRY_S, STOP, TICK, TURN_S, Feed, Play, Wait
from support.memory_sink import ASIDE
from support.simulated_world import ASIDE_KEY, IDENTITY
from tailrace.cli.resolve import decide
from tailrace.commit import rules
from tailrace.commit.plan import Item, item_from_dict, item_to_dict
from tailrace.commit.switches import Order, Skip
from tailrace.kcl.child import RESOLVE_LOOK_S
from tailrace.nouns import mark

ONES = (b"1",) * 8  # their marks: 100/0, 100/1, 101/0, ...


def played(*datas: bytes) -> Play:
    return Play(*(datas or ONES), rows=1, aside=True)


def away(play: Play, seconds: float = 10**6) -> None:
    play.world.away["aside"] = play.world.now_s + seconds


def aside(play: Play) -> Item:
    found = play.world.ledger.read(ASIDE_KEY)
    assert found is not None
    return item_from_dict(found[1])


def agree(play: Play) -> None:
    """What the lake stores and what was sent is the same, each once and in order."""
    assert play.world.aside.messages == play.stored() == sorted(play.stored())


def test_a_destination_that_is_away_is_given_up_and_the_lake_has_it_all() -> None:
    play = played()
    away(play)
    play.child(*[Feed(1) for _ in ONES], STOP)
    assert len(play.stored()) == len(ONES)
    assert play.said("parked") == 1
    assert (aside(play).watermark, play.world.checkpoint) == ("", ""), "the daemon will bring it all again"


def test_a_destination_that_is_back_gets_all_of_it_from_the_next_child() -> None:
    play = played()
    away(play, RETRY_S)
    play.child(Feed(3), Feed(3), Wait(RETRY_S), Feed(1), Wait(RETRY_S), Feed(1))
    assert "Anew" in play.end
    play.child(Feed(8), TICK, STOP)
    agree(play)
    assert play.world.checkpoint == play.world.last


@pytest.mark.parametrize(("waits", "tried"), [(20, False), (40, True)])
def test_a_destination_is_tried_the_less_often_the_longer_it_is_away(waits: int, *, tried: bool) -> None:
    play = played()
    play.world.now_s += 100 * RETRY_S  # so old are the records: a quarter of that
    away(play)
    play.child(Feed(3), Feed(3), Feed(1), Wait(waits * RETRY_S), TICK)
    assert ("Anew" in play.end) is tried


def test_the_end_of_a_shard_waits_for_a_destination_as_long_as_its_turn_may_take_and_no_longer() -> None:
    play = played()
    away(play)
    began = play.world.now_s
    done = play.child(Feed(8), END)
    assert "CheckpointedEnd" not in done
    assert "Anew" in play.end
    assert RETRY_S <= play.world.now_s - began <= TURN_S
    away(play, 0)
    assert "CheckpointedEnd" in play.child(Feed(8), END)
    agree(play)


class Hand:
    """What a person says, from one turn to the next."""

    def __init__(self) -> None:
        self.order = Order()

    def __call__(self) -> dict[str, Order]:
        return {ASIDE: self.order}

    def pause(self) -> None:
        self.order = self.order._replace(paused="it is mended")

    def resume(self) -> None:
        self.order = self.order._replace(paused="")

    def skip(self) -> None:
        self.order = self.order._replace(skip=Skip(mark("101", 1), "of no use"))


def test_a_destination_that_is_paused_and_resumed_has_all_in_order() -> None:
    play, hand = played(), Hand()
    play.child(Feed(2), TICK, hand.pause, Feed(2), Feed(2), TICK, STOP, orders=hand)
    assert len(play.stored()) == 6
    assert play.world.aside.messages == play.stored()[:2]
    assert play.world.checkpoint == aside(play).watermark == mark("100", 1)
    play.child(TICK, Feed(4), Wait(10 * RETRY_S), TICK, hand.resume, Feed(2), orders=hand)
    assert "Anew" in play.end, "the pause itself brings nobody to start anew"
    play.child(Feed(6), TICK, STOP, orders=hand)
    agree(play)


@pytest.mark.parametrize("paused", [True, False])
def test_what_a_person_leaves_out_is_left_out_and_the_rest_comes(*, paused: bool) -> None:
    play, hand = played(), Hand()
    away(play, 50)
    if paused:
        hand.pause()
    play.child(Feed(4), TICK, hand.skip, Feed(2), orders=hand)
    assert "Anew" in play.end
    away(play, 0)
    hand.resume()
    play.child(Feed(8), TICK, STOP, orders=hand)
    assert play.world.aside.messages == play.stored()[4:]
    assert aside(play).resolved[0].startswith("skipped after the start to 101/1: of no use")
    assert play.world.checkpoint == play.world.last


def test_a_pause_in_the_end_of_a_shard_is_heard() -> None:
    play, hand = played(), Hand()
    hand.pause()

    def orders() -> dict[str, Order]:
        if play.world.now_s >= play_over:
            hand.resume()
        return hand()

    play_over = play.world.now_s + 30
    play.child(Feed(8), END, orders=orders)
    assert "Anew" in play.end
    assert 30 <= play.world.now_s - play_over + 30 < 30 + 2 * RESOLVE_LOOK_S
    play.child(Feed(8), END, orders=orders)
    assert play.world.end_taken
    agree(play)


def test_a_destination_that_waits_for_a_person_goes_on_once_one_has_decided_and_not_before() -> None:
    play = played()
    stopped = Item(generation=1, stopped="brought other records")
    assert play.world.ledger.swap(ASIDE_KEY, 0, item_to_dict(stopped)) is None

    def person() -> None:
        assert decide(play.world.ledger, play.world.place, IDENTITY, accept=False, lane=ASIDE)

    play.child(Feed(4), Wait(10 * RETRY_S), Feed(2), TICK, person, Wait(RESOLVE_LOOK_S), Feed(2))
    assert "Resolved" in play.end
    assert play.said("answer.processRecords") == 0
    play.child(Feed(8), TICK, STOP)
    agree(play)


def test_a_child_whose_destinations_lane_another_has_opened_gives_the_shard_up() -> None:
    play = played()

    def another() -> None:
        found = play.world.ledger.read(ASIDE_KEY)
        assert found is not None
        opened = rules.opening(item_from_dict(found[1])).item
        assert play.world.ledger.swap(ASIDE_KEY, found[0], item_to_dict(opened)) is None

    play.child(Feed(2), another, Feed(2), TICK, Wait(100), Feed(2), Wait(100), Feed(2))
    assert "Superseded" in play.end
    play.child(Feed(8), TICK, STOP)
    agree(play)
