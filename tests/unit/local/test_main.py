"""`python -m local`: a number of events that is none is refused in a line, wherever it comes from."""

from __future__ import annotations

import pytest

from local.__main__ import _parser


@pytest.mark.parametrize(
    ("given", "in_environment"), [(["--events", "0"], "5"), (["--events", "many"], "5"), ([], "many")]
)
def test_a_number_that_is_none_is_refused(
    given: list[str], in_environment: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVENTS", in_environment)
    with pytest.raises(SystemExit, match="2"):
        _parser().parse_args(["demo", *given])
    assert capsys.readouterr().err.endswith("expected a whole number of at least 1\n")


def test_the_environment_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTS", "1234")
    assert _parser().parse_args(["demo"]).events == 1234
    assert _parser().parse_args(["demo", "--events", "5"]).events == 5
