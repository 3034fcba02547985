"""A small AWS for one run. Rule: all of it stands before a consumer starts, and all its names are in one value.

The lease table is made here, with a row a shard: KCL would otherwise wait up to half a minute before it makes it, and
again for its first assignment. For production that wait is right; for somebody at a terminal it is not.
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from tailrace.commit.ledger_dynamodb import create_table
from tailrace_producer.put import Putter

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_s3 import S3Client

WORLD_FILE = "world.json"
REGION = "us-east-1"
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class World:
    """Where everything is."""

    folder: str  # of this run: logs, settings, what is fetched
    kinesis_url: str
    dynamodb_url: str
    s3_url: str
    stream: str = "clicks"
    application: str = "tailrace-demo"
    ledger: str = "tailrace-ledger"
    bucket: str = "lake"
    port: int = 9464  # of the consumer's /metrics, /livez and /readyz

    @property
    def lake(self) -> str:
        """The lake's address."""
        return f"s3://{self.bucket}/events"

    def kinesis(self) -> KinesisClient:
        """Return a client of the stream's service."""
        return boto3.client("kinesis", **options(self.kinesis_url))

    def putter(self, seed: int) -> Putter:
        """Return a sender to the stream; the seed spreads its retries."""
        client: Any = self.kinesis()  # boto3's stubs name every argument, the sender's port takes any
        return Putter(client, self.stream, rng=random.Random(seed))

    def dynamodb(self) -> DynamoDBClient:
        """Return a client of the tables' service."""
        return boto3.client("dynamodb", **options(self.dynamodb_url))

    def s3(self) -> S3Client:
        """Return a client of the bucket's service."""
        return boto3.client("s3", **options(self.s3_url))

    def save(self) -> None:
        """Keep the names in the run's folder, for `python -m local traffic --run`."""
        (Path(self.folder) / WORLD_FILE).write_text(json.dumps(asdict(self), indent=1) + "\n")


def load_world(folder: Path) -> World:
    """Return the world of a run's folder."""
    return World(**json.loads((folder / WORLD_FILE).read_text()))


def options(url: str) -> dict[str, Any]:
    """Return what a boto3 client of a stand-in needs: dummy keys, no proxy, no profile of this machine."""
    config = Config(
        proxies={},
        retries={"total_max_attempts": 3, "mode": "standard"},
        s3={"addressing_style": "path"},
        max_pool_connections=8,
    )
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
    return {"endpoint_url": url, "region_name": REGION, "config": config, **keys}


def furnish(world: World, shards: int = 2) -> list[str]:
    """Make the stream, the lease table with its rows, the ledger and the bucket; return the shards' names."""
    kinesis, dynamodb = world.kinesis(), world.dynamodb()
    kinesis.create_stream(StreamName=world.stream, ShardCount=shards)
    kinesis.get_waiter("stream_exists").wait(StreamName=world.stream, WaiterConfig={"Delay": 1})
    listed = kinesis.list_shards(StreamName=world.stream)["Shards"]
    lease_table(dynamodb, world.application)
    for shard in listed:
        keys = shard["HashKeyRange"]
        dynamodb.put_item(
            TableName=world.application,
            Item={
                "leaseKey": {"S": shard["ShardId"]},
                "leaseCounter": {"N": "0"},
                "checkpoint": {"S": "TRIM_HORIZON"},
                "checkpointSubSequenceNumber": {"N": "0"},
                "ownerSwitchesSinceCheckpoint": {"N": "0"},
                "startingHashKey": {"S": keys["StartingHashKey"]},
                "endingHashKey": {"S": keys["EndingHashKey"]},
            },
        )
    create_table(dynamodb, world.ledger)
    world.s3().create_bucket(Bucket=world.bucket)
    world.save()
    return [shard["ShardId"] for shard in listed]


def lease_table(dynamodb: DynamoDBClient, name: str) -> None:
    """Make KCL's lease table as KCL itself would, index included."""
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "leaseKey", "AttributeType": "S"},
            {"AttributeName": "leaseOwner", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "LeaseOwnerToLeaseKeyIndex",
                "KeySchema": [
                    {"AttributeName": "leaseOwner", "KeyType": "HASH"},
                    {"AttributeName": "leaseKey", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})


def settings(
    world: World, *, flush_age_s: float = 5.0, schemas: Path = ROOT / "properties" / "schemas", more: str = ""
) -> Path:
    """Write the consumer's settings for this world into the run's folder; return the file."""
    file = Path(world.folder) / "tailrace.toml"
    quoted = {name: json.dumps(value) for name, value in asdict(world).items()}
    file.write_text(f"""\
# Made for this run. Short timers, so that somebody at a terminal waits seconds: not for production.

[stream]
name = {quoted["stream"]}
region = "{REGION}"

[aws]
kinesis_endpoint = {quoted["kinesis_url"]}
dynamodb_endpoint = {quoted["dynamodb_url"]}
s3_endpoint = {quoted["s3_url"]}
sqs_endpoint = {quoted["s3_url"]}

[kcl]
application = {quoted["application"]}
quick_start = true
failover_ms = 5000
idle_ms = 250
max_leases = 4
max_records = 100  # Kinesis ends an answer at 10 MiB, the stand-in nowhere: 100 aggregates of 50 KiB are half of that
shutdown_grace_s = 30
run_dir = {json.dumps(str(Path(world.folder) / "consumer"))}

[schemas]
path = {json.dumps(str(schemas))}

[lake]
uri = {json.dumps(world.lake)}

[flush]
age_s = {flush_age_s}

[ledger]
table = {quoted["ledger"]}
path = {json.dumps(str(Path(world.folder) / "ledger.sqlite"))}

[world]
patience_s = 60.0

[serve]
port = {world.port}
{more}""")
    return file
