"""The children as the system sees them. Rule: only processes of this run are looked at, by their command line."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tailrace.ops.clock import Clock

CHILD_MODULE: Final = "tailrace.kcl.child"
_LOOK_S: Final = 0.1


class Child(NamedTuple):
    """A living child process."""

    pid: int
    parent: int


def children(settings_file: str, proc: Path = Path("/proc")) -> Iterator[Child]:
    """Yield the living children that were started with this settings file."""
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):  # it ended while we looked
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if settings_file.encode() in words and CHILD_MODULE.encode() in words:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    yield Child(int(entry.name), int(parent))


def alive(pid: int) -> bool:
    """Does a process with this id exist?"""
    return Path(f"/proc/{pid}").exists()


def end_orphans(settings_file: str, clock: Clock, patience_s: float) -> tuple[int, int]:
    """Wait for all children of this run to end by themselves, then kill those that did not.

    Returns (how many were there, how many were killed). A child that lives on would write with an older generation:
    harmless, since the ledger refuses it, but it would hold memory and the logs' socket.
    """
    seen = {child.pid for child in children(settings_file)}
    give_up = clock.monotonic() + patience_s
    while (left := [child.pid for child in children(settings_file)]) and clock.monotonic() < give_up:
        clock.sleep(_LOOK_S)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(seen), len(left)
