"""How a child goes on under a new edition. Rule: on the main thread, at the start of a turn, between two plans."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Final, Never

from tailrace.edition import Edition
from tailrace.nouns import Destination
from tailrace.shard import Shard

POSTPONED_TURNS_MAX: Final = 60  # while a plan is in flight: to wait for it in a turn takes of the daemon's patience


class Renewal:
    """Takes up what is ready, as soon as the shard can."""

    def __init__(
        self,
        ready: Callable[[], Edition | None],
        adopt: Callable[[Shard, Edition], bool],
        told: Callable[[Edition], None],
        destinations: Sequence[Destination] = (),
        leave: Callable[[Shard, str], Never] | None = None,
    ) -> None:
        """`adopt` has the shard go on under the edition, or says that it cannot yet; `told` hears of it when it did.

        `destinations` have lanes; an edition with others makes the child `leave`: another one has theirs.
        """
        self._ready = ready
        self._adopt = adopt
        self._told = told
        self._destinations = _by_name(destinations)
        self._leave = leave
        self._waiting: Edition | None = None
        self._postponed = 0

    def __call__(self, shard: Shard) -> None:
        """Take up the newest edition that is ready, if there is one and the shard can."""
        self._waiting = self._ready() or self._waiting
        if self._waiting is None:
            return
        if shard.in_flight and self._postponed < POSTPONED_TURNS_MAX:
            self._postponed += 1
            return
        if self._leave is not None and _by_name(self._waiting.destinations) != self._destinations:
            self._leave(shard, "the routes name other destinations, whose lanes begin with a new child")
        if self._adopt(shard, self._waiting):
            self._told(self._waiting)
            self._waiting, self._postponed = None, 0
            gc.unfreeze()  # the old edition goes, the new one is out of the collector's way
            gc.collect()
            gc.freeze()


def _by_name(destinations: Sequence[Destination]) -> dict[str, Destination]:
    """Their order means nothing."""
    return {one.name: one for one in destinations}
