"""The child as a process; what it does turn by turn stands in tests/sequence."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

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


class Spoken:
    """A child that is spoken to line by line, as the daemon does it."""

    def __init__(self, settings: Path, log: Path) -> None:
        self._log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tailrace.kcl.child", str(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def turn(self, **said: Any) -> None:
        """Say something and wait until it is answered; checkpoints are taken."""
        assert self._process.stdout is not None
        self._write(said)
        for line in iter(self._process.stdout.readline, b""):
            heard = json.loads(line)
            if heard["action"] == "status":
                return
            self._write({**heard, "error": None})
        raise AssertionError(self._log.read_text())

    def _write(self, said: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(said).encode() + b"\n")
        self._process.stdin.flush()

    def records(self, *sequences: int) -> None:
        """Bring records, each one event of the type `page`."""
        data = base64.b64encode(b'{"type":"page","n":1}').decode()
        one = {"action": "record", "data": data, "partitionKey": "k", "subSequenceNumber": 0}
        each = [{**one, "sequenceNumber": str(n), "approximateArrivalTimestamp": 1_760_000_000_000} for n in sequences]
        self.turn(action="processRecords", records=each, millisBehindLatest=0)

    def told(self, text: str, times: int) -> bool:
        return self._log.read_text().count(text) >= times


def test_a_new_schema_is_taken_up_while_the_child_runs(settings: Path) -> None:
    raw = json.loads(settings.read_bytes())
    raw["refresh"]["every_s"] = 0.05
    settings.write_text(json.dumps(raw))
    schemas, lake = Path(raw["schemas"]["path"]), Path(raw["lake"]["uri"])
    with Spoken(settings, settings.parent / "log") as child:
        child.turn(**INITIALIZE)
        child.records(1, 2)
        (schemas / "page" / "2.json").write_text('{"properties": {"n": {"type": "integer"}}}')
        give_up = time.monotonic() + 60
        while not child.told('"msg":"edition"', 2):
            assert time.monotonic() < give_up, (settings.parent / "log").read_text()
            child.records()
        child.records(3)
        child.turn(action="shutdownRequested", checkpoint=None)
    commits = [json.loads(file.read_bytes()) for file in sorted(lake.rglob("_commits/**/*.json"))]
    assert [commit["records"] for commit in commits] == [2, 1]
    books = [commit["digests"]["book"] for commit in commits]
    assert books[0] != books[1]
    assert [{one["name"].partition("/dt=")[0] for one in commit["objects"]} for commit in commits] == [
        {"page/v1"}, {"page/v2"},
    ]  # fmt: skip
