"""`tailrace resolve`: what waits for a person is listed, and nothing is decided by itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.memory_ports import MemoryLedger, MemoryPlace
from support.small_lake import EPOCH, STREAM, SmallLake
from tailrace.cli import resolve
from tailrace.commit import rules
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.plan import Counts, Item, Plan, lane_key
from tailrace.nouns import Identity
from tailrace.settings import Lake, Ledger, Settings, SettingsError

PLAN = Plan(4, 2, "279", "290", 11, "digest", Counts(11, 11), ("a", "_commits/4"))


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[SmallLake]:
    made = SmallLake(tmp_path)
    yield made
    made.close()


def ledger(lake: SmallLake, shard: str = "shard-0") -> LaneLedger:
    return LaneLedger(lake.store, lake.place, Identity(STREAM, EPOCH, shard), "lake")


def stop(lake: SmallLake) -> None:
    found = ledger(lake).read()
    assert found is not None
    assert ledger(lake).swap(found[0], found[1]._replace(plan=PLAN, stopped="brought 10 records")) is None


def item(lake: SmallLake) -> Item:
    found = ledger(lake).read()
    assert found is not None
    return found[1]


def ask(lake: SmallLake, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    resolve.configure(parser)
    args = parser.parse_args(["--files", *arguments])
    args.settings = Settings(lake=Lake(uri=str(lake.root)), ledger=Ledger(path=str(lake.ledger_path)))
    return resolve.run(args)


def test_nothing_stopped_is_said(lake: SmallLake, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(lake) == 0
    assert capsys.readouterr().out == "0 of 2 shards stopped.\n"


def test_stopped_shards_are_listed_with_why(lake: SmallLake, capsys: pytest.CaptureFixture[str]) -> None:
    stop(lake)
    assert ask(lake) == 0
    assert capsys.readouterr().out == "shard-0: brought 10 records\n1 of 2 shards stopped.\n"


def test_nothing_is_decided_without_a_word(lake: SmallLake, capsys: pytest.CaptureFixture[str]) -> None:
    stop(lake)
    before = ledger(lake).read()
    assert ask(lake, "shard-0") == 2
    assert "Say --retry or --accept" in capsys.readouterr().err
    assert ledger(lake).read() == before


def test_a_shard_that_is_not_stopped_is_left_alone(lake: SmallLake, capsys: pytest.CaptureFixture[str]) -> None:
    before = ledger(lake, "shard-1").read()
    assert ask(lake, "shard-1", "--accept") == 1
    assert "is not stopped" in capsys.readouterr().err
    assert ledger(lake, "shard-1").read() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["shard-00"], "found shard-00, expected a shard of the lane lake, such as shard-0"),
        (["x"], "found x, expected a shard of the lane lake, such as shard-0"),
        (["shard-0", "--lane", "quue"], "--lane: found quue, expected one of: lake"),
    ],
)
def test_a_name_that_is_none_is_told_from_one_that_is_not_stopped(
    lake: SmallLake, arguments: list[str], said: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        ask(lake, *arguments, "--retry")
    assert str(refused.value) == said


def test_both_words_at_once_are_refused(lake: SmallLake) -> None:
    with pytest.raises(SystemExit):
        ask(lake, "shard-0", "--retry", "--accept")


def test_retry_opens_the_shard_and_keeps_its_plan(lake: SmallLake, capsys: pytest.CaptureFixture[str]) -> None:
    stop(lake)
    generation = item(lake).generation
    assert ask(lake, "shard-0", "--retry") == 0
    assert capsys.readouterr().out == (
        "shard-0: the records are read once more, when `tailrace backfill` is run again.\n"
    )
    now = item(lake)
    assert (now.stopped, now.plan, now.waived, now.resolved) == ("", PLAN, 0, ())
    assert now.generation == generation + 1


def test_accept_waives_the_plans_count_and_records_it(lake: SmallLake) -> None:
    stop(lake)
    assert ask(lake, "shard-0", "--accept") == 0
    now = item(lake)
    assert (now.stopped, now.plan, now.waived) == ("", PLAN, 4)
    assert now.resolved == ("chain 4: 11 records were planned; brought 10 records",)
    assert ask(lake, "shard-0", "--accept") == 1


def test_who_comes_second_decides_nothing() -> None:
    identity = Identity("stream", "epoch", "shard")
    store, place = MemoryLedger(), MemoryPlace()
    lane = LaneLedger(store, place, identity, "lake")
    assert not resolve.decide(store, place, identity, accept=True)
    assert lane.swap(0, Item(generation=1, plan=PLAN, stopped="why")) is None
    assert resolve.decide(store, place, identity, accept=False)
    assert not resolve.decide(store, place, identity, accept=True)
    assert store.revision(lane_key(identity, "lake")) == 2


class Busy(MemoryLedger):
    """Somebody else writes just before the first swap."""

    def __init__(self) -> None:
        super().__init__()
        self.busy = False

    def swap(self, key: str, expected: int, item: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
        if self.busy:
            self.busy = False
            stands = self.read(key)
            assert stands is not None
            super().swap(key, stands[0], {**stands[1], "generation": stands[1]["generation"] + 1})
        return super().swap(key, expected, item)


def test_a_decision_is_made_on_the_item_as_it_stands() -> None:
    identity = Identity("stream", "epoch", "shard")
    store, place = Busy(), MemoryPlace()
    lane = LaneLedger(store, place, identity, "lake")
    assert lane.swap(0, Item(generation=1, plan=PLAN, stopped="why")) is None
    store.busy = True
    assert resolve.decide(store, place, identity, accept=False)
    found = lane.read()
    assert found == (3, Item(generation=3, plan=PLAN))
    assert isinstance(rules.resolving(found[1], accept=False), rules.Refused)


def test_a_lane_beside_the_lakes_is_listed_and_decided_about_by_name(
    lake: SmallLake, capsys: pytest.CaptureFixture[str]
) -> None:
    beside = LaneLedger(lake.store, lake.place, Identity(STREAM, EPOCH, "shard-0"), "hot")
    assert beside.swap(0, Item(generation=1, plan=PLAN, stopped="brought 10 records")) is None
    assert ask(lake) == 0
    assert capsys.readouterr().out == "shard-0 --lane hot: brought 10 records\n0 of 2 shards stopped.\n"
    assert ask(lake, "shard-0", "--retry") == 1, "the shard itself is well"
    with pytest.raises(SettingsError, match="--lane: found cold, expected one of: hot, lake"):
        ask(lake, "shard-0", "--lane", "cold", "--retry")
    assert ask(lake, "shard-0", "--lane", "hot", "--accept") == 0
    found = beside.read()
    assert found is not None
    assert (found[1].stopped, found[1].waived) == ("", PLAN.chain)
    assert item(lake).generation == 1, "the lake's lane is left alone"
