"""Waits grow, with jitter, and end."""

from __future__ import annotations

import pytest

from tailrace.commit.patience import FIRST_WAIT_S, LONGEST_WAIT_S, Patience
from tailrace.world import WorldError

ERROR = WorldError("away")


class Slept:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def wait_until_raised(patience_s: float, jitter: float) -> Slept:
    time = Slept()
    patience = Patience(time, patience_s, lambda: jitter)
    for _ in range(1_000):
        try:
            patience.wait(ERROR)
        except WorldError as raised:
            if raised is not ERROR:
                raise
            return time
    raise AssertionError("endless patience")


def test_waits_double_up_to_the_longest() -> None:
    waits = wait_until_raised(60, 1.0).waits
    assert waits[:4] == [FIRST_WAIT_S * 2**n for n in range(4)]
    assert max(waits) == LONGEST_WAIT_S


def test_jitter_takes_up_to_half_away() -> None:
    assert wait_until_raised(60, 0.0).waits[:2] == [FIRST_WAIT_S / 2, FIRST_WAIT_S]


def test_the_error_is_raised_when_the_patience_is_over_and_not_before() -> None:
    time = wait_until_raised(60, 0.5)
    assert time.now - 100 == pytest.approx(60)


def test_no_patience_is_no_wait() -> None:
    assert wait_until_raised(0, 0.5).waits == []


def test_patience_begins_with_the_first_trouble() -> None:
    time = Slept()
    patience = Patience(time, 10, lambda: 1.0)
    time.now += 1_000
    patience.trying()
    patience.wait(ERROR)
    assert time.waits == [FIRST_WAIT_S]


def test_the_time_that_a_failed_call_took_counts() -> None:
    time = Slept()
    patience = Patience(time, 10, lambda: 1.0)
    patience.trying()
    time.now += 11
    with pytest.raises(WorldError):
        patience.wait(ERROR)


def test_the_parts_of_an_operation_share_its_end() -> None:
    time = Slept()
    whole = Patience(time, 10, lambda: 1.0)
    whole.part().wait(ERROR)
    time.now += 10
    late = whole.part()
    with pytest.raises(WorldError):
        late.wait(ERROR)
