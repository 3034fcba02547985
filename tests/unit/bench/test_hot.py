"""The benchmark's table bills as DynamoDB does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench import hot
from support.hot_rows import Tier, options, row, rows_of
from support.hot_table import FOREVER, hot_tables
from tailrace.sinks.hot.options import options_of


def test_units_are_those_that_the_service_says_it_took(tmp_path: Path) -> None:
    plans = [
        rows_of([row(n, user_id=f"user-{n % 7}", url_path="x" * (40 * n)) for n in range(first, first + 40)])
        for first in (0, 20, 60)
    ]
    ways: list[dict[str, Any]] = [{}, {"events": []}, hot.WAYS["sums by tenant, type and minute alone"]]
    with hot_tables(tmp_path) as made:
        for given in ways:
            table, billed = made(), hot.Billed()
            for chain, rows in enumerate(plans, start=1):
                Tier(table, options(**FOREVER, **given)).deliver(chain, rows)
                Tier(billed, options(**FOREVER, **given)).deliver(chain, rows)
            assert billed.capacity == pytest.approx(table.capacity, rel=0.01)


def test_each_way_is_understood() -> None:
    assert [bool(options_of(hot.destination(given)).table) for given in hot.WAYS.values()] == [True] * len(hot.WAYS)
