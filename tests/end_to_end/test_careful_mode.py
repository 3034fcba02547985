"""A record that kills every child. Rule: it ends in quarantine by itself; what stands beside it is stored."""

from __future__ import annotations

import json
from pathlib import Path

from local.flaws import Flaw
from local.send import Sent, position
from local.traffic import Made
from support.engine import Stage, stage

CRASH = Path(__file__).with_name("crash")
FIRST_SHARD = "0"  # an explicit hash key


def send_mark(world: Stage, mark: str) -> Sent:
    """Put one good event with a mark in it into the first shard."""
    event = {"user_id": mark, "event_type": "score", "timestamp": "2026-01-05T10:00:00Z", "value": 1.5}
    data = json.dumps(event).encode()
    answer = world.world.kinesis().put_record(
        StreamName=world.world.stream, Data=data, PartitionKey=mark, ExplicitHashKey=FIRST_SHARD
    )
    made = Made(data, "score", "none", None, Flaw(mark, "internal", True, lambda _: data))
    sent = Sent(made, answer["ShardId"], position(answer["SequenceNumber"], 0, 0))
    world.sent.append(sent)
    return sent


def test_a_record_that_kills_each_child_is_quarantined_alone(tmp_path: Path) -> None:
    with stage(tmp_path) as world:
        world.set(flush_age_s=1)
        world.send(60, seed=1)
        raises = send_mark(world, "@raise@")
        world.send(60, seed=2)
        kills = send_mark(world, "@segfault@")
        world.send(60, seed=3)
        with world.engine(PYTHONPATH=str(CRASH)) as engine:
            engine.until("all to be committed", lambda: world.received() == world.events_sent(), patience_s=300)
            opens = engine.lines("opened", shard=kills.shard)
            assert [line["careful"] for line in opens[:4]] == [False, False, False, True]
            assert {line["watermark"] for line in opens} == {""}  # no child got as far as a commit
            assert engine.lines("a record goes to quarantine, since our own code cannot process it", shard=kills.shard)
            reasons = engine.numbers().reasons
            assert reasons["internal", "died"] == 1
            assert reasons["internal", "RuntimeError"] >= 1  # also by children that died in their careful mode
            world.send(300, seed=4)
            engine.until("work to go on as before", lambda: world.received() == world.events_sent())
            assert engine.page("/readyz") == (200, "ok")
            assert len(engine.lines("opened", shard=kills.shard)) == len(opens)
            assert engine.drain() == 0
        lake = world.assert_each_event_once()
        rejects = world.quarantine(lake)
        for one in (raises, kills):
            assert rejects[one.shard, one.position] == ("internal", one.made.raw)
        (item,) = [item for shard, item in world.items().items() if shard == kills.shard]
        assert (item.failures, item.suspect, item.poison) == (0, (), ())
        world.assert_checkpoints_are_watermarks()
