"""Lanes beside the lake, as a running engine has them. Rule: looked at through the ledger alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from support.engine import Engine, Stage
from tailrace.commit.committed import epoch_of, lanes_of
from tailrace.commit.plan import Item
from tailrace.commit.stores import ledger_of


def items(world: Stage, lane: str) -> dict[str, Item]:
    """Return a lane's items by shard."""
    settings = world.settings()
    ledger = ledger_of(settings, file_run=False)
    epoch = epoch_of(ledger, settings.kcl.application) or ""
    return {shard.identity.shard: shard.item for _, shard in lanes_of(ledger, epoch, settings.stream.name, lane)}


def received(world: Stage, lane: str) -> int:
    return sum(item.totals.received for item in items(world, lane).values())


def killed_in_the_middle(
    world: Stage, engine: Engine, lane: str, meanwhile: Callable[[], object] = lambda: None
) -> None:
    """Kill the children while a plan of the lane is open: they stand still while the ledger is read."""

    def struck() -> bool:
        meanwhile()
        children = engine.children()
        for pid in children:
            os.kill(pid, signal.SIGSTOP)
        opened = [item.plan for item in items(world, lane).values() if item.plan is not None]
        for pid in children:
            os.kill(pid, signal.SIGKILL if opened else signal.SIGCONT)
        return bool(opened)

    engine.until(f"a plan of the lane {lane} to be open", struck)
