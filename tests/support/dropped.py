"""Files dropped on a bucket that announces them to a queue. Rule: all of AWS is a stand-in, the lake is a folder.

Run as a program it runs `tailrace drops --once` again and again, each time until it is killed before its next call of
AWS, one call later each time; it prints at how many calls a run came through.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import boto3

from local.aws import options
from support.ministack import ministack
from support.struck import forked, program
from tailrace.cli import main
from tailrace.commit.committed import commits_of, epoch_of, shards_of
from tailrace.commit.ledger_dynamodb import DynamoLedger, create_table
from tailrace.drops.items import FILE
from tailrace.schema.book import ARCHIVE as RECORDS
from tailrace.sinks.lake.places.directory import DirectoryPlace
from tailrace.sinks.lake.read import LakeReader

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}, "event_type": {}}}
BUCKET, ARCHIVE, TABLE = "drops", "archive", "ledger"
RUNS_MAX = 200


class Dropped:
    """A bucket, its queue, a ledger and a lake."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.s3: Any = boto3.client("s3", **options(url))
        self.sqs: Any = boto3.client("sqs", **options(url))
        for bucket in (BUCKET, ARCHIVE):
            self.s3.create_bucket(Bucket=bucket)
        create_table(boto3.client("dynamodb", **options(url)), TABLE)
        self.queue = self.sqs.create_queue(QueueName="announced")["QueueUrl"]
        (folder / "schemas" / "row").mkdir(parents=True)
        (folder / "schemas" / "row" / "1.json").write_text(json.dumps(SCHEMA))
        self.environ = {
            "TAILRACE_LAKE_URI": str(folder / "lake"),
            "TAILRACE_SCHEMAS_PATH": str(folder / "schemas"),
            "TAILRACE_LEDGER_TABLE": TABLE,
            "TAILRACE_AWS_DYNAMODB_ENDPOINT": url,
            "TAILRACE_AWS_S3_ENDPOINT": url,
            "TAILRACE_AWS_SQS_ENDPOINT": url,
            "TAILRACE_DROPS_QUEUE": self.queue,
            "TAILRACE_DROPS_WAIT_S": "0",
            "TAILRACE_DROPS_VISIBILITY_S": "5",
            "TAILRACE_CSV_COLUMNS": "n=n:integer",
            "TAILRACE_CSV_EVENT_TYPES": "*=row",
            "TAILRACE_FLUSH_ROWS": "10",
        }
        self.ledger = DynamoLedger.connect(TABLE, region="us-east-1", endpoint=url)

    def notify(self) -> None:
        """Have the bucket announce its files by itself."""
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
        asked = {"QueueConfigurations": [{"QueueArn": arn, "Events": events}]}
        self.s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=asked)

    def redrive(self, times: int) -> str:
        """Give the queue a redrive policy; return the queue to which it moves messages."""
        url = str(self.sqs.create_queue(QueueName="dead")["QueueUrl"])
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": times})
        self.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"RedrivePolicy": policy})
        return url

    def put(self, key: str, data: bytes) -> dict[str, Any]:
        """Drop a file; return the record that announces it."""
        etag = self.s3.put_object(Bucket=BUCKET, Key=key, Body=data)["ETag"].strip('"')
        return announcement({"key": key, "size": len(data), "etag": etag})

    def send(self, *records: dict[str, Any]) -> None:
        """Announce files, in one message."""
        self.say(json.dumps({"Records": records}))

    def say(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)

    def run(self) -> int:
        """Work until the queue has no message."""
        return main(["drops", "--once"], self.environ)

    def killed(self, records: list[dict[str, Any]]) -> int:
        """Run with one more call of AWS each time before a SIGKILL, a file each; return how many runs that were."""
        return int(program(__file__, {"environ": self.environ, "records": records}))

    def left(self) -> int:
        """Return how many messages the queue has, hidden ones too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def items(self) -> list[dict[str, Any]]:
        """Return the items of files."""
        found = [self.ledger.read(key) for key in self.ledger.keys(FILE)]
        return [one[1] for one in found if one is not None]

    def outlive(self) -> None:
        """Let the time go by for which those who were killed have their files."""
        for key in self.ledger.keys(FILE):
            revision, item = self.ledger.read(key) or (0, {})
            assert self.ledger.swap(key, revision, {**item, "until_ms": 0}) is None

    def item(self, key: str) -> dict[str, Any]:
        (found,) = [one for one in self.items() if one["key"] == key]
        return found

    def positions(self) -> Counter[str]:
        """Return `<shard> <position>` of every committed row."""
        epoch = epoch_of(self.ledger, "drops/tailrace")
        assert epoch is not None
        place, reader = DirectoryPlace(self.environ["TAILRACE_LAKE_URI"]), LakeReader()
        return Counter(
            f"{shard.identity.shard} {position}"
            for shard in shards_of(self.ledger, epoch, "drops")
            for _, commit in commits_of(place, shard)
            for entry in commit.objects  # type: ignore[union-attr]
            if entry.table != RECORDS.name
            for position in reader.contents(place, entry.name).positions
        )

    def audit(self) -> int:
        return main(["audit", "--drops"], self.environ)


@contextmanager
def dropped(folder: Path) -> Iterator[Dropped]:
    """Run the stand-in for the block."""
    with ministack(folder) as running:
        yield Dropped(folder, running.url)


def announcement(file: dict[str, Any]) -> dict[str, Any]:
    """Return the record that announces a file."""
    entry = {"key": quote_plus(file["key"]), "size": file["size"], "eTag": file["etag"]}
    return {
        "eventName": "ObjectCreated:Put",
        "eventTime": "2026-01-31T00:00:00Z",
        "s3": {"bucket": {"name": BUCKET}, "object": entry},
    }


def table(rows: int) -> bytes:
    """Return a file of CSV; every tenth row has a broken quote."""
    return "\r\n".join(["n,t", *(f'{n},"' if n % 10 == 9 else f'{n},"x, {n}"' for n in range(rows))]).encode()


def _sweep() -> int:
    from tailrace import files
    from tailrace.cli import drops  # noqa: F401  what it needs is loaded once, before the children

    files.CHUNK_RECORDS = 10
    given = json.load(sys.stdin)
    environ = given["environ"]
    sqs: Any = boto3.client("sqs", **options(environ["TAILRACE_AWS_SQS_ENDPOINT"]))
    for calls, record in enumerate(given["records"], 1):
        body = json.dumps({"Records": [record]})
        sqs.send_message(QueueUrl=environ["TAILRACE_DROPS_QUEUE"], MessageBody=body)
        status = forked(lambda: main(["drops", "--once"], environ), calls)
        if status is not None:
            sys.stdout.write(str(calls))
            return status
    return 1


if __name__ == "__main__":
    sys.exit(_sweep())
