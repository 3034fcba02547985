"""`tailrace compact` over a small real lake."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.small_lake import EPOCH, SmallLake
from tailrace.cli import audit, compact, where
from tailrace.commit.compaction import Input, TableItem, Work, item_to_dict, table_key
from tailrace.ops.clock import SystemClock
from tailrace.settings import Lake, Ledger, Settings, SettingsError

LATER_MS = 1_900_000_000_000  # 2030: every hour of the small lake is over


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallLake]:
    monkeypatch.setattr(SystemClock, "now_ms", lambda _self: LATER_MS)
    made = SmallLake(tmp_path)
    yield made
    made.close()


def ask(lake: SmallLake, command: object, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)  # type: ignore[attr-defined]
    args = parser.parse_args(["--files", *arguments])
    args.settings = Settings(lake=Lake(uri=str(lake.root)), ledger=Ledger(path=str(lake.ledger_path)))
    return int(command.run(args))  # type: ignore[attr-defined]


def test_what_it_does_and_what_it_says(lake: SmallLake, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(lake, compact, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "quarantine/dt=2027-01-15/stage=parse: 5 files" in said
    assert said.endswith("10 files of 0.0 MiB would become 2.\n")
    assert not lake.objects("_compactions")
    told = lake.root.parent / "compact.prom"
    assert ask(lake, compact, "--metrics", str(told)) == 0
    assert "10 files of 0.0 MiB became 2: 254 rows" in capsys.readouterr().out
    assert 'tailrace_run_rows{command="compact",kind="compacted"} 254.0\n' in told.read_text()
    assert ask(lake, compact) == 0
    assert capsys.readouterr().out == "Nothing to compact: no hour that is over has 4 small files of a table.\n"


def test_an_audit_holds_and_an_event_is_found_with_its_own_plan(
    lake: SmallLake, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(lake, compact, "--table", "page_view/v1") == 0
    assert ask(lake, audit) == 0
    assert "compactions: 1, which hold 228 rows" in capsys.readouterr().out
    for event_id, chain in (("shard-0-213", 1), ("shard-0-221", 2), ("shard-1-531", 2)):
        assert ask(lake, where, event_id, "--json") == 0
        (line,) = capsys.readouterr().out.splitlines()
        found = json.loads(line)
        assert (found["plan"]["chain"], found["record"]["shard"]) == (chain, event_id.rpartition("-")[0])
        assert "-compacted-" in found["object"]["name"]


@pytest.mark.parametrize(
    ("damage", "found"),
    [("gone", "is not there"), ("another", "has other bytes"), ("file", "is missing: what it replaced cannot be told")],
)
def test_an_audit_tells_what_is_wrong_with_a_compaction(
    lake: SmallLake, capsys: pytest.CaptureFixture[str], damage: str, found: str
) -> None:
    assert ask(lake, compact) == 0
    (path,) = [one for one in lake.objects("page_view/") if "-compacted-" in one.name]
    match damage:
        case "gone":
            path.unlink()
        case "another":
            path.write_bytes(lake.objects("quarantine/")[0].read_bytes())
        case _:
            lake.objects("_compactions/")[0].unlink()
    capsys.readouterr()
    assert ask(lake, audit) == 1
    said = capsys.readouterr().out
    assert found in said
    wrong = [line for line in said.splitlines() if line.startswith("!")]
    if damage != "file":  # the other compaction is sound, and nothing is said of it
        assert not any("quarantine/" in line for line in wrong)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--least", "1", "--least: found 1, expected 2 files or more"),
        ("--target-mb", "0", "--target-mb: found 0, expected 1 MB or more"),
        ("--after", "-1", "--after: found -1.0, expected hours, 0 to 8760"),
        ("--after", "nan", "--after: found nan, expected hours, 0 to 8760"),
        ("--table", "page", "--table: found 'page', expected a table with files in the lake: page_view/v1, quarantine"),
    ],
)
def test_what_says_nothing_is_refused(lake: SmallLake, option: str, value: str, expected: str) -> None:
    with pytest.raises(SettingsError, match=f"^{re.escape(expected)}$"):
        ask(lake, compact, option, value)
    assert not lake.objects("_compactions")


def test_a_compaction_whose_inputs_never_were_is_ended_as_one_of_nothing(
    lake: SmallLake, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = "click/v1/dt=2027-01-15/hh=12"
    names = (f"{folder}/{EPOCH}-compacted-0000000001.parquet", f"_compactions/{EPOCH}/click/v1/0000000001.json")
    work = Work(1, 1, (Input(f"{folder}/a.parquet", 1, 1, "0", 1, 1),), names)
    assert lake.store.swap(table_key(EPOCH, "click/v1"), 0, item_to_dict(TableItem(1, plan=work))) is None
    assert ask(lake, compact) == 0
    assert "a.parquet is gone" in capsys.readouterr().out
    assert ask(lake, audit) == 0
