"""`tailrace backfill` of an archive: a lake made anew by the command, audited, compacted, and searched."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from support.filed import Work
from tailrace import archived, files
from tailrace.cli import backfill, main


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    monkeypatch.chdir(tmp_path)
    made = Work(tmp_path / "first")
    made.environ["TAILRACE_LAKE_RAW"] = "avro"
    for number in range(4):
        file = made.write(f"{number}.jsonl", 30, first=100 * number)
        os.utime(file, (1_700_000_000, 1_700_000_000))
        assert made.backfill(file) == 0
    return made


def rebuilt(work: Work, **environ: str) -> Work:
    """Return another lake, with a ledger of its own and the same schemas."""
    other = Work(work.folder.parent / "second")
    other.environ |= environ
    return other


def events(work: Work, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return what the audit says."""
    capsys.readouterr()
    status = main(["audit", "--files", "--json"], work.environ)
    report = json.loads(capsys.readouterr().out)
    assert (status, report["holds"]) == (0, True), report
    return {one["shard"]: (one["received"], one["stored"], one["rejected"]) for one in report["shards"]}


def test_the_lake_is_made_anew_and_again_stores_nothing(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    other = rebuilt(work)
    assert other.backfill(work.lake / "raw") == 0
    assert "4 files in" in (out := capsys.readouterr().out)
    assert "120 events received" in out
    assert events(other, capsys) == events(work, capsys)
    assert other.backfill(work.lake / "raw") == 0
    assert "0 events received" in capsys.readouterr().out
    assert sorted(other.positions()) == sorted(work.positions())


def test_a_lake_is_not_made_anew_in_itself(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(work.lake.rglob("*.*"))
    work.environ["TAILRACE_LEDGER_PATH"] = str(work.folder / "other.sqlite")
    capsys.readouterr()
    assert work.backfill(work.lake) == 2
    said = capsys.readouterr().err
    assert f"found the archive of {work.environ['TAILRACE_LAKE_URI']} itself, expected another [lake] uri" in said
    assert sorted(work.lake.rglob("*.*")) == before


@pytest.mark.parametrize(
    ("lake", "refused"), [("s3://b/lake", True), ("s3://b/lake/", True), ("s3://b/lak", False), ("s3://b/anew", False)]
)
def test_a_lake_on_s3_is_known_by_its_address(lake: str, *, refused: bool) -> None:
    source = files.Source("s3://b/lake/raw/dt=2026-01-31/hh=08/e-s-1-0000000001.avro", 1, 1, BytesIO)
    _, archives = archived.parted([source])
    with pytest.raises(files.RefusedFile) if refused else nullcontext():
        backfill._refuse_own(archives, lake)


def test_a_rebuilt_lake_is_compacted_and_still_holds(
    work: Work, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archived, "CHUNK_RECORDS", 10)
    other = rebuilt(work, TAILRACE_FLUSH_ROWS="10")
    assert other.backfill(work.lake / "raw") == 0
    before = events(other, capsys)
    assert main(["compact", "--files", "--after", "0", "--least", "2"], other.environ) == 0
    assert "24 files" in capsys.readouterr().out
    assert events(other, capsys) == before


def test_one_of_several_epochs_is_chosen(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    epoch = next(work.lake.glob("raw/*/*/*.avro")).name.partition("-")[0]
    (work.folder / "ledger.sqlite").unlink()
    assert work.backfill(work.write("later.jsonl", 7)) == 0
    epochs = {one.name.partition("-")[0] for one in work.lake.glob("raw/*/*/*.avro")}
    assert len(epochs) == 2
    assert rebuilt(work).backfill(work.lake / "raw") == 1
    assert "choose one by --epoch, and set another [ledger] path for the other" in capsys.readouterr().err
    last = Work(work.folder.parent / "third")
    assert last.backfill(work.lake / "raw", "--epoch", epoch) == 0
    assert "4 files in" in (out := capsys.readouterr().out)
    assert "120 events received" in out
    assert last.backfill(work.lake / "raw", "--epoch", "other") == 2
    assert f"--epoch other: found {', '.join(sorted(epochs))}, expected objects" in capsys.readouterr().err


def test_files_of_both_kinds_at_once(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    other = rebuilt(work)
    assert other.backfill(work.lake / "raw", other.write("new.jsonl", 10)) == 0
    out = capsys.readouterr().out
    assert "5 files in" in out
    assert "130 events received" in out


def test_an_archive_that_is_no_more_whole_is_told_with_its_files(
    work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    other, names = rebuilt(work), sorted(work.lake.glob("raw/*/*/*.avro"))
    data = names[1].read_bytes()
    names[1].write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert other.backfill(work.lake / "raw") == 1
    out, err = capsys.readouterr()
    assert "3 files in" in out
    assert err.splitlines()[-2:] == ["not finished:", f"  {names[1].resolve().as_uri()}"]


def test_plans_that_have_no_file_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CHUNK_RECORDS", 10)
    first = Work(tmp_path / "first")
    first.environ |= {"TAILRACE_LAKE_RAW": "avro", "TAILRACE_FLUSH_ROWS": "10"}
    assert first.backfill(first.write("a.jsonl", 70)) == 0
    for chain in (2, 4, 5):
        next(first.lake.glob(f"raw/*/*/*-{chain:010d}.avro")).unlink()
    other = rebuilt(first)
    capsys.readouterr()
    assert other.backfill(first.lake / "raw") == 0
    out, err = capsys.readouterr()
    assert "40 events received" in out
    assert "no file of plan 2, 4 to 5: were they made without an archive?" in out + err


def test_only_the_archive_is_taken_of_a_folder_and_any_file_by_its_name(
    work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    other, (name, *_) = rebuilt(work), sorted(work.lake.glob("raw/*/*/*.avro"))
    elsewhere = work.folder / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(name, elsewhere)
    assert other.backfill(elsewhere) == 2
    assert "nor of an archive: raw/dt=/hh=/*.avro" in capsys.readouterr().err
    assert other.backfill(elsewhere / name.name) == 0
    assert "30 events received" in capsys.readouterr().out
    mine = elsewhere / "mine.avro"
    mine.write_bytes(b"")
    assert other.backfill(mine) == 2
    assert "expected an archive's object, which ends in a plan's number" in capsys.readouterr().err
