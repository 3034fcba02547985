"""Files dropped on S3: each is in the lake once, whatever the queue repeats and whoever is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from local.process import free_port, get
from support.dropped import ARCHIVE, BUCKET, Dropped, announcement, dropped, table
from tailrace.cli import main

ROWS = 30
LONG = 60_000
CALLS_MIN = 20  # of AWS, that one file takes


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Dropped]:
    with dropped(tmp_path) as made:
        yield made


def test_a_buckets_own_messages_bring_its_files_in(world: Dropped) -> None:
    world.environ |= {"TAILRACE_DROPS_ARCHIVE": f"s3://{ARCHIVE}/stored", "TAILRACE_LAKE_RAW": "avro"}
    world.notify()
    world.put("in/day one+ü.csv", table(ROWS))
    world.put("in/b.jsonl", b'{"event_type":"row","n":1}\n')
    assert world.run() == 0
    item = world.item("in/day one+ü.csv")
    assert {name: item[name] for name in ("status", "received", "stored", "rejected", "filtered")} == dict(
        status="done", received=30, stored=27, rejected=3, filtered=0
    )
    assert item["archived"] == f"s3://{ARCHIVE}/stored/in/{item['etag']}-day one+ü.csv"
    assert "Contents" not in world.s3.list_objects_v2(Bucket=BUCKET)
    assert world.s3.get_object(Bucket=ARCHIVE, Key=item["archived"].partition("archive/")[2])["Body"].read() == table(
        30
    )
    world.send(announcement(item))  # late: the file is in the archive
    assert world.run() == 0  # what S3 says of the files that went is ignored
    assert (world.item(item["key"]), len(world.positions())) == (item, ROWS + 1)
    assert (len(world.items()), world.left(), world.audit()) == (2, 0, 0)


def test_repeats_and_reorders_store_once(world: Dropped) -> None:
    records = [world.put(f"{n}.csv", table(ROWS + n)) for n in range(3)]
    world.send(*records, records[0])
    for record in [*reversed(records), *records]:
        world.send(record)
    assert world.run() == 0
    assert [item["status"] for item in world.items()] == ["done"] * 3
    assert sorted(world.positions().values()) == [1] * (3 * ROWS + 3)
    assert (world.left(), world.audit()) == (0, 0)


def test_every_message_has_an_outcome(world: Dropped) -> None:
    gone, replaced = world.put("gone.csv", table(1)), world.put("replaced.csv", table(2))
    world.s3.delete_object(Bucket=BUCKET, Key="gone.csv")
    newer = world.put("replaced.csv", table(3))
    world.environ["TAILRACE_CSV_REQUIRED"] = "n"
    lacking, odd, empty = world.put("lacking.csv", b"m\n1\n"), world.put("a.zip", b"PK"), world.put("empty.csv", b"")
    world.send(gone, replaced, newer, lacking, odd, empty)
    for body in (
        "no JSON",
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"}),
        json.dumps({"Records": [3]}),
    ):
        world.say(body)
    assert world.run() == 0
    assert {(item["key"], item["size"]): item["status"] for item in world.items()} == {
        ("gone.csv", gone["s3"]["object"]["size"]): "gone",
        ("replaced.csv", replaced["s3"]["object"]["size"]): "gone",
        ("replaced.csv", newer["s3"]["object"]["size"]): "done",
        ("lacking.csv", 4): "refused",
        ("a.zip", 2): "refused",
        ("empty.csv", 0): "done",
    }
    assert 'it lacks the required column "n"; found "m"' in world.item("lacking.csv")["why"]
    assert (world.left(), world.audit()) == (2, 0)  # what cannot be understood stays, for the queue's redrive policy


def test_what_cannot_be_brought_in_ends_where_the_redrive_policy_says(world: Dropped) -> None:
    dead = world.redrive(1)
    world.say("no JSON")
    world.send(world.put("a.csv", table(ROWS)))
    finish(world)
    assert world.item("a.csv")["status"] == "done"
    (message,) = world.sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10)["Messages"]
    assert message["Body"] == "no JSON"


def test_a_file_that_was_gone_is_stored_when_it_is_dropped_again(world: Dropped) -> None:
    record = world.put("a.csv", table(ROWS))
    world.s3.delete_object(Bucket=BUCKET, Key="a.csv")
    world.send(record)
    assert (world.run(), world.item("a.csv")["status"]) == (0, "gone")
    world.send(world.put("a.csv", table(ROWS)))
    assert (world.run(), world.item("a.csv")["status"]) == (0, "done")
    assert len(world.positions()) == ROWS


def finish(world: Dropped) -> None:
    """Work until no message is left; what was killed with one in hand gets it again."""
    deadline = time.monotonic() + 60
    while world.left():
        assert time.monotonic() < deadline
        assert world.run() == 0
        time.sleep(0.2)


def test_killed_before_any_call_of_aws_it_stores_once(world: Dropped) -> None:
    world.environ["TAILRACE_DROPS_ARCHIVE"] = f"s3://{ARCHIVE}/stored"
    records = [world.put(f"{n}.csv", table(ROWS)) for n in range(60)]
    runs = world.killed(records)
    assert runs > CALLS_MIN
    finish(world)
    items = world.items()
    assert [(item["status"], item["stored"], item["rejected"]) for item in items] == [("done", 27, 3)] * runs
    assert all(item["archived"].startswith(f"s3://{ARCHIVE}/") for item in items)
    assert list(world.positions().values()) == [1] * (runs * ROWS)
    assert world.audit() == 0


def test_files_that_go_after_a_kill_keep_what_was_committed_of_them(world: Dropped) -> None:
    world.environ["TAILRACE_DROPS_VISIBILITY_S"] = "60"  # so that no run meets an earlier one's message
    runs = world.killed([world.put(f"{n}.csv", table(ROWS)) for n in range(60)])
    for n in range(runs):
        world.s3.delete_object(Bucket=BUCKET, Key=f"{n}.csv")
    world.outlive()
    world.send(*[announcement(item) for item in world.items()])
    assert world.run() == 0
    items = world.items()
    assert {item["status"] for item in items} == {"done", "gone"}
    assert any(0 < item["received"] < ROWS for item in items)
    assert all(item["received"] == ROWS for item in items if item["status"] == "done")
    assert sum(item["received"] for item in items) == len(world.positions())
    assert world.audit() == 0


@contextmanager
def working(world: Dropped, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `tailrace drops` beside the test, once it has committed something."""
    world.environ |= {"TAILRACE_LOGS_LEVEL": "debug", "TAILRACE_SERVE_PORT": str(free_port())}
    with log.open("wb") as out:
        environ = {**os.environ, **world.environ}
        running = subprocess.Popen([sys.executable, "-m", "tailrace", "drops"], env=environ, stderr=out)
        try:
            until(running, log, b"committed")
            yield running
        finally:
            running.kill()
            running.wait()


