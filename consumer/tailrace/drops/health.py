"""Health of the drops, judged. Rule: pure functions over one snapshot; each verdict is a list of reasons.

`/livez` asks: would a restart of this process help? `/readyz` asks: is the queue being worked on right now?
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

STILL_PATIENCES: Final = 3  # in one sign of life: a plan in flight, the next one, and a read
STILL_S: Final = 120.0  # besides, for the work itself


class Snapshot(NamedTuple):
    """What is known at one moment. Times are of a clock that only goes forward."""

    now: float
    alive_at: float  # the last sign of life: an answer of the queue, a chunk of a file, a try that failed
    answered: bool  # has the queue ever answered?
    draining: bool
    away: Iterable[str] = ()  # services that failed lately


def live(seen: Snapshot, patience_s: float) -> list[str]:
    """Return why a restart would help."""
    still_s = seen.now - seen.alive_at
    return [f"no sign of life for {still_s:.0f} s"] if still_s > STILL_PATIENCES * patience_s + STILL_S else []


def ready(seen: Snapshot, patience_s: float) -> list[str]:
    """Return why the queue is not being worked on."""
    if seen.draining:
        return ["draining"]
    reasons = [] if seen.answered else ["the queue has not answered yet"]
    return [*reasons, *(f"{service} fails calls" for service in sorted(seen.away)), *live(seen, patience_s)]
