"""Programs started here. Rule: each has its own log file, answers before it is used, and is stopped by its own pid."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

LOOPBACK = "127.0.0.1"
LEASH = Path(__file__).with_name("leash.py")
TAIL_LINES = 15
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class NotComeTogetherError(Exception):
    """Something that was started did not come up, or went away. The message is for a person."""


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """Return an environment that knows dummy keys and no real account, proxy or setting of this person."""
    hidden = ("AWS_", "TAILRACE_")
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(hidden) and name.lower() not in PROXIES
    }
    return {
        **kept,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **more,
    }


class Process:
    """One running program. Its output goes to `<folder>/<name>.log`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        new_log: bool = True,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        leash = [sys.executable, "-S", "-E", str(LEASH), str(os.getpid()), str(int(signal.SIGTERM))]
        with self.log.open("wb" if new_log else "ab") as log:
            # A session of its own: Ctrl-C reaches the starter alone, and it stops the others in order.
            self._popen = subprocess.Popen(
                [*leash, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environment() if env is None else env),
                cwd=cwd or folder,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The program's process id."""
        return self._popen.pid

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._popen.poll()

    def tail(self, lines: int = TAIL_LINES) -> str:
        """Return the last lines it wrote."""
        text = self.log.read_bytes()[-20_000:].decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def wait_for(self, answers: Callable[[], bool], patience_s: float, pause_s: float = 0.05) -> Self:
        """Return once it answers. NotComeTogetherError when it ends before, or the patience does."""
        deadline = time.monotonic() + patience_s
        while not answers():
            if self.status is not None:
                raise NotComeTogetherError(f"{self.name} ended with status {self.status}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise NotComeTogetherError(f"{self.name} did not answer within {patience_s:.0f} s:\n{self.tail()}")
            time.sleep(pause_s)
        return self

    def wait(self, patience_s: float) -> int | None:
        """Return its exit status, or None when it still runs after the patience."""
        try:
            return self._popen.wait(patience_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, patience_s: float = 10.0) -> int:
        """Ask it to end, insist after the patience, return its exit status. Twice is as good as once."""
        if self._popen.poll() is None:
            self._popen.terminate()
        status = self.wait(patience_s)
        if status is None:
            self._popen.kill()
            status = self._popen.wait()
        return status


def http_answers(port: int, path: str, *, any_status: bool = False) -> bool:
    """Say whether the port answers the path with 200, or at all."""
    try:
        return any_status or get(port, path)[0] == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False


def get(port: int, path: str, timeout_s: float = 5.0) -> tuple[int, str]:
    """Return (status, body) of a path on a loopback port."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read().decode(errors="replace")
    finally:
        connection.close()
