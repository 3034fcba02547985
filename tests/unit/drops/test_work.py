"""The work on a queue: a message is deleted only when nothing is left to do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from support.memory_ports import MemoryLedger
from tailrace.commit.patience import Patience
from tailrace.commit.plan import Counts
from tailrace.commit.ports import WorldDenied, WorldError
from tailrace.csv_events import Table
from tailrace.drops.archive import COPY_BYTES_MAX, Archive
from tailrace.drops.items import DONE, FILE, GONE, MESSAGE, PROCESSING, REFUSED, FileItems
from tailrace.drops.messages import Announced
from tailrace.drops.queue import Message, SqsQueue, kept
from tailrace.drops.work import Drops
from tailrace.files import DamagedFile, GoneFile, RefusedFile, Source, UnfinishedFile
from tailrace.filing import Begun, Stopped
from tailrace.ops import logs
from tailrace.ops.clock import SystemClock
from tailrace.settings import Csv

FILE_A = Announced("b", "in/a.csv", 3, "e1", "", 1)


def record(key: str = "in/a.csv", size: int = 3, etag: str = "e1") -> dict[str, Any]:
    entry = {"key": key, "size": size, "eTag": etag}
    return {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": entry}}


class Queue:
    """Messages in memory."""

    def __init__(self) -> None:
        self.waiting: list[Message | Exception] = []
        self.did: list[tuple[str, str, int]] = []

    def say(self, *records: dict[str, Any]) -> None:
        self.waiting.append(Message(json.dumps({"Records": records}), f"r{len(self.waiting)}"))

    def receive(self) -> Message | None:
        found = self.waiting.pop(0) if self.waiting else None
        if isinstance(found, Exception):
            raise found
        return found

    def hide(self, receipt: str, seconds: int) -> None:
        self.did.append(("hide", receipt, seconds))

    def delete(self, receipt: str) -> None:
        self.did.append(("delete", receipt, 0))


class FakeFiling:
    """Says what it is told to."""

    def __init__(self) -> None:
        self.ends: dict[str, Exception] = {}
        self.brought: list[tuple[str, Begun]] = []
        self.during: Callable[[], None] = lambda: None
        self.begun_files: set[str] = set()
        self.table = Table(Csv(), "event_type")

    def positions(self, source: Source) -> str:
        return self.table.positions(1000)

    def begun(self, name: str) -> bool:
        return name in self.begun_files

    def totals(self, name: str) -> Counts:
        return Counts(4, 3, 1, 0)

    def bring(self, source: Source, name: str, begun: Begun, step: Callable[[int], None], *, keep: bool) -> None:
        assert keep
        self.brought.append((source.uri, begun))
        self.during()
        step(source.size)
        if source.uri in self.ends:
            raise self.ends[source.uri]


class World:
    """The work with everything around it faked."""

    def __init__(self, s3: Any = None, archive: str = "") -> None:
        self.queue, self.filing, self.ledger = Queue(), FakeFiling(), MemoryLedger()
        self.work = Drops(
            self.queue,
            self.filing,  # type: ignore[arg-type]
            FileItems(self.ledger, "e"),
            s3,
            Archive(s3, archive) if archive else None,
            visibility_s=30,
            patience=lambda: Patience(_Time(), 5.0, lambda: 0.0),
            clock=SystemClock(),
            log=logs.get("drops"),
        )

    def items(self, prefix: str = FILE) -> list[dict[str, Any]]:
        return [found[1] for key in self.ledger.keys(prefix) if (found := self.ledger.read(key))]


class _Time:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_file_is_processing_while_it_is_brought_in_and_done_with_its_counts() -> None:
    world = World()
    world.queue.say(record())
    seen: list[str] = []
    world.filing.during = lambda: seen.append(world.items()[0]["status"])
    assert world.work.step()
    assert not world.work.step()
    (item,) = world.items()
    assert (seen, item["status"], item["received"], item["stored"]) == ([PROCESSING], DONE, 4, 3)
    assert world.queue.did == [("delete", "r0", 0)]


def test_a_done_file_is_not_opened_again() -> None:
    world = World()
    world.queue.say(record())
    world.queue.say(record())
    assert [world.work.step(), world.work.step()] == [True, True]
    assert len(world.filing.brought) == 1
    assert world.queue.did == [("delete", "r0", 0), ("delete", "r1", 0)]


def test_the_first_sight_of_a_file_stays() -> None:
    world = World()
    first, later = record() | {"eventTime": "2026-01-31T00:00:00Z"}, record() | {"eventTime": "2026-02-01T00:00:00Z"}
    world.filing.ends["s3://b/in/a.csv"] = GoneFile("no such object")
    for one in (first, later):
        world.queue.say(one)
        world.work.step()
    assert [begun.modified_ms for _, begun in world.filing.brought] == [1_769_817_600_000] * 2


@pytest.mark.parametrize(
    ("error", "status", "deleted"),
    [
        (RefusedFile("no header"), REFUSED, True),
        (DamagedFile("cut"), REFUSED, True),
        (GoneFile("no such object"), GONE, True),
        (UnfinishedFile("lost: opened later by another"), PROCESSING, False),
    ],
)
def test_what_cannot_be_brought_in_has_a_status_and_a_reason(error: Exception, status: str, deleted: bool) -> None:
    world = World()
    world.filing.ends["s3://b/in/a.csv"] = error
    world.queue.say(record())
    assert world.work.step()
    (item,) = world.items()
    assert (item["status"], item["why"]) == (status, str(error))
    assert bool(world.queue.did) == deleted


def test_one_file_that_waits_keeps_its_message_and_not_the_other_files() -> None:
    world = World()
    world.filing.ends["s3://b/in/a.csv"] = UnfinishedFile("denied")
    world.queue.say(record(), record("in/b.csv"))
    world.work.step()
    assert {item["key"]: item["status"] for item in world.items()} == {"in/a.csv": PROCESSING, "in/b.csv": DONE}
    assert world.queue.did == []


def test_a_name_of_no_known_ending_is_refused_unopened() -> None:
    world = World()
    world.queue.say(record("in/a.zip"))
    world.work.step()
    assert (world.items()[0]["status"], world.filing.brought) == (REFUSED, [])


def test_a_stop_gives_the_message_back_at_once() -> None:
    world = World()
    world.filing.during = world.work.stopping.set
    world.queue.say(record(), record("in/b.csv"))
    assert not world.work.step()
    assert world.queue.did == [("hide", "r0", 0)]
    assert world.items()[0]["status"] == PROCESSING
    assert not world.work.step()  # nothing new is begun


def test_another_dialect_is_taken_until_something_is_committed() -> None:
    world = World()
    world.filing.ends["s3://b/in/a.csv"] = RefusedFile("no header")
    kept_of: list[str] = []
    for quote in ('"', "'", "|"):
        world.filing.table = Table(Csv(quote=quote), "event_type")
        world.queue.say(record())
        world.work.step()
        kept_of.append(world.filing.brought[-1][1].positions)
        if quote == "'":
            world.filing.begun_files.add(FILE_A.shard)
    assert kept_of[0] != kept_of[1] == kept_of[2]


def test_a_queue_that_is_away_is_asked_again_and_at_last_said() -> None:
    world = World()
    world.queue.waiting = [WorldError("away"), WorldError("away")]
    world.queue.say(record())
    assert world.work.step()
    world.queue.waiting = [WorldError("away")] * 100
    with pytest.raises(WorldError, match="away"):
        world.work.step()


def test_what_cannot_be_understood_is_noted_once_without_its_text() -> None:
    world = World()
    world.queue.waiting = [Message("secret", "r0"), Message("secret", "r1")]
    assert [world.work.step(), world.work.step()] == [True, True]
    assert world.items(MESSAGE) == [{"status": REFUSED, "why": "it is no JSON", "bytes": 6}]
    assert [what for what, *_ in world.queue.did] == ["delete", "delete"]


def test_nothing_but_the_archive_changes_what_is_done() -> None:
    items = FileItems(MemoryLedger(), "e")
    items.first_seen(FILE_A, {})
    items.change(FILE_A, status=DONE)
    changed = items.change(FILE_A, status=GONE, why="late", archived="s3://x/y")
    assert (changed["status"], changed["why"], changed["archived"]) == (DONE, "", "s3://x/y")


class Bucket:
    """Objects in memory, by (bucket, key): the ETag of each."""

    def __init__(self, **objects: str) -> None:
        self.objects = {("b", key): etag for key, etag in objects.items()}
        self.before_delete: Callable[[], None] = lambda: None

    def _check(self, where: tuple[str, str], etag: str) -> None:
        if where not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "x")
        if self.objects[where] != etag.strip('"'):
            response: Any = {"Error": {"Code": "x"}, "ResponseMetadata": {"HTTPStatusCode": 412}}
            raise ClientError(response, "x")

    def copy_object(self, **asked: Any) -> None:
        where = (asked["CopySource"]["Bucket"], asked["CopySource"]["Key"])
        self._check(where, asked["CopySourceIfMatch"])
        self.objects[asked["Bucket"], asked["Key"]] = self.objects[where]

    def delete_object(self, **asked: Any) -> None:
        self.before_delete()
        self._check((asked["Bucket"], asked["Key"]), asked["IfMatch"])
        del self.objects[asked["Bucket"], asked["Key"]]

    def head_object(self, **asked: Any) -> None:
        if (asked["Bucket"], asked["Key"]) not in self.objects:
            raise ClientError({"Error": {"Code": "404"}}, "x")


THERE = ("old", "kept/in/e1-a.csv")


def test_a_file_is_moved_and_moved_again_is_where_it_was() -> None:
    bucket = Bucket(**{"in/a.csv": "e1"})
    archive = Archive(bucket, "s3://old/kept/")
    assert [archive.move(FILE_A), archive.move(FILE_A)] == ["s3://old/kept/in/e1-a.csv"] * 2
    assert bucket.objects == {THERE: "e1"}


def test_a_newer_file_is_not_deleted() -> None:
    bucket = Bucket(**{"in/a.csv": "e1"})
    bucket.before_delete = lambda: bucket.objects.update({("b", "in/a.csv"): "e2"})
    assert Archive(bucket, "s3://old/kept").move(FILE_A) == "s3://old/kept/in/e1-a.csv"
    assert bucket.objects == {("b", "in/a.csv"): "e2", THERE: "e1"}


def test_a_file_that_went_before_it_could_be_moved_is_said() -> None:
    gone = Archive(Bucket(), "s3://old/kept").move(FILE_A)
    assert gone == "it stays: deleted or replaced before it could be moved"
    large = FILE_A._replace(size=COPY_BYTES_MAX + 1)
    assert Archive(Bucket(), "s3://old/kept").move(large).startswith("it stays: more than")


def test_archived_files_are_not_brought_in_again() -> None:
    world = World(Bucket(), "s3://b/old")
    world.queue.say(record("old/in/e1-a.csv"))
    assert world.work.step()
    assert (world.items(), world.filing.brought) == ([], [])
    assert world.queue.did == [("delete", "r0", 0)]


def test_an_archive_that_refuses_keeps_no_message() -> None:
    class Denied(Bucket):
        def copy_object(self, **asked: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "x")

    world = World(Denied(), "s3://old/kept")
    world.queue.say(record())
    assert world.work.step()
    assert world.items()[0]["archived"].startswith("it stays: archive s3://b/in/a.csv: AccessDenied")
    assert world.queue.did == [("delete", "r0", 0)]


def test_a_message_is_kept_for_as_long_as_the_work_takes_whatever_the_queue_says() -> None:
    beats, three = [0], threading.Event()
    said: list[str] = []

    class Beaten(Queue):
        def hide(self, receipt: str, seconds: int) -> None:
            beats[0] += 1
            if beats[0] == 1:
                raise WorldError("away")
            if beats[0] == 3:
                three.set()

    with kept(Beaten(), "r", 30, 0.01, said.append):
        assert three.wait(30)
    after = beats[0]
    time.sleep(0.1)
    assert (beats[0], said) == (after, ["away"])


def test_the_queues_errors_are_the_worlds() -> None:
    class Away:
        def receive_message(self, **_: Any) -> None:
            raise EndpointConnectionError(endpoint_url="http://x")

        def delete_message(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "x")

    queue = SqsQueue(Away(), "http://x/q", visibility_s=5, wait_s=0)
    with pytest.raises(WorldError, match="receive from http://x/q"):
        queue.receive()
    with pytest.raises(WorldDenied, match="delete a message of http://x/q"):
        queue.delete("r")


def test_stopped_is_no_fault_of_a_file() -> None:
    assert not issubclass(Stopped, UnfinishedFile)
