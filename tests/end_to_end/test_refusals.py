"""Refusals to start. Rule: one line that names what is wrong, its exit status, and no daemon was ever started."""

from __future__ import annotations

import dataclasses
import fcntl
import itertools
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import aws
from local.process import free_port
from support.engine import Engine, Stage, stage
from tailrace.commit.plan import Item, item_to_dict, lane_key
from tailrace.commit.stores import ledger_of
from tailrace.kcl.preflight import epoch_of
from tailrace.nouns import Identity, mark

REFUSED, AWAY = 2, 75
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("refusals")) as running:
        yield running


@pytest.fixture
def world(servers: Stage, tmp_path: Path, numbers: Iterator[int] = itertools.count()) -> Stage:  # noqa: B008
    """A world of its own on the same servers: other names, another folder."""
    number = next(numbers)
    names = {name: f"{name}-{number}" for name in ("stream", "application", "ledger", "bucket")}
    own = dataclasses.replace(servers.world, folder=str(tmp_path), port=free_port(), **names)
    return Stage(own, aws.furnish(own), servers.gate).set()


def refusal(world: Stage, status: int = REFUSED, environ: dict[str, str] | None = None) -> str:
    """Start the consumer, which must end by itself; return the one line it says."""
    with Engine(world.world, world.file, environ) as engine:
        assert engine.wait(PATIENCE_S) == status, engine.tail()
        assert not engine.lines("daemon started; waiting for leases")
        said = [line for line in engine.log.read_text().splitlines() if not line.startswith("{")]
    assert len(said) == 1, said
    assert said[0].startswith("tailrace: ")
    return said[0].removeprefix("tailrace: ")


def lease_at(world: Stage, shard: str, sequence: str) -> None:
    world.world.dynamodb().update_item(
        TableName=world.world.application,
        Key={"leaseKey": {"S": shard}},
        UpdateExpression="SET checkpoint = :at",
        ExpressionAttributeValues={":at": {"S": sequence}},
    )


def test_the_untouched_world_is_fit_to_start(world: Stage) -> None:
    status, said = world.command("consume", "--check")
    assert status == 0, said


def test_a_checkpoint_without_a_ledger_item(world: Stage) -> None:
    lease_at(world, world.shards[1], "4960")
    assert refusal(world).startswith(f"{world.shards[1]} has a checkpoint (4960) but no ledger item")


def test_a_checkpoint_after_the_watermark(world: Stage) -> None:
    shard = world.shards[0]
    item = Item(generation=1, watermark=mark("4959", 7), chain=1, committed_generation=1)
    assert world.command("consume", "--check")[0] == 0  # makes the application's item
    ledger = ledger_of(world.settings(), file_run=False)
    key = lane_key(Identity(world.world.stream, epoch_of(world.settings(), ledger), shard), "lake")
    assert ledger.swap(key, 0, item_to_dict(item)) is None
    lease_at(world, shard, "4960")
    assert refusal(world).startswith(f"{shard} has a checkpoint (4960/0) after what the ledger has committed")


