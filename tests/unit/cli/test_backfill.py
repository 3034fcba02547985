"""`tailrace backfill`: run twice, or cut off and run again, it stores once."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.filed import Work
from tailrace import files
from tailrace.nouns import Redriven
from tailrace.rows.redriven import wrap


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    monkeypatch.chdir(tmp_path)
    return Work(tmp_path)


def test_every_line_is_stored_or_rejected(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    assert work.backfill(work.write("a.jsonl", 100)) == 0
    out = capsys.readouterr().out
    assert "1 file in" in out
    assert "100 events received" in out
    assert "90 stored    page 90" in out
    assert "10 rejected  (unknown): parse json 10" in out
    assert work.audit() == 0


def test_what_is_filtered_is_told_with_its_reason(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    work.environ["TAILRACE_VERDICTS_DROP"] = "page"
    work.environ["TAILRACE_CONTRACT_UNKNOWN_TYPES"] = "drop"
    events = [{"type": "page", "n": 1}, {"type": "page", "n": "one"}, {"type": "nobody"}]
    file = work.folder / "a.jsonl"
    file.write_text("\n".join(map(json.dumps, events)))
    assert work.backfill(file) == 0
    assert "2 filtered  page: schema 1, (unknown): unknown_type 1" in capsys.readouterr().out
    assert work.audit() == 0


def test_events_that_come_again_are_left_out_and_told(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    work.environ["TAILRACE_DEDUP_BY"] = "event_id"
    mended = wrap(Redriven("f" * 32, "e" * 32), b'{"type":"page","n":1}')
    events = [json.dumps({"type": "page", "n": 1, "id": name}).encode() for name in ("a", "b", "a")]
    file = work.folder / "a.jsonl"
    file.write_bytes(b"\n".join([*events, mended, mended]))
    assert work.backfill(file) == 0
    assert "2 filtered  page: duplicate 1, page: redriven 1" in capsys.readouterr().out
    assert len(work.positions()) == 3
    assert work.backfill(file) == 0
    assert len(work.positions()) == 3
    assert work.audit() == 0


def test_twice_is_nothing_new(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    path = work.write("a.jsonl", 100)
    assert work.backfill(path) == 0
    before = {p: p.read_bytes() for p in work.lake.rglob("*.parquet")}
    capsys.readouterr()
    os.utime(path)  # a copy with a new date brings the same rows
    assert work.backfill(path) == 0
    out = capsys.readouterr().out
    assert "0 events received" in out
    assert "100 records were stored by an earlier run and skipped" in out
    assert {p: p.read_bytes() for p in work.lake.rglob("*.parquet")} == before


def test_a_file_that_is_named_twice_is_stored_once(work: Work) -> None:
    path = work.write("a.jsonl", 20)
    assert work.backfill(path, path) == 0
    assert len(work.positions()) == 20


def test_gzip_gives_the_rows_of_the_plain_file(work: Work) -> None:
    assert work.backfill(work.write("a.jsonl.gz", 50), work.write("b.jsonl", 50)) == 0
    shards: dict[str, list[str]] = {}
    for row in work.positions():
        shard, _, position = row.partition(" ")
        shards.setdefault(shard, []).append(position)
    one, other = shards.values()
    assert sorted(one) == sorted(other)
    assert work.audit() == 0


def test_a_folder_grows(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    work.write("in-a.jsonl", 30)
    (work.folder / "in").mkdir()
    (work.folder / "in-a.jsonl").rename(work.folder / "in" / "a.jsonl")
    assert work.backfill("in") == 0
    work.write("in/b.jsonl.gz", 30, first=100)
    capsys.readouterr()
    assert work.backfill("in") == 0
    assert "2 files in" in (out := capsys.readouterr().out)
    assert "30 events received" in out
    assert len(work.positions()) == 60


def test_a_typing_error_in_a_path_is_one_line_and_status_2(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    assert work.backfill("nowhere.jsonl") == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "tailrace: nowhere.jsonl: no such file or directory\n"
    assert not work.lake.exists()


def test_no_lake_is_one_line_and_status_2(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    del work.environ["TAILRACE_LAKE_URI"]
    assert work.backfill(work.write("a.jsonl", 1)) == 2
    assert "[lake] uri is not set" in capsys.readouterr().err


def test_a_file_that_has_grown_is_refused_until_it_is_wanted_again(
    work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    path = work.write("a.jsonl", 5)
    small, other = path.stat().st_size, work.write("b.jsonl", 3)
    assert work.backfill(path) == 0
    work.write("a.jsonl", 6)
    capsys.readouterr()
    assert work.backfill(path, other) == 1
    out, err = capsys.readouterr()
    assert "1 file in" in out
    assert "3 events received" in out
    told, *listed = err.splitlines()
    assert told.startswith(f"tailrace: {path.as_uri()}: it has {path.stat().st_size} bytes now and had {small} when")
    assert "--again" in told
    assert listed == ["not finished:", f"  {path.as_uri()}"]
    assert len(work.positions()) == 8
    assert work.backfill("--again", path) == 0
    assert len(work.positions()) == 14
    assert work.backfill(path) == 0  # this size is known by now
    assert len(work.positions()) == 14
    assert work.audit() == 0


@pytest.mark.parametrize("spoil", [lambda data: data[:-20], lambda data: b"\x1f\x8b no gzip", lambda data: data[:-8]])
def test_a_damaged_file_does_not_keep_the_others_out(
    work: Work, spoil: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    path = work.write("a.jsonl.gz", 50)
    whole = path.read_bytes()
    path.write_bytes(spoil(whole))
    assert work.backfill(path, work.write("b.jsonl", 10)) == 1
    out, err = capsys.readouterr()
    assert "1 file in" in out
    assert "10 events received" in out
    told, *listed = err.splitlines()
    assert told.startswith(f"tailrace: {path.as_uri()}: ")
    assert listed == ["not finished:", f"  {path.as_uri()}"]
    path.write_bytes(whole)  # nothing of it was committed: the whole one is no other file
    assert work.backfill(path) == 0
    assert len(work.positions()) == 60
    assert work.audit() == 0


def test_what_was_committed_of_a_damaged_file_stays_and_counts(
    work: Work, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(files, "READ_BYTES", 50_000)
    work.environ["TAILRACE_FLUSH_ROWS"] = "5000"
    path = work.write("a.jsonl.gz", 30_000)
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    assert work.backfill(path) == 1
    stored = len(work.positions())
    assert 0 < stored < 30_000
    assert work.backfill(path) == 1
    assert len(work.positions()) == stored
    path.write_bytes(whole)
    capsys.readouterr()
    assert work.backfill(path) == 1
    assert "--again" in capsys.readouterr().err
    assert work.audit() == 0


def test_a_file_that_may_not_be_read_does_not_keep_the_others_out(
    work: Work, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, other = work.write("a.jsonl", 10), work.write("b.jsonl", 10)
    whole = Path.open

    def refusing(self: Path, *args: Any, **kwargs: Any) -> Any:  # root may read everything
        if self.name == "a.jsonl":
            raise PermissionError(13, "Permission denied", str(self))
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refusing)
    assert work.backfill(path, other) == 1
    assert "Permission denied" in capsys.readouterr().err.splitlines()[0]
    assert len(work.positions()) == 10


def test_a_line_beyond_the_limit_is_one_reject(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    work.environ["TAILRACE_LIMITS_EVENT_BYTES_MAX"] = "2000"
    path = work.folder / "a.jsonl"
    path.write_bytes(b'{"type":"page","n":1}\n{"type":"page","n":"' + b"x" * 5000 + b'"}\n{"type":"page","n":2}\n')
    assert work.backfill(path) == 0
    out = capsys.readouterr().out
    assert "2 stored" in out
    assert "decode size 1" in out
    assert work.audit() == 0


def test_an_s3_that_stays_away_is_one_line_and_status_75(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    work.environ |= {
        "TAILRACE_AWS_S3_ENDPOINT": "http://127.0.0.1:9",
        "TAILRACE_WORLD_PATIENCE_S": "1",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "x")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        assert work.backfill("s3://bucket/in/") == 75
    waits, last = capsys.readouterr().err.splitlines()
    assert waits.startswith("waiting: list s3://bucket/in/: ")
    assert last.startswith("tailrace: list s3://bucket/in/: ")


def test_a_ledger_belongs_to_one_lake(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    path = work.write("a.jsonl", 10)
    work.environ["TAILRACE_LAKE_URI"] = "lake"
    assert work.backfill(path) == 0
    work.environ["TAILRACE_LAKE_URI"] = str(work.lake)  # the same one
    assert work.backfill(path) == 0
    work.environ["TAILRACE_LAKE_URI"] = str(work.folder / "other")
    capsys.readouterr()
    assert work.backfill(path) == 2
    err = capsys.readouterr().err
    assert f"the lake {work.lake}, not in {work.folder / 'other'}" in err
    assert "TAILRACE_LEDGER_PATH" in err
    assert err.count("\n") == 1
    assert not (work.folder / "other").exists()
    work.environ["TAILRACE_LEDGER_PATH"] = str(work.folder / "other.sqlite")
    assert work.backfill(path) == 0
    assert (work.folder / "other").exists()


def test_a_run_that_is_killed_again_and_again_stores_once_what_a_whole_run_stores(work: Work) -> None:
    path = work.write("a.jsonl", 12_000)
    kills = 0
    for commits in (1, 3, 6):
        run = subprocess.Popen(
            [sys.executable, "-m", "tailrace", "backfill", "--quiet", str(path)],
            env={**os.environ, **work.environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            while run.poll() is None and len(list(work.lake.rglob("*.json"))) < commits:
                time.sleep(0.002)
            kills += run.poll() is None
            run.send_signal(signal.SIGKILL)
        finally:
            _, err = run.communicate()
        assert run.returncode in {0, -signal.SIGKILL}, err
    assert kills >= 1, "the runs were over before they could be killed"
    assert work.backfill(path) == 0
    found = work.positions()
    assert len(found) == len(set(found)) == 12_000
    assert work.audit() == 0


def csv_of(work: Work, name: str, rows: int) -> Path:
    """Write a file of CSV in which every tenth row has a broken quote."""
    lines = ["n,timestamp", *(f'{n},"' if n % 10 == 9 else f'{n},"2026-01-31T00:00:00Z"' for n in range(rows))]
    work.environ["TAILRACE_CSV_COLUMNS"] = "n=n:integer"
    work.environ["TAILRACE_CSV_EVENT_TYPES"] = "*=page"
    work.environ["TAILRACE_CONTRACT_EVENT_TYPE"] = "type"
    path = work.folder / name
    data = "\r\n".join(lines).encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_rows_of_csv_are_stored_once(work: Work, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = csv_of(work, name, 100)
    assert work.backfill(file) == 0
    out = capsys.readouterr().out
    assert "90 stored    page 90" in out
    assert "10 rejected  (unknown): decode csv 10" in out
    assert work.backfill(file) == 0
    assert "100 records were stored by an earlier run and skipped" in capsys.readouterr().out
    assert work.audit() == 0
    positions = work.positions()
    assert len(positions) == len(set(positions)) == 100


def test_a_csv_without_its_required_column_is_refused_whole(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    file = csv_of(work, "a.csv", 100)
    work.environ |= {"TAILRACE_CSV_REQUIRED": "price", "TAILRACE_CSV_ESCAPE": "^"}
    assert work.backfill(file) == 1
    said = capsys.readouterr()
    assert 'a.csv: it lacks the required column "price"; found "n", "timestamp"' in said.err
    assert "0 events received" in said.out
    del work.environ["TAILRACE_CSV_REQUIRED"], work.environ["TAILRACE_CSV_ESCAPE"]
    assert work.backfill(file) == 0
    assert "90 stored" in capsys.readouterr().out
    assert work.backfill(file) == 0


def test_a_csv_that_was_begun_under_another_dialect_is_not_gone_on_with(
    work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    file = csv_of(work, "a.csv", 100)
    assert work.backfill(file) == 0
    work.environ["TAILRACE_CSV_QUOTE"] = "'"
    assert work.backfill(file) == 1
    assert "it was begun under another [csv] delimiter, quote" in capsys.readouterr().err
    assert work.audit() == 0
