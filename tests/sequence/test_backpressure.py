"""One batch fills while one is written, and no more: the next full one waits, and with it the daemon."""

from __future__ import annotations

import time
from itertools import pairwise

from support.memory_lanes import HeldPlace, World, ones
from support.memory_sink import MemoryPipeline
from tailrace.commit.batch import part_of
from tailrace.commit.patience import Bound
from tailrace.nouns import mark
from tailrace.ops.clock import SystemClock
from tailrace.shard import Shard

BOUND_S = 0.6


def test_a_second_full_batch_waits_for_the_first() -> None:
    place = HeldPlace()
    world = World(place)

    def alive() -> None:  # asked in every wait
        world.said.append("waited")
        place.go.set()

    lane = world.lane(rows=2, alive=alive)

    def fill(first: int, count: int, now_ms: int = 0) -> None:
        records = ones(first, count)
        lane.add(part_of(records), MemoryPipeline()(records), now_ms)
        world.said.append("filled")
        lane.flush_due(now_ms)

    try:
        lane.open()
        fill(1, 2)
        fill(3, 1)
        lane.flush_due(5_000)  # age alone does not make the daemon wait
        assert "waited" not in world.said
        fill(4, 1, now_ms=5_000)
        assert lane.watermark == mark("2", 0)
        assert lane.flush()
    finally:
        lane.close()
    main = [what for what in world.said if what in {"filled", "waited"}]
    assert main[:4] == ["filled", "filled", "filled", "waited"]
    assert world.said.count("lake: cut") == world.said.count("lake: committed") == 2
    assert len(place.objects) == 6


def test_a_destination_that_does_not_come_to_an_end_delays_the_lake_once_and_by_its_bound() -> None:
    place = HeldPlace()
    world, slow = World(), World(place)
    lake, hot = world.lane("lake", rows=1), slow.lane("hot", rows=1)
    hot._bound = Bound(SystemClock(), BOUND_S)
    shard = Shard(MemoryPipeline(), [lake, hot], lambda: 0, world.say)
    shard.open()
    ends = [time.monotonic()]
    for number in range(1, 7):
        shard.add(ones(number, 1))
        shard.flush_due()
        ends.append(time.monotonic())
    first, second, *others = (after - before for before, after in pairwise(ends))
    lake.settle()
    assert (lake.watermark, shard.waiting) == (mark("6", 0), {"hot": "parked"})
    assert "still under way" in shard.why
    assert first < BOUND_S / 2, "one batch fills while another is written"
    assert BOUND_S <= second < 2 * BOUND_S
    assert sum(others) < BOUND_S / 2, others
    place.go.set()
    hot.settle()
    assert hot.watermark == mark("1", 0), "what was under way came to its end"
    shard.close()


def test_a_turn_may_wait_anew_for_a_destination_that_is_only_slow() -> None:
    now = [0.0]

    class Clock(SystemClock):
        def monotonic(self) -> float:
            now[0] += 0.4  # so long takes each wait
            return now[0]

    world = World()
    shard = Shard(MemoryPipeline(), [world.lane("lake"), world.lane("hot", rows=1)], lambda: 0, world.say)
    shard._lanes[1]._bound = Bound(Clock(), 1.0)
    shard.open()
    for number in range(1, 9):
        shard.add(ones(number, 1))
        shard.flush_due()
    assert shard.flush()
    shard.close()
    assert (shard.waiting, shard.watermark) == ({}, mark("8", 0))
