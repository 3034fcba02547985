"""Calls of services. Rule: who is away is asked again, until patience is over or a stop comes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, TypeVar

from tailrace.drops.health import Snapshot
from tailrace.drops.watch import Watch
from tailrace.files import Patient
from tailrace.filing import Stopped
from tailrace.ops.clock import Clock
from tailrace.world import WorldDenied, WorldError

QUEUE, LEDGER, FILE, ARCHIVE = "queue", "ledger", "file", "archive"  # services, as metrics name them
AWAY_S: Final = 60.0  # a service that failed a call so lately counts as away: a retry waits up to 10 s
_T = TypeVar("_T")


class Calls:
    """What a process asks of the world."""

    def __init__(self, patience: Callable[[], Patient], clock: Clock, say: Watch) -> None:
        self._patience, self._clock, self._say = patience, clock, say
        self._failed_at: dict[str, float] = {}
        self._alive_at = clock.monotonic()
        self.answered = False  # has the queue ever?
        self.stopping = threading.Event()

    def asked(self, service: str, call: Callable[[], _T]) -> _T:
        """Ask a service. Raises WorldError when patience is over, Stopped, WorldDenied."""
        waits: Patient | None = None
        while True:
            try:
                return call()
            except WorldError as error:
                waits = waits or self.waits(service)
                waits.wait(error)

    def waits(self, service: str) -> Patient:
        """Return the patience for one stretch of trouble with a service."""
        return _Waits(self, service, self._patience())

    def trouble(self, service: str, error: WorldError | WorldDenied) -> None:
        """Tell of a call that failed."""
        self._failed_at[service] = self._clock.monotonic()
        self._say("trouble", service=service, error=str(error))

    def lives(self) -> float:
        """Give a sign of life; return when that was."""
        self._alive_at = self._clock.monotonic()
        return self._alive_at

    def snapshot(self) -> Snapshot:
        """Return what is known now, for who judges health. Any thread may ask."""
        now = self._clock.monotonic()
        away = [service for service, at in dict(self._failed_at).items() if now - at < AWAY_S]
        return Snapshot(now, self._alive_at, self.answered, self.stopping.is_set(), away)


class _Waits:
    """A patience that a stop ends."""

    def __init__(self, calls: Calls, service: str, patience: Patient) -> None:
        self._calls, self._service, self._patience = calls, service, patience

    def wait(self, error: WorldError) -> None:
        self._calls.lives()
        self._calls.trouble(self._service, error)
        if self._calls.stopping.is_set():
            raise Stopped from error
        self._patience.wait(error)
