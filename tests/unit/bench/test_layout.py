"""The bench of the layout: what it counts is what was asked, and every row is in the lake."""

from __future__ import annotations

import pytest

from bench import layout
from bench.billed import GET_DOLLARS, PUT_DOLLARS, READ_DOLLARS, WRITE_DOLLARS, Requests
from bench.layout import HOURS, PLAIN, Lake
from tailrace import settings

COUNT = 4000


def test_older_plans_are_fewer_objects_and_compaction_leaves_fewer_still() -> None:
    made, cpu_s = layout.rows(COUNT, 0.05)
    assert cpu_s > 0
    assert sum(outcome.received for _, outcome in made) == COUNT
    assert sum(outcome.stored for _, outcome in made) > 0.98 * COUNT
    lake = Lake(PLAIN)
    often, seldom = lake.filled(made, 1000), Lake(PLAIN).filled(made, COUNT)
    assert often.objects > seldom.objects > HOURS
    assert often.bytes > seldom.bytes
    for taken in (often, seldom):
        assert taken.asked.puts == taken.objects  # the commit files are among them, and nothing is asked for twice
        assert taken.asked.gets == 0
        assert taken.asked.writes >= 4  # opened, prepared, committed, left
    compacted = lake.compacted()
    assert compacted.objects < often.objects
    assert compacted.asked.gets > 0
    both = Lake(settings.Lake(avro=("*",))).filled(made, COUNT)
    assert both.objects == 2 * seldom.objects - 1


def test_no_event_is_late_where_none_shall_be() -> None:
    made, _ = layout.rows(1000, 0.0)
    types = [rows.table.name for _, outcome in made for rows in outcome.rows]
    assert len(types) == 11
    assert Lake(PLAIN).filled(made, COUNT).objects <= 10 + 6 + 1  # types, stages of the quarantine, the commit file


def test_what_is_asked_has_its_price() -> None:
    asked = Requests(2, 3, 4, 5)
    assert asked.dollars == pytest.approx(2 * PUT_DOLLARS + 3 * GET_DOLLARS + 4 * WRITE_DOLLARS + 5 * READ_DOLLARS)
    assert asked.less(Requests(1, 1, 1, 1)) == (1, 2, 3, 4)


def test_three_tables_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    layout.main(ages=(5, 20), late=0.02)
    said = capsys.readouterr().out
    lines = [line for line in said.splitlines() if line.startswith("| ") and "---" not in line]
    heads = [at for at, line in enumerate(lines) if "CPU-s per million" in line]
    assert heads == [0, 3, 5]
    assert len(lines) == 11
    assert "5 s, 1,000 rows" in lines[1]
    assert "5 s, 1,000 rows" in lines[4]
