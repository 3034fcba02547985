"""How a child does what persons say of lanes. Rule: one small read a look, in a thread; done at the start of a turn.

A lane is paused where it stands. To resume, or to leave records out, the child leaves in good order: another one opens
the shard from where its slowest lane stands, and does it under its own generation.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Mapping
from typing import Final, Never

from tailrace.commit import switches
from tailrace.commit.ports import LedgerStore, Say
from tailrace.commit.switches import Order
from tailrace.nouns import Identity
from tailrace.settings import Settings
from tailrace.shard import Shard
from tailrace.world import WorldDenied, WorldError

COLLECTED_LOOKS: Final = 12  # the collector is off in a child; a shard without records would gather what looks leave

Orders = Mapping[str, Order]


class Look:
    """What the ledger says of lanes, as it was seen last."""

    def __init__(self, read: Callable[[], Orders], every_s: float, say: Say) -> None:
        self._read, self._every_s, self._say = read, every_s, say
        self._now: Orders = {}
        self._over = threading.Event()

    def start(self) -> Orders:
        """Look now, and from now on; return what is said now. Raises WorldError, WorldDenied."""
        self._now = self._read()
        threading.Thread(target=self._run, name="switches", daemon=True).start()
        return self._now

    def close(self) -> None:
        """Look no more."""
        self._over.set()

    def now(self) -> Orders:
        return self._now

    def look(self) -> None:
        """Look once; where that fails, what was seen last stands."""
        try:
            self._now = self._read()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next look is made: nobody else pauses a lane
            world = isinstance(error, WorldError | WorldDenied)
            self._say("trouble", what="ledger", error=str(error) if world else repr(error))

    def _run(self) -> None:
        looks = 0
        while not self._over.wait(self._every_s):
            self.look()
            looks += 1
            if looks % COLLECTED_LOOKS == 0:
                gc.collect()


class Obey:
    """Does what is new."""

    def __init__(self, now: Callable[[], Orders], first: Orders, leave: Callable[[Shard, str], Never]) -> None:
        """`first`: what the shard was opened with."""
        self._now, self._done, self._leave = now, dict(first), leave

    def __call__(self, shard: Shard) -> None:
        """Compare with what was done up to now."""
        orders = self._now()
        for name in shard.names:
            before, order = self._done.get(name, Order()), orders.get(name, Order())
            if order == before:
                continue
            self._done[name] = order
            if order.skip != before.skip:
                self._leave(shard, f"{name}: records are left out ({order.skip.why})")
            if not order.paused:
                self._leave(shard, f"{name}: resumed, from where it stands")
            shard.pause(name, order.paused)


def obeying(
    settings: Settings, store: LedgerStore, identity: Identity, say: Say, leave: Callable[[Shard, str], Never]
) -> tuple[Orders, Obey]:
    """Look from now on; return what is said now of a shard's lanes, and who does what is said later."""
    look = Look(lambda: switches.read(store, identity.epoch).of(identity.shard), settings.lanes.look_s, say)
    orders = look.start()
    return orders, Obey(look.now, orders, leave)
