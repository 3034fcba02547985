"""Event times: every form, and that a column reads as single values do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.rows import times

MOMENT = datetime(2025, 10, 9, 8, 53, 20, 9000, tzinfo=UTC)
US = 1_760_000_000_009_000


def us_of(values: list[Any]) -> list[int | None]:
    column, wrong = times.column(values)
    assert wrong == []
    return [None if value is None else int(value.timestamp() * 1_000_000 + 0.5) for value in column.to_pylist()]


@pytest.mark.parametrize(
    "value",
    [
        "2025-10-09T08:53:20.009Z",
        "2025-10-09t08:53:20.009z",
        "2025-10-09T08:53:20.009000999Z",
        "2025-10-09 08:53:20.009",
        "2025-10-09T08:53:20.009",
        "2025-10-09T08:53:20,009Z",
        "2025-10-09 10:53:20.009+02:00",
        "2025-10-09T10:53:20.009+0200",
        "2025-10-09T04:53:20.009-04",
        " 2025-10-09T08:53:20.009Z ",
        "1760000000009",
        "1760000000.009",
        1_760_000_000_009,
        1_760_000_000.009,
        1_760_000_000_009.0,
        1_760_000_000_009_000,
        1_760_000_000_009_000.0,
        "1760000000009000",
    ],
)
def test_every_form_is_one_moment(value: object) -> None:
    assert times.microseconds(value) == US
    assert us_of([value, None]) == [US, None]


@pytest.mark.parametrize(
    ("value", "us"),
    [
        ("2025-10-09", 1_759_968_000_000_000),
        ("2025-10-09T08:53Z", 1_759_999_980_000_000),
        (0, 0),
        (-1, -1_000_000),
        (99_999_999_999, 99_999_999_999_000_000),
        (100_000_000_000, 100_000_000_000_000),
        (99_999_999_999_999, 99_999_999_999_999_000),
        (100_000_000_000_000, 100_000_000_000_000),
        (-100_000_000_000_000, -100_000_000_000_000),
        ("0001-01-01T00:00:00Z", times.US_MIN),
        ("9999-12-31T23:59:59.999999Z", times.US_MAX),
    ],
)
def test_edges(value: object, us: int) -> None:
    assert times.microseconds(value) == us


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "",
        "2025-02-30T00:00:00Z",
        "2025-13-01",
        "2025-10-09T24:00:01Z",
        "2025-10-09T10:00:60Z",
        "2025-10-09x10:00:00Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-01:00",
        "0001-01-01T00:00:00+01:00",
        "2025-W41-4",
        "٢٠٢٥-10-09",
        "1" * 400,
        "NaN",
        True,
        [],
        {},
        2**63,
        -(2**63),
        1e300,
        -1.7e308,
        1_760_000_000_009_000_000,
    ],
)
def test_what_is_no_time(value: object) -> None:
    assert times.microseconds(value) is None
    assert times.column(["2025-10-09T08:53:20Z", value, None, 0])[1] == [1]
    assert times.column([value])[1] == [0]


@given(st.lists(st.none() | st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))]))))
def test_a_column_of_iso_times_reads_as_its_values_do(moments: list[datetime | None]) -> None:
    texts = [None if moment is None else moment.isoformat() for moment in moments]
    column, wrong = times.column(texts)
    single = [None if text is None else times.microseconds(text) for text in texts]
    assert column.cast("int64").to_pylist() == single
    assert wrong == [at for at, text in enumerate(texts) if text is not None and single[at] is None]


_PARTS = st.tuples(
    st.sampled_from(["2025-10-09", "0000-01-01", "2024-02-29", "9999-12-31", "1969-12-31", "2025-2-3"]),
    st.sampled_from(["T", " ", "t", "", "_"]),
    st.sampled_from(["", "08", "08:53", "08:53:20", "23:59:59.9", "08:53:20.", "08:53:20.1234567", "085320", "24:00"]),
    st.sampled_from(["", "Z", "z", "+02", "+0200", "+02:00", "-23:59", "+99:99", " Z", "+2"]),
)


@given(_PARTS.map("".join), st.sampled_from(["x", "2025-10-09T08:53:20Z"]))
def test_the_fast_way_says_what_the_slow_way_says(text: str, neighbour: str) -> None:
    """Whichever neighbours decide the way, a text has one meaning."""
    alone, wrong_alone = times.column([text])
    beside, wrong = times.column([text, neighbour])
    assert alone.cast("int64").to_pylist() == beside.cast("int64").to_pylist()[:1] == [times.microseconds(text)]
    assert wrong_alone == [at for at in wrong if at == 0]
