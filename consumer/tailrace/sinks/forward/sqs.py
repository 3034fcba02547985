"""SQS. Rule: ten messages a call; what of it failed is told one by one.

A FIFO queue gets the key as group and the row_id as deduplication id: sent twice within five minutes, it is kept once.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

from tailrace.nouns import Destination
from tailrace.settings import Aws
from tailrace.sinks.forward.messages import Message
from tailrace.sinks.forward.options import Keyed
from tailrace.sinks.forward.services import Client, address_of, by_place, endpoint_of, failure_of
from tailrace.sinks.forward.target import Limits, Result

OPTIONS: Final = Keyed
BYTES_MAX: Final = 1024 * 1024  # of a message, and of a call; a queue of an older date may have less
GROUP_CHARS_MAX: Final = 128


class Sqs:
    """One queue."""

    limits = Limits(10, BYTES_MAX, BYTES_MAX)

    def __init__(self, client: Client, name: str, account: str, *, ordered: bool) -> None:
        self._client, self._name, self._account = client, name, account
        self._fifo = name.endswith(".fifo")
        self.ordered = ordered and self._fifo
        self._url = ""

    def send(self, messages: Sequence[Message]) -> list[Result]:
        """Send up to ten."""
        url = self.url()
        entries = [entry_of(at, one, "MessageBody", fifo=self._fifo) for at, one in enumerate(messages)]
        asked = {"QueueUrl": url, "Entries": entries}
        answer = self._client.call(f"send to the queue {self._name}", "SendMessageBatch", asked)
        return results_of(answer, len(messages))

    def url(self) -> str:
        """Return the queue's address; the service is asked once."""
        if not self._url:
            found = self._client.ask(
                f"find the queue {self._name}",
                lambda sqs: sqs.get_queue_url(QueueName=self._name, QueueOwnerAWSAccountId=self._account),
            )
            self._url = str(found["QueueUrl"])
        return self._url

    def look(self) -> None:
        """Ask whether it is there."""
        self.url()


def target(destination: Destination, options: Keyed, aws: Aws) -> Sqs:
    """Return the queue of an ARN."""
    where = address_of(destination, "arn:aws:sqs:<region>:<account>:<queue>", r"[A-Za-z0-9_-]{1,80}(\.fifo)?")
    client = Client("sqs", where.region, endpoint_of(aws, "sqs"), connections=options.concurrency)
    return Sqs(client, where.resource, where.account, ordered=options.ordered)


def entry_of(at: int, message: Message, body: str, *, fifo: bool) -> dict[str, Any]:
    """Return a message as an entry of a batch, of SQS or SNS."""
    entry: dict[str, Any] = {"Id": str(at), body: text_of(message.data)}
    if fifo:
        group = message.key
        plain = group.isascii() and group.isprintable() and " " not in group and len(group) <= GROUP_CHARS_MAX
        entry |= {
            "MessageGroupId": group if plain else digest_of(group),
            "MessageDeduplicationId": message.row_id,
        }
    return entry


def digest_of(key: str) -> str:
    """Return a name for a key that a service does not take as it is."""
    return blake2b(key.encode(), digest_size=16).hexdigest()


def text_of(data: bytes) -> str:
    """Return JSON as text that SQS and SNS take: two characters are none of XML's."""
    return data.decode().replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def results_of(answer: Any, count: int) -> list[Result]:
    """Return one result a message of a batch, of SQS or SNS."""
    failed = {
        int(one["Id"]): failure_of(
            one.get("Code", ""), one.get("Message", ""), theirs=not one.get("SenderFault", False)
        )
        for one in answer.get("Failed", ())
    }
    return list(by_place(failed, count))
