"""A lake and a destination beside it: whatever the destination does, the lake has all, and no event is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.forwarding import THERE, OfPositions
from support.memory_lanes import IDENTITY, World, ones
from support.memory_sink import ASIDE, MemoryPipeline
from support.memory_target import Ear, Fate, MemoryTarget, Time, sender
from tailrace.commit.batch import FlushLimits
from tailrace.commit.lane import Lane
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.patience import Bound, Patience
from tailrace.commit.plan import Item
from tailrace.nouns import START, mark
from tailrace.ops.clock import SystemClock
from tailrace.shard import Shard
from tailrace.sinks.forward import dead
from tailrace.sinks.forward.dead import DeadLetters
from tailrace.sinks.forward.filling import ForwardSink
from tailrace.sinks.forward.target import Limits
from tailrace.world import WorldDenied

NOTE_EVERY = 5


class Made:
    """What outlives a child: ledger, place, destination."""

    def __init__(self, *, blocks: bool = False, bound: Bound | None = None) -> None:
        """`bound`: how long the shard waits for the destination, in real time; None: for as long as it takes."""
        self.world, self.ear = World(), Ear()
        self.clock: Time | SystemClock = Time() if bound is None else SystemClock()
        self.target, self.blocks, self.bound = MemoryTarget(Limits(3, 10**6, 10**6)), blocks, bound

    @contextmanager
    def child(self) -> Iterator[Shard]:
        """Open the shard."""
        world, how = self.world, SystemClock()
        letters = DeadLetters(world.place, IDENTITY, THERE._replace(name=ASIDE), self.ear)
        hurry = (lambda: False) if self.bound is None else self.bound.pressing
        sends = sender(self.target, self.clock, self.ear, blocks=self.blocks, hurry=hurry)
        aside = Lane(
            ASIDE,
            IDENTITY,
            LaneLedger(world.ledger, world.place, IDENTITY, ASIDE),
            None,
            OfPositions(ForwardSink(sends, letters, NOTE_EVERY, ("user_id",))),
            FlushLimits(20, 10**9, 10**9, 10**9),
            digests=(),
            patience=lambda: Patience(how, 0.0, lambda: 0.0),
            say=world.say,
            alive=lambda: None,
            bound=self.bound,
        )
        shard = Shard(MemoryPipeline(), [world.lane("lake", rows=8), aside], lambda: 0, world.say)
        try:
            shard.open()
            yield shard
        finally:
            shard.close()

    def item(self, lane: str) -> Item:
        found = LaneLedger(self.world.ledger, self.world.place, IDENTITY, lane).read()
        assert found is not None
        return found[1]

    @property
    def taken(self) -> list[str]:
        return [one.position for one in self.target.taken]

    @property
    def letters(self) -> list[str]:
        return [one.message.position for one in dead.read(self.world.place, IDENTITY.epoch)]


def positions(count: int) -> list[str]:
    return [f"{n}/0/0" for n in range(1, count + 1)]


@pytest.mark.parametrize("fate", ["denied", "down", "throttled", "refused", "unfit"])
def test_a_destination_that_never_takes_anything_has_its_events_as_letters_and_the_lake_has_them_too(
    fate: Fate,
) -> None:
    made = Made()
    made.target.fate = lambda _: fate
    with made.child() as shard:
        shard.add(ones(1, 30))
        shard.add(ones(31, 30))
        shard.end()
        assert shard.waiting == {}
        assert shard.watermark == mark("60", 0), "nothing keeps KCL's checkpoint back"
    assert (made.item("lake").totals.stored, made.item(ASIDE).totals.stored) == (60, 60)
    assert (made.taken, made.letters) == ([], positions(60))
    final = fate in {"refused", "unfit"}
    assert made.ear.count("away") == (0 if final else 1), "said once, not for each message"
    assert made.clock.monotonic() == pytest.approx(0.0 if final else 60.0), "the patience is spent once"


def test_one_event_that_is_refused_is_a_letter_and_the_others_go() -> None:
    made = Made(blocks=True)
    made.target.fate = lambda one: "unfit" if one.position == "7/0/0" else ""
    with made.child() as shard:
        shard.add(ones(1, 30))
        shard.end()
        assert shard.waiting == {}
    assert made.letters == ["7/0/0"]
    assert made.taken == [one for one in positions(30) if one != "7/0/0"]


def test_one_that_blocks_is_parked_keeps_the_checkpoint_back_and_goes_on_where_it_stood() -> None:
    made = Made(blocks=True)
    made.target.fate = lambda one: "denied" if int(one.position[:-4]) > 12 else ""
    with made.child() as shard:
        shard.add(ones(1, 30))
        shard.flush()
        assert shard.waiting == {ASIDE: "parked"}
        assert "this is not taken: not yours" in shard.why
        assert shard.state == "fill"
        shard.add(ones(31, 30))
        shard.flush()
        assert shard.watermark == START, "of the slowest lane"
    assert made.item("lake").watermark == mark("60", 0)
    assert made.item(ASIDE).plan is not None
    made.target.fate = lambda _: ""
    with made.child() as shard:
        shard.add(ones(1, 60))
        shard.end()
        assert shard.waiting == {}
        assert shard.watermark == mark("60", 0)
    assert (made.letters, made.item("lake").totals.stored) == ([], 60)
    assert list(dict.fromkeys(made.taken)) == positions(60), "each, and in order"
    assert Counter(made.taken).total() - 60 <= NOTE_EVERY


def test_letters_that_cannot_be_stored_park_the_lane_and_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        raise WorldDenied("no such bucket")

    made = Made()
    made.target.fate = lambda one: "refused" if one.position == "7/0/0" else ""
    with monkeypatch.context() as patch:
        patch.setattr(DeadLetters, "put", broken)
        with made.child() as shard:
            shard.add(ones(1, 30))
            shard.flush()
            assert shard.waiting == {ASIDE: "parked"}
    with made.child() as shard:
        shard.add(ones(1, 30))
        shard.end()
        assert shard.watermark == mark("30", 0)
    assert made.letters == ["7/0/0"]
    assert set(made.taken) == set(positions(30)) - {"7/0/0"}


def test_where_the_shard_would_wait_for_it_events_become_letters_before_it_is_parked() -> None:
    made = Made(bound=Bound(SystemClock(), 4.0))
    made.target.fate = lambda _: "down"
    with made.child() as shard:
        for first in range(1, 101, 20):  # each is a plan, the second waits for the first
            shard.add(ones(first, 20))
        shard.end()
        assert shard.waiting == {}
        assert shard.watermark == mark("100", 0)
    assert made.letters == positions(100)
    assert made.ear.count("away") == 1
