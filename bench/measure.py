"""What a child took. Rule: a start is not counted; what comes after imports and wiring is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import msgspec


class Taken(NamedTuple):
    """One run of one child."""

    cpu_s: float  # user and system, all threads
    start_cpu_s: float  # imports and wiring
    peak_mb: float
    rows: int
    rejects: int


class Meter:
    """Starts when it is made: after imports and wiring."""

    def __init__(self) -> None:
        self._start = time.process_time()

    def write(self, file: Path, rows: int, rejects: int) -> None:
        """Say what was taken since the start."""
        taken = Taken(time.process_time() - self._start, self._start, peak_mb(), rows, rejects)
        file.write_bytes(msgspec.json.encode(taken))


def peak_mb() -> float:
    """Return the peak memory of this process. Its parent's, which getrusage would count too, is not in it."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def read(file: Path) -> Taken:
    """Return what a child wrote."""
    return msgspec.json.decode(file.read_bytes(), type=Taken)
