"""Hundreds of random stories; each stands for its seed, so `-k "seed-17-"` or SEEDS=17 tells one again."""

from __future__ import annotations

import os
from random import Random

import pytest

from faults import archived, forwarded, hot, real, repeated
from faults.chaos import DATAS, Chaos, drive_of, scenery_of
from faults.simulation import LIGHT, Kind, Story, calm_rows
from tailrace.nouns import START

FIRST, _, COUNT = os.environ.get("SEEDS", "0:400").partition(":")
SEEDS = range(int(FIRST), int(FIRST) + int(COUNT or 1))
REAL_SEEDS = range(int(FIRST), int(FIRST) + max(1, len(SEEDS) // 8))


def tell(seed: int, kind: Kind, datas: tuple[bytes, ...], *, mistakes: bool) -> Story:
    rng = Random(seed)
    scenery, drive = scenery_of(rng, datas, mistakes=mistakes), drive_of(rng)
    story = Story(scenery, seed, drive=drive, strike=Chaos(rng, drive.lives), kind=kind).run()
    story.judge(calm_rows(scenery, kind))
    return story


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed-{seed}-")
def test_the_calm_runs_rows_are_committed(seed: int) -> None:
    tell(seed, LIGHT, DATAS, mistakes=True)


@pytest.mark.parametrize("seed", REAL_SEEDS, ids=lambda seed: f"seed-{seed}-")
def test_of_events_that_come_again_one_is_stored(seed: int) -> None:
    rng = Random(seed)
    scenery, drive = scenery_of(rng, repeated.DATAS, mistakes=False), drive_of(rng)
    scenery = scenery._replace(dedup=rng.choice(("", "plan", "table", "table")), ttl_s=rng.choice((1, 10, 10**9)))
    story = Story(scenery, seed, drive=drive, strike=Chaos(rng, drive.lives), kind=real.REAL).run()
    repeated.judge(story, calm_rows(scenery._replace(dedup=""), real.REAL))
    if scenery.ttl_s == 10**9 and scenery.dedup != "plan" and not story.world.blamed:
        story.judge(calm_rows(scenery, real.REAL))


@pytest.mark.parametrize("seed", REAL_SEEDS, ids=lambda seed: f"seed-{seed}-")
def test_records_are_archived_with_the_plan_that_has_their_rows(seed: int) -> None:
    rng = Random(seed)
    scenery, drive = scenery_of(rng, (*real.DATAS, *repeated.DATAS), mistakes=False), drive_of(rng)
    switched = rng.choice((("avro",), ("avro", ""), ("", "avro"), ("avro", "avro", "")))
    scenery = scenery._replace(archive=switched, formats=rng.choice((("parquet",), ("both", "avro"))))
    story = Story(scenery, seed, drive=drive, strike=Chaos(rng, drive.lives), kind=real.REAL).run()
    story.judge_sums(story.rows())
    assert archived.judge(story) or "" in switched


@pytest.mark.parametrize("seed", REAL_SEEDS, ids=lambda seed: f"seed-{seed}-")
def test_so_they_are_with_the_real_pipeline_and_sink(seed: int) -> None:
    tell(seed, real.REAL, real.DATAS, mistakes=False)


@pytest.mark.parametrize("seed", REAL_SEEDS, ids=lambda seed: f"seed-{seed}-")
@pytest.mark.parametrize("kind", [forwarded.FORWARDED, forwarded.BLOCKING], ids=["letters", "blocks"])
def test_each_event_is_forwarded_or_a_letter(seed: int, kind: Kind) -> None:
    rng = Random(seed)
    scenery, drive = scenery_of(rng, DATAS, mistakes=True)._replace(left_out=START), drive_of(rng)
    story = Story(scenery, seed, drive=drive, strike=Chaos(rng, drive.lives), kind=kind).run()
    story.judge_sums(story.rows())
    forwarded.judge(story)


@pytest.mark.parametrize("seed", REAL_SEEDS, ids=lambda seed: f"seed-{seed}-")
def test_sums_of_the_hot_tier_are_those_of_the_plans(seed: int) -> None:
    rng = Random(seed)
    scenery, drive = scenery_of(rng, DATAS, mistakes=True)._replace(left_out=START), drive_of(rng)
    story = Story(scenery, seed, drive=drive, strike=Chaos(rng, drive.lives), kind=hot.HOT).run()
    story.judge_sums(story.rows())
    hot.judge(story)
