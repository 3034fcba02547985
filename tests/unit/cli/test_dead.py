"""Dead letters: counted, and sent to their destination once more, each once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import orjson
import pytest

from support.editions import schema
from support.forwarding import positions, row_id
from support.memory_plans import plan
from support.memory_ports import MemoryLedger
from support.memory_target import Ear, MemoryTarget, Time, sender
from support.ministack import ministack
from tailrace.cli import dead as command
from tailrace.cli import main
from tailrace.cli.dead import Work
from tailrace.commit.ledger_dynamodb import DynamoLedger, create_table
from tailrace.commit.patience import Patience
from tailrace.commit.plan import app_key
from tailrace.nouns import Destination, Identity
from tailrace.sinks.forward import dead
from tailrace.sinks.forward.messages import Message
from tailrace.sinks.forward.sender import Letter
from tailrace.sinks.forward.target import Failure, Limits
from tailrace.sinks.lake.places.directory import DirectoryPlace
from tailrace.world import WorldDenied

QUEUE = "arn:aws:sqs:us-east-1:000000000000:there"
THERE, IDENTITY = Destination("there", "sqs", QUEUE), Identity("clicks", "epoch", "shard-0")
LIMITS = Limits(10, 10**6, 10**6)


def bury(place: DirectoryPlace, found: list[str], why: str = "slow down", generation: int = 1, piece: int = 1) -> None:
    """Write letters as a lane does."""
    letters = [
        Letter(Message(one, row_id(one), "k", b'{"n":%d,"big":1180591620717411303424}' % n), Failure(why), 3)
        for n, one in enumerate(found)
    ]
    made = plan(chain=1, generation=generation)
    dead.DeadLetters(place, IDENTITY, THERE, Ear()).put(letters, made, piece, Patience(Time(), 1.0, lambda: 0.0))


class Bench:
    """Letters, a ledger and a destination in memory."""

    def __init__(self, folder: Path) -> None:
        self.place, self.ledger = DirectoryPlace(str(folder)), MemoryLedger()
        self.target, self.clock = MemoryTarget(LIMITS), Time()

    def work(self, *, dry: bool = False, again: bool = False) -> Work:
        sends = None if dry else sender(self.target, self.clock)
        work = Work(self.ledger, self.place, "epoch", "there", sends, self.clock, again=again)
        work.run()
        return work

    @property
    def taken(self) -> list[str]:
        return [one.position for one in self.target.taken]


def test_each_is_sent_once_however_often_it_was_written_and_however_often_this_runs(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bury(bench.place, positions(5))
    bury(bench.place, positions(7), generation=2)
    assert bench.work(dry=True).text() == "7 dead letters: 7 would be sent"
    assert bench.taken == []
    assert bench.work().text() == "7 dead letters: 7 sent"
    assert bench.work().text() == "7 dead letters: 0 sent, 7 were sent before"
    assert bench.taken == positions(7)
    assert bench.target.taken[3].data == b'{"n":3,"big":1180591620717411303424}', "byte for byte"
    assert bench.work(again=True).text() == "7 dead letters: 7 sent"


def test_what_is_not_taken_is_tried_by_the_next_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bury(bench.place, positions(5))
    bench.target.fate = lambda one: "refused" if one.position == "3/0/0" else ""
    work = bench.work()
    assert (work.text(), work.errors) == ("5 dead letters: 4 sent", {"no such column": 1})
    bench.target.fate = lambda _: ""
    assert bench.work().text() == "5 dead letters: 1 sent, 4 were sent before"
    assert bench.taken == ["1/0/0", "2/0/0", "4/0/0", "5/0/0", "3/0/0"]


def test_a_run_that_is_cut_off_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "BATCH", 4)
    bench = Bench(tmp_path)
    bury(bench.place, positions(12))

    def cut(one: Message) -> Any:
        if one.position == "7/0/0":
            raise KeyboardInterrupt
        return ""

    bench.target.fate = cut
    with pytest.raises(KeyboardInterrupt):
        bench.work()
    bench.target.fate = lambda _: ""
    assert bench.work().text() == "12 dead letters: 8 sent, 4 were sent before"
    assert bench.taken == positions(12)


def test_a_destination_that_takes_nothing_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "BATCH", 4)
    bench = Bench(tmp_path)
    bury(bench.place, positions(12))
    bench.target.fate = lambda _: "down"
    work = bench.work()
    assert (work.counts["found"], work.errors.total()) == (4, 4)
    assert bench.clock.at == pytest.approx(60.0)


def test_an_object_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bury(bench.place, positions(2))
    (tmp_path / "_dead" / "epoch" / "there" / "z.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(WorldDenied, match=r"^_dead/epoch/there/z\.jsonl: holds what is no dead letter"):
        bench.work()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ministack(tmp_path_factory.mktemp("aws")) as running:
        yield running.url


def test_the_command_lists_and_sends(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys: dict[str, Any] = {"region_name": "us-east-1", "endpoint_url": url}
    dynamodb, sqs = boto3.client("dynamodb", **keys), boto3.client("sqs", **keys)
    create_table(dynamodb, "ledger")
    DynamoLedger(dynamodb, "ledger").swap(app_key("app"), 0, {"epoch": "epoch"})
    queue = sqs.create_queue(QueueName="there")["QueueUrl"]
    schema(tmp_path / "schemas", "click", "1")
    lake = {"destination_name": "lake", "destination_arn": "", "enabled_events": ["*"]}
    to = {"destination_name": "there", "destination_arn": QUEUE, "enabled_events": ["*"]}
    environ = {
        "TAILRACE_STREAM_NAME": "clicks",
        "TAILRACE_LAKE_URI": str(tmp_path / "lake"),
        "TAILRACE_LEDGER_TABLE": "ledger",
        "TAILRACE_KCL_APPLICATION": "app",
        "TAILRACE_SCHEMAS_PATH": str(tmp_path / "schemas"),
        "TAILRACE_ROUTES_JSON": json.dumps([lake, to]),
        "TAILRACE_AWS_DYNAMODB_ENDPOINT": url,
        "TAILRACE_AWS_SQS_ENDPOINT": url,
    }
    (tmp_path / "lake").mkdir()
    assert main(["dead", "list"], environ) == 1
    bury(DirectoryPlace(str(tmp_path / "lake")), positions(3))
    for piece, request in ((2, "4442587FB7D0A2F9"), (3, "e0bb4f8f-a53d")):
        why, found = f"HTTP 503 (request {request})", positions(1, first=10 * piece)
        bury(DirectoryPlace(str(tmp_path / "lake")), found, why=why, piece=piece)
    capsys.readouterr()
    assert main(["dead", "list", "thre"], environ) == 1
    assert capsys.readouterr().out == "No dead letters of thre; there are of: there.\n"
    assert main(["dead", "send", "there", "--dry-run"], environ) == 0
    assert main(["dead", "send", "there"], environ) == 0
    assert capsys.readouterr().out == "5 dead letters: 5 would be sent\n5 dead letters: 5 sent\n"
    got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=2)["Messages"]
    assert sorted(orjson.loads(one["Body"])["n"] for one in got) == [0, 0, 0, 1, 2]
    assert main(["dead", "list"], environ) == 0
    assert capsys.readouterr().out.splitlines() == [
        "        3  there  not sent: slow down  (3 sent since)",
        "        2  there  not sent: HTTP 503  (2 sent since)",
    ]
    assert main(["dead", "list", "--json"], environ) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first == {"destination": "there", "why": "not sent", "error": "slow down", "letters": 3, "sent_since": 3}
    assert main(["dead", "send", "elsewhere"], environ) == 2
    assert "expected a destination of the routes: there" in capsys.readouterr().err
