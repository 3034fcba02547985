"""The variants of the benchmark: valid events of about one size, and tables that can be pasted."""

from __future__ import annotations

import re

import pytest

from bench import shapes
from bench.variants import Bench, Variant, table

COUNT = 60
VARIANTS = [
    shapes.flat(COUNT),
    shapes.nested(COUNT),
    shapes.union(COUNT),
    shapes.patterns(COUNT),
    shapes.visits(COUNT, shapes.FIVE, "five steps"),
    shapes.types(COUNT, 1),
    shapes.types(COUNT, shapes.KINDS),
]


@pytest.mark.parametrize("variant", VARIANTS, ids=[variant.name for variant in VARIANTS])
def test_every_event_is_stored_and_of_the_usual_size(variant: Variant) -> None:
    bench = Bench(variant)
    assert bench.run() > 0
    assert bench.stored == len(variant.bodies) == COUNT
    assert 350 < sum(map(len, variant.bodies)) / COUNT < 650


def test_twenty_types_are_twenty() -> None:
    assert len({re.findall(rb"shape_\d+", body)[0] for body in shapes.types(COUNT, shapes.KINDS).bodies}) == 20


def test_a_table_has_a_line_for_each_and_the_first_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    ratios = table("a title", VARIANTS[:2], runs=1)
    said = capsys.readouterr().out.strip().splitlines()
    assert ratios[0] == 1.0
    assert said[:2] == ["| a title | CPU-s per million events | ratio | bytes an event |", "|---|---|---|---|"]
    assert [line.split(" | ")[0] for line in said[2:]] == [f"| {variant.name}" for variant in VARIANTS[:2]]


def test_a_variant_whose_events_are_rejected_is_no_figure() -> None:
    spoilt = VARIANTS[0]._replace(bodies=[*VARIANTS[0].bodies, b"?"])
    with pytest.raises(AssertionError, match="1 events were not stored"):
        table("a title", [spoilt], runs=1)
