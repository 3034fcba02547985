"""What becomes of an event that breaks its schema, by its type."""

from __future__ import annotations

import pytest

from tailrace.rows.treatment import Treatment, Verdict, verdicts
from tailrace.settings import Verdicts


@pytest.mark.parametrize(
    ("event_type", "verdict"),
    [
        ("click", Verdict.LENIENT),
        ("test.ping", Verdict.DROP),
        ("test.", Verdict.DROP),
        ("test", Verdict.REJECT),
        ("testxping", Verdict.REJECT),
        ("click2", Verdict.REJECT),
        ("Click", Verdict.REJECT),
        ("web.both", Verdict.LENIENT),
        ("", Verdict.REJECT),
        ("test.two\nlines", Verdict.DROP),
        ("odd[1]?", Verdict.DROP),
        ("odd12", Verdict.REJECT),
    ],
)
def test_a_type_has_the_verdict_of_the_pattern_that_fits_it_whole(event_type: str, verdict: Verdict) -> None:
    assert verdicts(Verdicts(lenient=("click", "web.*"), drop=("test.*", "web.both", "odd[1]?")))(event_type) is verdict


def test_without_patterns_all_is_rejected() -> None:
    assert verdicts(Verdicts())("anything") is Treatment().verdict("anything") is Verdict.REJECT
