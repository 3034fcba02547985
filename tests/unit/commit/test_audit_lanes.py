"""Lanes beside the lake's in an audit: they agree with it, or it is said where they do not."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.small_lake import EPOCH, STREAM, SmallLake
from tailrace.cli import audit as command
from tailrace.commit import switches
from tailrace.commit.audit import audit
from tailrace.commit.audit_report import LaneReport
from tailrace.commit.committed import shards_of
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.plan import Item, Since
from tailrace.commit.switches import Switch
from tailrace.nouns import START, Identity, mark
from tailrace.settings import Lake, Ledger, Settings
from tailrace.sinks.lake.read import LakeReader

Told = pytest.CaptureFixture[str]


class Two(SmallLake):
    """A small lake, with a lane beside it in one shard."""

    def lakes(self) -> Item:
        return next(iter(shards_of(self.store, EPOCH, STREAM))).item

    def write(self, item: Item) -> None:
        ledger = LaneLedger(self.store, self.place, Identity(STREAM, EPOCH, "shard-0"), "hot")
        assert ledger.swap(0, item) is None

    def found(self) -> LaneReport:
        (one,) = audit(self.store, self.place, LakeReader(), EPOCH, STREAM).lanes
        return one


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Two]:
    made = Two(tmp_path)
    yield made
    made.close()


def same(lake: Two) -> Item:
    """What a lane says that has had all."""
    item = lake.lakes()
    return Item(1, item.watermark, item.chain, totals=item.totals, records=item.records)


def test_a_lane_that_has_all_agrees(lake: Two) -> None:
    lake.write(same(lake))
    assert lake.found()[-3:] == ([], [], True)


@pytest.mark.parametrize(("by", "text"), [(-1, "had 178 records where the lake committed 179"), (1, "had 180 records")])
def test_a_lane_that_has_had_others_does_not(lake: Two, by: int, text: str) -> None:
    item = same(lake)
    lake.write(item._replace(records=item.records + by))
    (finding,) = lake.found().findings
    assert finding.check == "lanes"
    assert text in finding.text


def test_a_lane_whose_counts_do_not_add_up(lake: Two) -> None:
    item = same(lake)
    lake.write(item._replace(totals=item.totals._replace(filtered=item.totals.filtered + 1)))
    assert [finding.check for finding in lake.found().findings] == ["sums"]


def test_a_lane_is_compared_from_where_it_began_or_skipped_to(lake: Two) -> None:
    item, second = same(lake), mark("269", 0)
    after = 9
    lake.write(item._replace(since=Since(second, 5, 5), records=5 + after, totals=item.totals._replace(received=0)))
    one = lake.found()
    assert one.compared
    assert [finding.check for finding in one.findings] == ["sums"], "of these totals nothing is right but the records"


def test_a_lane_that_has_just_begun_has_had_nothing(lake: Two) -> None:
    at = lake.lakes().watermark
    lake.write(Item(1, at, since=Since(at)))
    assert lake.found()[-3:] == ([], [], True)


@pytest.mark.parametrize("at", [mark("225", 0), mark("999", 0)])
def test_a_lane_that_stands_elsewhere_is_not_compared(lake: Two, at: str) -> None:
    lake.write(Item(1, at, records=7))
    one = lake.found()
    assert (one.holds, one.compared) == (True, False)
    assert one.notes[0] == "it begins or ends in the middle of a plan of the lake: not compared"


def test_what_a_lane_waits_for_and_left_out_is_told(lake: Two) -> None:
    lake.write(Item(1, START, stopped="other records", resolved=("skipped this",)))
    switches.change(lake.store, EPOCH, lambda said: said.said("hot", Switch("it is mended"), "Eve"))
    one = lake.found()
    assert one.holds
    assert one.notes == [
        "it is behind the lake",
        "paused: it is mended",
        "stopped, waits for `tailrace resolve --lane hot`: other records",
        "skipped this",
    ]


def ask(lake: Two, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    args = parser.parse_args(["--files", *arguments])
    args.settings = Settings(lake=Lake(uri=str(lake.root)), ledger=Ledger(path=str(lake.ledger_path)))
    return command.run(args)


def test_the_command_shows_lanes_and_answers_by_them(lake: Two, capsys: Told) -> None:
    item = same(lake)
    lake.write(item)
    assert ask(lake) == 0
    assert ", of 179 records, agrees with the lake\n" in capsys.readouterr().out
    assert ask(lake, "--json") == 0
    (one,) = json.loads(capsys.readouterr().out)["lanes"]
    assert (one["lane"], one["records"], one["compared"], one["holds"]) == ("hot", 179, True, True)


def test_a_lane_that_does_not_agree_is_a_verdict_against(lake: Two, capsys: Told) -> None:
    item = same(lake)
    lake.write(item._replace(records=1))
    assert ask(lake) == 1
    said = capsys.readouterr().out
    assert "! shard-0 hot: lanes: it has had 1 records where the lake committed 179" in said
    assert "1 findings" in said
