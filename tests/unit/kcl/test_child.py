"""The child as a process; what it does turn by turn stands in tests/sequence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tailrace.settings import Lake, Schemas, Settings, Stream, dump

INITIALIZE = {"action": "initialize", "shardId": "shardId-000000000000", "sequenceNumber": "TRIM_HORIZON"}


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    (tmp_path / "schemas" / "page").mkdir(parents=True)
    (tmp_path / "schemas" / "page" / "1.json").write_text("{}")
    path = tmp_path / "settings.json"
    made = Settings(
        stream=Stream(name="clicks"),
        lake=Lake(uri=str(tmp_path / "lake")),
        schemas=Schemas(path=str(tmp_path / "schemas")),
    )
    path.write_bytes(dump(made))
    return path


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
