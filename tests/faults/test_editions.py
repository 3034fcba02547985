"""Editions change in the middle of stories: every row is committed once all the same, under the edition it names."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from faults import real, repeated
from faults.chaos import DATAS, Chaos, drive_of, scenery_of
from faults.simulation import LIGHT, Kind, Scenery, Story, calm_rows
from support.memory_sink import MemoryPipeline, MemorySink
from support.simulated_world import IDENTITY, LANE, Process
from tailrace import wiring
from tailrace.commit.lane import Lane
from tailrace.commit.plan import commit_name
from tailrace.edition import Edition
from tailrace.rows.treatment import Treatment
from tailrace.settings import Lake, Settings
from tailrace.shard import Shard

SEEDS = range(150)
REAL_SEEDS = range(30)
Patch = pytest.MonkeyPatch


class Switches:
    """Has shards go on under other editions, now and then."""

    def __init__(self, seed: int, scenery: Scenery, adopt: Callable[[Process, Shard, int], bool]) -> None:
        self._rng = Random(-1 - seed)
        self._often = self._rng.choice((0.1, 0.3, 1.0))
        self._scenery = scenery
        self._adopt = adopt
        self.adopted = 0

    def __call__(self, process: Process, shard: Shard) -> None:
        if self._rng.random() < self._often:
            self.adopted += self._adopt(process, shard, self._rng.randint(1, 4))


def light(scenery: Scenery) -> Callable[[Process, Shard, int], bool]:
    """Return what adopts an edition that files rows in another number of folders."""

    def adopt(process: Process, shard: Shard, edition: int) -> bool:
        sink = MemorySink(edition, scenery.pad)
        return shard.adopt(MemoryPipeline(process.kill), {LANE: sink}, (("partitions", str(edition)),))

    return adopt


def real_one(_scenery: Scenery) -> Callable[[Process, Shard, int], bool]:
    """Return what adopts an edition that files tenants apart, or does not, as `wiring` has it."""

    def adopt(_process: Process, shard: Shard, edition: int) -> bool:
        settings = Settings(contract=real.CONTRACT, lake=Lake(tenant_partition=edition % 2 == 0, row_group_rows=3))
        digests = (("partitions", str(edition)),)
        return wiring.adopt(shard, settings, IDENTITY, Edition(real.BOOK, Treatment(), digests))

    return adopt


def tell(seed: int, kind: Kind, datas: tuple[bytes, ...], *, mistakes: bool) -> tuple[Story, Switches]:
    rng = Random(seed)
    scenery, drive = scenery_of(rng, datas, mistakes=mistakes), drive_of(rng)
    switches = Switches(seed, scenery, (light if kind is LIGHT else real_one)(scenery))
    story = Story(scenery, seed, drive=drive, strike=Chaos(rng, drive.lives), kind=kind, renew=switches).run()
    story.judge(calm_rows(scenery, kind))
    return story, switches


def commits(story: Story) -> list[dict[str, Any]]:
    place = story.world.place
    return [json.loads(place.read(commit_name(IDENTITY, chain))) for chain in range(1, story.world.item.chain + 1)]


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed-{seed}-")
def test_the_calm_runs_rows_are_committed_whatever_editions_come(seed: int) -> None:
    story, _ = tell(seed, LIGHT, DATAS, mistakes=True)
    for commit in commits(story):
        count = int(commit["digests"].get("partitions", 0))
        for one in commit["objects"]:
            if not count or not one["rows"] or "/p=" not in one["name"]:
                continue
            folder = int(one["name"].split("/p=")[1].partition("/")[0].rstrip("x"))
            rows = json.loads(story.world.place.read(one["name"]))["rows"]
            assert {int(row.partition("/")[0]) % count for row in rows} == {folder}, "rows of another edition"


@pytest.mark.parametrize("seed", REAL_SEEDS, ids=lambda seed: f"seed-{seed}-")
def test_so_they_are_with_the_real_pipeline_and_sink(seed: int) -> None:
    tell(seed, real.REAL, real.DATAS, mistakes=False)


@pytest.mark.parametrize("seed", REAL_SEEDS, ids=lambda seed: f"seed-{seed}-")
def test_so_are_events_that_come_again(seed: int) -> None:
    rng = Random(seed)
    scenery, drive = scenery_of(rng, repeated.DATAS, mistakes=False), drive_of(rng)
    scenery = scenery._replace(dedup="table")
    switches = Switches(seed, scenery, real_one(scenery))
    story = Story(scenery, seed, drive=drive, strike=Chaos(rng, drive.lives), kind=real.REAL, renew=switches)
    repeated.judge(story.run(), calm_rows(scenery._replace(dedup=""), real.REAL))


def test_the_stories_do_adopt_with_plans_before_and_after() -> None:
    told = [tell(seed, LIGHT, DATAS, mistakes=True) for seed in range(40)]
    assert sum(switches.adopted > 1 for _, switches in told) > 10
    digests = [{json.dumps(commit["digests"]) for commit in commits(story)} for story, _ in told]
    assert sum(len(found) > 1 for found in digests) > 10


def uncut(patch: Patch) -> None:
    """What is in hand is not cut first."""
    cut = Lane.cut
    patch.setattr(Lane, "cut", lambda lane, why: None if why == "edition" else cut(lane, why))
    patch.setattr(Lane, "adopt", unguarded)


def unforced(patch: Patch) -> None:
    """A plan that was found open is not replayed first."""
    patch.setattr(Lane, "adopt", unguarded)
    patch.setattr(Shard, "adopt", at_once)


def unguarded(lane: Lane, sink: Any, digests: Any) -> None:
    lane._filling.drop()
    lane._sink, lane._digests, lane._filling = sink, digests, sink.start()


def at_once(shard: Shard, pipeline: Any, sinks: Any, digests: Any) -> bool:
    for lane in shard._lanes:
        lane.adopt(sinks[lane.name], digests)
    shard._pipeline = pipeline
    return True


@pytest.mark.parametrize("code", [uncut, unforced], ids=lambda code: code.__name__)
def test_some_story_shows_it(code: Callable[[Patch], None], monkeypatch: Patch) -> None:
    for seed in SEEDS:
        rng = Random(seed)
        calm_rows(scenery_of(rng, DATAS, mistakes=True), LIGHT)
    code(monkeypatch)

    def wrong(seed: int) -> bool:
        try:
            tell(seed, LIGHT, DATAS, mistakes=True)
        except AssertionError:
            return True
        return False

    assert any(map(wrong, SEEDS))
