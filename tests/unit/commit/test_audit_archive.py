"""The audit of a lake with an archive, whole and damaged in every way it must notice."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import fastavro
import pytest

from support.filed import Work
from tailrace.cli import main
from tailrace.commit.audit import audit
from tailrace.commit.audit_report import Report
from tailrace.commit.committed import epoch_of
from tailrace.commit.ledger_sqlite import SqliteLedger
from tailrace.sinks.lake.places.directory import DirectoryPlace
from tailrace.sinks.lake.read import LakeReader


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    monkeypatch.chdir(tmp_path)
    made = Work(tmp_path)
    made.environ |= {"TAILRACE_LAKE_RAW": "avro", "TAILRACE_LAKE_AVRO_CODEC": "none", "TAILRACE_VERDICTS_DROP": "page"}
    lines = [b'{"type":"page","n":1}', b'{"type":"page"}', b"no JSON"] * 20  # stored, filtered, rejected
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    assert made.backfill(tmp_path / "a.jsonl") == 0
    return made


def audited(work: Work, expired_before: str = "") -> Report:
    store = SqliteLedger(work.environ["TAILRACE_LEDGER_PATH"])
    try:
        epoch = epoch_of(store, "tailrace")
        assert epoch is not None
        place = DirectoryPlace(work.lake)
        return audit(store, place, LakeReader(), epoch, expired_before=expired_before)
    finally:
        store.close()


def texts(report: Report) -> str:
    found = [*report.findings, *[finding for shard in report.shards for finding in shard.findings]]
    return "\n".join(f"{finding.check}: {finding.text}" for finding in found)


def the_object(work: Work) -> Path:
    (found,) = work.lake.glob("raw/dt=*/hh=*/*.avro")
    return found


def change_commit(work: Work, change: Callable[[dict[str, Any]], None]) -> None:
    (path,) = work.lake.glob("_commits/*/*/*/*.json")
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))


def store_rows(work: Work, change: Callable[[list[Any]], list[Any]]) -> None:
    """Change the archive's rows, and let the commit file agree."""
    path = the_object(work)
    with path.open("rb") as source:
        reader = fastavro.reader(source)
        schema, rows = reader.writer_schema, change(list(reader))
    assert schema is not None
    with path.open("wb") as target:
        fastavro.writer(target, schema, rows)

    def follow(raw: dict[str, Any]) -> None:
        data = path.read_bytes()
        (mine,) = [one for one in raw["objects"] if one["table"] == "raw"]
        mine.update(rows=len(rows), bytes=len(data), sha256=sha256(data).hexdigest())

    change_commit(work, follow)


def test_a_whole_archive_holds_though_a_third_of_the_events_left_no_row(work: Work) -> None:
    report = audited(work)
    assert report.holds, texts(report)
    (shard,) = report.shards
    assert (shard.events, shard.totals.archived) == ((60, 20, 20, 20), 60)
    assert "60 records are archived as they came" in shard.notes


def test_a_lost_record(work: Work) -> None:
    store_rows(work, lambda rows: rows[:-1])
    report = audited(work)
    assert "rows: chain 1: archived records that are there: 59 is not 60" in texts(report)
    assert "positions: chain 1: digest of archived positions" in texts(report)


def test_another_record_in_its_place(work: Work) -> None:
    store_rows(work, lambda rows: [*rows[:-1], rows[-1] | {"sub": 1}])
    assert "digest of archived positions" in texts(audited(work))


def test_a_record_of_another_plan(work: Work) -> None:
    store_rows(work, lambda rows: [*rows[:-1], rows[-1] | {"sequence": "999999"}])
    assert "archived records outside its range: ['999999/0'] is not []" in texts(audited(work))


def test_a_record_without_a_position(work: Work) -> None:
    store_rows(work, lambda rows: [*rows[:-1], rows[-1] | {"sequence": None}])
    assert "its archive cannot be read: records without a position" in texts(audited(work))


def test_a_plan_that_says_it_archived_less_than_came(work: Work) -> None:
    change_commit(work, lambda raw: raw.update(archived=59))
    found = texts(audited(work))
    assert "sums: chain 1: archived records against its records: 59 is not 60" in found
    assert "sums: archived, all commit files against the ledger: 59 is not 60" in found


def test_an_archive_that_nobody_asked_for(work: Work) -> None:
    change_commit(work, lambda raw: raw["digests"].pop("raw"))
    assert "archived records against its records: 60 is not 0" in texts(audited(work))


def test_an_object_that_is_gone_unless_it_has_expired(work: Work) -> None:
    the_object(work).unlink()
    assert "is not there; it had 60 rows" in texts(audited(work))
    report = audited(work, expired_before="9999-01-01")
    assert report.holds, texts(report)
    (shard,) = report.shards
    assert "1 objects of the quarantine or the archive with 60 rows have expired" in shard.notes


def test_a_commit_file_from_before_there_was_an_archive(work: Work) -> None:
    change_commit(work, lambda raw: raw.pop("archived"))
    assert "archived records against its records: 0 is not 60" in texts(audited(work))


def test_the_archive_is_not_compacted(work: Work) -> None:
    for name in ("b.jsonl", "c.jsonl"):
        file = work.write(name, 10)
        os.utime(file, (1_700_000_000, 1_700_000_000))
        assert work.backfill(file) == 0
    before = {path: path.read_bytes() for path in work.lake.glob("raw/*/*/*.avro")}
    assert main(["compact", "--files", "--after", "0", "--least", "2"], work.environ) == 0
    assert {path: path.read_bytes() for path in work.lake.glob("raw/*/*/*.avro")} == before
    report = audited(work)
    assert report.holds, texts(report)


def test_nobody_looks_for_an_event_in_the_archive(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    the_object(work).unlink()
    capsys.readouterr()
    assert main(["where", "--files", "nobody"], work.environ) == 1
    assert "not found; read 2 objects" in capsys.readouterr().out