def until(running: subprocess.Popen[bytes], log: Path, said: bytes) -> None:
    deadline = time.monotonic() + 60
    while said not in log.read_bytes():
        assert time.monotonic() < deadline
        assert running.poll() is None, log.read_text()
        time.sleep(0.01)


def test_sigterm_drains_and_the_next_goes_on(world: Dropped, tmp_path: Path) -> None:
    world.send(world.put("long.csv", table(LONG)))
    with working(world, tmp_path / "log") as running:
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
    assert world.item("long.csv")["status"] == "processing"
    assert 0 < len(world.positions()) < LONG
    assert world.run() == 0  # the message is there at once
    assert world.item("long.csv")["status"] == "done"
    positions = world.positions()
    assert (len(positions), max(positions.values()), world.audit()) == (LONG, 1, 0)


def test_it_tells_of_its_health_and_counts(world: Dropped, tmp_path: Path) -> None:
    world.send(world.put("a.csv", table(ROWS)), world.put("a.zip", b"PK"))
    world.say("no JSON")
    with working(world, tmp_path / "log") as running:
        port = int(world.environ["TAILRACE_SERVE_PORT"])
        until(running, tmp_path / "log", b'"nothing"')
        assert [get(port, path) for path in ("/livez", "/readyz")] == [(200, "ok\n")] * 2
        status, page = get(port, "/metrics")
        found = {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        }
        running.send_signal(signal.SIGTERM)  # while it waits for a message
        assert running.wait(60) == 0
    assert status == 200
    wanted = {
        ("tailrace_events_received_total", "drops", "lake"): 30,
        ("tailrace_events_stored_total", "drops", "lake"): 27,
        ("tailrace_events_rejected_total", "drops", "lake"): 3,
        ("tailrace_events_filtered_total", "drops", "lake"): 0,
        ("tailrace_drop_files_total", "done"): 1,
        ("tailrace_drop_files_total", "refused"): 1,
        ("tailrace_drop_messages_total", "deleted"): 1,
        ("tailrace_drop_messages_total", "kept"): 1,
        ("tailrace_drop_messages_total", "unknown"): 1,
        ("tailrace_drop_message_age_seconds",): 0,
    }
    assert {name: found.get(name) for name in wanted} == wanted
    assert json.loads((tmp_path / "log").read_bytes().splitlines()[-1])["msg"] == "stopped"


