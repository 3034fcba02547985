"""A shard and its lanes: rows are made once, and the slowest lane says how far all are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from support.memory_lanes import IDENTITY, HeldPlace, World, ones
from support.memory_plans import plan
from support.memory_sink import MemoryPipeline, MemorySink, OurMistake
from tailrace.commit.lane import Lane
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.plan import Counts, Item, PositionsDigest, Since, commit_name, lane_key
from tailrace.nouns import START, Outcome, Record, TooMuch, mark
from tailrace.shard import Shard
from tailrace.world import WorldDenied


class Counting(MemoryPipeline):
    """Remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[list[str]] = []

    def __call__(self, records: Sequence[Record]) -> Outcome:
        self.calls.append([record.sequence for record in records])
        return super().__call__(records)


class Made:
    """A shard of two lanes, the second quicker to cut."""

    def __init__(self, world: World) -> None:
        self.pipeline = Counting()
        self.lake, self.hot = world.lane("lake", rows=4), world.lane("hot", rows=2)
        self.shard = Shard(self.pipeline, [self.lake, self.hot], lambda: 0, world.say)


@contextmanager
def made(world: World, checkpoint: str = START) -> Iterator[Made]:
    one = Made(world)
    try:
        one.shard.open(checkpoint)
        yield one
    finally:
        one.shard.close()


def write(world: World, lane: str, item: Item) -> None:
    assert LaneLedger(world.ledger, world.place, IDENTITY, lane).swap(0, item) is None


def item(world: World, lane: str) -> Item:
    found = LaneLedger(world.ledger, world.place, IDENTITY, lane).read()
    assert found is not None
    return found[1]


def test_rows_are_made_once_for_all_lanes() -> None:
    world = World()
    with made(world) as one:
        one.shard.add(ones(1, 3))
        one.shard.end()
        assert one.pipeline.calls == [["1", "2", "3"]]
    assert [item(world, lane).records for lane in ("lake", "hot")] == [3, 3]


class Narrow(Counting):
    """Can hold two records at a time."""

    def __call__(self, records: Sequence[Record]) -> Outcome:
        if len(records) > 2:
            raise TooMuch
        return super().__call__(records)


def test_what_is_too_much_at_once_is_taken_in_halves() -> None:
    world = World()
    with made(world) as one:
        narrow = Narrow()
        shard = Shard(narrow, [one.lake, one.hot], lambda: 0, world.say)
        shard.add(ones(1, 7))
        shard.end()
        assert narrow.calls == [["1"], ["2", "3"], ["4", "5"], ["6", "7"]]
    assert [item(world, lane).watermark for lane in ("lake", "hot")] == [mark("7", 0)] * 2


def test_the_watermark_is_the_slowest_lanes() -> None:
    with made(World()) as one:
        one.shard.add(ones(1, 3))
        one.hot.settle()
        assert (one.hot.watermark, one.shard.watermark) == (mark("3", 0), START)
        assert one.shard.flush()
        assert one.shard.watermark == one.shard.delivered == mark("3", 0)


def test_each_lane_skips_what_it_has_and_both_together_what_both_have() -> None:
    world = World()
    write(world, "lake", Item(generation=1, chain=1, watermark=mark("2", 0)))
    write(world, "hot", Item(generation=1, chain=1, watermark=mark("4", 0)))
    with made(world) as one:
        one.shard.add(ones(1, 6))
        assert one.pipeline.calls == [["3", "4"], ["5", "6"]]
        one.shard.end()
    assert [item(world, lane).records for lane in ("lake", "hot")] == [4, 2]
    assert world.said.count("replayed") == 1


def test_what_was_delivered_counts_though_it_was_skipped() -> None:
    world = World()
    for lane in ("lake", "hot"):
        write(world, lane, Item(generation=1, chain=1, watermark=mark("9", 0)))
    with made(world) as one:
        one.shard.add(ones(1, 2))
        one.shard.add([])
        assert (one.shard.delivered, one.shard.watermark) == (mark("2", 0), mark("9", 0))
        assert one.pipeline.calls == []


@pytest.mark.parametrize(
    ("lake", "hot", "state"), [("", "", "fill"), ("why", "", "stopped"), ("", "why", "fill"), ("a", "b", "stopped")]
)
def test_the_lakes_lane_stops_the_shard_and_another_one_itself(lake: str, hot: str, state: str) -> None:
    world = World()
    write(world, "lake", Item(generation=1, stopped=lake))
    write(world, "hot", Item(generation=1, stopped=hot))
    with made(world) as one:
        assert one.shard.state == state
        assert one.shard.why == "; ".join(filter(None, (lake, hot)))
        assert one.shard.waiting == ({"hot": "stopped"} if hot else {})
        assert not one.shard.resolved()


def test_an_open_plan_of_one_lane_waits_while_the_other_flushes() -> None:
    world = World()
    write(world, "lake", Item(generation=1, plan=plan(last=5)))
    with made(world) as one:
        one.shard.add(ones(1, 3))
        assert one.shard.flush()
        one.shard.leave()
    assert (item(world, "lake").chain, item(world, "hot").chain) == (0, 1)
    assert item(world, "lake").failures == 0
    assert not item(world, "lake").stopped


