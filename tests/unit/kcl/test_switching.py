"""What a child does when a person says something of a lane."""

from __future__ import annotations

import time
from typing import Never, cast

import pytest

from tailrace.commit.switches import Order, Skip
from tailrace.kcl.switching import Look, Obey, Orders
from tailrace.shard import Shard
from tailrace.world import WorldError

PAUSED = Order(paused="it is mended")


class Left(Exception):
    """The child has left."""


class Two:
    """A shard of two lanes beside the lake's."""

    names = ("hot", "queue")

    def __init__(self, orders: Orders) -> None:
        self.paused: list[tuple[str, str]] = []
        self.orders = orders
        self._obey = Obey(lambda: self.orders, orders, self.leave)

    def pause(self, name: str, why: str) -> None:
        self.paused.append((name, why))

    @staticmethod
    def leave(_shard: Shard, why: str) -> Never:
        raise Left(why)

    def hears(self, orders: Orders) -> None:
        self.orders = orders
        self._obey(cast("Shard", self))


def test_a_lane_is_paused_once_and_where_it_stands() -> None:
    two = Two({})
    for _ in range(2):
        two.hears({"hot": PAUSED, "gone": PAUSED})
    assert two.paused == [("hot", "it is mended")]


def test_a_lane_that_was_resumed_and_paused_again_between_two_looks_stays_where_it_stands() -> None:
    two = Two({"hot": PAUSED})
    two.hears({"hot": PAUSED._replace(resumed=1)})
    assert {why for _, why in two.paused} == {PAUSED.paused}


def test_what_stood_at_the_opening_is_done_already() -> None:
    two = Two({"hot": PAUSED})
    two.hears({"hot": PAUSED})
    assert two.paused == []


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [
        (PAUSED, Order(resumed=1), "hot: resumed"),
        (Order(), Order(resumed=1), "hot: resumed"),  # paused and resumed between two looks, to have it tried at once
        (Order(), Order(skip=Skip("5", "of no use")), "hot: records are left out (of no use)"),
        (PAUSED, PAUSED._replace(skip=Skip("5", "of no use")), "hot: records are left out"),
    ],
)
def test_what_needs_the_records_again_or_none_of_them_is_another_childs(before: Order, now: Order, why: str) -> None:
    two = Two({"hot": before})
    with pytest.raises(Left, match=why[:12]) as left:
        two.hears({"hot": now})
    assert str(left.value).startswith(why)


def test_a_ledger_that_is_away_changes_nothing() -> None:
    said: list[str] = []
    answers: list[Orders | Exception] = [{"hot": PAUSED}, WorldError("no answer"), KeyError("skips"), {}]

    def read() -> Orders:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    look = Look(read, 10**6, lambda what, /, **facts: said.append(f"{what} {facts['error']}"))
    assert look.start() == look.now() == {"hot": PAUSED}
    look.look()
    assert (look.now(), said) == ({"hot": PAUSED}, ["trouble no answer"])
    look.look()
    assert (look.now(), said[1:]) == ({"hot": PAUSED}, ["trouble KeyError('skips')"])
    look.look()
    assert look.now() == {}
    look.close()


def test_it_looks_again_and_again() -> None:
    count = [0]

    def read() -> Orders:
        count[0] += 1
        return {"hot": Order(paused=str(count[0]))}

    look = Look(read, 0.01, lambda _what, /, **_facts: None)
    look.start()
    until = time.monotonic() + 10
    while count[0] < 20 and time.monotonic() < until:
        time.sleep(0.01)
    look.close()
    assert count[0] >= 20
