"""Every effect of every scene struck in every way: the rows of the calm run stand, each exactly once."""

from __future__ import annotations

from typing import get_args

import pytest

from faults.scenes import SCENES, Struck
from faults.simulation import Drive, Story, calm_rows
from support.simulated_world import EFFECTS, Fault, service_of

FAULTS: tuple[Fault, ...] = get_args(Fault)
# A stalled owner goes on as soon as its successor has committed, or when all is over.
WAKINGS = {"stall before": (True, False), "stall after": (True, False)}
SEED = 1

struck: set[tuple[str, Fault]] = set()


def faults_of(kind: str) -> list[Fault]:
    return [fault for fault in FAULTS if not fault.endswith("away") or fault == f"{service_of(kind)} away"]


def told(name: str, at: int = -1, fault: Fault | None = None, *, soon: bool = False) -> tuple[Story, Struck]:
    scene = SCENES[name]
    strike = Struck(scene, at, fault)
    drive = Drive(lives=3, wake_at_commit=soon, stop_early=scene.stop_early)
    story = Story(scene.scenery, SEED, drive=drive, strike=strike, prepare=scene.prepare, kind=scene.kind).run()
    story.judge(calm_rows(scene.scenery, scene.kind))
    return story, strike


@pytest.mark.parametrize("name", SCENES)
def test_the_calm_run_stands_whatever_strikes_and_wherever(name: str) -> None:
    _, calm = told(name)
    assert len(calm.kinds) > 10, "a scene this short shows nothing"
    for at, kind in enumerate(calm.kinds):
        for fault in faults_of(kind):
            for soon in WAKINGS.get(fault, (False,)):
                story, strike = told(name, at, fault, soon=soon)
                assert strike.kinds[: at + 1] == calm.kinds[: at + 1], "the story is not the same up to the strike"
                assert [done.fault for done in story.world.done].count(fault) >= 1
            struck.add((kind, fault))


def test_every_kind_of_effect_was_struck_in_every_way() -> None:
    assert struck == {(kind, fault) for kind in EFFECTS for fault in faults_of(kind)}


def test_a_story_is_the_same_each_time_it_is_told() -> None:
    first, _ = told("a plan is open and all of it written", 17, "stall after")
    again, _ = told("a plan is open and all of it written", 17, "stall after")
    assert first.world.said == again.world.said
