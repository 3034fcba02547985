"""The queue of messages. Rule: a message is deleted only by who says so; all else brings it again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.commit.ports import WorldDenied, WorldError
from tailrace.ops import aws

EXTENSIONS = 3  # in the time that a message is kept from others


class Message(NamedTuple):
    """One message, received once more or for the first time."""

    body: str
    receipt: str


class Queue(Protocol):
    """Where messages come from. Every call may raise WorldError or WorldDenied."""

    def receive(self) -> Message | None:
        """Return a message, None where none came within the wait."""

    def hide(self, receipt: str, seconds: int) -> None:
        """Keep a message from others for so long from now."""

    def delete(self, receipt: str) -> None:
        """The message is done with."""


class SqsQueue:
    """A queue of SQS. Threads share it."""

    def __init__(self, client: Any, url: str, *, visibility_s: int, wait_s: int) -> None:
        self._client, self._url, self._visibility_s, self._wait_s = client, url, visibility_s, wait_s

    def receive(self) -> Message | None:
        answer = self._asked(
            "receive from",
            lambda: self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=1,  # others are free to take the next
                VisibilityTimeout=self._visibility_s,
                WaitTimeSeconds=self._wait_s,
            ),
        )
        found = answer.get("Messages", ())
        return Message(found[0]["Body"], found[0]["ReceiptHandle"]) if found else None

    def hide(self, receipt: str, seconds: int) -> None:
        self._asked(
            "keep a message of",
            lambda: self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=seconds
            ),
        )

    def delete(self, receipt: str) -> None:
        self._asked(
            "delete a message of", lambda: self._client.delete_message(QueueUrl=self._url, ReceiptHandle=receipt)
        )

    def _asked(self, verb: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (ClientError, BotoCoreError) as error:
            aws.raise_world(error, f"{verb} {self._url}")


@contextmanager
def kept(
    queue: Queue, receipt: str, visibility_s: int, every_s: float, trouble: Callable[[str], None]
) -> Iterator[None]:
    """Keep a message from others for as long as the block takes. SQS itself ends it after 12 hours."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(every_s):
            try:
                queue.hide(receipt, visibility_s)
            except (WorldError, WorldDenied) as error:  # at worst somebody else takes the file over
                trouble(str(error))

    thread = threading.Thread(target=beat, name="keep-message", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
