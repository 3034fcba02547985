"""The queue of messages. Rule: a message is deleted only by who says so; all else brings it again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.ops import aws
from tailrace.world import WorldDenied, WorldError

EXTENSIONS: Final = 3  # in the time that a message is kept from others
TOO_LATE: Final = frozenset({"ReceiptHandleIsInvalid", "InvalidParameterValue"})  # of a message not ours any more


class Message(NamedTuple):
    """One message, received once more or for the first time."""

    body: str
    receipt: str
    sent_ms: int = 0  # 0: not said
    times: int = 1  # that it was received, about


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
                AttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            ),
        )
        found = answer.get("Messages", ())
        if not found:
            return None
        said = found[0].get("Attributes", {})
        times = int(said.get("ApproximateReceiveCount", 1))
        return Message(found[0]["Body"], found[0]["ReceiptHandle"], int(said.get("SentTimestamp", 0)), times)

    def hide(self, receipt: str, seconds: int) -> None:
        self._asked(
            "keep a message of",
            lambda: self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=seconds
            ),
        )

    def delete(self, receipt: str) -> None:
        try:
            self._asked(
                "delete a message of", lambda: self._client.delete_message(QueueUrl=self._url, ReceiptHandle=receipt)
            )
        except WorldDenied as error:
            if not isinstance(error.__cause__, ClientError) or aws.code(error.__cause__) not in TOO_LATE:
                raise  # else it went to somebody else, or comes again, and nothing is left to do

    def _asked(self, verb: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (ClientError, BotoCoreError) as error:
            aws.raise_world(error, f"{verb} {self._url}")


@contextmanager
def kept(
    queue: Queue, receipt: str, visibility_s: int, every_s: float, trouble: Callable[[WorldError | WorldDenied], None]
) -> Iterator[None]:
    """Keep a message from others for as long as the block takes. SQS itself ends it after 12 hours."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(every_s):
            try:
                queue.hide(receipt, visibility_s)
            except (WorldError, WorldDenied) as error:
                trouble(error)

    thread = threading.Thread(target=beat, name="keep-message", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
