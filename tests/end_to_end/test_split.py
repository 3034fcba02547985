"""A split of a shard. Rule: the parent ends only after all of it is stored; who sends by an old map loses nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from local.send import Sent, position
from local.traffic import parcels
from support.engine import Engine, Stage, stage
from support.kinesis_local import kinesis_local
from tailrace_producer.aggregate import UserRecord
from tailrace_producer.put import OUT_OF_RANGE, Putter, Result

SILENT_S = 3.0  # a shard's task runs several times a second


def split(world: Stage, shard: str) -> None:
    """Split the shard in the middle, and wait until it is done."""
    kinesis, stream = world.world.kinesis(), world.world.stream
    (found,) = [one for one in kinesis.list_shards(StreamName=stream)["Shards"] if one["ShardId"] == shard]
    keys = found["HashKeyRange"]
    middle = (int(keys["StartingHashKey"]) + int(keys["EndingHashKey"])) // 2
    kinesis.split_shard(StreamName=stream, ShardToSplit=shard, NewStartingHashKey=str(middle))
    kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})


def children_of(world: Stage, shard: str) -> list[str]:
    listed = world.world.kinesis().list_shards(StreamName=world.world.stream)["Shards"]
    return [one["ShardId"] for one in listed if one.get("ParentShardId") == shard]


def send_aggregated(world: Stage, putter: Putter, events: int, seed: int) -> list[Result]:
    """Send everything in aggregates; return what became of each record."""
    made = list(parcels(events, seed, end_ms=int(time.time() * 1000)))
    results = putter.put([UserRecord(parcel.key, parcel.data) for parcel in made])
    for parcel, result in zip(made, results, strict=True):
        assert result.shard is not None
        assert result.sequence is not None
        for index, event in enumerate(parcel.events):
            world.sent.append(Sent(event, result.shard, position(result.sequence, result.sub, index)))
    return results


def out_of_range(results: list[Result]) -> list[Result]:
    """Return what went out in an aggregate that landed where its readers drop it, and was sent again."""
    return [one for one in results if OUT_OF_RANGE in {attempt.code for attempt in one.attempts}]


def daemon_knows(engine: Engine) -> Callable[[], bool]:
    """Return a question: has the daemon been silent about shards it does not know yet?"""
    seen, since = 0, time.monotonic()

    def silent() -> bool:
        nonlocal seen, since
        count = len(engine.lines(level="warning", source="ProcessTask"))
        if count != seen:
            seen, since = count, time.monotonic()
        return time.monotonic() - since > SILENT_S

    return silent


def test_children_of_a_split_follow_their_parent_and_each_event_is_stored_once(tmp_path: Path) -> None:
    with kinesis_local(tmp_path) as kinesis, stage(tmp_path, kinesis_url=kinesis.url) as world:
        world.set(flush_age_s=1)
        old, new = world.world.putter(seed=1), world.world.putter(seed=2)
        assert not out_of_range(send_aggregated(world, old, 500, seed=1))
        world.send(500, seed=2)
        parent, other = world.shards
        with world.engine() as engine:
            engine.until("the first events to be committed", lambda: world.received() == world.events_sent())
            split(world, parent)
            children = children_of(world, parent)
            assert len(children) == 2
            assert not out_of_range(send_aggregated(world, new, 1000, seed=3))
            engine.until("the parent to end", lambda: world.leases().get(parent) == "SHARD_END")
            engine.until("the children's events to be committed", lambda: world.received() == world.events_sent())

            # A sender with an old map aggregates for the parent. What lands on the one child and belongs to the other
            # is dropped by KCL without a word, once it has listed the shards anew: that takes it up to 30 s.
            engine.until("the daemon to know the children", daemon_knows(engine))
            late = out_of_range(send_aggregated(world, old, 1000, seed=4))
            assert {one.shard for one in late} == set(children)
            assert not out_of_range(send_aggregated(world, old, 500, seed=5))  # its map is new by now
            engine.until("all to be committed", lambda: world.received() == world.events_sent())
            items = world.items()
            assert set(items) == {parent, other, *children}
            assert all(items[child].totals.received for child in children)
            assert engine.drain() == 0
        assert world.leases() == world.watermarks() | {parent: "SHARD_END"}
        world.assert_each_event_once()
