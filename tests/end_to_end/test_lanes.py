"""Destinations beside the lake, through the real daemon. Rule: what they got is held against the lake, row by row."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import boto3

from local.aws import REGION, options
from support.beside import items, killed_in_the_middle, received
from support.engine import Stage, stage
from tailrace.nouns import mark

NOTE_EVERY = 20
IN_FLIGHT = 10 * 10  # what one child may have sent and not told: calls at once, messages a call


class Queues:
    """Queues that routes send to, and what came out of them."""

    def __init__(self, world: Stage) -> None:
        self._sqs: Any = boto3.client("sqs", **options(world.world.dynamodb_url))
        self._routes = Path(world.world.folder) / "routes.json"
        self.environment = {
            "TAILRACE_ROUTES_PATH": str(self._routes),
            "TAILRACE_AWS_SQS_ENDPOINT": world.world.dynamodb_url,
            "TAILRACE_REFRESH_EVERY_S": "1",
            "TAILRACE_LANES_LOOK_S": "0.5",
            "TAILRACE_LANES_IDLE_AGE_S": "1",
            "TAILRACE_KCL_TURN_TIMEOUT_S": "600",
        }
        self._urls: dict[str, str] = {}
        self.route()

    def route(self, *names: str) -> None:
        """Send everything to the lake and to these, too."""
        for name in names:
            self._urls[name] = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        everything = {"enabled_events": ["*"]}
        queues = [
            {
                "destination_name": name,
                "destination_arn": f"arn:aws:sqs:{REGION}:000000000000:{name}",
                "options": {"note_every": NOTE_EVERY},
                **everything,
            }
            for name in names
        ]
        lake = {"destination_name": "lake", "destination_arn": "", **everything}
        self._routes.write_text(json.dumps([lake, *queues]))

    def row_ids(self, name: str) -> Counter[str]:
        """Return the row_id of every message of a queue, and how often it came."""
        found: Counter[str] = Counter()
        hide = {"QueueUrl": self._urls[name], "MaxNumberOfMessages": 10, "VisibilityTimeout": 600}
        while messages := self._sqs.receive_message(**hide).get("Messages", []):
            found.update(json.loads(one["Body"])["row_id"] for one in messages)
        return found


def test_destinations_agree_with_the_lake_through_kills_pauses_and_new_routes(tmp_path: Path) -> None:
    with stage(tmp_path) as world:
        queues = Queues(world)
        queues.route("one")
        world.set(flush_age_s=1)
        world.send(2000, seed=1)
        with world.engine(**queues.environment) as engine:
            killed_in_the_middle(world, engine, "one")
            engine.until("the lane to have all", lambda: received(world, "one") == world.events_sent())
            engine.until("the lake to have all", lambda: world.received() == world.events_sent())
            assert engine.lines("plan taken over", lane="one")

            assert world.command("lane", "pause", "one", "--why", "it is mended")[0] == 0
            engine.until("the pause", lambda: len(engine.lines("the lane is paused", lane="one")) == len(world.shards))
            before, stood = (
                received(world, "one"),
                {shard: item.watermark for shard, item in items(world, "one").items()},
            )
            world.send(600, seed=2)
            engine.until("the lake to go on", lambda: world.received() == world.events_sent())
            status, body = engine.page("/readyz")
            assert (status, body.splitlines()[0]) == (200, "ok")
            assert "note: the lane one of shardId-000000000000 is paused" in body
            assert received(world, "one") == before
            assert all(world.leases()[shard] <= at for shard, at in stood.items())

            queues.route("one", "two")
            assert world.command("lane", "resume", "one", "--why", "it is whole")[0] == 0
            engine.until("both lanes to have all", lambda: caught_up(world))
            world.send(300, seed=3)
            engine.until("all lanes to have all", lambda: world.received() == world.events_sent() and caught_up(world))
            engine.until("the checkpoints to follow", lambda: world.leases() == world.watermarks())
            assert engine.drain() == 0

        lake = world.assert_each_event_once()
        status, said = world.command("audit", "--json")
        lanes = json.loads(said)["lanes"]
        assert status == 0, said
        assert [one["lane"] for one in lanes if one["compared"] and one["holds"]].count("one") == len(world.shards)
        rows = {row_id: (shard, at) for row_id, shard, at in lake.row_ids()}
        one, two = queues.row_ids("one"), queues.row_ids("two")
        assert one.keys() == rows.keys()
        assert one.total() - len(one) <= len(world.shards) * (NOTE_EVERY + IN_FLIGHT), "sent twice around the kill"
        begun = {shard: item.since.mark for shard, item in items(world, "two").items()}
        assert two.keys() == {row_id for row_id, (shard, at) in rows.items() if marked(at) > begun[shard]}
        assert 300 < len(two) < len(one)
        assert two.total() == len(two), "nobody died while it was sent to"


def caught_up(world: Stage) -> bool:
    lake = {shard: item.watermark for shard, item in items(world, "lake").items()}
    return all({shard: i.watermark for shard, i in items(world, lane).items()} == lake for lane in ("one", "two"))


def marked(position: str) -> str:
    sequence, sub, _ = position.split("/")
    return mark(sequence, int(sub))
