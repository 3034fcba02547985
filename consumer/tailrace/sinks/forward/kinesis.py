"""A Kinesis data stream. Rule: PutRecords may take some and not others, so a call holds one record of each key.

Without `ordered` a call is filled up, and what is sent again may come after later records of its key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tailrace.nouns import Destination
from tailrace.settings import MIB, Aws
from tailrace.sinks.forward.messages import Message
from tailrace.sinks.forward.options import Keyed
from tailrace.sinks.forward.services import Client, address_of, by_place, endpoint_of, failure_of
from tailrace.sinks.forward.sqs import digest_of
from tailrace.sinks.forward.target import Limits, Result

OPTIONS: Final = Keyed
KEY_CHARS_MAX: Final = 256


class Kinesis:
    """One stream."""

    limits = Limits(500, 5 * MIB, MIB, keyed=True)

    def __init__(self, client: Client, arn: str, *, ordered: bool) -> None:
        self._client, self._arn = client, arn
        self.ordered = ordered

    def send(self, messages: Sequence[Message]) -> list[Result]:
        """Put up to 500 records."""
        records = [
            {"Data": one.data, "PartitionKey": one.key if len(one.key) <= KEY_CHARS_MAX else digest_of(one.key)}
            for one in messages
        ]
        answer = self._client.ask(
            f"put into {self._arn}", lambda kinesis: kinesis.put_records(StreamARN=self._arn, Records=records)
        )
        failed = {
            at: failure_of(one["ErrorCode"], one.get("ErrorMessage", ""))
            for at, one in enumerate(answer["Records"])
            if one.get("ErrorCode")
        }
        return list(by_place(failed, len(messages)))

    def look(self) -> None:
        """Ask whether it is there."""
        self._client.ask(f"find {self._arn}", lambda kinesis: kinesis.describe_stream_summary(StreamARN=self._arn))


def target(destination: Destination, options: Keyed, aws: Aws) -> Kinesis:
    """Return the stream of an ARN."""
    expected = "arn:aws:kinesis:<region>:<account>:stream/<name>"
    where = address_of(destination, expected, r"stream/[A-Za-z0-9_.-]{1,128}")
    client = Client("kinesis", where.region, endpoint_of(aws, "kinesis"), connections=options.concurrency)
    return Kinesis(client, where.arn, ordered=options.ordered)
