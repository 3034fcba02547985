"""Calls of services: who is away is asked again, until patience is over or a stop comes."""

from __future__ import annotations

from typing import Any

import pytest

from support.faked_drops import World, record
from support.memory_ports import MemoryLedger
from tailrace.drops.items import DONE
from tailrace.world import WorldError


def test_a_queue_that_is_away_is_asked_again_and_at_last_said() -> None:
    world = World()
    world.queue.waiting = [WorldError("away"), WorldError("away")]
    world.queue.say(record())
    assert world.work.step()
    world.queue.waiting = [WorldError("away")] * 100
    with pytest.raises(WorldError, match="away"):
        world.work.step()


def test_a_service_that_is_away_a_while_is_asked_again() -> None:
    class Away(MemoryLedger):
        left = 3

        def read(self, key: str) -> tuple[int, dict[str, Any]] | None:
            if self.left:
                self.left -= 1
                raise WorldError("away")
            return super().read(key)

    world = World(ledger=Away())
    world.queue.say(record())
    assert world.work.step()
    assert world.items()[0]["status"] == DONE
    assert world.words().count("trouble") == 3
    assert world.calls.snapshot().away == ["ledger"]


def test_a_stop_ends_the_waiting_for_a_service() -> None:
    world = World(ledger=MemoryLedger())

    def read(key: str) -> None:
        world.calls.stopping.set()
        raise WorldError("away")

    world.ledger.read = read  # type: ignore[method-assign]
    world.queue.say(record())
    assert not world.work.step()
    assert world.queue.did == [("hide", "r0", 0)]
