"""The contract that every enricher keeps, and what this one says."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest
import tailrace_enricher_weekday as weekday

from tailrace.rows.enrich.contract import check

TIMES = [datetime(2026, 1, 2, 15, 59, 59, tzinfo=UTC), datetime(2026, 1, 4, 23, 0, tzinfo=UTC), None]


def test_it_keeps_the_contract() -> None:
    check(weekday.made({}), {"event_time": TIMES})


def test_days_are_those_of_the_place() -> None:
    columns = {"event_time": pa.array(TIMES, pa.timestamp("us", "UTC"))}
    assert weekday.made({})(columns)["weekday"].to_pylist() == ["Friday", "Sunday", None]
    there = weekday.made({"hours_ahead": "9"})(columns)
    assert there["weekday"].to_pylist() == ["Saturday", "Monday", None]
    assert there["weekend"].to_pylist() == [True, False, None]


@pytest.mark.parametrize("options", [{"hours": "1"}, {"hours_ahead": "99"}, {"hours_ahead": "x"}])
def test_options_that_make_no_sense_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"hours|int"):
        weekday.made(options)
