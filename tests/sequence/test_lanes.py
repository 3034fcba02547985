"""Lanes beside the lake's, from one opening to the next: away, paused, parked, told to leave records out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from support.memory_lanes import IDENTITY, HeldPlace, World, ones
from support.memory_plans import plan
from support.memory_sink import MemoryPipeline, MemorySink
from tailrace.cli.resolve import decide
from tailrace.commit.batch import part_of
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.plan import Item, lane_key
from tailrace.commit.switches import Order, Skip
from tailrace.nouns import START, mark
from tailrace.shard import Shard


@contextmanager
def opened(world: World, order: Order | None = None, checkpoint: str = START) -> Iterator[Shard]:
    """Open a shard of two lanes, one of them told something."""
    lanes = [world.lane("lake", rows=4), world.lane("hot", rows=2)]
    shard = Shard(MemoryPipeline(), lanes, lambda: 0, world.say, orders={"hot": order or Order()})
    try:
        shard.open(checkpoint)
        yield shard
    finally:
        shard.close()


def write(world: World, lane: str, item: Item) -> None:
    assert LaneLedger(world.ledger, world.place, IDENTITY, lane).swap(0, item) is None


def item(world: World, lane: str) -> Item:
    found = LaneLedger(world.ledger, world.place, IDENTITY, lane).read()
    assert found is not None
    return found[1]


def test_a_lane_that_was_away_with_a_plan_open_leaves_out_all_of_the_plan() -> None:
    world = World()
    write(world, "lake", Item(generation=1, chain=3, watermark=mark("6", 0)))
    begun = plan(chain=2, last=8, sent="5/0/0")
    write(world, "hot", Item(generation=1, chain=1, watermark=mark("2", 0), plan=begun, stopped="why"))
    with opened(world, checkpoint=mark("5", 0)) as shard:
        assert shard.waiting == {}, "there is nothing to wait for any more"
        shard.add(ones(6, 4))
        shard.end()
    hot = item(world, "hot")
    assert (hot.chain, hot.watermark, hot.records, hot.stopped) == (3, mark("9", 0), 1, "")
    assert hot.resolved[0].endswith("chain 2 was open, its messages sent up to 5/0/0")


def test_a_new_lane_begins_where_the_daemon_does_though_one_that_was_away_stands_before() -> None:
    world = World()
    write(world, "lake", Item(generation=1, chain=3, watermark=mark("6", 0)))
    write(world, "old", Item(generation=1, chain=1, watermark=mark("2", 0)))
    shard = Shard(MemoryPipeline(), [world.lane(name) for name in ("lake", "old", "new")], lambda: 0, world.say)
    shard.open(mark("5", 0))
    shard.close()
    assert (item(world, "new").watermark, item(world, "new").resolved) == (mark("5", 0), ())


def test_where_the_lake_is_behind_the_daemon_no_other_lane_is_touched() -> None:
    world = World()
    write(world, "lake", Item(generation=1, chain=1, watermark=mark("2", 0)))
    with opened(world, checkpoint=mark("5", 0)) as shard:
        assert shard.watermark == START
    assert world.ledger.revision(lane_key(IDENTITY, "hot")) == 0


def test_a_lane_that_is_paused_takes_nothing_in_and_the_lake_goes_on() -> None:
    world = World()
    write(world, "hot", Item(generation=1, plan=plan(last=2)))
    with opened(world, Order(paused="it is mended")) as shard:
        shard.add(ones(1, 3))
        assert shard.flush()
        assert (shard.state, shard.waiting, shard.why) == ("fill", {"hot": "paused"}, "it is mended")
        assert (shard.watermark, item(world, "lake").records) == (START, 3)
        assert shard.adopt(MemoryPipeline(), {"lake": MemorySink()}, ()), "its open plan holds nobody up"
    assert item(world, "hot").plan == plan(last=2)


def test_a_lane_that_is_told_to_skip_leaves_records_out_though_it_is_paused_or_stopped() -> None:
    world = World()
    write(world, "hot", Item(generation=1, stopped="why"))
    with opened(world, Order("it is mended", Skip(mark("2", 0), "Eve, of no use"))) as shard:
        shard.add(ones(1, 3))
        assert shard.waiting == {"hot": "paused"}
    hot = item(world, "hot")
    assert (hot.watermark, hot.stopped) == (mark("2", 0), "")
    assert hot.resolved == ("skipped after the start to 2/0: Eve, of no use",)


def test_a_lane_that_is_parked_while_its_plan_is_written_hears_of_it_and_asks_for_nothing_more() -> None:
    place = HeldPlace()
    world = World(place)
    lane = world.lane("hot")
    lane.open()
    try:
        records = ones(1, 2)
        lane.add(part_of(records), MemoryPipeline()(records), 0)
        lane.cut("now")
        lane.park("no room")
        assert lane.in_flight
        place.go.set()
        assert lane.flush()
        assert (lane.state, lane.watermark) == ("parked", mark("2", 0))
    finally:
        lane.close()


def test_lanes_that_are_flushed_share_the_time() -> None:
    place = HeldPlace()
    world = World(place)
    now_ms = [0]
    world.say = lambda what, /, **_facts: None  # type: ignore[method-assign]
    lanes = [world.lane(name, alive=lambda: now_ms.__setitem__(0, now_ms[0] + 200)) for name in ("lake", "a", "b")]
    shard = Shard(MemoryPipeline(), lanes, lambda: now_ms[0], world.say)
    shard.open()
    try:
        shard.add(ones(1, 2))
        assert not shard.flush(1.0)
        assert 1_000 <= now_ms[0] <= 1_400, "three lanes do not take three times as long"
        assert all(lane.in_flight for lane in lanes), "and none waits for another"
        place.go.set()
        assert shard.flush()
    finally:
        shard.close()


def test_a_person_has_decided_as_soon_as_one_lane_may_go_on() -> None:
    world = World()
    for lane in ("lake", "hot"):
        write(world, lane, Item(generation=1, stopped="why"))
    with opened(world) as shard:
        assert not shard.resolved()
        assert decide(world.ledger, world.place, IDENTITY, accept=False)
        assert shard.resolved()
