"""The work on a queue: a message is deleted only when nothing is left to do."""

from __future__ import annotations

import json
from unittest.mock import ANY

import pytest

from support.faked_drops import FILE_A, World, record
from tailrace.commit.plan import Counts
from tailrace.csv_events import Table
from tailrace.drops.items import DONE, GONE, PROCESSING, REFUSED
from tailrace.drops.queue import Message
from tailrace.files import DamagedFile, GoneFile, RefusedFile, UnfinishedFile
from tailrace.filing import Stopped
from tailrace.settings import Csv


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


def test_records_that_were_archived_do_not_count_as_where_the_file_is(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(world.filing, "totals", lambda _name: Counts(4, 3, 1, 0, 4))
    world.queue.say(record())
    assert world.work.step()
    (item,) = world.items()
    assert (item["status"], item["rejected"], item["archived"]) == (DONE, 1, "")


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
    world.filing.during = world.calls.stopping.set
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


def test_what_cannot_be_understood_stays_on_the_queue_beside_what_can() -> None:
    world = World()
    world.queue.waiting = [Message("secret", "r0"), Message(json.dumps({"Records": [3, record()]}), "r1", times=2)]
    assert [world.work.step(), world.work.step()] == [True, True]
    assert [item["status"] for item in world.items()] == [DONE]
    assert world.queue.did == []
    unknown = [facts for what, facts in world.said if what == "unknown"]
    assert unknown == [
        dict(why="it is no JSON", bytes=6, times=1),
        dict(why="1 of its 2 records name no object, or not its size and ETag", bytes=ANY, times=2),
    ]


def test_files_of_tailraces_own_are_not_brought_in() -> None:
    world = World()
    world.queue.say(record("lake/_commits/1.json"), record("lakes/a.csv"))
    assert world.work.step()
    assert [item["key"] for item in world.items()] == ["lakes/a.csv"]
    whole = record()
    whole["s3"]["bucket"]["name"] = "whole"
    world.queue.say(whole)
    assert world.work.step()
    assert [item["why"] for item in world.items() if item["bucket"] == "whole"] == [
        "tailrace keeps its own files in this bucket: expected them, or this one, below a prefix"
    ]


def test_a_fault_of_our_own_leaves_its_file_and_goes_on() -> None:
    world = World()
    world.filing.ends["s3://b/in/a.csv"] = ValueError("a mistake")
    world.queue.say(record(), record("in/b.csv"))
    assert world.work.step()
    assert {item["key"]: (item["status"], item["why"]) for item in world.items()} == {
        "in/a.csv": (PROCESSING, "ValueError('a mistake')"),
        "in/b.csv": (DONE, ""),
    }
    assert (world.queue.did, "failed" in world.words()) == ([], True)


def test_a_file_that_another_works_on_is_left_to_it_until_it_has_died() -> None:
    other = World()
    mine = World(ledger=other.ledger)

    def meanwhile() -> None:
        for times in (1, 2, 3, 9):
            body = json.dumps({"Records": [record()]})
            mine.queue.waiting.append(Message(body, f"m{times}", times=times))
            assert mine.work.step()
        raise KeyboardInterrupt  # it dies

    other.work._holder = "other"
    other.filing.during = meanwhile
    other.queue.say(record())
    with pytest.raises(KeyboardInterrupt):
        other.work.step()
    assert mine.filing.brought == []
    assert mine.queue.did == [("hide", "m1", 28), ("hide", "m2", 28), ("hide", "m3", 240), ("hide", "m9", 960)]
    mine.time.now += 28
    mine.queue.say(record())
    assert mine.work.step()
    assert mine.items()[0]["status"] == DONE


def test_a_long_file_is_kept_and_a_stop_lets_it_go() -> None:
    world = World()
    until: list[int] = []
    step = world.work._goes_on

    def long() -> None:
        for _ in range(3):
            world.time.now += 11
            step(FILE_A)
            until.append(world.items()[0]["until_ms"] - world.time.now_ms())
        world.calls.stopping.set()

    world.filing.during = long
    world.queue.say(record())
    assert not world.work.step()
    assert until == [27_000] * 3
    assert world.items()[0]["until_ms"] == 0


def test_stopped_is_no_fault_of_a_file() -> None:
    assert not issubclass(Stopped, UnfinishedFile)
