"""The real clients against stand-ins of their services."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from support.memory_target import Ear, Time, messages
from support.ministack import ministack
from tailrace.nouns import Destination
from tailrace.ops import aws
from tailrace.settings import Aws, Settings, SettingsError
from tailrace.sinks.forward import sink
from tailrace.sinks.forward.messages import Message
from tailrace.sinks.forward.sender import Letter
from tailrace.sinks.forward.target import Unfit
from tailrace.world import WorldDenied

REGION, ACCOUNT = "us-east-1", "000000000000"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ministack(tmp_path_factory.mktemp("aws")) as running:
        yield running.url


def at(url: str) -> Aws:
    return Aws(sqs_endpoint=url, sns_endpoint=url, kinesis_endpoint=url, firehose_endpoint=url, lambda_endpoint=url)


def client(service: str, url: str) -> Any:
    return aws.client(service, region=REGION, endpoint=url)


def there(service: str, resource: str, **options: Any) -> Destination:
    return Destination("there", service, f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}", options)


def send(url: str, destination: Destination, given: list[Message]) -> list[Letter]:
    options, target = sink.parts_of(destination, at(url))
    sender = sink.sender_of(destination, options, target, Time(), Ear())
    try:
        return sender.send(given)
    finally:
        sender.close()


def received(sqs: Any, queue: str, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    until = time.monotonic() + 20
    while len(found) < count and time.monotonic() < until:
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, AttributeNames=["All"], WaitTimeSeconds=1)
        for one in answer.get("Messages", ()):
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])
            found.append(one)
    return found


def json_messages(count: int) -> list[Message]:
    return [one._replace(data=b'{"n":%d}' % n) for n, one in enumerate(messages(count))]


def test_sqs_takes_all_and_what_is_no_xml_is_escaped(url: str) -> None:
    sqs = client("sqs", url)
    queue = sqs.create_queue(QueueName="plain")["QueueUrl"]
    given = [*messages(24), Message("99/0/0", "99", "k", json.dumps("\uffff", ensure_ascii=False).encode())]
    assert send(url, there("sqs", "plain"), given) == []
    found = received(sqs, queue, 25)
    assert sorted(one["Body"] for one in found) == sorted([*["x" * 10] * 24, '"\\uffff"'])


def test_a_fifo_queue_keeps_the_order_of_groups_and_takes_a_row_once(url: str) -> None:
    sqs = client("sqs", url)
    queue = sqs.create_queue(QueueName="line.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    given = [
        *json_messages(12),
        json_messages(1)[0]._replace(position="13/0/0", row_id="13", key="a group with spaces"),
    ]
    assert send(url, there("sqs", "line.fifo"), given) == []
    assert send(url, there("sqs", "line.fifo"), given[:5]) == []
    found = received(sqs, queue, 13)
    assert len(found) == 13
    by_group: dict[str, list[int]] = {}
    for one in found:
        by_group.setdefault(one["Attributes"]["MessageGroupId"], []).append(json.loads(one["Body"])["n"])
    assert {group: numbers for group, numbers in by_group.items() if group.startswith("key-")} == {
        "key-0": [2, 5, 8, 11], "key-1": [0, 3, 6, 9], "key-2": [1, 4, 7, 10],
    }  # fmt: skip
    assert found[0]["Attributes"]["MessageDeduplicationId"] in {one.row_id for one in given}


def test_what_a_queue_finds_too_long_is_a_letter_with_its_reason(url: str) -> None:
    sqs = client("sqs", url)
    queue = sqs.create_queue(QueueName="short", Attributes={"MaximumMessageSize": "1024"})["QueueUrl"]
    given = [*messages(3), *messages(1, size=2000, first=4), *messages(3, first=5)]
    (letter,) = send(url, there("sqs", "short"), given)
    assert (letter.message.position, letter.failure.final) == ("4/0/0", True)
    assert len(received(sqs, queue, 6)) == 6


def test_sns_publishes_to_a_topic(url: str) -> None:
    sns, sqs = client("sns", url), client("sqs", url)
    topic = sns.create_topic(Name="news")["TopicArn"]
    queue = sqs.create_queue(QueueName="reader")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    assert send(url, there("sns", "news"), json_messages(13)) == []
    assert sorted(json.loads(one["Body"])["n"] for one in received(sqs, queue, 13)) == list(range(13))


def test_a_fifo_topic_gets_group_and_deduplication_id(url: str) -> None:
    sns, sqs = client("sns", url), client("sqs", url)
    topic = sns.create_topic(Name="news.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    queue = sqs.create_queue(QueueName="reader.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    assert send(url, there("sns", "news.fifo"), json_messages(7)) == []
    found = received(sqs, queue, 7)
    assert {one["Attributes"]["MessageGroupId"] for one in found} == {"key-0", "key-1", "key-2"}


def test_a_stream_gets_each_keys_records_in_order(url: str) -> None:
    kinesis = client("kinesis", url)
    kinesis.create_stream(StreamName="feed", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="feed", WaiterConfig={"Delay": 1})
    given = [*json_messages(30), json_messages(1)[0]._replace(position="31/0/0", key="k" * 300)]
    assert send(url, there("kinesis", "stream/feed"), given) == []
    shard = kinesis.list_shards(StreamName="feed")["Shards"][0]["ShardId"]
    start = kinesis.get_shard_iterator(StreamName="feed", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]
    assert len(records) == 31
    for key in ("key-0", "key-1", "key-2"):
        numbers = [json.loads(one["Data"])["n"] for one in records if one["PartitionKey"] == key]
        assert numbers == sorted(numbers)
        assert len(numbers) == 10


def test_firehose_gets_lines(url: str) -> None:
    s3, firehose = client("s3", url), client("firehose", url)
    s3.create_bucket(Bucket="landed")
    firehose.create_delivery_stream(
        DeliveryStreamName="hose",
        DeliveryStreamType="DirectPut",
        ExtendedS3DestinationConfiguration={
            "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/hose",
            "BucketARN": "arn:aws:s3:::landed",
            "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 0},
        },
    )
    assert send(url, there("firehose", "deliverystream/hose"), json_messages(23)) == []
    lines = b"".join(
        s3.get_object(Bucket="landed", Key=one["Key"])["Body"].read()
        for one in s3.list_objects_v2(Bucket="landed").get("Contents", ())
    ).splitlines()
    assert sorted(json.loads(one)["n"] for one in lines) == list(range(23))


HANDLER = """
def handler(events, context):
    if any(one["n"] == 66 for one in events):
        raise ValueError("no")
    return {"batchItemFailures": [{"itemIdentifier": one["row_id"]} for one in events if one["n"] == 5]}
