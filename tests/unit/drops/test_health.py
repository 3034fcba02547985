"""Health of the drops: each reason is told, and nothing else."""

from __future__ import annotations

import pytest

from tailrace.drops.health import Snapshot, live, ready

WELL = Snapshot(1000.0, 900.0, answered=True, draining=False)


@pytest.mark.parametrize(
    ("seen", "lives", "reasons"),
    [
        (WELL, True, []),
        (WELL._replace(draining=True, answered=False), True, ["draining"]),
        (WELL._replace(answered=False), True, ["the queue has not answered yet"]),
        (WELL._replace(away=["queue", "ledger"]), True, ["ledger fails calls", "queue fails calls"]),
        (WELL._replace(alive_at=580.0), True, []),
        (WELL._replace(alive_at=579.0), False, ["no sign of life for 421 s"]),
    ],
)
def test_each_reason_is_told(seen: Snapshot, lives: bool, reasons: list[str]) -> None:
    assert ready(seen, 100.0) == reasons
    assert (live(seen, 100.0) == []) == lives
