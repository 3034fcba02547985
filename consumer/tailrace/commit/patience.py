"""How long a bad world is borne. Rule: waits grow, with jitter, and after the stated patience the error is raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from tailrace.world import WorldError

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 10.0


class Time(Protocol):
    """The clock, as far as waiting needs it."""

    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class _End:
    """When an operation's patience is over; unknown until its first trouble. Shared by its parts."""

    at: float | None = None


class Patience:
    """The trouble that one operation may have, from the start of its first call that failed.

    Used by one thread. `part` is for another one, or for another call of the same operation: it ends with this.
    """

    def __init__(self, time: Time, patience_s: float, jitter: Callable[[], float], end: _End | None = None) -> None:
        self._time = time
        self._patience_s = patience_s
        self._jitter = jitter  # 0.0 to 1.0
        self._end = end or _End()
        self._wait_s = FIRST_WAIT_S
        self._tried = time.monotonic()

    def part(self) -> Patience:
        """Return one for a part of the operation."""
        return Patience(self._time, self._patience_s, self._jitter, self._end)

    def trying(self) -> None:
        """A call begins: should it fail, its own time counts."""
        self._tried = self._time.monotonic()

    def wait(self, error: WorldError) -> None:
        """Sleep before the next try; raise the error when the patience is over."""
        if self._end.at is None:
            self._end.at = self._tried + self._patience_s
        left_s = self._end.at - self._time.monotonic()
        if left_s <= 0:
            raise error
        self._time.sleep(min(left_s, self._wait_s * (0.5 + self._jitter() / 2)))
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)
        self.trying()


class SlowError(Exception):
    """Whoever waits has waited for as long as it may."""


class Bound:
    """How long the main thread may wait for one lane in one turn, be it in trouble or only slow."""

    def __init__(self, time: Time, seconds: float) -> None:
        self._time = time
        self._seconds = seconds
        self._waited_s = 0.0

    def begin(self) -> None:
        """A turn begins."""
        self._waited_s = 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time that this takes."""
        since_s = self._time.monotonic()
        yield
        self._waited_s += self._time.monotonic() - since_s

    def pressing(self) -> bool:
        """Is half of the time over? The thread that is waited for had better come to an end."""
        return self._waited_s >= self._seconds / 2

    def check(self) -> None:
        """Raise when the time is over."""
        if self._waited_s >= self._seconds:
            raise SlowError(f"its plan is still under way, and the shard has waited for {self._waited_s:.0f} s")