"""


def function(url: str, name: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("code.py", HANDLER)
    client("lambda", url).create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=f"arn:aws:iam::{ACCOUNT}:role/f",
        Handler="code.handler",
        Code={"ZipFile": packed.getvalue()},
    )


def test_a_function_is_called_and_names_what_it_could_not_do(url: str) -> None:
    function(url, "work")
    given = [
        one._replace(data=b'{"n":%d,"row_id":"%s"}' % (n, one.row_id.encode())) for n, one in enumerate(messages(9))
    ]
    destination = there("lambda", "function:work", invoke="sync", batch=4, patience_s=1)
    letters = send(url, destination, given)
    assert [(one.message.position, one.failure.why) for one in letters] == [("6/0/0", "named in batchItemFailures")]
    assert letters[0].attempts > 1
    bad = given[0]._replace(data=b'{"n":66}')
    (letter,) = send(url, destination, [*given[1:4], bad])
    assert letter.message == bad, "the others of its call were done"
    assert letter.failure.why == "the function failed"
    assert '"no"' in letter.failure.detail


def test_a_function_can_be_called_without_waiting(url: str) -> None:
    function(url, "later")
    assert send(url, there("lambda", "function:later"), json_messages(5)) == []


MISSING = [
    there("sqs", "nowhere"),
    there("sns", "nowhere"),
    there("kinesis", "stream/nowhere"),
    there("firehose", "deliverystream/nowhere"),
    there("lambda", "function:nowhere"),
]


@pytest.mark.parametrize("destination", MISSING, ids=lambda one: one.service)
def test_one_that_is_missing_is_told_at_the_start_and_takes_nothing(url: str, destination: Destination) -> None:
    _, target = sink.parts_of(destination, at(url))
    with pytest.raises(WorldDenied, match="nowhere"):
        target.look()
    letters = send(url, destination, messages(3))
    assert [one.failure.final for one in letters] == [False] * 3
    assert "nowhere" in letters[0].failure.why


@pytest.mark.parametrize(
    ("service", "address"),
    [
        ("sqs", "arn:aws:sqs:us-east-1:1:a b"),
        ("sqs", "arn:aws:sqs:::queue"),
        ("sns", "arn:aws:sns:us-east-1:1:topic:6f3d0a2e-subscription"),
        ("kinesis", "arn:aws:kinesis:us-east-1:1:stream/a/consumer/b:1"),
        ("firehose", "arn:aws:firehose:us-east-1:1:stream/a"),
        ("lambda", "arn:aws:lambda:us-east-1:1:layer:a"),
        ("https", "https://user:s3cret@example.org/x"),
        ("https", "http://user:s3cret@example.org/x?key=s3cret"),
        ("https", "http://example.org/x?key=s3cret"),
        ("https", "https://"),
    ],
)
def test_an_address_that_is_none_is_refused_in_one_line(service: str, address: str) -> None:
    with pytest.raises(SettingsError, match=r"^route there: .*expected") as caught:
        sink.parts_of(Destination("there", service, address), Aws())
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"patience": 5}, "patience is no option of sqs, did you mean patience_s?"),
        ({"on_failure": "drop"}, 'on_failure: found "drop", expected one of dead_letter, block'),
        ({"patience_s": 500}, "patience_s: found 500, expected a number from 0 to 100"),
        ({"partition": "user_id"}, 'partition: found "user_id", expected a list, each text'),
        ({"ordered": "no"}, 'ordered: found "no", expected true or false'),
        ({"concurrency": 0}, "concurrency: found 0, expected a whole number from 1 to 64"),
        ({"url": "x" * 9}, "url is no option of sqs, expected one of: concurrency"),
        ({"dead_letter_queue": "https://queue"}, "dead_letter_queue: found https://queue, expected arn:aws:sqs"),
        ({"dead_letter_queue": "arn:aws:sns:us-east-1:1:a"}, "found arn:aws:sns:us-east-1:1:a, expected arn:aws:sqs"),
    ],
)
def test_options_that_are_not_understood_are_refused_in_one_line(options: dict[str, Any], said: str) -> None:
    destination = there("sqs", "queue", **options)
    with pytest.raises(SettingsError, match=r"^route there") as caught:
        sink.check(destination, Settings())
    assert said in str(caught.value)


def test_a_call_whose_content_is_refused_is_told_from_one_that_is_not_allowed(url: str) -> None:
    sqs = client("sqs", url)
    sqs.create_queue(QueueName="odd")
    _, target = sink.parts_of(there("sqs", "odd"), at(url))
    with pytest.raises(Unfit, match="BatchRequestTooLong"):
        target.send(messages(2, size=600_000))
