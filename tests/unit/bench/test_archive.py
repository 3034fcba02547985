"""The archive's benchmark says what it is meant to say."""

from __future__ import annotations

import pytest

from bench.archive import archives, late


def cells(out: str, name: str) -> list[float]:
    (line,) = [line for line in out.splitlines() if line.startswith(f"| {name} |")]
    return [float(cell) for cell in line.strip("| ").split(" | ")[1:]]


def test_the_rows_are_the_same_with_an_archive_beside_them(capsys: pytest.CaptureFixture[str]) -> None:
    archives(2000, 1)
    out = capsys.readouterr().out
    none, snappy, deflate = (cells(out, name) for name in ("no archive", "archive, snappy", "archive, deflate"))
    assert snappy[2] == pytest.approx(none[2], abs=1)  # the commit file, which names one object more, is among them
    assert snappy[2] == deflate[2] > none[3] == 0
    assert snappy[3] > deflate[3] > 0


def test_late_events_open_fewer_files_where_they_go_by_arrival(capsys: pytest.CaptureFixture[str]) -> None:
    late(2000)
    out = capsys.readouterr().out
    assert cells(out, "`late_hours` = 0")[0] > 2 * cells(out, "`late_hours` = 2")[0]
