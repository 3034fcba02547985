"""From records to queues, as a child is put together: the settings' routes, the real pipeline, the real clients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import orjson
import pytest

from support.editions import schema
from support.memory_ports import MemoryLedger
from support.memory_target import Ear
from support.ministack import ministack
from tailrace import settings as s
from tailrace.edition import load
from tailrace.nouns import Identity, Record
from tailrace.ops.clock import SystemClock
from tailrace.sinks.forward import dead
from tailrace.sinks.lake.places.directory import DirectoryPlace
from tailrace.wiring import shard_of

IDENTITY = Identity("clicks", "epoch", "shard-0")
ARN = "arn:aws:sqs:us-east-1:000000000000:{}"


def routes(**options: Any) -> s.Routes:
    lake = {"destination_name": "lake", "destination_arn": "", "enabled_events": ["*"]}
    clicks = {"destination_name": "clicks", "destination_arn": ARN.format("clicks"), "enabled_events": ["click"]}
    gone = {"destination_name": "gone", "destination_arn": ARN.format("gone"), "enabled_events": ["*"]}
    return s.Routes(json=json.dumps([lake, clicks, gone | {"options": {"patience_s": 0, **options}}]))


def test_events_go_where_routes_say_and_what_cannot_be_sent_is_kept(tmp_path: Path) -> None:
    for kind in ("click", "view"):
        schema(tmp_path / "schemas", kind, "1", user_id={"type": "string"}, data={"type": "object"})
    with ministack(tmp_path) as running:
        sqs = boto3.client("sqs", region_name="us-east-1", endpoint_url=running.url)
        queue = sqs.create_queue(QueueName="clicks")["QueueUrl"]
        sqs.create_queue(QueueName="letters")
        settings = s.Settings(
            schemas=s.Schemas(path=str(tmp_path / "schemas")),
            routes=routes(dead_letter_queue=ARN.format("letters")),
            aws=s.Aws(sqs_endpoint=running.url),
        )
        edition, place, ear = load(settings), DirectoryPlace(str(tmp_path / "lake")), Ear()
        shard = shard_of(
            settings,
            IDENTITY,
            edition=edition,
            store=MemoryLedger(),
            place=place,
            clock=SystemClock(),
            say=ear,
            alive=lambda: None,
            destinations=edition.destinations,
        )
        try:
            shard.open()
            shard.add([record(n, "click" if n % 2 else "view") for n in range(1, 21)])
            shard.end()
            assert shard.waiting == {}
        finally:
            shard.close()
        got = [one for _ in range(3) for one in read(sqs, queue)]
        letters = list(dead.read(place, IDENTITY.epoch))
        copies = read(sqs, sqs.get_queue_url(QueueName="letters")["QueueUrl"])
    assert sorted(one["data"]["n"] for one in got) == list(range(1, 21, 2))
    assert {(one["event_type"], one["user_id"]) for one in got} == {("click", "u1"), ("click", "u2"), ("click", "u0")}
    assert [(one.destination, one.position) for one in letters] == [("gone", f"{n}/0/0") for n in range(1, 21)]
    assert "gone" in letters[0].error
    assert copies[0]["destination"] == "gone"
    committed = [facts for what, facts in ear.said if what == "committed"]
    assert {(one["lane"], one["stored"]) for one in committed} == {("lake", 20), ("clicks", 10), ("gone", 20)}


def record(number: int, kind: str) -> Record:
    event = {"type": kind, "user_id": f"u{number % 3}", "data": {"n": number}, "tenant": "north"}
    return Record(orjson.dumps(event), str(number), 0, 1_760_000_000_000)


def read(sqs: Any, queue: str) -> list[dict[str, Any]]:
    found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1, VisibilityTimeout=60)
    return [orjson.loads(one["Body"]) for one in found.get("Messages", ())]


@pytest.mark.parametrize("options", [{"patience_s": -1}, {"no_such": 1}])
def test_options_that_are_not_understood_are_no_edition(tmp_path: Path, options: dict[str, Any]) -> None:
    schema(tmp_path, "click", "1")
    settings = s.Settings(schemas=s.Schemas(path=str(tmp_path)), routes=routes(**options))
    with pytest.raises(s.SettingsError, match=r"^\[routes\] json: route gone: "):
        load(settings)
