"""The demo's act with files: what it drops is what it says, and its settings are the stream's but for the lake."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import aws, dropped
from local.screen import Screen
from local.standins import start_ministack
from tailrace import settings_load
from tailrace.commit.ledger_dynamodb import create_table


def test_the_files_are_as_large_as_is_said() -> None:
    assert dropped.scores(1).count(b"\r\n") == dropped.SCORES + 1
    assert dropped.lines().count(b"\n") == dropped.LINES
    assert dropped.scores(1) == dropped.scores(1) != dropped.scores(2)


def test_both_files_are_stored_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with start_ministack(tmp_path) as running:
        world = aws.World(str(tmp_path), running.url, running.url, running.url)
        create_table(world.dynamodb(), world.ledger)
        file = aws.settings(world)
        assert dropped.play(Screen(), world, file)
        after = settings_load.load(str(tmp_path / "dropped.toml"), {})
    assert after.lake.uri != world.lake
    said = capsys.readouterr().out
    assert "in/scores-1.csv: done, 1,000 received = 998 stored + 2 in quarantine" in said
    assert "Every row of both files is stored or in quarantine, once." in said
