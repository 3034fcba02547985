"""How a child takes up what is ready. The order of its effects stands in tests/sequence."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any, Never, cast

import pytest

from tailrace.kcl.renewal import POSTPONED_TURNS_MAX, Renewal
from tailrace.nouns import Destination


class Shard:
    """Says whether a plan is in flight."""

    in_flight = False


class Made:
    """A renewal, what is ready for it, and what became of it."""

    def __init__(self, *ready: Any, can: bool = True) -> None:
        self.ready, self.can = list(ready), can
        self.tried: list[Any] = []
        self.told: list[Any] = []
        self.renewal: Any = Renewal(lambda: self.ready.pop(0) if self.ready else None, self._adopt, self.told.append)

    def _adopt(self, _shard: Any, new: Any) -> bool:
        self.tried.append(new)
        return self.can


def test_nothing_ready_is_nothing_done() -> None:
    made = Made()
    made.renewal(Shard())
    assert made.tried == made.told == []


def test_what_is_adopted_is_told_once_and_forgotten() -> None:
    made = Made("one")
    made.renewal(Shard())
    made.renewal(Shard())
    assert made.tried == made.told == ["one"]


def test_what_must_wait_is_tried_again_unless_something_newer_came() -> None:
    made = Made("one", can=False)
    made.renewal(Shard())
    made.renewal(Shard())
    made.ready.append("two")
    made.can = True
    made.renewal(Shard())
    assert made.tried == ["one", "one", "two"]
    assert made.told == ["two"]


def test_a_plan_in_flight_is_not_waited_for_unless_there_is_always_one() -> None:
    made, shard = Made("one", "two"), Shard()
    shard.in_flight = True
    for _ in range(POSTPONED_TURNS_MAX):
        made.renewal(shard)
    assert made.tried == []
    made.renewal(shard)
    assert made.told == ["two"]
    made.ready.append("three")
    made.renewal(shard)
    assert made.told == ["two"], "the count begins anew"


def test_the_new_edition_is_out_of_the_collectors_way() -> None:
    gc.collect()
    gc.freeze()
    before = gc.get_freeze_count()
    kept = [[object] for _ in range(1000)]
    try:
        Made("one").renewal(Shard())
        assert gc.get_freeze_count() >= before + len(kept)
    finally:
        gc.unfreeze()


class Gone(Exception):
    """The child has left."""


def leaving(shard: object, why: str) -> Never:
    raise Gone(why)


@pytest.mark.parametrize(
    ("named", "leaves"),
    [(("a", "b"), False), (("b", "a"), False), (("a",), True), (("a", "b", "c"), True)],
)
def test_other_destinations_are_another_childs_and_their_order_means_nothing(
    named: tuple[str, ...], *, leaves: bool
) -> None:
    def of(*names: str) -> list[Destination]:
        return [Destination(name, "sqs", "arn:aws:sqs:us-east-1:1:q", {"note_every": 2}) for name in names]

    new: Any = SimpleNamespace(destinations=of(*named))
    told: list[Any] = []
    renewal = Renewal(lambda: new, lambda _shard, _new: True, told.append, of("a", "b"), leaving)
    if leaves:
        with pytest.raises(Gone, match="other destinations"):
            renewal(cast("Any", Shard()))
    else:
        renewal(cast("Any", Shard()))
    assert told == ([] if leaves else [new])
