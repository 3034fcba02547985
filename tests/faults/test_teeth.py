"""What the stories would catch: each law broken in turn, and some seed shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import pytest

from faults import real, repeated
from faults.chaos import DATAS, Chaos, drive_of, scenery_of
from faults.scenes import SCENES, Struck
from faults.simulation import Drive, Scenery, Story, calm_rows
from support import simulated_world
from support.memory_claims import MemoryClaims
from support.memory_effects import Effects
from support.memory_ports import MemoryLedger, MemoryPlace
from support.simulated_world import World
from tailrace.commit import protocol, rules
from tailrace.commit.batch import Batch
from tailrace.commit.lane import Lane
from tailrace.commit.plan import Item
from tailrace.commit.ports import Body
from tailrace.nouns import START
from tailrace.shard import Shard

SEEDS = range(100)
Patch = pytest.MonkeyPatch


class AnySwap(MemoryLedger):
    """A ledger that does not compare."""

    def swap(self, key: str, expected: int, item: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
        return super().swap(key, self.revision(key), item)


class AnyCreate(MemoryPlace):
    """A place that stores over what stands."""

    def create(self, name: str, body: Body, meta: Mapping[str, str]) -> bool:
        self.objects.pop(name, None)
        return super().create(name, body, meta)


class AnyReplace(MemoryPlace):
    """A place that does not compare tags."""

    def replace(self, name: str, body: Body, etag: str, meta: Mapping[str, str]) -> bool:
        found = self.head(name)
        return found is not None and super().replace(name, body, found.etag, meta)


def any_ledger(world: World) -> None:
    world.ledger = AnySwap()


def any_create(world: World) -> None:
    world.place = AnyCreate()


def as_it_is(_world: World) -> None:
    """Change nothing."""


def early_checkpoint(patch: Patch) -> None:
    patch.setattr(Shard, "watermark", property(lambda shard: min(lane.taken for lane in shard._lanes)))


def uncut_replay(patch: Patch) -> None:
    patch.setattr(Lane, "boundaries", lambda lane: ())


def unskipped_replay(patch: Patch) -> None:
    def open_at_start(lane: Lane, start: str = START, opened: Callable[[Lane, str], None] = Lane.open) -> None:
        opened(lane, start)
        lane.taken = START

    patch.setattr(Lane, "open", open_at_start)


def forced_at_a_stop(patch: Patch) -> None:
    def flush(shard: Shard, within_s: float | None = None) -> bool:
        shard.caught_up()
        return {lane.flush(within_s) for lane in shard._lanes} == {True}

    patch.setattr(Shard, "flush", flush)


def names_forgotten(patch: Patch) -> None:
    def cut(owner: protocol.Owner, draft: Any, real: Any = protocol.cut) -> protocol.Owner:
        new = real(owner, draft)
        return new._replace(plan=new.plan._replace(names=draft.names)) if new.step == "take_over" else new

    patch.setattr(protocol, "cut", cut)


def unread_digest(patch: Patch) -> None:
    patch.setattr(Batch, "records", property(lambda batch: 0))


def no_generations(patch: Patch) -> None:
    def opening(item: Item | None, real: Any = rules.opening) -> rules.Next:
        return rules.Next(real(item).item._replace(generation=1))

    patch.setattr(rules, "opening", opening)


def added_twice(patch: Patch) -> None:
    """A counter that does not look at the chain."""

    def add(effects: Effects, _chain: int, delta: int) -> None:
        effects.total += delta

    patch.setattr(Effects, "add", add)


def reckoned_anew(patch: Patch) -> None:
    """Who takes a plan over applies its own deltas."""

    def cut(owner: protocol.Owner, draft: Any, real: Any = protocol.cut) -> protocol.Owner:
        new = real(owner, draft)
        return new._replace(plan=new.plan._replace(deltas=draft.deltas)) if new.step == "take_over" else new

    patch.setattr(protocol, "cut", cut)
    patch.setattr(rules, "taking_over", lambda item, _generation, plan: rules.Next(item._replace(plan=plan)))


def parked_is_done(patch: Patch) -> None:
    """A lane that is parked keeps nothing from being checkpointed."""

    def watermark(shard: Shard) -> str:
        return min(lane.watermark for lane in shard._lanes if lane.state != "parked")

    patch.setattr(Shard, "watermark", property(watermark))


@pytest.mark.parametrize(
    ("world", "code"),
    [
        (any_ledger, None),
        (any_create, None),
        (as_it_is, early_checkpoint),
        (as_it_is, uncut_replay),
        (as_it_is, unskipped_replay),
        (as_it_is, names_forgotten),
        (as_it_is, unread_digest),
        (as_it_is, no_generations),
        (as_it_is, added_twice),
        (as_it_is, reckoned_anew),
        (as_it_is, parked_is_done),
    ],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_some_story_shows_a_broken_law(
    world: Callable[[World], None], code: Callable[[Patch], None] | None, monkeypatch: Patch
) -> None:
    for seed in SEEDS:
        calm_rows(scenery_of(Random(seed), DATAS, mistakes=False))  # kept; told before anything is broken
    if code is not None:
        code(monkeypatch)
    assert any(goes_wrong(seed, world) for seed in SEEDS)


def goes_wrong(seed: int, prepare: Callable[[World], None]) -> bool:
    rng = Random(seed)
    scenery, drive = scenery_of(rng, DATAS, mistakes=False), drive_of(rng)
    story = Story(scenery, seed, drive=drive, strike=Chaos(rng, drive.lives), prepare=prepare)
    try:
        story.run().judge(calm_rows(scenery))
    except AssertionError:
        return True
    return False


# ---- events that come again


def owner_a_child(patch: Patch) -> None:
    """The child owns a key and not the row, so the next child is another."""
    claim = simulated_world._Claims.claim

    def by_child(self: Any, keys: Mapping[str, str], now_s: int, expires_s: int) -> Mapping[str, str]:
        own = {key: f"{owner}-{self._process.number}" for key, owner in keys.items()}
        owners = claim(self, own, now_s, expires_s)
        return {key: keys[key] if owners[key] == own[key] else owners[key] for key in keys}

    patch.setattr(simulated_world._Claims, "claim", by_child)


def verdicts_forgotten(patch: Patch) -> None:
    patch.setattr(Lane, "repeated", property(lambda lane: None if lane.forced == START else {}))


def remembered_for_ever(patch: Patch) -> None:
    """What a batch has seen is not forgotten with it, nor with its child."""
    patch.setattr(Lane, "seen", {})


def everybody_owns(patch: Patch) -> None:
    patch.setattr(MemoryClaims, "claim", lambda self, keys, now_s, expires_s: dict(keys))


@pytest.mark.parametrize(
    "code",
    [owner_a_child, verdicts_forgotten, remembered_for_ever, everybody_owns],
    ids=lambda code: code.__name__,
)
def test_some_story_of_events_that_come_again_shows_it(code: Callable[[Patch], None], monkeypatch: Patch) -> None:
    for seed in SEEDS:
        calm_rows(repeating(seed)[0]._replace(dedup=""), real.REAL)
    code(monkeypatch)
    assert any(repeats_wrongly(seed) for seed in SEEDS)


def repeating(seed: int) -> tuple[Scenery, Drive, Random]:
    rng = Random(seed)
    scenery, drive = scenery_of(rng, repeated.DATAS, mistakes=False), drive_of(rng)
    dedup: Any = rng.choice(("", "plan", "table", "table"))
    return scenery._replace(dedup=dedup, ttl_s=rng.choice((1, 10, 10**9))), drive, rng


def repeats_wrongly(seed: int) -> bool:
    scenery, drive, rng = repeating(seed)
    story = Story(scenery, seed, drive=drive, strike=Chaos(rng, drive.lives), kind=real.REAL)
    try:
        repeated.judge(story.run(), calm_rows(scenery._replace(dedup=""), real.REAL))
    except AssertionError:
        return True
    return False


def test_the_late_put_of_a_zombie_would_stand() -> None:
    """It looked before its successor put the object, and puts after."""
    scene = SCENES["a plan is open and all of it written"]
    calm = Struck(scene)
    Story(scene.scenery, 1, drive=Drive(lives=3), strike=calm).run()

    def any_replace(world: World) -> None:
        world.place = AnyReplace()

    strike = Struck(scene, calm.kinds.index("replace.object"), "stall before")
    story = Story(scene.scenery, 1, drive=Drive(lives=3, wake_at_commit=True), strike=strike, prepare=any_replace)
    with pytest.raises(AssertionError, match="after its commit"):
        story.run().judge(calm_rows(scene.scenery))


def plan_cut_in_two(patch: Patch) -> None:
    """Who leaves records out leaves out no more than was said, be it the half of an open plan."""

    def skipping(item: Item, generation: int, upto: str, why: str, real: Any = rules.skipping) -> rules.Verdict:
        judged = real(item, generation, upto, why)
        if not isinstance(judged, rules.Next):
            return judged
        since = judged.item.since._replace(mark=upto)
        return rules.Next(judged.item._replace(watermark=upto, since=since))

    patch.setattr(rules, "skipping", skipping)


def test_half_of_a_plan_left_out_would_count_twice(monkeypatch: Patch) -> None:
    scene = SCENES["a lane beside the lake has a plan open, and is told to leave records out"]
    for broken in (False, True):
        if broken:
            plan_cut_in_two(monkeypatch)
        story = Story(scene.scenery, 1, drive=Drive(lives=3), strike=Struck(scene)).run()
        if not broken:
            story.judge(calm_rows(scene.scenery))
            continue
        with pytest.raises(AssertionError, match="may count twice"):
            story.judge(calm_rows(scene.scenery))


def test_a_stop_in_the_middle_of_a_replay_would_stop_the_shard(monkeypatch: Patch) -> None:
    assert not stops()
    forced_at_a_stop(monkeypatch)
    assert stops()


def stops() -> int:
    scene = SCENES["a plan is open, a child stops in the middle of its replay"]
    drive = Drive(lives=3, stop_early=True)
    stories = [Story(scene.scenery, seed, drive=drive, strike=Struck(scene)).run() for seed in range(9)]
    return sum(story.world.kinds()["swap.stop"] for story in stories)


def test_a_loss_that_a_person_accepted_would_come_back(monkeypatch: Patch) -> None:
    def cut(owner: protocol.Owner, draft: Any, real: Any = protocol.cut) -> protocol.Owner:
        new = real(owner, draft)
        return new._replace(plan=new.plan._replace(last=draft.last)) if new.step == "take_over" else new

    monkeypatch.setattr(protocol, "cut", cut)
    scene = SCENES["a plan is open, the stream has lost all of it"]
    story = Story(scene.scenery, 1, drive=Drive(lives=3), strike=Struck(scene))
    with pytest.raises(AssertionError, match="ends before it begins"):
        story.run().judge(calm_rows(scene.scenery))
