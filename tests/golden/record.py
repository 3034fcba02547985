"""Records the daemon's lines anew: `python -m tests.golden.record`. Rule: the lines are the real daemon's, untouched.

Needs Java, ministack and kinesis-local (`make node`); takes about two minutes. Empty ticks after the first of a run are
left out, and only shards that say something are kept.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from local.process import environment
from local.standins import start_kinesis_local, start_ministack
from tailrace import settings as s
from tailrace.kcl import jars, java, properties
from tailrace_producer.aggregate import UserRecord, pack

HERE = Path(__file__).parent
APPLICATION, STREAM = "golden", "golden"


class World:
    """A stream, KCL's lease table, and a folder."""

    def __init__(self, folder: Path, kinesis_url: str, dynamodb_url: str, shards: int) -> None:
        self.folder = folder
        self.settings = s.Settings(
            stream=s.Stream(name=STREAM),
            aws=s.Aws(kinesis_endpoint=kinesis_url, dynamodb_endpoint=dynamodb_url),
            kcl=s.Kcl(
                application=APPLICATION,
                failover_ms=5000,
                idle_ms=250,
                max_leases=4,
                shutdown_grace_s=15,
                quick_start=True,
            ),
        )
        keys: dict[str, Any] = {
            "aws_access_key_id": "local",
            "aws_secret_access_key": "local",
            "region_name": "us-east-1",
        }
        self.kinesis: Any = boto3.client("kinesis", endpoint_url=kinesis_url, **keys)
        self.dynamodb: Any = boto3.client("dynamodb", endpoint_url=dynamodb_url, **keys)
        self.kinesis.create_stream(StreamName=STREAM, ShardCount=shards)
        self.kinesis.get_waiter("stream_exists").wait(StreamName=STREAM, WaiterConfig={"Delay": 1})
        self._make_leases()

    def _make_leases(self) -> None:
        names = ("leaseKey", "leaseOwner")
        self.dynamodb.create_table(
            TableName=APPLICATION,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
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

    def add_leases(self, start: str) -> None:
        for shard in self.kinesis.list_shards(StreamName=STREAM)["Shards"]:
            row = {
                "leaseKey": {"S": shard["ShardId"]},
                "leaseCounter": {"N": "0"},
                "checkpoint": {"S": start},
                "checkpointSubSequenceNumber": {"N": "0"},
                "ownerSwitchesSinceCheckpoint": {"N": "0"},
                "startingHashKey": {"S": shard["HashKeyRange"]["StartingHashKey"]},
                "endingHashKey": {"S": shard["HashKeyRange"]["EndingHashKey"]},
            }
            self.dynamodb.put_item(TableName=APPLICATION, Item=row)

    def put(self, data: bytes, key: str, hash_key: str | None = None) -> None:
        more = {"ExplicitHashKey": hash_key} if hash_key else {}
        self.kinesis.put_record(StreamName=STREAM, Data=data, PartitionKey=key, **more)

    def lines(self, shard: str = "shardId-000000000000") -> list[bytes]:
        path = self.folder / f"{shard}.jsonl"
        return path.read_bytes().splitlines(keepends=True) if path.exists() else []

    @contextmanager
    def daemon(self, first: properties.First) -> Iterator[subprocess.Popen[bytes]]:
        place = properties.Place(sys.executable, str(self.folder / "settings.json"))
        keys = properties.properties(self.settings, place, "recorder", first)
        keys["executableName"] = f"{sys.executable} {HERE / 'tee_child.py'} {self.folder}"
        (self.folder / "daemon.properties").write_text(properties.text(keys))
        found = java.find()
        command = properties.command(
            found.path,
            properties.flags(self.settings, found.major),
            str(jars.folder()),
            str(self.folder / "daemon.properties"),
            str(HERE.parent.parent / "consumer/tailrace/kcl/logback.xml"),
        )
        with (self.folder / "daemon.log").open("wb") as log:
            jvm = subprocess.Popen(command, stdout=log, stderr=log, env=environment())
        try:
            yield jvm
        finally:
            jvm.kill()
            jvm.wait()


def until(true: Callable[[], object], seconds: float = 90) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        if time.monotonic() > give_up:
            raise SystemExit("the daemon did not say what was waited for")
        time.sleep(0.1)


def save(name: str, lines: list[bytes]) -> None:
    kept = [line for n, line in enumerate(lines) if n == 0 or b'"records":[]' not in line or line != lines[n - 1]]
    (HERE / f"{name}.jsonl").write_bytes(b"".join(kept))
    sys.stdout.write(f"{name}: {len(lines)} lines, {len(kept)} kept\n")


def aggregate(*texts: str) -> bytes:
    (packed,) = pack([UserRecord(text, f"event of {text}".encode()) for text in texts])
    return packed.data


def shut_down(folder: Path, url: str) -> None:
    """All kinds of records, checkpoints taken and refused, then a goodbye."""
    world = World(folder, url, url, 1)
    world.add_leases("TRIM_HORIZON")
    world.put(b'{"type":"plain"}', "plain")
    world.put("ké".encode(), 'ké "},{"data":"\U0001f600\u2028')
    world.put(bytes(range(256)), "bytes")
    whole = aggregate("a", "b", "c")
    world.put(whole, "a")
    world.put(whole[:-1] + bytes([whole[-1] ^ 1]), "bad md5")
    world.put(whole[: len(whole) // 2], "cut short")
    world.put(b" ", "refuse")
    with world.daemon(properties.First("TRIM_HORIZON", 0)) as jvm:
        until(lambda: any(b"refuse" in line for line in world.lines()))
        until(lambda: world.lines()[-1].startswith(b'{"action":"processRecords","records":[]'))
        jvm.terminate()
        until(lambda: jvm.poll() is not None)
        assert jvm.returncode == 143  # the supervisor counts on it
    save("shut_down", world.lines())


def lease_lost(folder: Path, url: str) -> None:
    """A first start at a time, then another host takes the lease."""
    world = World(folder, url, url, 1)
    world.add_leases("AT_TIMESTAMP")
    world.put(b"before", "before")
    time.sleep(2.1)
    at_ms = int(time.time() * 1000)
    world.put(b"after", "after")
    with world.daemon(properties.First("AT_TIMESTAMP", at_ms)):
        until(lambda: any(b'"records":[{' in line for line in world.lines()))
        world.dynamodb.update_item(
            TableName=APPLICATION,
            Key={"leaseKey": {"S": "shardId-000000000000"}},
            UpdateExpression="SET leaseOwner = :other ADD leaseCounter :one",
            ExpressionAttributeValues={":other": {"S": "another"}, ":one": {"N": "1"}},
        )
        until(lambda: b"leaseLost" in world.lines()[-1])
    save("lease_lost", world.lines())


def shard_ended(folder: Path, kinesis_url: str, dynamodb_url: str) -> None:
    """A shard that was split: its end, and a child's beginning."""
    world = World(folder, kinesis_url, dynamodb_url, 1)
    world.add_leases("TRIM_HORIZON")
    world.put(b"parent", "parent")
    half = str(2**127)
    world.kinesis.split_shard(StreamName=STREAM, ShardToSplit="shardId-000000000000", NewStartingHashKey=half)
    world.kinesis.get_waiter("stream_exists").wait(StreamName=STREAM, WaiterConfig={"Delay": 1})
    world.put(b"child", "child", hash_key="0")
    with world.daemon(properties.First("TRIM_HORIZON", 0)):
        until(lambda: any(b"shardEnded" in line for line in world.lines()))
        until(lambda: any(b'"records":[{' in line for line in world.lines("shardId-000000000001")))
    save("shard_ended", world.lines())
    save("child_shard", world.lines("shardId-000000000001")[:3])


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for scene in (shut_down, lease_lost):
            (folder / scene.__name__).mkdir()
            with start_ministack(folder / scene.__name__) as aws:
                scene(folder / scene.__name__, aws.url)
        (folder / "shard_ended").mkdir()
        with start_ministack(folder / "shard_ended") as aws, start_kinesis_local(folder / "shard_ended") as kinesis:
            shard_ended(folder / "shard_ended", kinesis.url, aws.url)


if __name__ == "__main__":
    main()
