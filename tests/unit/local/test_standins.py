"""The stand-ins. Rule: on the loopback address and nowhere else."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest

from local import aws, standins
from local.send import send
from local.traffic import parcels
from support.dynamodb_local import dynamodb_local
from support.kinesis_local import kinesis_local
from support.ministack import ministack
from tailrace.commit.ledger_dynamodb import create_table

LOOPBACKS = {"0100007F", "0000000000000000FFFF00000100007F"}  # as /proc/net writes 127.0.0.1
LISTENING = "0A"


def listens_on(pid: int) -> set[str]:
    """Return the addresses that a process listens on."""
    sockets = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(fd.readlink())
        except FileNotFoundError:  # the process closed it since it was listed
            continue
        if target.startswith("socket:["):
            sockets.add(target[len("socket:[") : -1])
    found = set()
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            cells = row.split()
            if cells[3] == LISTENING and cells[9] in sockets:
                found.add(cells[1].split(":")[0])
    return found


def test_ministack_is_a_small_aws(tmp_path: Path) -> None:
    with ministack(tmp_path) as running:
        assert listens_on(running.pid) <= LOOPBACKS
        world = aws.World(str(tmp_path), running.url, running.url, running.url)
        shards = aws.furnish(world, shards=2)
        assert aws.load_world(tmp_path) == world
        leases = world.dynamodb().scan(TableName=world.application)["Items"]
        assert sorted(lease["leaseKey"]["S"] for lease in leases) == shards
        assert {lease["checkpoint"]["S"] for lease in leases} == {"TRIM_HORIZON"}
        sent = [one for step in send(world.putter(1), parcels(300, 1, 1_763_726_400_000)) for one in step]
        assert {one.shard for one in sent} == set(shards)
        assert world.dynamodb().describe_table(TableName=world.ledger)["Table"]["TableStatus"] == "ACTIVE"
        assert world.s3().list_objects_v2(Bucket=world.bucket)["KeyCount"] == 0


def test_kinesis_local_splits_shards(tmp_path: Path) -> None:
    with kinesis_local(tmp_path) as running:
        assert listens_on(running.pid) <= LOOPBACKS
        kinesis = boto3.client("kinesis", **aws.options(running.url))
        kinesis.create_stream(StreamName="s", ShardCount=1)
        kinesis.get_waiter("stream_exists").wait(StreamName="s", WaiterConfig={"Delay": 1})
        middle = str(2**127)
        shard = kinesis.list_shards(StreamName="s")["Shards"][0]["ShardId"]
        kinesis.split_shard(StreamName="s", ShardToSplit=shard, NewStartingHashKey=middle)
        kinesis.get_waiter("stream_exists").wait(StreamName="s", WaiterConfig={"Delay": 1})
        shards = kinesis.list_shards(StreamName="s")["Shards"]
        assert [one.get("ParentShardId") for one in shards] == [None, shard, shard]


def test_dynamodb_local_keeps_conditions(tmp_path: Path) -> None:
    with dynamodb_local(tmp_path) as running:
        assert listens_on(running.pid) <= LOOPBACKS
        dynamodb = boto3.client("dynamodb", **aws.options(running.url))
        create_table(dynamodb, "ledger")
        item = {"pk": {"S": "a"}}
        dynamodb.put_item(TableName="ledger", Item=item, ConditionExpression="attribute_not_exists(pk)")
        with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
            dynamodb.put_item(TableName="ledger", Item=item, ConditionExpression="attribute_not_exists(pk)")


def test_what_is_missing_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(standins.NODE_HOME, str(tmp_path))
    monkeypatch.setenv(standins.DDB_HOME, str(tmp_path))
    monkeypatch.setattr("local.standins.shutil.which", lambda _: "/usr/bin/there")
    with pytest.raises(standins.MissingError, match="make node"):
        standins.start_kinesis_local(tmp_path)
    with pytest.raises(standins.MissingError, match="make ddb"):
        standins.start_dynamodb_local(tmp_path)
    monkeypatch.setattr("local.standins.shutil.which", lambda _: None)
    with pytest.raises(standins.MissingError, match="node is not installed"):
        standins.start_kinesis_local(tmp_path)
    with pytest.raises(standins.MissingError, match="no JDK"):
        standins.start_dynamodb_local(tmp_path)
