"""The queue of messages: a message is deleted only by who says so."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from support.faked_drops import Queue
from tailrace.drops.queue import Message, SqsQueue, kept
from tailrace.world import WorldDenied, WorldError


def test_a_message_is_kept_for_as_long_as_the_work_takes_whatever_the_queue_says() -> None:
    beats, three = [0], threading.Event()
    said: list[Exception] = []

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
    assert (beats[0], [str(one) for one in said]) == (after, ["away"])


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


def test_a_receipt_that_is_too_old_deletes_nothing_and_is_no_fault() -> None:
    class Old:
        def delete_message(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "ReceiptHandleIsInvalid"}}, "x")

    SqsQueue(Old(), "http://x/q", visibility_s=5, wait_s=0).delete("r")


def test_a_message_says_when_it_was_sent_and_how_often_it_came() -> None:
    class Told:
        def receive_message(self, **asked: Any) -> dict[str, Any]:
            assert set(asked["AttributeNames"]) == {"SentTimestamp", "ApproximateReceiveCount"}
            said = {"SentTimestamp": "1800000000000", "ApproximateReceiveCount": "4"}
            return {"Messages": [{"Body": "b", "ReceiptHandle": "r", "Attributes": said}]}

    assert SqsQueue(Told(), "http://x/q", visibility_s=5, wait_s=0).receive() == Message("b", "r", 1_800_000_000_000, 4)
