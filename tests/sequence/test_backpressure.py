"""One batch fills while one is written, and no more: the next full one waits, and with it the daemon."""

from __future__ import annotations

from support.memory_lanes import HeldPlace, World, ones
from support.memory_sink import MemoryPipeline
from tailrace.commit.batch import part_of
from tailrace.nouns import mark


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
