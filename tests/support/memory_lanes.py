"""Real lanes over memory. Rule: what a lane says is written down in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event

from support.memory_ports import MemoryLedger, MemoryPlace
from support.memory_sink import MemorySink
from tailrace.commit.batch import FlushLimits
from tailrace.commit.lane import Lane
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.patience import Patience
from tailrace.commit.ports import Body
from tailrace.nouns import Identity, Record
from tailrace.ops.clock import SystemClock

IDENTITY = Identity("stream", "epoch", "shard-0")


class HeldPlace(MemoryPlace):
    """Stores nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = Event()

    def create(self, name: str, body: Body, meta: Mapping[str, str]) -> bool:
        assert self.go.wait(30), "nobody let the place go"
        return super().create(name, body, meta)


class World:
    """A ledger, a place, and what was said."""

    def __init__(self, place: MemoryPlace | None = None) -> None:
        self.ledger = MemoryLedger()
        self.place = MemoryPlace() if place is None else place
        self.said: list[str] = []

    def say(self, what: str, /, **facts: object) -> None:
        self.said.append(f"{facts['lane']}: {what}" if "lane" in facts else what)

    def lane(
        self, name: str = "lake", *, rows: int = 10**6, objects: int = 10**6, alive: Callable[[], None] = lambda: None
    ) -> Lane:
        return Lane(
            name,
            IDENTITY,
            LaneLedger(self.ledger, self.place, IDENTITY, name),
            self.place,
            MemorySink(),
            FlushLimits(rows, 10**9, 1_000, objects),
            digests=(),
            patience=lambda: Patience(SystemClock(), 0.0, lambda: 0.0),
            say=self.say,
            alive=alive,
            uploads=2,
        )


def ones(first: int, count: int) -> list[Record]:
    """Return records of one event each."""
    return [Record(b"1", str(n), 0, 0) for n in range(first, first + count)]
