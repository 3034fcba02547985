"""Alerts go where their ARN says, each with its id."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import Any

import pytest

from support.ministack import ministack
from tailrace.ops import aws
from tailrace.settings import Aws
from tailrace.sinks.hot.publish import ID, Publisher
from tailrace.world import WorldDenied, WorldError

REGION, ACCOUNT = "eu-west-1", "000000000000"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        with ministack(tmp_path_factory.mktemp("stand-in")) as running:
            yield running.url


def client(service: str, url: str) -> Any:
    return aws.client(service, region=REGION, endpoint=url)


def publisher(url: str) -> Publisher:
    return Publisher(Aws(sqs_endpoint=url, sns_endpoint=url, kinesis_endpoint=url))


def received(url: str, queue: str) -> list[dict[str, Any]]:
    found = client("sqs", url).receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=2, MessageAttributeNames=["All"]
    )
    messages: list[dict[str, Any]] = found.get("Messages", [])
    return messages


def test_to_a_queue(url: str) -> None:
    queue = client("sqs", url).create_queue(QueueName="alerts")["QueueUrl"]
    publish = publisher(url)
    for number in (1, 2):
        publish(f"arn:aws:sqs:{REGION}:{ACCOUNT}:alerts", f"id-{number}", '{"a":1}')
    found = received(url, queue)
    assert {one["MessageAttributes"][ID]["StringValue"] for one in found} <= {"id-1", "id-2"}
    assert {one["Body"] for one in found} == {'{"a":1}'}


def test_to_a_fifo_queue_a_repeat_is_dropped_by_the_queue(url: str) -> None:
    attributes = {"FifoQueue": "true"}
    queue = client("sqs", url).create_queue(QueueName="alerts.fifo", Attributes=attributes)["QueueUrl"]
    publish = publisher(url)
    for _ in range(2):
        publish(f"arn:aws:sqs:{REGION}:{ACCOUNT}:alerts.fifo", "id-1", "{}")
    assert [one["Body"] for one in received(url, queue)] == ["{}"]


def test_to_a_topic(url: str) -> None:
    sns, queue = client("sns", url), client("sqs", url).create_queue(QueueName="behind")["QueueUrl"]
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:behind")
    publisher(url)(topic, "id-1", '{"a":1}')
    (one,) = received(url, queue)
    told = json.loads(one["Body"])
    assert (told["Message"], told["MessageAttributes"][ID]["Value"]) == ('{"a":1}', "id-1")


def test_to_a_stream(url: str) -> None:
    kinesis = client("kinesis", url)
    kinesis.create_stream(StreamName="alerts", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="alerts", WaiterConfig={"Delay": 1})
    publisher(url)(f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/alerts", "id-1", '{"a":1}')
    shard = kinesis.list_shards(StreamName="alerts")["Shards"][0]["ShardId"]
    start = kinesis.get_shard_iterator(StreamName="alerts", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    (record,) = kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]
    assert (record["PartitionKey"], record["Data"]) == ("id-1", b'{"a":1}')


class Hanging:
    """Two services, one of which does not answer until it is let go."""

    def __init__(self) -> None:
        self.asked, self.free, self.told = Event(), Event(), list[str]()

    def get_queue_url(self, **_: str) -> Any:
        self.asked.set()
        assert self.free.wait(10)
        return {"QueueUrl": "queue"}

    def send_message(self, **given: Any) -> None:
        self.told.append(given["MessageBody"])

    def publish(self, **given: Any) -> None:
        self.told.append(given["Message"])


def test_a_service_that_hangs_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Hanging()
    monkeypatch.setattr(aws, "client", lambda *_, **__: both)
    publish = publisher("http://127.0.0.1:9")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(publish, f"arn:aws:sqs:{REGION}:{ACCOUNT}:alerts", "1", "first")
        assert both.asked.wait(10)
        second = pool.submit(publish, f"arn:aws:sns:{REGION}:{ACCOUNT}:alerts", "2", "second")
        done, _ = wait([second], 5)
        both.free.set()
        first.result(10)
    assert done
    assert both.told == ["second", "first"]


def test_what_is_not_there_is_said(url: str) -> None:
    with pytest.raises(WorldDenied, match="publish an alert to arn:aws:sqs:eu-west-1:000000000000:nowhere"):
        publisher(url)(f"arn:aws:sqs:{REGION}:{ACCOUNT}:nowhere", "id", "{}")
    with pytest.raises(WorldError, match="publish an alert"):
        publisher("http://127.0.0.1:9")(f"arn:aws:sns:{REGION}:{ACCOUNT}:alerts", "id", "{}")