def test_the_end_forces_what_waits() -> None:
    world = World()
    write(world, "lake", Item(generation=1, plan=plan(last=5)))
    with made(world) as one:
        one.shard.add(ones(1, 3))
        one.shard.end()
        assert one.shard.state == "stopped"
    assert item(world, "lake").stopped


def test_a_new_lane_begins_where_the_others_stand() -> None:
    world = World()
    write(world, "lake", Item(generation=1, chain=1, watermark=mark("2", 0)))
    with made(world) as one:
        assert one.hot.watermark == mark("2", 0)
        one.shard.add(ones(1, 4))
        one.shard.end()
    assert [item(world, lane).records for lane in ("lake", "hot")] == [2, 2]


def test_a_lane_that_was_away_goes_on_where_the_daemon_does_and_says_what_it_left_out() -> None:
    world = World()
    write(world, "lake", Item(generation=1, chain=3, watermark=mark("6", 0)))
    write(world, "hot", Item(generation=1, chain=1, watermark=mark("2", 0), plan=plan(chain=2, last=4)))
    with made(world, checkpoint=mark("5", 0)) as one:
        one.shard.add(ones(6, 2))
        one.shard.end()
    hot = item(world, "hot")
    assert (hot.chain, hot.watermark, hot.records) == (3, mark("7", 0), 2)
    words = "skipped after 2/0 to 5/0: the lane was away; chain 2 was open"
    assert hot.resolved == (words,)
    assert hot.since == Since(mark("5", 0))


def test_a_destination_in_trouble_is_parked_and_the_lake_goes_on() -> None:
    world = World()
    with made(world) as one:

        def broken(*_args: object) -> str:
            raise WorldDenied("no such table")

        vars(one.hot._filling)["deliver"] = broken
        one.shard.add(ones(1, 8))
        one.shard.end()
        assert one.shard.waiting == {"hot": "parked"}
        assert "no such table" in one.shard.why
        assert (one.shard.state, one.shard.watermark) == ("fill", START)
    assert item(world, "lake").records == 8


def test_what_a_library_says_of_an_events_data_is_not_told() -> None:
    world = World()
    with made(world) as one:

        def broken(*_args: object) -> str:
            raise ValueError("cannot convert 'eve@example.com'")

        vars(one.hot._filling)["deliver"] = broken
        one.shard.add(ones(1, 2))
        one.shard.end()
        assert "ValueError in broken, line" in one.shard.why
        assert "eve" not in one.shard.why


class Asked:
    """Takes one position out of whatever it is asked about, and notes which lane knew what."""

    def __init__(self) -> None:
        self.by: list[tuple[str, bool, int]] = []  # lane, whether a plan was found open, keys it has seen

    def __call__(self, outcome: Outcome, lane: Lane, _seen: dict[str, str]) -> Outcome:
        self.by.append((lane.name, lane.repeated is not None, len(lane.seen)))
        if lane.repeated is None:
            lane.seen[str(len(self.by))] = "owner"
        return outcome._replace(repeated={f"{len(self.by)}/0/0": "duplicate"})


def asking(one: Made) -> Asked:
    asked = Asked()
    one.shard._repeats = asked
    return asked


def test_what_came_before_is_asked_of_the_first_lane_that_takes_the_records() -> None:
    world = World()
    write(world, "lake", Item(generation=1, chain=1, watermark=mark("2", 0)))
    write(world, "hot", Item(generation=1))
    with made(world) as one:
        asked = asking(one)
        one.shard.add(ones(1, 6))
        assert [lane for lane, _, _ in asked.by] == ["hot", "lake"]


def test_what_a_batch_has_seen_ends_with_it() -> None:
    with made(World()) as one:
        asked = asking(one)
        for number in (1, 3, 5, 7):  # the lake's batch is full with four
            one.shard.add(ones(number, 2))
        assert [seen for _, _, seen in asked.by] == [0, 1, 0, 1]


def test_a_plan_that_was_found_tells_what_it_left_out_until_it_is_cut() -> None:
    world = World()
    left_out = (("9/0/0", "duplicate"), ("9/0/1", "redriven"))
    digest = PositionsDigest()
    digest.add([f"{number}/0" for number in (1, 2, 3)])
    opened = plan(last=3, positions_digest=digest.hexdigest(), repeated=left_out)
    write(world, "lake", Item(generation=1, plan=opened))
    with made(world) as one:
        asked = asking(one)
        before = one.lake.repeated
        assert before == dict(left_out)
        one.shard.add(ones(1, 2))
        one.shard.add(ones(3, 2))
        assert [found for _, found, _ in asked.by] == [True, True, False]
        assert one.lake.repeated is None
        assert one.shard.flush()
    assert item(world, "lake").chain == 2


