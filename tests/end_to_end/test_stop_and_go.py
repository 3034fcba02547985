"""The whole engine over a stop and a start. Rule: what was sent is held against what is stored, event by event."""

from __future__ import annotations

import hashlib
from pathlib import Path

from local.flaws import Flaw
from local.send import Sent, position
from local.traffic import Made
from support.engine import Stage, stage
from tailrace_producer.aggregate import UserRecord, pack


def send_damaged_aggregates(world: Stage) -> list[Sent]:
    """Put aggregates that broke on their way: KCL hands them on as they are, as one record each."""
    (whole,) = pack([UserRecord(f"key {n}", b'{"eventType":"page_view"}') for n in range(5)])
    framed, digest = whole.data[:-16], whole.data[-16:]
    garbled = b"\xff" * 40
    damaged = {
        "bad protobuf": framed[:4] + garbled + hashlib.md5(garbled).digest(),
        "bad MD5": framed + bytes([digest[0] ^ 1]) + digest[1:],
        "cut short": whole.data[: len(whole.data) // 2],
        "only the magic": whole.data[:4],
    }
    out = []
    for name, data in damaged.items():
        answer = world.world.kinesis().put_record(StreamName=world.world.stream, Data=data, PartitionKey=name)
        made = Made(data, "aggregate", "none", None, Flaw(name, "decode", True, lambda _: b""))
        out.append(Sent(made, answer["ShardId"], position(answer["SequenceNumber"], 0, 0)))
    world.sent += out
    return out


def test_each_event_is_stored_once_across_a_stop_and_a_start(tmp_path: Path) -> None:
    with stage(tmp_path) as world:
        first = world.send(3000, seed=1)
        damaged = send_damaged_aggregates(world)
        assert {one.position.split("/")[1] != "0" for one in first} == {True, False}  # in aggregates, and alone
        assert {one.position.split("/")[2] != "0" for one in first} == {True, False}  # many a record, and one

        # A plan is cut by its rows alone: when the signal comes, much is in hand and not yet in any plan.
        world.set(flush_age_s=3600, lines={"age_s": "age_s = 3600\nrows = 600"})
        with world.engine() as engine:
            engine.until("every record to be read", lambda: engine.numbers().records == world.records_sent())
            engine.until("/metrics to agree with the ledger", lambda: 0 < engine.numbers().received == world.received())
            numbers = engine.numbers()
            assert 0 < numbers.received < world.events_sent()
            assert numbers.received == numbers.stored + numbers.rejected
            assert (numbers.daemon, numbers.restarts) == (True, 0)
            engine.until("/metrics to count the leases", lambda: engine.numbers().leases == len(world.shards))
            assert engine.page("/livez") == engine.page("/readyz") == (200, "ok")

            assert engine.drain() == 0
            assert engine.lines("drained")
            assert not engine.lines(level="error")
        assert world.received() == world.events_sent()
        assert {item.failures for item in world.items().values()} == {0}  # both children said goodbye
        world.assert_checkpoints_are_watermarks()

        before = world.received()
        world.send(1500, seed=2)  # nobody consumes now
        world.set(flush_age_s=1)
        with world.engine() as engine:
            engine.until("what came meanwhile to be committed", lambda: world.received() == world.events_sent())
            world.send(1500, seed=3)
            engine.until("the rest to be committed", lambda: world.received() == world.events_sent())
            engine.until(
                "/metrics to tell this run's events", lambda: engine.numbers().received == world.received() - before
            )
            engine.until("the checkpoints to follow", lambda: world.leases() == world.watermarks())
            assert engine.drain() == 0
        assert {item.generation for item in world.items().values()} == {2}
        world.assert_checkpoints_are_watermarks()

        lake = world.assert_each_event_once()
        rejects = world.quarantine(lake)
        for one in damaged:
            assert rejects[one.shard, one.position] == ("decode", one.made.raw)
        event_id = lake.some_event()
        status, said = world.command("where", str(event_id))
        assert status == 0, said
        assert ".parquet" in said
