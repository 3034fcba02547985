"""`tailrace backup-dlq`: a queue's messages as JSON lines. Rule: what is deleted is on disk before.

A file that is there is gone on with: what it has is not written twice, and a line that was cut off is written anew.
Without --purge nothing is deleted, and all is visible again when its time is over.

Exit status: 0 all that the queue had is in the file, 1 perhaps not all; else it could not be asked.
"""

from __future__ import annotations

import argparse
import base64
import fcntl
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from tailrace.ops import aws
from tailrace.settings import Settings, SettingsError

NAME = "backup-dlq"
HELP = "Write the messages of a queue to a file of JSON lines."
GROUP = "mend"
VISIBILITY_S: Final = 300
WAIT_S: Final = 2  # of one long poll
EMPTY_MAX: Final = 2  # answers without a message in a row: the queue is empty, or all of it is hidden
EMPTY_LEFT_MAX: Final = 6  # so many where the queue says that it has more: what it says is late by seconds
CALL_MAX: Final = 10
LEFT: Final = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
_REGION: Final = re.compile(r"https://(?:sqs\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.amazonaws\.com(?:\.cn)?/.*")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("queue", metavar="QUEUE_URL")
    parser.add_argument("--to", metavar="FILE", required=True, help="a new file, or one of an earlier run")
    parser.add_argument(
        "--visibility",
        type=_seconds,
        default=VISIBILITY_S,
        metavar="SECONDS",
        help="how long a message is hidden from others once it was read (default: %(default)s); longer than the run",
    )
    parser.add_argument("--purge", action="store_true", help="delete each message once its line is on disk")


def run(args: argparse.Namespace) -> int:
    """Read until the queue is empty; return the exit status."""
    settings: Settings = args.settings
    found = _REGION.fullmatch(args.queue)
    if not re.fullmatch(r"https?://[^/\s]+/\S+", args.queue):
        raise SettingsError(f"found {args.queue}, expected the URL of a queue")
    region = (found[1] or found[2]) if found else settings.stream.region
    client = aws.client("sqs", region=region, endpoint=settings.aws.sqs_endpoint)
    with Lines(args.to) as lines:
        backup = Backup(client, args.queue, lines, args.visibility, purge=args.purge)
        try:
            backup.run()
        except BaseException:
            print(f"tailrace: cut off: {backup.text()}; run again, it goes on", file=sys.stderr)
            raise
    print(backup.text())
    if backup.trouble:
        print(f"tailrace: {backup.trouble}", file=sys.stderr)
    return 1 if backup.trouble else 0


