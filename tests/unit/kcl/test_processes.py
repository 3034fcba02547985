import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tailrace.kcl import processes
from tailrace.ops.clock import SystemClock

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a program whose command line looks like a child's."""
    running = []

    def go(settings: str, program: str = "import time; time.sleep(60)") -> subprocess.Popen[bytes]:
        script = tmp_path / "script.py"
        script.write_text(f"print('up', flush=True)\n{program}\n")
        process = subprocess.Popen(
            [sys.executable, str(script), processes.CHILD_MODULE, settings], stdout=subprocess.PIPE
        )
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        return process

    yield go
    for process in running:
        process.kill()
        process.communicate()


def test_only_children_of_this_run_are_found(start: Start) -> None:
    mine = start("/run/a/settings.json")
    start("/run/b/settings.json")
    assert list(processes.children("/run/a/settings.json")) == [processes.Child(mine.pid, os.getpid())]


def test_a_dead_child_is_none_even_before_its_parent_noticed(start: Start) -> None:
    process = start("/run/c/settings.json")
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert list(processes.children("/run/c/settings.json")) == []


def test_orphans_that_end_by_themselves_are_not_killed(start: Start) -> None:
    process = start("/run/d/settings.json", "import time; time.sleep(0.3)")
    assert processes.end_orphans("/run/d/settings.json", SystemClock(), 10) == (1, 0)
    assert process.wait() == 0


def test_orphans_that_stay_are_killed(start: Start) -> None:
    process = start("/run/e/settings.json", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)")
    assert processes.end_orphans("/run/e/settings.json", SystemClock(), 0.2) == (1, 1)
    assert process.wait() == -signal.SIGKILL


def test_without_orphans_nothing_is_waited_for() -> None:
    before = time.monotonic()
    assert processes.end_orphans("/run/f/settings.json", SystemClock(), 60) == (0, 0)
    assert time.monotonic() - before < 30


def test_alive() -> None:
    assert processes.alive(os.getpid())
    assert not processes.alive(2**22 + 1)
