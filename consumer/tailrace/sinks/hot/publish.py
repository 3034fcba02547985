"""Alerts to a topic, a queue or a stream. Rule: each goes with its id, by which a reader drops what comes again."""

from __future__ import annotations

from threading import Lock
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.ops import aws
from tailrace.settings import Aws
from tailrace.sinks.hot.crew import THREADS

ID = "tailrace-alert-id"  # message attribute
FIFO = ".fifo"


class Publisher:
    """Clients by service and region, made when they are first needed. Threads share it."""

    def __init__(self, settings: Aws) -> None:
        self._endpoints = {
            "sns": settings.sns_endpoint,
            "sqs": settings.sqs_endpoint,
            "kinesis": settings.kinesis_endpoint,
        }
        self._clients: dict[tuple[str, str], Any] = {}
        self._urls: dict[str, str] = {}
        self._lock = Lock()

    def __call__(self, arn: str, identity: str, text: str) -> None:
        """Publish one message. Raises WorldError, WorldDenied."""
        _, _, service, region, account, name = arn.split(":", 5)
        try:
            client = self._client(service, region)
            if service == "sqs" and arn not in self._urls:
                found = client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)
                self._urls[arn] = found["QueueUrl"]
            once = {"MessageGroupId": identity, "MessageDeduplicationId": identity} if name.endswith(FIFO) else {}
            noted = {ID: {"DataType": "String", "StringValue": identity}}
            if service == "sns":
                client.publish(TopicArn=arn, Message=text, MessageAttributes=noted, **once)
            elif service == "sqs":
                client.send_message(QueueUrl=self._urls[arn], MessageBody=text, MessageAttributes=noted, **once)
            else:
                client.put_record(StreamARN=arn, PartitionKey=identity, Data=text.encode())
        except (ClientError, BotoCoreError) as error:
            aws.raise_world(error, f"publish an alert to {arn}")

    def _client(self, service: str, region: str) -> Any:
        with self._lock:  # held by no call: a service that is away holds up no other's alerts
            if (service, region) not in self._clients:
                endpoint = self._endpoints[service]
                made = aws.client(service, region=region, endpoint=endpoint, connections=THREADS)
                self._clients[service, region] = made
            return self._clients[service, region]
