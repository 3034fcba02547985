"""The demo's compaction, over a lake that `backfill` makes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local import aws, compaction
from local.consumer import run_command
from local.readback import Lake
from local.screen import Screen

FILES, LINES = 4, 60


def test_it_says_what_became_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "http://127.0.0.1:1"
    world = aws.World(str(tmp_path), url, url, url)
    file = aws.settings(world)
    file.write_text(file.read_text().replace(world.lake, str(tmp_path / "lake")))
    lines = (aws.ROOT / "examples" / "day.jsonl").read_bytes().splitlines(keepends=True)[:LINES]
    for number in range(FILES):
        (tmp_path / f"{number}.jsonl").write_bytes(b"".join(lines))
    status, said = run_command(file, "backfill", *(str(tmp_path / f"{number}.jsonl") for number in range(FILES)))
    assert status == 0, said
    fetch = Lake.fetch
    monkeypatch.setattr(Lake, "fetch", lambda settings, folder: fetch(settings, folder, file_run=True))
    monkeypatch.setattr(compaction, "COMPACT", (*compaction.COMPACT, "--files"))
    assert compaction.play(Screen(), file, tmp_path)
    said = capsys.readouterr().out
    files = {
        when: int(count) for when, count in re.findall(rf"(before|after): (\d+) files, {FILES * LINES} rows", said)
    }
    assert files["before"] == FILES * files["after"]
    assert "holds the same rows, each once" in said
