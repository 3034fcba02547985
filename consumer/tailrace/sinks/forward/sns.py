"""SNS. Rule: as SQS, ten messages a call and a result for each; a topic ending in .fifo keeps order by key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tailrace.nouns import Destination
from tailrace.settings import KIB, Aws
from tailrace.sinks.forward.messages import Message
from tailrace.sinks.forward.options import Keyed
from tailrace.sinks.forward.services import Client, address_of, endpoint_of
from tailrace.sinks.forward.sqs import entry_of, results_of
from tailrace.sinks.forward.target import Limits, Result

OPTIONS: Final = Keyed
BYTES_MAX: Final = 256 * KIB  # of a message, and of a call, unless a topic says otherwise


class Sns:
    """One topic."""

    limits = Limits(10, BYTES_MAX, BYTES_MAX)

    def __init__(self, client: Client, arn: str, *, ordered: bool) -> None:
        self._client, self._arn = client, arn
        self._fifo = arn.endswith(".fifo")
        self.ordered = ordered and self._fifo

    def send(self, messages: Sequence[Message]) -> list[Result]:
        """Publish up to ten."""
        entries = [entry_of(at, one, "Message", fifo=self._fifo) for at, one in enumerate(messages)]
        answer = self._client.ask(
            f"publish to {self._arn}",
            lambda sns: sns.publish_batch(TopicArn=self._arn, PublishBatchRequestEntries=entries),
        )
        return results_of(answer, len(messages))

    def look(self) -> None:
        """Ask whether it is there."""
        self._client.ask(f"find {self._arn}", lambda sns: sns.get_topic_attributes(TopicArn=self._arn))


def target(destination: Destination, options: Keyed, aws: Aws) -> Sns:
    """Return the topic of an ARN."""
    where = address_of(destination, "arn:aws:sns:<region>:<account>:<topic>", r"[A-Za-z0-9_-]{1,256}(\.fifo)?")
    client = Client("sns", where.region, endpoint_of(aws, "sns"), connections=options.concurrency)
    return Sns(client, where.arn, ordered=options.ordered)