def found_open(world: World, lane: str, last: int, **facts: Any) -> None:
    digest = PositionsDigest()
    digest.add([f"{number}/0" for number in range(1, last + 1)])
    write(world, lane, Item(generation=1, plan=plan(last=last, positions_digest=digest.hexdigest(), **facts)))


@pytest.mark.parametrize(("code", "waived", "same"), [("0", 0, True), ("1", 0, False), ("0", 1, False)])
def test_a_plan_that_was_found_says_whether_its_edition_and_records_still_stand(
    code: str, waived: int, *, same: bool
) -> None:
    world = World()
    write(world, "lake", Item(generation=1, plan=plan(last=3, digests=(("code", code),)), waived=waived))
    with made(world) as one:
        one.lake._digests = (("code", "0"),)
        assert one.lake.same_edition is same
        assert not one.hot.same_edition


def test_a_plan_that_is_taken_over_keeps_what_it_left_out_and_adds_to_it() -> None:
    world = World()
    found_open(world, "lake", 3, repeated=(("9/0/0", "duplicate"),))
    with made(world) as one:
        asking(one)
        one.shard.add(ones(1, 3))
        one.lake.settle()
    taken_over = world.ledger.at(lane_key(IDENTITY, "lake"), 3)
    assert taken_over is not None
    assert taken_over["plan"]["repeated"] == {"1/0/0": "duplicate", "9/0/0": "duplicate"}


def test_a_lane_with_a_plan_that_was_found_is_asked_before_the_others() -> None:
    world = World()
    found_open(world, "lake", 2)
    found_open(world, "hot", 4)
    with made(world) as one:
        asked = asking(one)
        one.shard.add(ones(1, 6))
        assert [(lane, found) for lane, found, _ in asked.by] == [("lake", True), ("hot", True), ("lake", False)]


def test_a_plan_that_was_found_is_cut_before_what_is_past_it_is_asked_about() -> None:
    world = World()
    write(world, "lake", Item(generation=1, plan=plan(last=3)))
    with made(world) as one:
        asked = asking(one)
        one.shard.add(ones(5, 1))  # the stream has lost what the plan counted
        assert one.lake.state == "stopped"
        assert [lane for lane, _, _ in asked.by] == ["hot"]


def test_a_plan_keeps_what_was_left_out() -> None:
    world = World()
    with made(world) as one:
        asking(one)
        one.shard.add(ones(1, 1))
        one.shard.add(ones(2, 1))
        one.lake.cut("now")
        one.lake.settle()
    commits = [world.ledger.at(lane_key(IDENTITY, "lake"), n) for n in range(1, 4)]
    assert [found and found["plan"] and found["plan"]["repeated"] for found in commits] == [
        None,
        {"1/0/0": "duplicate", "2/0/0": "duplicate"},
        None,
    ]


def test_another_edition_waits_for_one_plan_at_most_and_each_plan_keeps_its_own() -> None:
    place = HeldPlace()
    world = World(place)
    lane = world.lane()
    shard = Shard(MemoryPipeline(), [lane], lambda: 0, world.say)
    shard.open()
    try:
        for edition in ("1", "2"):
            shard.add(ones(10 * int(edition), 2))
            assert shard.adopt(MemoryPipeline(), {"lake": MemorySink()}, (("book", edition),))
            assert shard.in_flight, "the plan is under way, and the next batch may fill"
            shard.add(ones(10 * int(edition) + 2, 2))
            place.go.set()
            lane.settle()
            place.go.clear()
        place.go.set()
        assert shard.flush()
    finally:
        shard.close()
    commits = [json.loads(place.read(commit_name(IDENTITY, chain))) for chain in (1, 2, 3)]
    assert [(one["digests"], one["records"]) for one in commits] == [
        ({}, 2), ({"book": "1"}, 4), ({"book": "2"}, 2),
    ]  # fmt: skip


def test_without_care_a_mistake_of_ours_is_raised() -> None:
    with made(World()) as one, pytest.raises(OurMistake):
        one.shard.add([*ones(1, 1), Record(b"raise", "2", 0, 0)])


def test_with_care_only_the_record_is_rejected() -> None:
    world = World()
    write(world, "hot", Item(generation=1, failures=3))
    with made(world) as one:
        one.shard.add([*ones(1, 1), Record(b"raise", "2", 0, 0), *ones(3, 1)])
        assert one.pipeline.calls == [["1"], ["2"], ["3"]]
        one.shard.end()
    assert [item(world, lane).totals for lane in ("lake", "hot")] == [Counts(3, 2, 1, 0)] * 2
    assert "poison" in world.said


def test_memory_that_is_short_is_no_records_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(_: object) -> Outcome:
        raise MemoryError

    world = World()
    write(world, "lake", Item(generation=1, failures=3))
    with made(world) as one:
        monkeypatch.setattr(one.shard, "_pipeline", short)
        with pytest.raises(MemoryError):
            one.shard.add(ones(1, 1))


def test_what_is_dropped_is_not_committed() -> None:
    world = World()
    with made(world) as one:
        one.shard.add(ones(1, 1))
        one.shard.drop()
        assert one.shard.flush()
    assert item(world, "lake").chain == 0
