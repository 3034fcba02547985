"""The child as a process; what it does turn by turn stands in tests/sequence."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from support.ministack import ministack
from tailrace.commit.ledger_dynamodb import DynamoLedger, create_table
from tailrace.commit.plan import app_key
from tailrace.editions import read
from tailrace.kcl.run_dir import edition_copy
from tailrace.schema.source import Files
from tailrace.settings import Aws, Lake, Schemas, Settings, Stream, World, dump, load_resolved

INITIALIZE = {"action": "initialize", "shardId": "shardId-000000000000", "sequenceNumber": "TRIM_HORIZON"}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A DynamoDB with the ledger of an application that has started once."""
    with ministack(tmp_path_factory.mktemp("ministack")) as running:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", "test")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
            table = Settings().ledger.table
            create_table(boto3.client("dynamodb", region_name="us-east-1", endpoint_url=running.url), table)
            ledger = DynamoLedger.connect(table, region="us-east-1", endpoint=running.url)
            ledger.swap(app_key(Settings().kcl.application), 0, {"epoch": "0a1b"})
        yield running.url


def written(folder: Path, endpoint: str) -> Path:
    """Return the settings file of a child."""
    (folder / "schemas" / "page").mkdir(parents=True)
    (folder / "schemas" / "page" / "1.json").write_text("{}")
    made = Settings(
        stream=Stream(name="clicks"),
        aws=Aws(dynamodb_endpoint=endpoint),
        lake=Lake(uri=str(folder / "lake")),
        schemas=Schemas(path=str(folder / "schemas")),
        world=World(patience_s=600),
    )
    (folder / "settings.json").write_bytes(dump(made))
    return folder / "settings.json"


@pytest.fixture
def settings(tmp_path: Path, endpoint: str) -> Path:
    return written(tmp_path, endpoint)


def child(settings: Path, said: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "tailrace.kcl.child", str(settings)],
        input=said,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_a_daemon_that_goes_before_it_has_spoken_is_no_failure(settings: Path) -> None:
    done = child(settings, b"")
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"the daemon is gone" in done.stderr


@pytest.mark.parametrize(
    "said",
    [b"no JSON\n", b'{"action":"unheard-of"}\n', b'{"action":"shardEnded","checkpoint":null}\n'],
    ids=["no JSON", "no turn", "out of turn"],
)
def test_what_is_not_in_the_protocol_ends_the_child_without_an_answer(settings: Path, said: bytes) -> None:
    done = child(settings, said)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"child failed" in done.stderr


def test_a_failure_is_never_reported_as_success(settings: Path) -> None:
    """There is no schema book: the child cannot open its shard, says so, and answers nothing."""
    raw = json.loads(settings.read_bytes())
    raw["schemas"]["path"] = str(settings.parent / "nowhere")
    settings.write_text(json.dumps(raw))
    done = child(settings, json.dumps(INITIALIZE).encode() + b"\n")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"nowhere" in done.stderr


@pytest.mark.parametrize("source", ["gone", "bad", "away"])
def test_a_child_without_a_sound_source_opens_with_the_copy(settings: Path, source: str) -> None:
    """The daemon speaks, hears that the child is ready, and goes."""
    found = load_resolved(settings)
    schemas = Path(found.schemas.path)
    files = read(found).files
    if source == "gone":
        schemas.rename(schemas.with_name("away"))
    elif source == "bad":
        (schemas / "page" / "2.json").write_text("{")
    else:
        data = {"s3://bucket/schemas": files.folder(str(schemas), lambda _: True)}
        files = Files(lambda: None, data)
        files.folder("s3://bucket/schemas", lambda _: True)
        raw = json.loads(settings.read_bytes())
        raw["schemas"]["path"] = "s3://bucket/schemas"
        raw["aws"]["s3_endpoint"] = "http://127.0.0.1:9"
        settings.write_text(json.dumps(raw))
    files.keep(edition_copy(settings))
    done = child(settings, json.dumps(INITIALIZE).encode() + b"\n")
    assert b'"status"' in done.stdout
    assert b"the copy of the last sound ones is used" in done.stderr


def test_a_child_that_waits_for_its_ledger_goes_with_its_daemon(tmp_path: Path) -> None:
    """Its patience is ten minutes; the test's is one."""
    done = child(written(tmp_path, "http://127.0.0.1:9"), json.dumps(INITIALIZE).encode() + b"\n")
    assert done.stdout == b""
    assert b"waiting" in done.stderr
