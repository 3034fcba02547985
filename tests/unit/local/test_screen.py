"""The screen without a terminal. Rule: progress is said, not too often, never twice."""

from __future__ import annotations

import pytest

from local.screen import Screen


def test_without_a_terminal_progress_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("local.screen.time.monotonic", lambda: now[0])
    screen = Screen()
    with screen.progress() as progress:
        for at, text in ((0.0, "one"), (1.0, "two"), (3.5, "three"), (9.0, "three"), (10.0, "four")):
            now[0] = at
            progress.show(["moving"], text)
    assert capsys.readouterr().out == "  one\n  three\n  four\n"


def test_what_data_says_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    screen.say("[red]x[/red]")
    screen.bad("[/nothing]")
    screen.table(["[b]"], [["[i]"]])
    assert capsys.readouterr().out.split() == ["[red]x[/red]", "[/nothing]", "[b]", "[i]"]