def _seconds(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 43_200:
        raise argparse.ArgumentTypeError(f"found {text}, expected 1 to 43200 seconds")
    return int(text)


class Lines:
    """A file of messages, one a line, and the ids of those it has."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self.ids: set[str] = set()
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        """Open the file and read what it has. Raises SettingsError."""
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise SettingsError(f"--to {self._path}: {error.strerror}") from None
        self._file = os.fdopen(handle, "r+b")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _keep_name(self._path)
            self._read(self._file)
        except BlockingIOError:
            self._file.close()
            raise SettingsError(f"--to {self._path}: another run writes it") from None
        except BaseException:
            self._file.close()
            raise
        return self

    def _read(self, file: BinaryIO) -> None:
        whole = 0
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):  # a run was cut off
                break
            try:
                self.ids.add(str(orjson.loads(line)["message_id"]))
            except (ValueError, KeyError, TypeError):
                raise SettingsError(f"--to {self._path}: line {number}: found no message of a queue") from None
            whole += len(line)
        file.seek(whole)
        file.truncate()

    def add(self, messages: Sequence[dict[str, Any]]) -> int:
        """Write those that are new, and return when they are on disk; return how many they were."""
        assert self._file is not None
        new = {one["MessageId"]: one for one in messages if one["MessageId"] not in self.ids}
        self._file.write(b"".join(map(line_of, new.values())))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.ids |= new.keys()
        return len(new)

    def __exit__(self, *_: object) -> None:
        assert self._file is not None
        self._file.close()


def _keep_name(path: Path) -> None:
    """Have a new file's name survive a power cut as well as its lines."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def line_of(message: dict[str, Any]) -> bytes:
    """Return a message as one line of JSON."""
    attributes = {
        name: {"type": one["DataType"], "value": _text(one)}
        for name, one in message.get("MessageAttributes", {}).items()
    }
    return orjson.dumps(
        {
            "message_id": message["MessageId"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "message_attributes": attributes,
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def _text(attribute: dict[str, Any]) -> str:
    if "BinaryValue" in attribute:
        return base64.b64encode(attribute["BinaryValue"]).decode()
    return str(attribute.get("StringValue", ""))


class Backup:
    """A queue on its way into a file."""

    def __init__(self, client: Any, url: str, lines: Lines, visibility_s: int, *, purge: bool) -> None:
        self._client, self._url, self._lines = client, url, lines
        self._visibility_s, self._purge = visibility_s, purge
        self.written = self.deleted = self.known = 0
        self._hides: set[str] = set()  # ids of messages that have come, and are in the queue
        self.trouble = ""

    def run(self) -> None:
        """Read until nothing comes any more."""
        empty = again = 0
        mine: set[str] = set()  # ids of all that have come
        while empty < EMPTY_MAX or (empty < EMPTY_LEFT_MAX and any(self._left())):
            messages = self._receive()
            empty = 0 if messages else empty + 1
            if not messages:
                continue
            new = self._lines.add(messages)
            self.written += new
            self.known += len(messages) - new
            again += sum(one["MessageId"] in mine for one in messages)
            mine |= {one["MessageId"] for one in messages}
            self._hides |= {one["MessageId"] for one in messages}
            if self._purge:
                self._delete(messages)
            if again > max(CALL_MAX, len(mine)):
                self.trouble = (
                    "messages come again before the queue is through: raise --visibility, or see who reads it"
                )
                return
        left, hidden = self._left()
        if self._purge and self._hides:
            self.trouble = f"{len(self._hides):,} messages are in the file and could not be deleted: run it again"
        elif left:
            self.trouble = f"about {left:,} messages are in the queue and did not come (of a FIFO queue, behind others)"
        elif hidden:
            self.trouble = (
                f"about {hidden:,} messages are hidden by another reader, or an earlier run: run it again later"
            )

    def _receive(self) -> list[dict[str, Any]]:
        answer = self._asked(
            "receive from",
            lambda: self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=CALL_MAX,
                VisibilityTimeout=self._visibility_s,
                WaitTimeSeconds=WAIT_S,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            ),
        )
        return list(answer.get("Messages", ()))

    def _delete(self, messages: Sequence[dict[str, Any]]) -> None:
        entries = [{"Id": str(at), "ReceiptHandle": one["ReceiptHandle"]} for at, one in enumerate(messages)]
        answer = self._asked(
            "delete from", lambda: self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
        )
        failed = {int(one["Id"]) for one in answer.get("Failed", ())}  # these may come again, and are deleted then
        self.deleted += len(entries) - len(failed)
        self._hides -= {one["MessageId"] for at, one in enumerate(messages) if at not in failed}

    def _left(self) -> tuple[int, int]:
        """Return about how many messages have not come: those that could, and those that others hide."""
        answer = self._asked(
            "look at", lambda: self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=list(LEFT))
        )
        left, hidden = (int(answer["Attributes"][name]) for name in LEFT)
        return left, max(0, hidden - len(self._hides))

    def _asked(self, verb: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (ClientError, BotoCoreError) as error:
            aws.raise_world(error, f"{verb} {self._url}")

    def text(self) -> str:
        """Return the sums for a person."""
        known = f", {self.known:,} were in the file before" if self.known else ""
        after = f"{self.deleted:,} deleted" if self._purge else f"visible again within {self._visibility_s} s"
        return f"{self.written:,} messages written{known}; {after}"
