"""A queue as a file: nothing is deleted before it is on disk, and a run that was cut off is gone on with."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from support.ministack import ministack
from tailrace.cli import backup_dlq, main
from tailrace.cli.backup_dlq import Lines
from tailrace.settings import SettingsError


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ministack(tmp_path_factory.mktemp("aws")) as running:
        yield running.url


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_dlq, "WAIT_S", 0)


class Queue:
    def __init__(self, url: str, name: str, count: int) -> None:
        self.sqs: Any = boto3.client("sqs", region_name="us-east-1", endpoint_url=url)
        self.url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        self._environ = {"TAILRACE_AWS_SQS_ENDPOINT": url}
        for n in range(count):
            attributes: Any = {
                "n": {"DataType": "Number", "StringValue": str(n)},
                "b": {"DataType": "Binary", "BinaryValue": b"\0"},
            }
            self.sqs.send_message(QueueUrl=self.url, MessageBody=f"body {n}", MessageAttributes=attributes)

    def backup(self, file: Path, *options: str) -> int:
        return main(["backup-dlq", self.url, "--to", str(file), *options], self._environ)

    @property
    def left(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(map(int, found.values()))


def bodies(file: Path) -> list[str]:
    return sorted(json.loads(line)["body"] for line in file.read_text().splitlines())


def wanted(count: int) -> list[str]:
    return sorted(f"body {n}" for n in range(count))


def test_every_message_is_a_line_and_stays_in_the_queue(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queue, file = Queue(url, "kept", 23), tmp_path / "a.jsonl"
    assert queue.backup(file, "--visibility", "60") == 0
    assert capsys.readouterr().out == "23 messages written; visible again within 60 s\n"
    assert bodies(file) == wanted(23)
    assert queue.left == 23
    line = json.loads(file.read_text().splitlines()[0])
    assert line["message_attributes"]["b"] == {"type": "Binary", "value": "AA=="}
    assert line["attributes"]["SentTimestamp"].isdigit()
    assert file.stat().st_mode & 0o777 == 0o600


def test_purge_deletes_what_is_written(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queue, file = Queue(url, "purged", 23), tmp_path / "a.jsonl"
    assert queue.backup(file, "--purge") == 0
    assert capsys.readouterr().out == "23 messages written; 23 deleted\n"
    assert (bodies(file), queue.left) == (wanted(23), 0)


@pytest.mark.parametrize("dies", ["before the disk", "before the deletion", "in the middle of a line"])
def test_a_run_that_is_cut_off_loses_nothing_and_the_next_goes_on(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], dies: str
) -> None:
    queue, file = Queue(url, dies.replace(" ", "-"), 23), tmp_path / "a.jsonl"
    calls = 0

    def cut(*_: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == second:
            raise KeyboardInterrupt
        return before(*_)

    second = 3 if dies == "before the disk" else 2  # the file's own name comes first
    where: Any = os if dies == "before the disk" else backup_dlq.Backup
    name = "fsync" if dies == "before the disk" else "_delete"
    before = getattr(where, name)
    with monkeypatch.context() as patch:
        patch.setattr(where, name, cut)
        assert queue.backup(file, "--purge", "--visibility", "1") == 130
    assert "run again, it goes on" in capsys.readouterr().err
    assert queue.left == 13, "ten were deleted, no other"
    if dies == "in the middle of a line":
        file.write_bytes(file.read_bytes()[:-9])
    monkeypatch.setattr(backup_dlq, "WAIT_S", 1)  # hidden ones come back within a second
    assert queue.backup(file, "--purge") == 0
    assert (bodies(file), queue.left) == (wanted(23), 0)


def test_a_files_name_is_on_disk_before_anything_is_deleted(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, file = Queue(url, "named", 1), tmp_path / "a.jsonl"
    done: list[str] = []
    sync, delete = os.fsync, backup_dlq.Backup._delete

    def synced(handle: int) -> None:
        done.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        sync(handle)

    def deleted(self: backup_dlq.Backup, messages: list[dict[str, Any]]) -> None:
        done.append("deleted")
        delete(self, messages)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(backup_dlq.Backup, "_delete", deleted)
    assert queue.backup(file, "--purge") == 0
    assert done == [str(tmp_path), str(file), "deleted"]


def test_what_an_earlier_run_hides_is_told_and_no_success(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = Queue(url, "hidden", 3)
    assert queue.backup(tmp_path / "a.jsonl") == 0
    capsys.readouterr()
    assert queue.backup(tmp_path / "b.jsonl", "--purge") == 1
    told = capsys.readouterr()
    assert told.out == "0 messages written; 0 deleted\n"
    assert "about 3 messages are hidden by another reader, or an earlier run: run it again later" in told.err


def test_what_the_queue_does_not_delete_is_told(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    queue, file = Queue(url, "kept-on", 3), tmp_path / "a.jsonl"
    ask = backup_dlq.Backup._asked

    def busy(self: backup_dlq.Backup, verb: str, call: Any) -> Any:
        if verb == "delete from":
            return {"Failed": [{"Id": "1"}]}
        return ask(self, verb, call)

    with monkeypatch.context() as patch:
        patch.setattr(backup_dlq.Backup, "_asked", busy)
        assert queue.backup(file, "--purge", "--visibility", "1") == 1
    told = capsys.readouterr()
    assert told.out == "3 messages written; 2 deleted\n"
    assert "1 messages are in the file and could not be deleted: run it again" in told.err
    assert bodies(file) == wanted(3)


def test_a_queue_that_goes_round_ends_and_is_told(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    queue, file = Queue(url, "round", 3), tmp_path / "a.jsonl"
    receive = backup_dlq.Backup._receive

    def again(self: backup_dlq.Backup) -> list[dict[str, Any]]:
        found = receive(self)
        for one in found:
            queue.sqs.change_message_visibility(
                QueueUrl=queue.url, ReceiptHandle=one["ReceiptHandle"], VisibilityTimeout=0
            )
        return found

    monkeypatch.setattr(backup_dlq.Backup, "_receive", again)
    assert queue.backup(file) == 1
    assert "raise --visibility" in capsys.readouterr().err
    assert bodies(file) == wanted(3)


def test_a_file_that_is_none_of_ours_is_left_alone(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queue, file = Queue(url, "none", 1), tmp_path / "a.jsonl"
    file.write_text('{"a": 1}\n')
    assert queue.backup(file, "--purge") == 2
    assert "line 1: found no message of a queue" in capsys.readouterr().err
    assert (file.read_text(), queue.left) == ('{"a": 1}\n', 1)


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    with (
        Lines(str(tmp_path / "a")),
        pytest.raises(SettingsError, match="another run writes it"),
        Lines(str(tmp_path / "a")),
    ):
        pass


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["queue", "--to", "x"], 2, "expected the URL of a queue"),
        (["https://sqs.eu-west-1.amazonaws.com/1/q", "--to", "/nowhere/x"], 2, "No such file"),
        (["https://sqs.eu-west-1.amazonaws.com/1/q", "--to", "x", "--visibility", "0"], 2, "expected 1 to 43200"),
    ],
)
def test_what_cannot_be_is_one_line(
    arguments: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backup-dlq", *arguments], {}) == status
    assert said in capsys.readouterr().err


def test_a_queue_that_is_missing_is_told(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"TAILRACE_AWS_SQS_ENDPOINT": url}
    assert main(["backup-dlq", f"{url}/000000000000/nowhere", "--to", str(tmp_path / "x")], environ) == 77
    assert "receive from" in capsys.readouterr().err
