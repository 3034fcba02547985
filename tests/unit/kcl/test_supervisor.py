import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tailrace import settings as s
from tailrace.kcl import java, properties, supervisor
from tailrace.kcl.preflight import Ready, Refused
from tailrace.kcl.run_dir import RunDir, edition_copy
from tailrace.kcl.supervisor import Backoff, Supervisor
from tailrace.ops.clock import SystemClock
from tailrace.schema.source import Files

SUPERVISED = Path(__file__).parents[2] / "support" / "supervised.py"
PATIENCE_S = 30.0


class Run:
    """A supervisor in a process of its own, over a fake daemon."""

    def __init__(self, folder: Path, plan: str, *kcl: str) -> None:
        self.folder = folder
        (folder / "plan").write_text(plan)
        self.log_path = folder / "log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen([sys.executable, str(SUPERVISED), str(folder), *kcl], stderr=log)

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_path.read_text().splitlines() if line.startswith("{")]

    def until(self, true: Callable[[], Any]) -> Any:
        give_up = time.monotonic() + PATIENCE_S
        while not (found := true()):
            assert time.monotonic() < give_up, self.log_path.read_text()
            time.sleep(0.02)
        return found

    def started(self, number: int) -> tuple[int, int, str]:
        """Return (pid, process group, worker id) of the n-th daemon, once it is up."""
        path = self.folder / f"start-{number}"
        self.until(path.exists)
        pid, group, worker = path.read_text().split(" ")
        return int(pid), int(group), worker

    def said(self, msg: str) -> dict[str, Any]:
        return self.until(lambda: next((line for line in self.log() if line["msg"] == msg), None))

    def get(self, page: str) -> tuple[int, str]:
        port = self.said("serving /metrics, /livez, /readyz")["port"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def end(self, *signals: int) -> int:
        for number in signals:
            self.process.send_signal(number)
            time.sleep(0.3)
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    made: list[Run] = []

    def go(plan: str, *kcl: str) -> Run:
        made.append(Run(tmp_path, plan, *kcl))
        return made[-1]

    yield go
    for one in made:
        one.process.kill()
        one.process.wait()


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_with_0(run: Callable[..., Run], number: int) -> None:
    one = run("run")
    pid, group, _ = one.started(0)
    assert group == pid  # a group of its own: a terminal's Ctrl-C does not reach it
    assert one.end(number) == 0
    assert gone(pid)
    assert one.said("drained")["how"] == "exit status 143"


def test_a_daemon_that_ends_is_started_again_with_the_same_worker_id(run: Callable[..., Run]) -> None:
    one = run("crash run", "worker_id=me")
    _, _, first = one.started(0)
    _, _, second = one.started(1)
    assert first == second
    assert first.startswith("me:")
    assert one.said("the daemon ended")["again_in_s"] == 1
    status, text = one.get("/metrics")
    assert status == 200
    assert "tailrace_jvm_restarts_total 1.0" in text
    assert "tailrace_daemon_up 1.0" in text
    assert one.end(signal.SIGTERM) == 0


def test_the_daemons_output_becomes_log_lines(run: Callable[..., Run]) -> None:
    one = run("run")
    line = one.said("start 0: run")
    assert (line["logger"], line["source"], line["shard"], line["level"]) == ("jvm", "Fake", "shardId-7", "warning")
    assert one.end(signal.SIGTERM) == 0


def test_children_that_outlive_the_daemon_are_gone_before_the_next_start(run: Callable[..., Run]) -> None:
    one = run("children run")
    one.started(1)
    ended = one.said("children outlived the daemon: killed")
    assert (ended["children"], ended["killed"]) == (1, 1)
    order = [line["msg"] for line in one.log()]
    assert order.index("children outlived the daemon: killed") < order.index("start 1: run")
    assert one.end(signal.SIGTERM) == 0


def test_a_daemon_that_waits_for_a_dead_child_is_not_waited_for(run: Callable[..., Run]) -> None:
    one = run("doomed run", "shutdown_grace_s=600")
    first, _, _ = one.started(0)
    one.started(1)
    assert gone(first)
    assert one.said("the daemon ended")["how"] == "killed by SIGKILL"
    assert one.end(signal.SIGTERM) == 0


def test_a_second_signal_does_not_wait_for_a_deaf_daemon(run: Callable[..., Run]) -> None:
    one = run("deaf", "shutdown_grace_s=600")
    pid, _, _ = one.started(0)
    assert one.end(signal.SIGTERM, signal.SIGTERM) == 1
    assert gone(pid)


def test_the_daemon_dies_with_a_supervisor_that_is_killed(run: Callable[..., Run]) -> None:
    one = run("deaf")
    pid, _, _ = one.started(0)
    assert one.end(signal.SIGKILL) == -signal.SIGKILL
    one.until(lambda: gone(pid))


def test_a_hangup_starts_the_daemon_anew(run: Callable[..., Run]) -> None:
    one = run("run")
    first, _, _ = one.started(0)
    one.process.send_signal(signal.SIGHUP)
    second, _, _ = one.started(1)
    assert gone(first)
    assert not gone(second)
    assert one.end(signal.SIGTERM) == 0


def test_a_stop_in_the_pause_before_a_restart_ends_at_once(run: Callable[..., Run]) -> None:
    one = run("crash")
    one.said("the daemon ended")
    assert one.end(signal.SIGTERM) == 0


def test_health_pages(run: Callable[..., Run]) -> None:
    one = run("run")
    one.started(0)
    assert one.get("/livez") == (200, "ok\n")
    status, text = one.get("/readyz")
    assert status == 503
    assert "no message yet, 0 leases" in text
    assert one.get("/")[0] == 404
    assert one.end(signal.SIGTERM) == 0


def test_a_childs_log_lines_are_relayed(run: Callable[..., Run]) -> None:
    one = run("run")
    one.started(0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as child:
        child.connect(str(one.folder / "run" / "log.sock"))
        child.send(b'{"ts":"2026-01-01T00:00:00.000Z","level":"info","logger":"child","msg":"hello","chain":3}')
    assert one.said("hello")["chain"] == 3
    assert one.end(signal.SIGTERM) == 0


def test_the_run_folder_is_left_empty(run: Callable[..., Run]) -> None:
    one = run("run")
    one.started(0)
    assert (one.folder / "run" / "daemon.properties").exists()
    one.end(signal.SIGTERM)
    assert [path.name for path in (one.folder / "run").iterdir()] == ["lock"]


def test_the_pause_doubles_up_to_its_limit_and_starts_anew_after_health() -> None:
    backoff = Backoff()
    assert [backoff.after(10) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert backoff.after(300) == 1
    assert backoff.after(1) == 2


def supervised(folder: Path, run_dir: Path, port: int = 0) -> Supervisor:
    """Return a supervisor whose daemon must never start."""

    def never(_: object) -> list[str]:
        raise AssertionError("the daemon was started")

    settings = s.Settings(stream=s.Stream(name="clicks"), serve=s.Serve(port=port), kcl=s.Kcl(run_dir=str(run_dir)))
    ready = Ready(java.Java(sys.executable, 17, "set"), folder, properties.First("TRIM_HORIZON", 0), "epoch", leases=0)
    return Supervisor(settings, ready, SystemClock(), {}, never)


def test_the_children_find_a_copy_of_what_the_edition_was_read_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "routes.json").write_bytes(b"[]")
    files = Files.of(s.Settings())
    files.read(str(tmp_path / "routes.json"))
    one = supervised(tmp_path, tmp_path / "run")
    one._ready = one._ready._replace(files=files)
    copies: list[bytes] = []

    def serve(run: RunDir) -> int:
        copies.append(edition_copy(run.settings).read_bytes())
        return 0

    monkeypatch.setattr(one, "_serve", serve)
    assert one.run() == 0
    assert files.of_copy(copies[0]).read(str(tmp_path / "routes.json")) == b"[]"


def test_a_taken_port_is_refused_by_its_key(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Refused, match=rf"^\[serve\] port {port} on host .*: Address already in use$"):
            supervised(tmp_path, tmp_path / "run", port).run()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["lock"]


def test_a_folder_that_cannot_be_made_is_refused_by_its_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match=rf"^\[kcl\] run_dir: {tmp_path}/file/run: Not a directory$"):
        supervised(tmp_path, tmp_path / "file" / "run").run()


def test_two_supervisors_have_two_worker_ids() -> None:
    settings = s.Settings(kcl=s.Kcl(worker_id="same"))
    assert supervisor.worker_id(settings) != supervisor.worker_id(settings)


def test_the_childs_environment(tmp_path: Path) -> None:
    run = RunDir(str(tmp_path))
    found = supervisor.child_environment({"AWS_REGION": "x", "TAILRACE_STREAM_NAME": "y", "PATH": "/bin"}, run)
    run.close()
    assert found["AWS_REGION"] == "x"
    assert "TAILRACE_STREAM_NAME" not in found
    assert found["PROMETHEUS_MULTIPROC_DIR"] == str(tmp_path / "metrics")
    assert os.environ.get("PROMETHEUS_MULTIPROC_DIR") is None
