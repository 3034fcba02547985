"""Programs started here. Rule: they answer or say why not, and they never outlive their starter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.process import NotComeTogetherError, Process, environment, free_port, http_answers

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]


def gone(pid: int) -> bool:
    """Say whether no such process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_it_logs_and_stops_by_its_pid(tmp_path: Path) -> None:
    with Process("sleeper", SLEEP, tmp_path) as process:
        process.wait_for(lambda: "up" in process.tail(), 30)
        assert not gone(process.pid)
    assert process.stop() == process.status == -signal.SIGTERM


def test_who_does_not_listen_is_killed(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    process = Process("deaf", [sys.executable, "-c", deaf], tmp_path)
    process.wait_for(lambda: "up" in process.tail(), 30)
    assert process.stop(0.1) == -signal.SIGKILL


def test_an_early_end_is_told_with_its_last_words(tmp_path: Path) -> None:
    process = Process("brief", [sys.executable, "-c", "print('no disk'); raise SystemExit(3)"], tmp_path)
    with pytest.raises(NotComeTogetherError, match="brief ended with status 3:\nno disk"):
        process.wait_for(lambda: False, 30)


def test_patience_has_an_end(tmp_path: Path) -> None:
    with Process("sleeper", SLEEP, tmp_path) as process, pytest.raises(NotComeTogetherError, match="did not answer"):
        process.wait_for(lambda: False, 0.2)


def test_a_killed_starter_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from local.process import Process\n"
        f"p = Process('sleeper', {SLEEP!r}, Path({str(tmp_path)!r}))\n"
        "p.wait_for(lambda: 'up' in p.tail(), 30)\n"
        "print(p.pid, flush=True); time.sleep(600)"
    )
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert not gone(pid)
        starter.kill()
    deadline = time.monotonic() + 30
    while not gone(pid):
        assert time.monotonic() < deadline, "it outlived its starter"
        time.sleep(0.02)


def test_nothing_of_this_person_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "TAILRACE_STREAM_NAME", "https_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "mine")
    given = environment(MORE="1")
    assert "mine" not in given.values()
    assert given["AWS_ACCESS_KEY_ID"] == "local"
    assert given["MORE"] == "1"
    assert given["PATH"] == os.environ["PATH"]


def test_a_port_without_listener_does_not_answer() -> None:
    assert not http_answers(free_port(), "/")