def test_a_port_that_is_taken_is_said(world: Dropped, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        world.environ["TAILRACE_SERVE_PORT"] = str(taken.getsockname()[1])
        assert main(["drops"], world.environ) == 2
    assert "tailrace: [serve] port" in capsys.readouterr().err


def test_another_lake_is_refused(world: Dropped, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.run() == 0
    capsys.readouterr()
    world.environ["TAILRACE_LAKE_URI"] += "-2"
    assert world.run() == 2
    assert "set another [kcl] application for it (TAILRACE_KCL_APPLICATION)" in capsys.readouterr().err


def test_two_at_one_file_store_it_once(world: Dropped, tmp_path: Path) -> None:
    world.send(world.put("long.csv", table(LONG)))
    log = tmp_path / "log"
    with working(world, log) as running:
        running.send_signal(signal.SIGSTOP)  # it keeps its message no more, and does not know
        finish(world)
        assert world.item("long.csv")["status"] == "done"
        running.send_signal(signal.SIGCONT)
        until(running, log, b"unfinished")
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
    assert world.item("long.csv")["status"] == "done"
    positions = world.positions()
    assert (len(positions), max(positions.values()), world.audit()) == (LONG, 1, 0)


def test_what_was_rejected_comes_back_as_a_file_and_once(
    world: Dropped, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.environ["TAILRACE_CSV_REQUIRED"] = "n"
    world.send(world.put("a.csv", b"n,t\n1,a\n,b\n"))
    assert world.run() == 0
    assert (world.item("a.csv")["stored"], world.item("a.csv")["rejected"]) == (1, 1)
    capsys.readouterr()
    assert main(["quarantine", "list", "--drops", "--json"], world.environ) == 0
    (rejected,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert rejected["reasons"][0]["keyword"] == "required"
    patch, mended = tmp_path / "patch.json", tmp_path / "mended.jsonl"
    patch.write_text('[{"op": "add", "path": "/n", "value": 2}]')
    send = ["redrive", "--drops", "--reason", "required", "--patch", str(patch), "--send"]
    assert main(send, world.environ) == 2
    assert "add --out FILE, then drop it" in capsys.readouterr().err
    assert main([*send, "--out", str(mended)], world.environ) == 0
    for key in ("mended.jsonl", "twice.jsonl"):
        world.send(world.put(key, mended.read_bytes()))
    assert world.run() == 0
    again = [world.item(key) for key in ("mended.jsonl", "twice.jsonl")]
    assert [(item["stored"], item["filtered"]) for item in again] == [(1, 0), (0, 1)]
    assert world.audit() == 0


def test_in_a_bucket_with_versions_each_version_is_brought_in(world: Dropped) -> None:
    world.environ["TAILRACE_DROPS_ARCHIVE"] = f"s3://{ARCHIVE}/stored"
    world.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    world.notify()
    for rows in (1, 2):
        world.put("a.csv", table(rows))
    assert world.run() == 0
    assert sorted((item["status"], item["stored"]) for item in world.items()) == [("done", 1), ("done", 2)]
    assert all(item["version"] for item in world.items())
    found = world.s3.list_object_versions(Bucket=BUCKET)
    assert ("Versions" in found, "DeleteMarkers" in found) == (False, False)
    assert len(world.s3.list_objects_v2(Bucket=ARCHIVE)["Contents"]) == 2
    assert (world.left(), world.audit()) == (0, 0)
