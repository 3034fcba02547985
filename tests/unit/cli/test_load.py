"""`tailrace load`: it says what is missing in one line, and what it did; the rest is the loader's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from support import small_lake
from support.small_lake import EPOCH, PAGE_VIEW, STREAM, commit, records
from support.warehouse import URI, House
from tailrace.cli import load, main
from tailrace.commit.ledger_sqlite import SqliteLedger
from tailrace.commit.plan import app_key
from tailrace.schema.book import QUARANTINE
from tailrace.sinks.redshift import plan

ENVIRON = {
    "TAILRACE_LAKE_URI": URI,
    "TAILRACE_REDSHIFT_WORKGROUP": "local",
    "TAILRACE_LOGS_FORMAT": "json",
}
VIEW = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": {"path": {}}}


class Work:
    """A ledger, a lake, a warehouse and the command."""

    def __init__(self, folder: Path, house: House, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.house, self._capsys = folder, house, capsys
        schema = folder / "schemas" / "page_view" / "1-0-0.json"
        schema.parent.mkdir(parents=True)
        schema.write_text(json.dumps(VIEW))
        self.environ = ENVIRON | {
            "TAILRACE_SCHEMAS_PATH": str(folder / "schemas"),
            "TAILRACE_LEDGER_PATH": str(folder / "ledger.sqlite"),
            "TAILRACE_AWS_REDSHIFT_ENDPOINT": house.server.url,
        }

    def run(
        self, *options: str, status: int = 0, environ: Mapping[str, str] = MappingProxyType({}), files: bool = True
    ) -> str:
        """Run the command; return what it said, on the other stream where it did not do it."""
        assert main(["load", *(["--files"] if files else []), *options], {**self.environ, **environ}) == status
        said = self._capsys.readouterr()
        return said.err if status else said.out


@pytest.fixture
def work(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    store = SqliteLedger(tmp_path / "ledger.sqlite")
    house = House(store)
    monkeypatch.setattr(load, "place_of", lambda settings: house.place)
    with house.server:
        yield Work(tmp_path, house, capsys)
    store.close()


def test_it_says_what_it_brought_and_then_that_there_is_nothing(work: Work) -> None:
    work.house.furnish({"page_view/v1": PAGE_VIEW, "quarantine": QUARANTINE}, widths={"path": 6})
    commit("shard-0", work.house.store, work.house.place, [records(996, 4), records(1001, 3)])
    assert work.run().splitlines() == [
        f"{'page_view/v1':<40}{7:>12}",
        "to the warehouse's quarantine, since its columns do not hold them: 3 width",
        "7 rows in 1 transaction",
    ]
    assert work.run() == "Nothing to load.\n"
    commit("shard-0", work.house.store, work.house.place, [records(1004, 1)])
    assert json.loads(work.run("--json"))["rejected"] == {"width": 1}
    assert work.house.rows("SELECT count(*) FROM tailrace.page_view_v1") == [(4,)]
    assert work.house.rows("SELECT count(*) FROM tailrace.quarantine WHERE stage = 'load'") == [(4,)]


def test_rows_that_do_not_fit_and_have_no_quarantine_keep_their_load_out(work: Work) -> None:
    work.house.furnish(widths={"path": 1})
    commit("shard-0", work.house.store, work.house.place, [records(996, 2)])
    assert "rows that do not fit have no place: column 2: found" in work.run(status=1)
    assert work.house.rows("SELECT count(*) FROM tailrace.page_view_v1") == [(0,)]


def test_what_keeps_rows_out_is_an_exit_status_of_1(work: Work) -> None:
    commit("shard-0", work.house.store, work.house.place, [records(1, 2)])
    work.house.service.engine.transaction(['CREATE SCHEMA IF NOT EXISTS "tailrace"'])
    said = work.run(status=1).splitlines()
    assert said[-1].startswith("tailrace: page_view/v1: found no table tailrace.page_view_v1")


def test_a_warehouse_that_refuses_is_told(work: Work) -> None:
    commit("shard-0", work.house.store, work.house.place, [records(1, 2)])
    assert main(["load", "--files"], work.environ) == 1
    said = work._capsys.readouterr()
    assert "could not be made in the schema tailrace, which `tailrace ddl redshift` prints: " in said.err
    assert (said.err.count("\n"), said.out) == (1, "Nothing was loaded.\n")


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"TAILRACE_REDSHIFT_WORKGROUP": ""}, "expected one of them"),
        ({"TAILRACE_REDSHIFT_CLUSTER": "c"}, "expected one of them"),
        ({"TAILRACE_LAKE_URI": "lake"}, "COPY reads from S3"),
        ({"TAILRACE_KCL_APPLICATION": "another"}, "the ledger knows no application `another`"),
        ({"TAILRACE_REDSHIFT_IAM_ROLE": "me"}, "expected arn:aws:iam"),
        ({"TAILRACE_REDSHIFT_SCHEMA": "A"}, "expected a small letter"),
    ],
)
def test_what_is_missing_is_said_in_one_line(work: Work, environ: dict[str, str], said: str) -> None:
    text = work.run(status=2, environ=environ)
    assert said in text
    assert text.count("\n") == 1


def test_a_loader_that_was_killed_can_be_taken_over(work: Work) -> None:
    work.house.furnish()
    commit("shard-0", work.house.store, work.house.place, [records(1, 3)])
    key = f"load/{EPOCH}/local/dev/tailrace"
    assert work.house.store.swap(key, 0, plan.to_dict(plan.Item(1, "dead", 1 << 50))) is None
    assert "dead has the warehouse" in work.run(status=75)
    assert "3 rows in 1 transaction\n" in work.run("--take-over")


@pytest.fixture
def both(work: Work, monkeypatch: pytest.MonkeyPatch) -> Work:
    """A lake with an epoch of the stream's and one of the drops'."""
    monkeypatch.setattr(load, "ledger_of", lambda settings, file_run: work.house.store)
    work.environ["TAILRACE_STREAM_NAME"] = STREAM
    work.house.furnish({"page_view/v1": PAGE_VIEW, "quarantine": QUARANTINE})
    commit("shard-0", work.house.store, work.house.place, [records(1, 3)])
    assert work.house.store.swap(app_key("drops/tailrace"), 0, {"epoch": "d0"}) is None
    monkeypatch.setattr(small_lake, "STREAM", "drops")
    monkeypatch.setattr(small_lake, "EPOCH", "d0")
    commit("file-a", work.house.store, work.house.place, [records(11, 5)])
    return work


LANDED = "SELECT epoch, stream, chain, committed FROM tailrace.load_ledger ORDER BY ALL"


def test_a_plain_load_brings_what_the_stream_and_what_drops_brought(both: Work) -> None:
    assert "8 rows in 2 transactions" in both.run(files=False)
    assert both.house.rows(LANDED) == [(EPOCH, STREAM, 1, 3), ("d0", "drops", 1, 5)]
    assert both.run(files=False) == "Nothing to load.\n"
    assert both.house.rows("SELECT count(*) FROM tailrace.page_view_v1") == [(8,)]


def test_only_what_drops_stored(both: Work) -> None:
    assert "5 rows in 1 transaction\n" in both.run("--drops", files=False)
    assert both.house.rows(LANDED) == [("d0", "drops", 1, 5)]
    said = both.run("--drops", files=False, status=2, environ={"TAILRACE_KCL_APPLICATION": "other"})
    assert said == "tailrace: the ledger knows no application `drops/other`\n"


def test_what_lies_in_another_lake_is_left_out(both: Work) -> None:
    key = app_key("drops/tailrace")
    assert both.house.store.swap(key, 1, {"epoch": "d0", "lake": "s3://other/lake"}) is None
    assert "3 rows in 1 transaction\n" in both.run(files=False)
    assert both.house.rows(LANDED) == [(EPOCH, STREAM, 1, 3)]
    said = both.run("--drops", files=False, status=2)
    assert said == f"tailrace: [lake] uri: found {URI}, expected s3://other/lake, where `drops/tailrace` stores\n"


def test_a_loader_at_work_keeps_only_its_own_epoch(both: Work) -> None:
    held = plan.to_dict(plan.Item(1, "other", 1 << 50))
    assert both.house.store.swap(f"load/{EPOCH}/local/dev/tailrace", 0, held) is None
    assert "other has the warehouse for" in both.run(files=False, status=75)
    assert both.house.rows(LANDED) == [("d0", "drops", 1, 5)]


def test_what_is_gone_for_good_keeps_its_shard_waiting_until_a_person_accepts(work: Work) -> None:
    work.house.furnish({"page_view/v1": PAGE_VIEW, "quarantine": QUARANTINE})
    commit("shard-0", work.house.store, work.house.place, [records(1, 3), records(11, 5)])
    stored: Any = getattr(work.house.place, "objects")  # noqa: B009  the memory's own
    lost = next(name for name in stored if name.startswith("page_view"))
    del stored[lost]
    said = work.run(status=1)
    assert said.startswith(f"tailrace: page_view/v1: {lost}: found no object, expected ")
    assert said.endswith("`--accept-missing` passes over it\n")
    assert work.house.rows(LANDED) == []
    file = work.folder / "load.prom"
    assert work.run("--accept-missing", "--metrics", str(file)).splitlines() == [
        f"{'page_view/v1':<40}{5:>12}",
        "passed over, gone for good: 3 rows of page_view/v1",
        "5 rows in 1 transaction",
    ]
    assert work.house.rows("SELECT chain, committed, missing, copied FROM tailrace.load_ledger") == [(2, 5, 3, 5)]
    told = [line.split() for line in file.read_text().splitlines() if line.startswith("tailrace_run_rows{")]
    assert {kind.split('"')[-2]: rows for kind, rows in told} == {"landed": "5.0", "rejected": "0.0", "missing": "3.0"}
    assert work.run() == "Nothing to load.\n"


def test_what_is_damaged_is_not_passed_over(work: Work) -> None:
    work.house.furnish({"page_view/v1": PAGE_VIEW, "quarantine": QUARANTINE})
    commit("shard-0", work.house.store, work.house.place, [records(1, 3)])
    stored: Any = getattr(work.house.place, "objects")  # noqa: B009  the memory's own
    name = next(name for name in stored if name.startswith("page_view"))
    stored[name] = stored[name]._replace(data=b"PAR1")
    assert "found 4 bytes, expected" in work.run("--accept-missing", status=1)
