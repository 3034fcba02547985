"""How long a bad world is borne. Rule: waits grow, with jitter, and after the stated patience the error is raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tailrace.commit.ports import WorldError

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 10.0


class Time(Protocol):
    """The clock, as far as waiting needs it."""

    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class Patience:
    """One stretch of trouble: made anew for each operation, used by one thread."""

    def __init__(self, time: Time, patience_s: float, jitter: Callable[[], float]) -> None:
        self._time = time
        self._patience_s = patience_s
        self._jitter = jitter  # 0.0 to 1.0
        self._since: float | None = None
        self._wait_s = FIRST_WAIT_S

    def wait(self, error: WorldError) -> None:
        """Sleep before the next try; raise the error when the patience is over."""
        now = self._time.monotonic()
        if self._since is None:
            self._since = now
        if now - self._since >= self._patience_s:
            raise error
        self._time.sleep(self._wait_s * (0.5 + self._jitter() / 2))
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)
