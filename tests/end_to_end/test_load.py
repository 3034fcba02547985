"""The loader as a process, killed before every call it makes: the warehouse has each row once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.loaded import GOOD, WIDE, Loaded, committed, loaded

CALLS_MIN = 30  # of AWS, that a run takes


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Loaded]:
    with loaded(tmp_path) as made:
        yield made


def landed_once(world: Loaded, runs: int) -> None:
    """Assert that the warehouse has what so many runs committed, and its ledger each plan once."""
    assert world.rows("SELECT count(*), count(DISTINCT row_id), count(DISTINCT path) FROM tailrace.page_view_v1") == [
        (runs * GOOD,) * 3
    ]
    assert world.rows("SELECT count(*), count(DISTINCT row_id), min(stage) FROM tailrace.quarantine") == [
        (runs * WIDE, runs * WIDE, "load")
    ]
    chains = world.rows("SELECT shard, after_chain, chain FROM tailrace.load_ledger ORDER BY ALL")
    for shard in ("shard-0", "shard-1"):
        ranges = [(after, chain) for of, after, chain in chains if of == shard]
        assert [after for after, _ in ranges] == [0, *(chain for _, chain in ranges[:-1])]
        assert ranges[-1][1] == runs


def test_killed_before_any_call_of_aws_it_loads_once(world: Loaded) -> None:
    runs = world.swept()
    assert runs > CALLS_MIN
    landed_once(world, runs)
    assert world.load(()) == [(0, "Nothing to load.\n", "")]


@pytest.mark.parametrize("at_once", [False, True], ids=["one after another", "at once"])
def test_of_two_that_sent_the_same_one_lands(world: Loaded, at_once: bool) -> None:
    """Neither learns what became of its transaction, which waits; then both transactions run."""
    committed(world.environ, 0)
    world.service.faults.held.clear()
    world.service.faults.forgets_waiting.set()
    if at_once:
        ended = world.load(("--take-over",), ("--take-over",))
        assert {status for status, *_ in ended} <= {1, 75}, ended
    else:
        ended = world.load(()) + world.load(())
        assert [(status, "FORGOTTEN" in said) for status, _, said in ended] == [(1, True)] * 2
        assert world.service.calls.count("BatchExecuteStatement") == 2
    world.service.release()
    world.service.faults.forgets_waiting.clear()
    assert world.load(())[0][0] == 0
    landed_once(world, 1)
