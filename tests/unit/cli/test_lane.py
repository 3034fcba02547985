"""`tailrace lane`: what a person says of a destination, and what it is told to leave out."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from support.memory_ports import MemoryLedger, MemoryPlace
from tailrace.cli import lane
from tailrace.commit import switches
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.plan import Counts, Item, app_key
from tailrace.commit.switches import Skip, Switch
from tailrace.kcl import times
from tailrace.nouns import END, LAKE, SUB_MAX, Identity, mark
from tailrace.settings import Settings, SettingsError, Stream

Told = pytest.CaptureFixture[str]


class World:
    """A ledger with two shards, whose `hot` is behind in one."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        assert self.ledger.swap(app_key("tailrace"), 0, {"epoch": "e1"}) is None
        for shard, name, at in (("s0", LAKE, 9), ("s0", "hot", 5), ("s1", LAKE, 7), ("s1", "hot", 7)):
            item = Item(1, mark(str(at), 0), totals=Counts(at, at), records=at)
            assert self.of(shard, name).swap(0, item) is None

    def of(self, shard: str, name: str) -> LaneLedger:
        return LaneLedger(self.ledger, MemoryPlace(), Identity("clicks", "e1", shard), name)

    def stop(self) -> None:
        found = self.of("s0", "hot").read()
        assert found is not None
        assert self.of("s0", "hot").swap(found[0], found[1]._replace(stopped="other records")) is None

    @property
    def said(self) -> switches.Switches:
        return switches.read(self.ledger, "e1")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(lane, "ledger_of", lambda _settings, *, file_run: made.ledger)
    monkeypatch.setattr(lane, "_who", lambda: "eve@desk")
    return made


def ask(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    lane.configure(parser)
    args = parser.parse_args(arguments)
    args.settings = Settings(stream=Stream(name="clicks"))
    return lane.run(args)


def test_what_is_said_is_kept_with_who_and_why(world: World, capsys: Told) -> None:
    assert ask("pause", "hot", "--why", "it is mended") == 0
    assert world.said.lanes["hot"] == Switch("it is mended")
    assert "the lake goes on" in capsys.readouterr().out
    assert ask("pause", "hot", "--why", "again") == 1
    assert capsys.readouterr().err == "tailrace: hot is paused already\n"
    assert ask("resume", "hot", "--why", "it is whole") == 0
    assert ask("resume", "hot", "--why", "again") == 1
    assert world.said.lanes["hot"] == Switch(resumed=1)
    assert [words.split(" ", 1)[1] for words in world.said.history] == [
        "eve@desk: hot paused: it is mended",
        "eve@desk: hot resumed: it is whole",
    ]


@pytest.mark.parametrize(
    ("name", "why"),
    [("lake", "the lake's lane is the intake itself"), ("hott", "no lane hott has begun, expected one of: hot")],
)
def test_what_cannot_be_paused_is_refused(world: World, capsys: Told, name: str, why: str) -> None:
    assert ask("pause", name, "--why", "w") == 2
    assert why in capsys.readouterr().err
    assert world.said.history == ()


def test_an_application_that_never_started_has_no_lanes(world: World, capsys: Told) -> None:
    world.ledger.__init__()  # type: ignore[misc]
    assert ask("list") == 2
    assert "no application" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "skips"),
    [
        (["--upto", "now"], {"s0": mark("9", 0)}),
        (["--upto", "7", "--shard", "s0"], {"s0": mark("7", SUB_MAX)}),
        (["--upto", "999", "--shard", "s0"], {"s0": mark("9", 0)}),
        (["--upto", "now", "--shard", "s1"], {}),
        (["--upto", "5", "--shard", "s1"], {}),
    ],
)
def test_what_is_left_out_is_never_more_than_the_lake_has(
    world: World, arguments: list[str], skips: dict[str, str]
) -> None:
    assert ask("skip", "hot", *arguments, "--why", "of no use") == (0 if skips else 1)
    found = world.said.lanes.get("hot", Switch()).skips
    assert found == {shard: Skip(upto, "of no use") for shard, upto in skips.items()}


def test_a_lane_is_told_the_same_once(world: World, capsys: Told) -> None:
    for status in (0, 1):
        assert ask("skip", "hot", "--upto", "now", "--why", "of no use") == status
    assert ask("skip", "hot", "--upto", "7", "--shard", "s0", "--why", "less of it") == 1
    assert capsys.readouterr().out.startswith("hot: leaves out s0 after 5/0 to 9/0\n")
    (words,) = world.said.history
    assert words.endswith("eve@desk: hot skips s0 to 9/0: of no use")


def test_what_is_said_of_many_shards_is_few_words_in_the_item_that_every_child_reads(world: World) -> None:
    for n in range(200):
        for name, at in ((LAKE, "9"), ("hot", "5")):
            assert world.of(f"shardId-{n:012}", name).swap(0, Item(1, mark(at, 0))) is None
    assert ask("skip", "hot", "--upto", "now", "--why", "of no use") == 0
    assert len(world.said.lanes["hot"].skips) == 201
    (words,) = world.said.history
    assert words.endswith("eve@desk: hot skips 201 shards to now: of no use")


def test_a_reason_is_a_line_and_no_book(world: World, capsys: Told) -> None:
    with pytest.raises(SystemExit):
        ask("pause", "hot", "--why", "w" * 301)
    assert "one line of 300 characters at most" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--upto", "7"], "--upto: found a sequence number, expected --shard"),
        (
            ["--upto", "\N{ARABIC-INDIC DIGIT SEVEN}", "--shard", "s0"],
            "--upto: found \N{ARABIC-INDIC DIGIT SEVEN}, expected",
        ),
        (["--upto", "yesterday"], "--upto: found yesterday, expected now"),
        (["--upto", "2026-01-31T00:00:00"], "--upto: found 2026-01-31T00:00:00, expected now"),
        (["--upto", "now", "--shard", "s9"], "--shard: found s9, expected one of: s0, s1"),
    ],
)
def test_what_means_nothing_is_refused_in_one_line(world: World, arguments: list[str], why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        ask("skip", "hot", *arguments, "--why", "w")
    assert str(refused.value).startswith(why)
    assert world.said.history == ()


def test_a_time_is_asked_of_the_stream(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[datetime] = []

    def before(_settings: Settings, at: datetime) -> Any:
        asked.append(at)
        return lambda shard: mark("6", 3) if shard == "s0" else END

    monkeypatch.setattr(times, "before", before)
    assert ask("skip", "hot", "--upto", "2026-01-31T00:00:00Z", "--why", "w") == 0
    assert asked == [datetime(2026, 1, 31, tzinfo=UTC)]
    assert world.said.lanes["hot"].skips == {"s0": Skip(mark("6", 3), "w")}


def test_lanes_are_listed_with_where_they_stand(world: World, capsys: Told) -> None:
    world.stop()
    ask("pause", "hot", "--why", "it is mended")
    capsys.readouterr()
    assert ask("list") == 0
    first, stopped, second, _ = capsys.readouterr().out.splitlines()
    assert first == (
        "hot: paused (it is mended), stopped in 1 shards; 12 received, 12 delivered; behind the lake in 1 of 2 shards"
    )
    assert stopped == "  s0: other records"
    assert second == "lake: goes on; 16 received, 16 delivered; the intake"
    assert ask("list", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert [(one["lane"], one["paused"], one["behind"]) for one in said["lanes"]] == [
        ("hot", "it is mended", 1),
        ("lake", "", 0),
    ]
