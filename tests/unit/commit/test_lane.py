"""One lane by itself; its order of effects stands in tests/sequence, its crashes in tests/faults."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.memory_lanes import IDENTITY, HeldPlace, World, ones
from support.memory_plans import plan
from support.memory_ports import MemoryPlace
from support.memory_sink import MemoryPipeline, MemorySink
from tailrace.commit import rules
from tailrace.commit.batch import part_of
from tailrace.commit.lane import Lane
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.plan import Item, commit_name
from tailrace.nouns import Record, mark
from tailrace.world import WorldError


@contextmanager
def opened(world: World, **keys: object) -> Iterator[Lane]:
    lane = world.lane(**keys)  # type: ignore[arg-type]
    try:
        lane.open()
        yield lane
    finally:
        lane.close()


def fill(lane: Lane, first: int, count: int) -> None:
    records = ones(first, count)
    lane.add(part_of(records), MemoryPipeline()(records), 0)


def item(world: World, name: str = "lake") -> Item:
    found = LaneLedger(world.ledger, world.place, IDENTITY, name).read()
    assert found is not None
    return found[1]


def write(world: World, new: Item) -> None:
    ledger = LaneLedger(world.ledger, world.place, IDENTITY, "lake")
    found = ledger.read()
    assert ledger.swap(0 if found is None else found[0], new) is None


def test_what_was_taken_is_not_taken_again() -> None:
    world = World()
    with opened(world) as lane:
        fill(lane, 1, 3)
        fill(lane, 1, 3)
        fill(lane, 3, 1)
        assert lane.taken == mark("3", 0)
        assert lane.flush()
    assert item(world).records == 3


def test_a_cut_without_records_is_none() -> None:
    world = World()
    with opened(world) as lane:
        lane.cut("age")
        assert lane.flush()
    assert item(world).chain == 0


def test_the_number_of_objects_makes_a_batch_due() -> None:
    world = World()
    with opened(world, objects=2) as lane:
        fill(lane, 2, 1)
        lane.flush_due(0)
        assert "lake: cut" not in world.said
        fill(lane, 3, 1)
        lane.flush_due(0)
        assert lane.flush()
    assert item(world).chain == 1


def test_a_flush_with_little_time_comes_back_and_the_plan_goes_on() -> None:
    place = HeldPlace()
    world = World(place)
    with opened(world) as lane:
        fill(lane, 1, 1)
        assert not lane.flush(0.1)
        assert lane.state == "fill"
        assert item(world).plan is not None
        place.go.set()
        assert lane.flush()
    assert item(world).plan is None


def test_no_time_cuts_nothing() -> None:
    world = World()
    with opened(world) as lane:
        fill(lane, 1, 1)
        assert not lane.flush(0.0)
    assert item(world).plan is None


def test_what_is_dropped_is_not_stored() -> None:
    world = World()
    with opened(world) as lane:
        fill(lane, 1, 3)
        lane.drop()
        assert lane.flush()
    assert item(world).chain == 0


def test_boundaries_are_the_watermark_and_the_end_of_an_open_plan() -> None:
    world = World()
    with opened(world) as lane:
        assert lane.boundaries() == ()
    write(world, Item(generation=1, watermark=mark("3", 0), chain=1, plan=plan(chain=2, after=3, last=5)))
    with opened(world) as lane:
        assert lane.boundaries() == (mark("3", 0), mark("5", 0))
        assert (lane.watermark, lane.forced) == (mark("3", 0), mark("5", 0))


def test_a_batch_that_belongs_to_an_open_plan_is_not_cut_by_any_limit() -> None:
    world = World()
    write(world, Item(generation=1, plan=plan(last=3)))
    with opened(world, rows=1) as lane:
        fill(lane, 1, 2)
        lane.flush_due(10**9)
        assert lane.flush()
        assert "lake: cut" not in world.said
        assert lane.forced == mark("3", 0)


def test_who_finds_another_owner_says_so_and_takes_nothing_more() -> None:
    world = World()
    with opened(world) as lane:
        write(world, rules.opening(item(world)).item)
        fill(lane, 1, 1)
        assert lane.flush()
        assert (lane.state, lane.why) == ("lost", "opened later by another")
        fill(lane, 2, 1)
        assert lane.taken == mark("1", 0)
    assert world.said[-1] == "lake: lost"
    assert world.place.objects == {}


@pytest.mark.parametrize("failures", [0, 2, 3])
def test_careful_from_the_fourth_open_without_a_commit(failures: int) -> None:
    world = World()
    write(world, Item(generation=1, failures=failures))
    with opened(world) as lane:
        assert lane.careful is (failures == 3)


def test_what_the_one_before_died_with_is_hot() -> None:
    world = World()
    write(world, Item(generation=1, suspect=(mark("7", 0), mark("9", 0))))
    with opened(world) as lane:
        assert (lane.hot, lane.poison) == ((mark("7", 0), mark("9", 0)), ())
        lane.suspect((mark("8", 0), mark("8", 0)))
        assert item(world).suspect == (mark("8", 0), mark("8", 0))
        lane.suspect(())
        assert item(world).suspect == ()


def test_a_person_is_waited_for_as_long_as_the_ledger_says() -> None:
    world = World()
    write(world, Item(generation=1, stopped="why"))
    with opened(world) as lane:
        assert (lane.state, lane.why) == ("stopped", "why")
        assert lane.stopped_item()
        resolved = rules.resolving(item(world), accept=False)
        assert isinstance(resolved, rules.Next)
        write(world, resolved.item)
        assert not lane.stopped_item()


class Away(MemoryPlace):
    """Answers nothing."""

    def create(self, *_: object) -> bool:
        raise WorldError("away")


def test_what_the_worker_raises_is_raised_where_its_plan_is_waited_for() -> None:
    with opened(World(Away())) as lane:
        fill(lane, 1, 1)
        with pytest.raises(WorldError, match="away"):
            lane.flush()


def test_another_edition_comes_only_where_nothing_is_in_hand() -> None:
    world = World()
    with opened(world) as lane:
        fill(lane, 1, 2)
        with pytest.raises(RuntimeError, match="another edition comes between plans only"):
            lane.adopt(MemorySink(5), (("book", "new"),))
        assert lane.flush()
        lane.adopt(MemorySink(5), (("book", "new"),))
        fill(lane, 3, 2)
        assert lane.flush()
    digests = [json.loads(world.place.read(commit_name(IDENTITY, chain)))["digests"] for chain in (1, 2)]
    assert digests == [{}, {"book": "new"}]
    assert {name.partition("/p=")[2][0] for name in world.place.objects if "-0000000002." in name} == {"3", "4"}


def test_a_plan_that_was_found_open_comes_before_another_edition() -> None:
    world = World()
    write(world, Item(generation=1, plan=plan(chain=1)))
    with opened(world) as lane, pytest.raises(RuntimeError, match="between plans only"):
        lane.adopt(MemorySink(5), ())


def test_who_closes_in_the_middle_of_a_plan_leaves_no_thread_behind() -> None:
    place = HeldPlace()
    lane = World(place).lane(rows=1)
    lane.open()
    records = [*ones(1, 2), Record(b"bad", "3", 0, 0)]  # three objects and two threads
    lane.add(part_of(records), MemoryPipeline()(records), 0)
    lane.cut("now")
    assert lane._objects is not None
    while lane._objects._uploads._work_queue.qsize() != 1:
        assert lane._flight is not None
        assert not lane._flight.done()
    lane.close()
    place.go.set()
    for thread in lane._worker._threads:
        thread.join(10)
        assert not thread.is_alive()
