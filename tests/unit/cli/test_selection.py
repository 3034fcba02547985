"""Which ledger a command looks into: each says in one line when there is none, or not this application's."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.small_lake import SmallLake
from tailrace.cli import main, selection
from tailrace.world import WorldDenied

COMMANDS = (("audit",), ("where", "a-1"), ("compact",), ("resolve",), ("quarantine", "stats"))


@pytest.mark.parametrize("command", COMMANDS)
def test_where_no_backfill_ran_no_ledger_is_made(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none.sqlite"
    environ = {"TAILRACE_LAKE_URI": str(tmp_path), "TAILRACE_LEDGER_PATH": str(path)}
    assert main([*command, "--files"], environ) == 2
    assert capsys.readouterr().err == f"tailrace: found no ledger at {path}: has a `backfill` run here?\n"
    assert not path.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_an_application_that_the_ledger_does_not_know(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = SmallLake(tmp_path)
    lake.close()
    environ = {
        "TAILRACE_LAKE_URI": str(lake.root),
        "TAILRACE_LEDGER_PATH": str(lake.ledger_path),
        "TAILRACE_KCL_APPLICATION": "other",
    }
    assert main([*command, "--files"], environ) == 2
    assert capsys.readouterr().err == "tailrace: the ledger knows no application `other`\n"


def test_a_ledger_that_says_no_is_told_with_where_a_backfill_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_store: object, _application: str) -> str:
        raise WorldDenied("no such table")

    monkeypatch.setattr(selection, "epoch_of", denied)
    assert main(["audit"], {"TAILRACE_LAKE_URI": str(tmp_path)}) == 77
    said = capsys.readouterr().err
    assert "no such table" in said
    assert said.endswith("(what `backfill` stored is found with --files)\n")
