"""What a seed makes of a story. Rule: all that is random comes from the seed."""

from __future__ import annotations

from random import Random
from typing import get_args

from faults.simulation import Drive, Scenery
from support.simulated_world import Fault, Process
from tailrace.nouns import mark

FAULTS: tuple[Fault, ...] = get_args(Fault)
DATAS = (b"1", b"2", b"3", b"bad", b"0x")
MISTAKES = (b"raise", b"die")


class Chaos:
    """Strikes effects at random, a limited number of times."""

    def __init__(self, rng: Random, lives: int) -> None:
        self._rng = rng
        self._lives = lives
        self._left = rng.randint(1, 12)
        self._often = rng.choice((0.02, 0.05, 0.15, 0.5))

    def __call__(self, process: Process, _kind: str) -> Fault | None:
        if process.number >= self._lives or not self._left or self._rng.random() > self._often:
            return None
        self._left -= 1
        return self._rng.choice(FAULTS)


def scenery_of(rng: Random, datas: tuple[bytes, ...], *, mistakes: bool) -> Scenery:
    """Return a scenery of some of these records."""
    some = [rng.choice(datas) for _ in range(rng.randint(2, 14))]
    if mistakes and rng.random() < 0.2:
        some[rng.randrange(len(some))] = rng.choice(MISTAKES)
    return Scenery(
        datas=tuple(some),
        ended=rng.random() < 0.6,
        rows=rng.randint(1, 8),
        age_ms=rng.choice((500, 2_000, 10_000)),
        partitions=rng.choice(((1,), (2, 3), (3, 1, 2))),
        pad=70_000 * (rng.random() < 0.15),
        uploads=rng.randint(1, 3),
        records_max=rng.randint(1, 8),
        idle_max=12,
        lost_last=rng.random() < 0.5,
        aside=rng.random() < 0.4,
        left_out=rng.choice(("", "", "", mark("100", 1), mark("102", 0), mark("104", 1))),
    )


def drive_of(rng: Random) -> Drive:
    """Return what goes wrong besides single effects."""
    return Drive(
        lives=rng.randint(1, 8),
        steal=rng.choice((0.0, 0.01, 0.05)),
        wake=rng.choice((0.0, 0.005, 0.05)),
        wake_at_commit=rng.random() < 0.3,
        stop_early=rng.random() < 0.4,
    )
