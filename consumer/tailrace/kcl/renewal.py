"""How a child goes on under a new edition. Rule: on the main thread, at the start of a turn, between two plans."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Final

from tailrace.edition import Edition
from tailrace.shard import Shard

POSTPONED_TURNS_MAX: Final = 60  # while a plan is in flight: to wait for it in a turn takes of the daemon's patience


class Renewal:
    """Takes up what is ready, as soon as the shard can."""

    def __init__(
        self,
        ready: Callable[[], Edition | None],
        adopt: Callable[[Shard, Edition], bool],
        told: Callable[[Edition], None],
    ) -> None:
        """`adopt` has the shard go on under the edition, or says that it cannot yet; `told` hears of it when it did."""
        self._ready = ready
        self._adopt = adopt
        self._told = told
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
        if self._adopt(shard, self._waiting):
            self._told(self._waiting)
            self._waiting, self._postponed = None, 0
            gc.unfreeze()  # the old edition goes, the new one is out of the collector's way
            gc.collect()
            gc.freeze()