def test_a_stream_that_was_made_anew(world: Stage) -> None:
    assert world.command("consume", "--check")[0] == 0
    kinesis, name = world.world.kinesis(), world.world.stream
    kinesis.delete_stream(StreamName=name)
    kinesis.get_waiter("stream_not_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    time.sleep(1.1)  # creation times are whole seconds
    kinesis.create_stream(StreamName=name, ShardCount=2)
    said = refusal(world)
    assert said.startswith(f"the stream {name} was made anew since application {world.world.application} began")


def test_another_stream_under_the_same_application(world: Stage) -> None:
    assert world.command("consume", "--check")[0] == 0
    world.world.kinesis().create_stream(StreamName=f"{world.world.stream}-other", ShardCount=1)
    said = refusal(world, environ={"TAILRACE_STREAM_NAME": f"{world.world.stream}-other"})
    assert said.startswith(f"the application {world.world.application} belongs to the stream {world.world.stream}")


def test_another_lake_under_the_same_application(world: Stage) -> None:
    assert world.command("consume", "--check")[0] == 0
    said = refusal(world, environ={"TAILRACE_LAKE_URI": f"{world.world.folder}/elsewhere"})
    assert said.startswith(f"the application {world.world.application} stores into the lake ")


def test_a_taken_port(world: Stage) -> None:
    with socket.create_server(("127.0.0.1", world.world.port)):
        said = refusal(world)
    assert said == f"{world.file}: [serve] port {world.world.port} on host 127.0.0.1: Address already in use"


MISSING = {
    "TAILRACE_STREAM_NAME": ("nowhere", "there is no stream nowhere in us-east-1: create it, or mend [stream] name"),
    "TAILRACE_LEDGER_TABLE": ("nowhere", "there is no table nowhere in us-east-1 for the ledger"),
    "TAILRACE_LAKE_URI": ("s3://nowhere/events", "there is no bucket nowhere for the lake"),
}


@pytest.mark.parametrize("variable", MISSING)
def test_something_that_is_not_there(world: Stage, variable: str) -> None:
    value, said = MISSING[variable]
    assert refusal(world, environ={variable: value}).startswith(said)


def test_a_table_that_is_no_ledger(world: Stage) -> None:
    said = refusal(world, environ={"TAILRACE_LEDGER_TABLE": world.world.application})
    assert (
        said == f"the table {world.world.application} is not for the ledger: its key is not `pk`; mend [ledger] table"
    )


BAD_SETTINGS = {
    "unknown_key": (
        {"failover_ms": "failover = 5000"},
        "tailrace.toml: [kcl] failover is no setting (did you mean fail",
    ),
    "wrong_type": ({"max_leases": 'max_leases = "four"'}, "tailrace.toml: [kcl] max_leases: expected a whole number"),
    "no_lake": ({"uri": 'uri = ""'}, "tailrace.toml: [lake] uri: say where the rows go"),
    "latest": ({"name": 'name = "x"\nstart = "LATEST"'}, "tailrace.toml: [stream] start: expected TRIM_HORIZON, now"),
    "impatient": ({"max_leases": "turn_timeout_s = 90"}, "[kcl] turn_timeout_s is 90, but a turn may"),
    "small_heap": ({"max_leases": "max_leases = 9\nheap_mb = 128"}, "[kcl] heap_mb is 128, but 9 leases with lines of"),
    "no_java": ({"max_leases": 'java = "/nowhere/java"'}, "/nowhere/java"),
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_bad_settings(world: Stage, name: str) -> None:
    lines, said = BAD_SETTINGS[name]
    world.set(lines=lines)
    assert said in refusal(world)


def test_a_folder_of_schemas_that_is_not_there(world: Stage) -> None:
    assert "nowhere" in refusal(world, environ={"TAILRACE_SCHEMAS_PATH": "nowhere"})


def test_a_broken_schema_is_named(world: Stage, tmp_path: Path) -> None:
    file = tmp_path / "schemas" / "click" / "1-0-0.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"type": "objekt"}')
    assert "click/1-0-0.json" in refusal(world, environ={"TAILRACE_SCHEMAS_PATH": str(tmp_path / "schemas")})


def test_an_unknown_variable(world: Stage) -> None:
    assert refusal(world, environ={"TAILRACE_STREAM_NAMES": "x"}) == (
        "TAILRACE_STREAM_NAMES (a variable) is no setting (did you mean TAILRACE_STREAM_NAME?)"
    )


def test_a_service_that_stays_away(world: Stage) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    away = {"TAILRACE_AWS_KINESIS_ENDPOINT": nobody, "TAILRACE_WORLD_PATIENCE_S": "1"}
    said = refusal(world, AWAY, away)
    assert world.world.stream in said


def test_a_run_folder_in_use(world: Stage) -> None:
    folder = Path(world.world.folder) / "consumer"
    folder.mkdir()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert refusal(world) == f"{world.file}: [kcl] run_dir: another tailrace consume runs in {folder}"
