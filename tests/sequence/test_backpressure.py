"""One batch fills while one is written, and no more: the next full one waits, and with it the daemon."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Event

from support.memory_ports import MemoryLedger, MemoryPlace
from support.memory_sink import MemoryPipeline, MemorySink
from tailrace.commit.batch import FlushLimits, part_of
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
        self.go.wait(30)
        return super().create(name, body, meta)


def test_a_second_full_batch_waits_for_the_first() -> None:
    place = HeldPlace()
    actions: list[str] = []

    def alive() -> None:  # asked in every wait
        actions.append("waited")
        place.go.set()

    lane = Lane(
        "lake",
        IDENTITY,
        LaneLedger(MemoryLedger(), place, IDENTITY, "lake"),
        place,
        MemorySink(),
        FlushLimits(2, 10**9, 1_000, 10**9),
        digests=(),
        patience=lambda: Patience(SystemClock(), 0.0, lambda: 0.0),
        say=lambda what, /, **_: actions.append(what) if what in {"cut", "committed"} else None,
        alive=alive,
    )

    def full(*sequences: str, now_ms: int = 0) -> None:
        records = [Record(b"1", sequence, 0, 0) for sequence in sequences]
        lane.add(part_of(records), MemoryPipeline()(records), now_ms)
        actions.append("filled")
        lane.flush_due(now_ms)

    try:
        lane.open()
        full("1", "2")
        full("3", now_ms=0)
        lane.flush_due(5_000)  # age alone does not make the daemon wait
        assert "waited" not in actions
        full("4", now_ms=5_000)
        assert lane.watermark.startswith("0" * 63 + "2.")
        assert lane.flush()
    finally:
        lane.close()
    main = [action for action in actions if action in {"filled", "waited"}]
    assert main[:4] == ["filled", "filled", "filled", "waited"]
    assert actions.count("cut") == actions.count("committed") == 2
    assert len(place.objects) == 6
