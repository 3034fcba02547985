"""Patience with the world. Rule: only what the caller names is tried again, never for longer than the stated patience.

The pause doubles from 0.1 s to 5 s, and each is drawn from its upper half, so that children that failed together do
not come back together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from tailrace.ops.clock import Clock

PAUSE_FIRST_S = 0.1
PAUSE_MAX_S = 5.0
LOOK_S = 0.5  # how often a long pause asks whether to stop

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


class Stopped(Exception):  # noqa: N818  (an order, not an error)
    """The owner no longer wants the result: the lease is lost, or the daemon is gone."""


class Rng(Protocol):
    """Chance, handed in; `random.Random` is one."""

    def uniform(self, a: float, b: float) -> float: ...


class Retrying(Protocol):
    """Calls a function until it no longer fails."""

    def __call__(self, call: Callable[[], T]) -> T: ...


def pauses(rng: Rng) -> Callable[[], float]:
    """Return a function that gives the next pause, in seconds."""
    ceiling = PAUSE_FIRST_S / 2

    def following() -> float:
        nonlocal ceiling
        ceiling = min(ceiling * 2, PAUSE_MAX_S)
        return rng.uniform(ceiling / 2, ceiling)

    return following


def retrying(
    clock: Clock,
    patience_s: float,
    rng: Rng,
    stop: Callable[[], bool] = lambda: False,
    *,
    on: type[E],
    heard: Callable[[E], None] = lambda _: None,
) -> Retrying:
    """Return a caller: `retrying(...)(call)` gives the call's result, or raises its last error after the patience.

    `on` is what may be tried again (WorldError); `heard` is told of each (logs, metrics). When `stop()` is true
    in a pause, Stopped is raised.
    """

    def run(call: Callable[[], T]) -> T:
        give_up = clock.monotonic() + patience_s
        following = pauses(rng)
        while True:
            try:
                return call()
            except on as trouble:
                heard(trouble)
                left = min(following(), give_up - clock.monotonic())
                if left <= 0:
                    raise
                while left > 0:
                    if stop():
                        raise Stopped(str(trouble)) from trouble
                    clock.sleep(min(left, LOOK_S))
                    left -= LOOK_S

    return run
