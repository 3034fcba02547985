"""One file through a shard of its own: whatever ends the work, the next try goes on where a plan was committed."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tailrace import files
from tailrace.commit.ledger_sqlite import SqliteLedger
from tailrace.commit.plan import Counts
from tailrace.edition import load as load_edition
from tailrace.files import DamagedFile, RefusedFile, Source, UnfinishedFile
from tailrace.filing import Begun, Filing, Stopped
from tailrace.nouns import Outcome, Record
from tailrace.ops.clock import SystemClock
from tailrace.rows.pipeline import Pipeline
from tailrace.settings_load import load
from tailrace.sinks.lake.places.directory import DirectoryPlace
from tailrace.world import WorldDenied

ROWS = 30
NAME = "drop-1"


class Full(DirectoryPlace):
    """A folder that takes no object while it is `full`."""

    full = False

    def create(self, name: str, body: Any, meta: Any) -> bool:
        if self.full:
            raise WorldDenied("the disk is full")
        return super().create(name, body, meta)


class Work:
    def __init__(self, folder: Path, **settings: str) -> None:
        (folder / "schemas" / "row").mkdir(parents=True)
        (folder / "schemas" / "row" / "1.json").write_text(json.dumps({"type": "object"}))
        lake = {"TAILRACE_LAKE_URI": str(folder / "lake"), "TAILRACE_SCHEMAS_PATH": str(folder / "schemas")}
        self.settings = load(None, lake | {"TAILRACE_CSV_EVENT_TYPES": "*=row"} | settings)
        self.store, self.place = SqliteLedger(folder / "ledger.sqlite"), Full(folder / "lake")
        self.said: list[str] = []
        self.filing = Filing(
            self.settings,
            load_edition(self.settings),
            stream="drops",
            epoch="e",
            store=self.store,
            place=self.place,
            clock=SystemClock(),
            claims=None,
            say=self._say,
        )

    def _say(self, what: str, /, **facts: object) -> None:
        self.said.append(what)

    def bring(
        self, source: Source, *, stop_after: int = 10**9, keep: bool = False, positions: str | None = None
    ) -> None:
        """Bring a file in; Stopped after so many chunks."""
        left = stop_after

        def step(done: int) -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                raise Stopped

        begun = Begun(5, self.filing.positions(source) if positions is None else positions)
        self.filing.bring(source, NAME, begun, step, keep=keep)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    monkeypatch.setattr(files, "CHUNK_RECORDS", 10)
    return Work(tmp_path)


def source(data: bytes, uri: str = "s3://b/a.csv") -> Source:
    return Source(uri, len(data), 5, lambda: io.BytesIO(data))


FILE = source(b"n\n" + b"".join(b"%d\n" % n for n in range(ROWS)))


def test_a_stop_commits_what_was_read_and_the_next_goes_on(work: Work) -> None:
    with pytest.raises(Stopped):
        work.bring(FILE, stop_after=2)
    assert work.filing.totals(NAME) == Counts(20, 20, 0, 0)
    work.bring(FILE)
    assert work.filing.totals(NAME) == Counts(ROWS, ROWS, 0, 0)


def test_a_stop_before_the_end_of_an_open_plan_leaves_it_open(work: Work) -> None:
    work.place.full = True
    with pytest.raises(WorldDenied):
        work.bring(FILE)
    work.place.full = False
    assert work.filing.begun(NAME)  # a plan of all the rows is open
    with pytest.raises(Stopped):
        work.bring(FILE, stop_after=1)
    assert "stopped" not in work.said
    work.bring(FILE)
    assert work.filing.totals(NAME) == Counts(ROWS, ROWS, 0, 0)


@pytest.mark.parametrize(("keep", "rows"), [(True, 15), (False, 0)])
def test_of_a_damaged_file_what_comes_before_the_damage_is_kept_where_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: bool, rows: int
) -> None:
    work = Work(tmp_path)
    good = gzip.compress(b"n\n" + b"".join(b"%d\n" % n for n in range(15)), mtime=0)
    damaged = source(good + b"no gzip", "s3://b/a.csv.gz")
    with pytest.raises(DamagedFile, match="Not a gzipped file"):
        work.bring(damaged, keep=keep)
    assert work.filing.totals(NAME).received == rows
    assert work.filing.untouched == (not rows)
    with pytest.raises(DamagedFile):
        work.bring(damaged, keep=keep)
    assert work.filing.totals(NAME).received == rows


def test_a_refused_file_leaves_nothing(work: Work) -> None:
    with pytest.raises(RefusedFile, match='its header names "n" twice'):
        work.bring(source(b"n,n\n1,2\n"))
    assert work.filing.untouched
    assert not work.filing.begun(NAME)
    assert work.filing.totals("never seen") == Counts()


def test_another_dialect_does_not_go_on(work: Work) -> None:
    work.bring(FILE, positions="another")
    assert work.filing.totals(NAME).received == ROWS  # nothing was begun then
    with pytest.raises(UnfinishedFile, match="begun under another"):
        work.bring(FILE, positions="another")


def test_only_csv_has_positions_of_its_own(work: Work) -> None:
    assert work.filing.positions(source(b"", "s3://b/a.jsonl.gz")) == ""
    assert work.filing.positions(source(b"", "s3://b/a.tsv.gz")) != ""


def test_a_record_that_our_own_code_fails_on_is_alone_in_quarantine_in_the_end(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Pipeline.__call__

    def fails(pipeline: Pipeline, records: Sequence[Record]) -> Outcome:
        if any(b'"17"' in record.data for record in records):
            raise ZeroDivisionError
        return real(pipeline, records)

    monkeypatch.setattr(Pipeline, "__call__", fails)
    tries = 0
    while True:
        tries += 1
        try:
            work.bring(FILE)
            break
        except ZeroDivisionError:
            assert tries < 5
    assert tries == 4
    assert work.filing.totals(NAME) == Counts(ROWS, ROWS - 1, 1, 0)
    assert work.said.count("poison") == 1
