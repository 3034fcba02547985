"""What is said of lanes, in the ledger: nothing of it is lost when two persons speak at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from support.memory_ports import MemoryLedger
from tailrace.commit.switches import HISTORY_MAX, Order, Skip, Switch, Switches, change, read, switches_key

PAUSED = Switch(paused="it is mended")


def test_what_goes_in_comes_out() -> None:
    ledger = MemoryLedger()
    assert read(ledger, "e1") == Switches()
    skips = {"shard-0": Skip("12", "of no use")}
    said = change(ledger, "e1", lambda all_: all_.said("hot", Switch("why", skips), "Eve paused it"))
    assert read(ledger, "e1") == said == Switches({"hot": Switch("why", skips)}, ("Eve paused it",))
    assert read(ledger, "e2") == Switches(), "another epoch's are others"
    assert said.of("shard-0") == {"hot": Order("why", Skip("12", "of no use"))}
    assert said.of("shard-1") == {"hot": Order("why")}


def test_who_was_slower_adds_to_what_the_faster_one_said() -> None:
    class Raced(MemoryLedger):
        """Another writes between reading and writing, once."""

        raced = False

        def swap(self, key: str, expected: int, item: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
            if not self.raced:
                self.raced = True
                change(self, "e1", lambda all_: all_.said("queue", PAUSED, "Bob"))
            return super().swap(key, expected, item)

    ledger = Raced()
    change(ledger, "e1", lambda all_: all_.said("hot", PAUSED, "Eve"))
    assert read(ledger, "e1") == Switches({"hot": PAUSED, "queue": PAUSED}, ("Bob", "Eve"))


def test_nothing_new_is_not_written() -> None:
    ledger = MemoryLedger()
    change(ledger, "e1", lambda all_: all_)
    assert ledger.revision(switches_key("e1")) == 0


def test_the_history_has_an_end() -> None:
    said = Switches()
    for number in range(HISTORY_MAX + 2):
        said = said.said("hot", PAUSED, str(number))
    assert (said.history[0], said.history[-1]) == ("2", str(HISTORY_MAX + 1))
