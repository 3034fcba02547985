"""The audit over a small real lake, whole and damaged in every way it must notice."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.small_lake import EPOCH, PAGE_VIEW, STREAM, SmallLake, lane, outcome, records
from tailrace.cli import audit as command
from tailrace.commit.audit import CHECKS, audit
from tailrace.commit.audit_report import Report
from tailrace.commit.batch import part_of
from tailrace.commit.plan import lane_key
from tailrace.nouns import Identity
from tailrace.settings import Lake, Ledger, Settings
from tailrace.sinks.lake.read import LakeReader


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[SmallLake]:
    made = SmallLake(tmp_path)
    yield made
    made.close()


def audited(lake: SmallLake) -> Report:
    return audit(lake.store, lake.place, LakeReader(), EPOCH, STREAM)


def checks(report: Report) -> set[str]:
    found = [*report.findings, *[finding for shard in report.shards for finding in shard.findings]]
    return {finding.check for finding in found}


def texts(report: Report) -> str:
    found = [*report.findings, *[finding for shard in report.shards for finding in shard.findings]]
    return "\n".join(finding.text for finding in found)


def commit_files(lake: SmallLake, shard: str) -> list[Path]:
    return lake.objects(f"_commits/{EPOCH}/{STREAM}/{shard}/")


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))


def change_item(lake: SmallLake, shard: str, change: Callable[[dict[str, Any]], None]) -> None:
    key = lane_key(Identity(STREAM, EPOCH, shard), "lake")
    found = lake.store.read(key)
    assert found is not None
    change(found[1])
    assert lake.store.swap(key, found[0], found[1]) is None


def store_rows(lake: SmallLake, shard: str, chain: int, change: Callable[[pa.Table], pa.Table]) -> int:
    """Change the rows of a plan's first object of events, and let commit file and ledger agree. Returns rows gained."""
    path = commit_files(lake, shard)[chain - 1]
    entry = next(e for e in json.loads(path.read_text())["objects"] if e["table"] == PAGE_VIEW.name)
    target = lake.root / entry["name"]
    table = pq.read_table(target, partitioning=None)
    changed = change(table)
    pq.write_table(changed, target)
    gained = changed.num_rows - table.num_rows

    def follow(raw: dict[str, Any]) -> None:
        data = target.read_bytes()
        mine = next(e for e in raw["objects"] if e["name"] == entry["name"])
        mine.update(rows=changed.num_rows, bytes=len(data), sha256=sha256(data).hexdigest())
        raw["stored"] += gained
        raw["received"] += gained

    def agree(item: dict[str, Any]) -> None:
        item["totals"]["stored"] += gained
        item["totals"]["received"] += gained

    rewrite(path, follow)
    change_item(lake, shard, agree)
    return gained


def test_a_whole_lake_holds_and_every_check_compared_something(lake: SmallLake) -> None:
    report = audited(lake)
    assert report.holds, texts(report)
    assert [(s.shard, s.chain, *s.events) for s in report.shards] == [
        ("shard-0", 3, 179, 161, 18, 0),
        ("shard-1", 2, 75, 67, 8, 0),
    ]
    for shard in report.shards:
        assert {check for check in CHECKS if shard.compared[check]} == CHECKS.keys() - {"strays"}


