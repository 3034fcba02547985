"""Laws of each service's target: no call breaks a limit of its API, none is lost, and keys keep their order."""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from support.memory_target import Ear, ShortWay, Time
from tailrace.nouns import Destination
from tailrace.settings import KIB, MIB, Aws
from tailrace.sinks.forward import sink
from tailrace.sinks.forward.messages import Message, order

SIZES = (
    99, 99, 1000, 60 * KIB, 256 * KIB, 256 * KIB + 1, 999_997, 999_998, 1000 * KIB - 1, 1000 * KIB, MIB, MIB + 1
)  # fmt: skip
KEYS = ("a", "b", "with space", "long" * 70, "ü")


class Strict:
    """The services' batch calls, as their API has them. What they take stands in `taken`, in order, as numbers."""

    def __init__(self, rng: Random, share: float) -> None:
        self._rng, self._share = rng, share
        self.taken: list[int] = []

    def _fails(self) -> bool:
        return self._rng.random() < self._share

    def _whole(self) -> None:
        if self._rng.random() < self._share / 3:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "op")

    def _take(self, data: str | bytes) -> None:
        self.taken.append(json.loads(data)["n"])

    def _batch(self, entries: list[dict[str, Any]], body: str, most: int, *, fifo: bool) -> dict[str, Any]:
        assert 1 <= len(entries) <= 10
        assert len({one["Id"] for one in entries}) == len(entries)
        sizes = [len(one[body].encode()) for one in entries]
        assert sum(sizes) <= most
        for one in entries:
            assert ("MessageGroupId" in one) == ("MessageDeduplicationId" in one) == fifo
            group = one.get("MessageGroupId", "g")
            assert 0 < len(group) <= 128
            assert group.isascii()
            assert group.isprintable()
            assert " " not in group
        self._whole()
        failed = []
        for one in entries:
            if self._fails():
                failed.append({"Id": one["Id"], "SenderFault": False, "Code": "InternalError", "Message": "m"})
            else:
                self._take(one[body])
        return {"Failed": failed} if failed else {}

    def get_queue_url(self, **_: Any) -> dict[str, Any]:
        return {"QueueUrl": "https://queue.fifo" if self.fifo else "https://queue"}

    fifo = False

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        return self._batch(Entries, "MessageBody", MIB, fifo=self.fifo)

    def publish_batch(self, *, TopicArn: str, PublishBatchRequestEntries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        return self._batch(PublishBatchRequestEntries, "Message", 256 * KIB, fifo=self.fifo)

    def put_records(self, *, StreamARN: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        assert 1 <= len(Records) <= 500
        sizes = [len(one["Data"]) + len(one["PartitionKey"].encode()) for one in Records]
        assert max(sizes) <= MIB
        assert sum(sizes) <= 5 * MIB
        assert all(1 <= len(one["PartitionKey"]) <= 256 for one in Records)
        self._whole()
        answers = []
        for one in Records:
            if self._fails():
                answers.append({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "m"})
            else:
                self._take(one["Data"])
                answers.append({"SequenceNumber": "1", "ShardId": "s"})
        return {"Records": answers}

    def put_record_batch(self, *, DeliveryStreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        assert 1 <= len(Records) <= 500
        sizes = [len(one["Data"]) for one in Records]
        assert max(sizes) <= 1000 * KIB
        assert sum(sizes) <= 4 * MIB
        assert all(one["Data"].endswith(b"\n") for one in Records)
        self._whole()
        answers = []
        for one in Records:
            if self._fails():
                answers.append({"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "m"})
            else:
                self._take(one["Data"])
                answers.append({"RecordId": "1"})
        return {"RequestResponses": answers}

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert len(Payload) <= (1_000_000 if InvocationType == "Event" else 6 * MIB)
        self._whole()
        listed = json.loads(Payload)
        bad = [one for one in listed if InvocationType != "Event" and self._fails()]
        self.taken += [one["n"] for one in listed if one not in bad]
        failures = [{"itemIdentifier": one["row_id"]} for one in bad]
        return {"Payload": _Said(json.dumps({"batchItemFailures": failures}).encode())}


class _Said:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self) -> bytes:
        return self._data


def message(number: int, size: int, key: str) -> Message:
    row_id = f"{number:032x}"
    head = f'{{"n":{number},"row_id":"{row_id}","x":"'
    return Message(f"{number}/0/0", row_id, key, f'{head}{"y" * (size - len(head) - 2)}"}}'.encode())


SERVICES: dict[str, tuple[str, str, dict[str, Any], int, bool]] = {  # the last two: most bytes of a message, ordered
    "sqs": ("sqs", "queue", {}, MIB, False),
    "sqs fifo": ("sqs", "queue.fifo", {}, MIB, True),
    "sns": ("sns", "topic", {}, 256 * KIB, False),
    "sns fifo": ("sns", "topic.fifo", {}, 256 * KIB, True),
    "kinesis": ("kinesis", "stream/feed", {}, MIB, True),
    "kinesis, no order": ("kinesis", "stream/feed", {"ordered": False}, MIB, False),
    "firehose": ("firehose", "deliverystream/hose", {}, 1000 * KIB - 1, False),
    "lambda": ("lambda", "function:f", {"batch": 7}, 1_000_000 - 3, False),
    "lambda, waiting": ("lambda", "function:f", {"invoke": "sync"}, 6 * MIB - 3, False),
}


@pytest.mark.parametrize("name", SERVICES)
@given(
    sizes=st.lists(st.sampled_from(SIZES), min_size=1, max_size=40)
    | st.sampled_from([1, 11, 25, 501, 1002]).map(lambda n: [99] * n),
    seed=st.integers(0, 2**32),
    share=st.sampled_from([0.0, 0.1, 0.5]),
    users=st.integers(1, 5),
)
def test_calls_keep_the_limits_nothing_is_lost_and_keys_keep_their_order(
    name: str, sizes: list[int], seed: int, share: float, users: int
) -> None:
    service, resource, options, most, ordered = SERVICES[name]
    destination = Destination(
        "there", service, f"arn:aws:{service}:eu-west-1:1:{resource}", {"concurrency": 1, **options}
    )
    found, target = sink.parts_of(destination, Aws())
    client = Strict(Random(seed), share)
    client.fifo = resource.endswith(".fifo")
    target._client._made, target._client._wire = client, ShortWay(client)
    given_ = [message(n, max(size, 70), KEYS[n % users]) for n, size in enumerate(sizes)]
    sender = sink.sender_of(destination, found, target, Time(), Ear())
    letters = sender.send(given_)
    keyed = service == "kinesis"
    fits = [one for one in given_ if len(one.data) + (len(one.key.encode()) if keyed else 0) <= most]
    large = [one.row_id for one in given_ if one not in fits]
    assert [one.message.row_id for one in letters if one.failure.final] == large
    lost = {int(one.message.row_id, 16) for one in letters if not one.failure.final}
    came = Counter(client.taken)
    assert came.keys() | lost == {int(one.row_id, 16) for one in fits}
    assert max(came.values(), default=1) == 1, "what is taken is not sent again"
    if ordered:
        for key in KEYS[:users]:
            mine = [n for n in client.taken if KEYS[n % users] == key]
            assert mine == sorted(mine)
    assert [one.message.position for one in letters] == sorted((one.message.position for one in letters), key=order)
