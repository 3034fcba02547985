"""A Firehose stream. Rule: each record ends in a newline, so that what Firehose joins can be told apart again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tailrace.nouns import Destination
from tailrace.settings import KIB, MIB, Aws
from tailrace.sinks.forward.messages import Message
from tailrace.sinks.forward.options import Parallel
from tailrace.sinks.forward.services import Client, address_of, by_place, endpoint_of, failure_of
from tailrace.sinks.forward.target import Limits, Result

OPTIONS: Final = Parallel


class Firehose:
    """One delivery stream."""

    limits = Limits(500, 4 * MIB, 1000 * KIB, overhead=1)
    ordered = False

    def __init__(self, client: Client, name: str) -> None:
        self._client, self._name = client, name

    def send(self, messages: Sequence[Message]) -> list[Result]:
        """Put up to 500 records."""
        records = [{"Data": one.data + b"\n"} for one in messages]
        answer = self._client.ask(
            f"put into the delivery stream {self._name}",
            lambda firehose: firehose.put_record_batch(DeliveryStreamName=self._name, Records=records),
        )
        failed = {
            at: failure_of(one["ErrorCode"], one.get("ErrorMessage", ""))
            for at, one in enumerate(answer["RequestResponses"])
            if one.get("ErrorCode")
        }
        return list(by_place(failed, len(messages)))

    def look(self) -> None:
        """Ask whether it is there."""
        self._client.ask(
            f"find the delivery stream {self._name}",
            lambda firehose: firehose.describe_delivery_stream(DeliveryStreamName=self._name),
        )


def target(destination: Destination, options: Parallel, aws: Aws) -> Firehose:
    """Return the delivery stream of an ARN."""
    expected = "arn:aws:firehose:<region>:<account>:deliverystream/<name>"
    where = address_of(destination, expected, r"deliverystream/[A-Za-z0-9_.-]{1,64}")
    client = Client("firehose", where.region, endpoint_of(aws, "firehose"), connections=options.concurrency)
    return Firehose(client, where.resource.partition("/")[2])