def test_an_altered_byte(lake: SmallLake) -> None:
    path = lake.objects("page_view/")[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    report = audited(lake)
    assert checks(report) == {"objects"}
    assert "SHA-256" in texts(report)
    assert path.name in texts(report)


@pytest.mark.parametrize("table", ["page_view/", "quarantine/"])
def test_a_deleted_object(lake: SmallLake, table: str) -> None:
    lake.objects(table)[0].unlink()
    report = audited(lake)
    assert checks(report) == {"objects"}
    assert "is not there" in texts(report)


def test_a_doubled_row_that_all_sums_agree_with(lake: SmallLake) -> None:
    gained = store_rows(lake, "shard-0", 2, lambda table: pa.concat_tables([table, table.slice(3, 1)]))
    assert gained == 1
    report = audited(lake)
    assert checks(report) == {"positions"}
    assert "1 rows repeat a row_id" in texts(report)
    assert "1 rows repeat a position" in texts(report)


def test_a_row_doubled_under_another_row_id(lake: SmallLake) -> None:
    def double(table: pa.Table) -> pa.Table:
        one = table.slice(0, 1).set_column(0, "row_id", pa.array(["f" * 32]))
        return pa.concat_tables([table, one])

    store_rows(lake, "shard-0", 1, double)
    report = audited(lake)
    assert checks(report) == {"positions"}
    assert "row_id" not in texts(report)


def test_a_row_of_another_plan(lake: SmallLake) -> None:
    def shift(table: pa.Table) -> pa.Table:
        positions = ["100001/0/0", *table["position"].to_pylist()[1:]]
        return table.set_column(table.schema.get_field_index("position"), "position", pa.array(positions))

    store_rows(lake, "shard-1", 2, shift)
    report = audited(lake)
    assert checks(report) == {"positions"}
    assert "outside its range: 100001/0" in texts(report)
    assert "digest of positions" in texts(report)


def test_a_lost_row_that_all_sums_agree_with(lake: SmallLake) -> None:
    assert store_rows(lake, "shard-1", 1, lambda table: table.slice(1)) == -1
    report = audited(lake)
    assert checks(report) == {"positions"}
    assert "records seen in rows: 29 is not 30" in texts(report)


def test_a_hole_where_a_plan_is_missing(lake: SmallLake) -> None:
    commit_files(lake, "shard-0")[1].unlink()
    report = audited(lake)
    assert checks(report) == {"commits", "sums", "strays"}
    assert "chain 2: its commit file is missing: a hole after 219/0" in texts(report)


def test_a_hole_between_two_plans(lake: SmallLake) -> None:
    def later(raw: dict[str, Any]) -> None:
        raw["after"] = raw["after"].replace("219", "221")

    rewrite(commit_files(lake, "shard-0")[1], later)
    report = audited(lake)
    assert checks(report) == {"ranges", "positions"}  # the rows before the new beginning lie outside
    assert "begins after 221/0, the one before ended at 219/0: a hole" in texts(report)


def test_an_overlap_of_two_plans(lake: SmallLake) -> None:
    def earlier(raw: dict[str, Any]) -> None:
        raw["after"] = raw["after"].replace("219", "210")

    rewrite(commit_files(lake, "shard-0")[1], earlier)
    report = audited(lake)
    assert checks(report) == {"ranges"}
    assert "an overlap" in texts(report)


def test_a_watermark_that_no_plan_reached(lake: SmallLake) -> None:
    change_item(lake, "shard-1", lambda item: item.update(watermark=item["watermark"].replace("574", "575")))
    assert checks(audited(lake)) == {"ranges"}


def test_counts_that_do_not_add_up(lake: SmallLake) -> None:
    rewrite(commit_files(lake, "shard-1")[0], lambda raw: raw.update(received=raw["received"] + 1))
    report = audited(lake)
    assert checks(report) == {"sums"}
    assert "chain 1: received against stored + rejected + filtered: 31 is not 30" in texts(report)


def test_a_ledger_that_counted_more(lake: SmallLake) -> None:
    change_item(lake, "shard-1", lambda item: item["totals"].update(received=80, stored=72))
    report = audited(lake)
    assert checks(report) == {"sums"}
    assert "stored, all commit files against the ledger: 67 is not 72" in texts(report)


def test_a_commit_file_of_another_shard(lake: SmallLake) -> None:
    rewrite(commit_files(lake, "shard-1")[0], lambda raw: raw.update(shard="shard-9"))
    assert checks(audited(lake)) == {"commits"}


def test_a_commit_file_that_is_none(lake: SmallLake) -> None:
    commit_files(lake, "shard-1")[1].write_text("[]")
    report = audited(lake)
    assert {"commits", "sums"} <= checks(report)
    assert "cannot be read" in texts(report)


def test_rows_that_nobody_committed(lake: SmallLake) -> None:
    known = lake.objects("page_view/")[0]
    stray = known.with_name(f"{EPOCH}-{STREAM}-shard-0-0000000009.parquet")
    stray.write_bytes(known.read_bytes())
    report = audited(lake)
    assert checks(report) == {"strays"}
    assert stray.name in texts(report)


def test_rows_of_a_shard_that_the_ledger_does_not_know(lake: SmallLake) -> None:
    known = lake.objects("page_view/")[0]
    known.with_name(f"{EPOCH}-{STREAM}-shard-7-0000000001.parquet").write_bytes(known.read_bytes())
    report = audited(lake)
    assert [finding.check for finding in report.findings] == ["strays"]
    assert all(shard.holds for shard in report.shards)


def test_an_uncommitted_object_without_rows_harms_nobody(lake: SmallLake) -> None:
    known = lake.objects("page_view/")[0]
    pq.write_table(PAGE_VIEW.schema.empty_table(), known.with_name(f"{EPOCH}-{STREAM}-shard-0-0000000001x.parquet"))
    pq.write_table(PAGE_VIEW.schema.empty_table(), known.with_name(f"{EPOCH}-{STREAM}-shard-0-0000000009.parquet"))
    assert audited(lake).holds


def test_objects_of_an_open_plan_are_no_finding(lake: SmallLake) -> None:
    """As a killed child leaves it: prepared and written, not committed."""

    class Killed(Exception):
        pass

    def no_commit_file(name: str, *rest: Any) -> bool:
        if name.startswith("_commits/"):
            raise Killed
        return created(name, *rest)

    created = lake.place.create
    lake.place.create = no_commit_file  # type: ignore[assignment, method-assign]
    open_lane = lane("shard-1", lake.store, lake.place)
    plan = records(575, 20)
    open_lane.add(part_of(plan), outcome("shard-1", plan), 0)
    with pytest.raises(Killed):
        open_lane.flush()
    open_lane.close()
    report = audited(lake)
    assert report.holds, texts(report)
    assert "chain 3 is open: 20 records up to 594/0" in report.shards[1].notes
    assert any("uncommitted objects" in note for note in report.shards[1].notes)


ACCEPTED = "chain 2: 11 records were planned; brought 10 records"


@pytest.mark.parametrize("flags", [(), ("--explain",), ("--json",)], ids=str)
def test_what_a_person_accepted_is_told(
    lake: SmallLake, flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    change_item(lake, "shard-1", lambda item: item.update(resolved=[ACCEPTED]))
    assert command.run(arguments(lake, *flags)) == 0
    assert capsys.readouterr().out.count(f"accepted by a person: {ACCEPTED}") == 1


def arguments(lake: SmallLake, *flags: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    args = parser.parse_args(["--files", *flags])
    args.settings = Settings(lake=Lake(uri=str(lake.root)), ledger=Ledger(path=str(lake.ledger_path)))
    return args


def test_the_command_prints_a_table_and_answers_0(lake: SmallLake, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(arguments(lake)) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["shard", "plans", "received", "stored", "rejected", "filtered", "verdict"]
    assert lines[1] == ["shard-0", "3", "179", "161", "18", "0", "holds"]
    assert lines[3] == ["all", "5", "254", "228", "26", "0", "holds"]
    assert " ".join(lines[4]) == "254 received = 228 stored + 26 rejected + 0 filtered: each exactly once."


def test_the_command_explains_every_check(lake: SmallLake, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(arguments(lake, "--explain")) == 0
    out = capsys.readouterr().out
    for check, meaning in CHECKS.items():
        assert out.count(f"{check:<10}{meaning}") == 2
    assert "179 = 161 + 18 + 0" in out
    assert "3 ranges, from the start to 278/0" in out


def test_the_command_answers_1_and_says_what(lake: SmallLake, capsys: pytest.CaptureFixture[str]) -> None:
    lake.objects("quarantine/")[0].unlink()
    assert command.run(arguments(lake)) == 1
    out = capsys.readouterr().out
    assert "DOES NOT HOLD" in out
    assert "! shard-0: objects: chain 1: quarantine/" in out
    assert out.splitlines()[-1] == "1 findings: the lake is not what the ledger says."


def test_the_command_speaks_json(lake: SmallLake, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(arguments(lake, "--json")) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["holds"] is True
    assert [(shard["received"], shard["stored"], shard["rejected"]) for shard in report["shards"]] == [
        (179, 161, 18),
        (75, 67, 8),
    ]


def expire(lake: SmallLake) -> list[Path]:
    gone = lake.objects("quarantine/")
    for path in gone:
        path.unlink()
    return gone


def test_rejects_that_may_have_expired_are_a_note(lake: SmallLake) -> None:
    gone = expire(lake)
    report = audit(lake.store, lake.place, LakeReader(), EPOCH, STREAM, expired_before="2027-01-16")
    assert report.holds, texts(report)
    notes = [note for shard in report.shards for note in shard.notes]
    assert sum(int(note.split()[0]) for note in notes) == len(gone)
    assert all(note.endswith("rows have expired") for note in notes)


@pytest.mark.parametrize("before", ["", "2027-01-15"])
def test_rejects_that_cannot_have_expired_are_missed(lake: SmallLake, before: str) -> None:
    expire(lake)
    report = audit(lake.store, lake.place, LakeReader(), EPOCH, STREAM, expired_before=before)
    assert checks(report) == {"objects"}


def test_stored_events_never_expire(lake: SmallLake) -> None:
    lake.objects("page_view/")[0].unlink()
    report = audit(lake.store, lake.place, LakeReader(), EPOCH, STREAM, expired_before="2099-01-01")
    assert checks(report) == {"objects"}


def test_what_is_left_beside_expired_rejects_is_still_compared(lake: SmallLake) -> None:
    expire(lake)
    for path in commit_files(lake, "shard-0"):
        rewrite(path, lambda raw: raw.update(rejected=raw["rejected"] + 1))
    report = audit(lake.store, lake.place, LakeReader(), EPOCH, STREAM, expired_before="2027-01-16")
    assert {"rows", "sums"} <= checks(report)
