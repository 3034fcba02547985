"""Where stored files go: copied whole, then deleted, and nothing is deleted that was not copied."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from support.faked_drops import FILE_A, Bucket, World, record
from tailrace.drops.archive import COPY_BYTES_MAX, Archive
from tailrace.drops.items import DONE

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


def test_an_archive_that_is_away_keeps_the_message_of_a_file_that_is_done() -> None:
    class Away(Bucket):
        def copy_object(self, **asked: Any) -> None:
            raise EndpointConnectionError(endpoint_url="http://x")

    away = Away()
    world = World(away, "s3://old/kept")
    world.queue.say(record())
    assert world.work.step()
    assert (world.items()[0]["status"], world.items()[0]["archived"], world.queue.did) == (DONE, "", [])
    away.objects[THERE] = "e1"
    away.copy_object = super(Away, away).copy_object  # type: ignore[method-assign]
    world.queue.say(record())
    assert world.work.step()
    assert world.items()[0]["archived"] == "s3://old/kept/in/e1-a.csv"
    assert len(world.filing.brought) == 1
