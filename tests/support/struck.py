"""A process that is killed in the midst of its work. Rule: by SIGKILL, before the nth call of AWS it makes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any


def program(file: str, given: object) -> str:
    """Run a file of the tests as a program, with all that they can import; return what it printed."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, file], input=json.dumps(given), capture_output=True, text=True, check=False, env=environ
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def die_at(calls: int) -> None:
    """Kill this process when it is about to make so many calls."""
    from botocore.client import BaseClient

    client: Any = BaseClient
    real, made = client._make_api_call, 0

    def counted(self: Any, name: str, arguments: Any) -> Any:
        nonlocal made
        made += 1
        if made == calls:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, name, arguments)

    client._make_api_call = counted


def forked(run: Callable[[], int], calls: int = 0) -> int | None:
    """Run in a child, killed at its nth call; return its exit status, None where it was killed."""
    child = os.fork()
    if not child:
        if calls:
            die_at(calls)
        os._exit(run())
    status = os.waitpid(child, 0)[1]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
