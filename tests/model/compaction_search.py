"""Every world that a small one can become. Rule: the first wrong one is shown, or one from which no end is reached."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from model.compaction_world import Model, World


class Found(NamedTuple):
    """What an exploration came to."""

    worlds: int
    wrong: str
    world: World | None


def explore(model: Model, *, worlds_max: int) -> Found:
    """Explore every world; stop at the first wrong one, or name one that leads nowhere."""
    start = World()
    ids, worlds, before, goals = {start: 0}, [start], [list[int]()], list[int]()
    queue = deque([start])
    while queue:
        world = queue.popleft()
        here = ids[world]
        if wrong := model.wrong(world):
            return Found(len(worlds), wrong, world)
        if model.done(world):
            goals.append(here)
        try:
            following = list(model.moves(world))
        except AssertionError as error:
            return Found(len(worlds), f"the laws met a state they exclude: {error}", world)
        for new in following:
            at = ids.get(new)
            if at is None:
                at = ids[new] = len(worlds)
                worlds.append(new)
                before.append([])
                queue.append(new)
            before[at].append(here)
        if len(worlds) > worlds_max:
            return Found(len(worlds), "more worlds than the limit", world)
    stuck = _stuck(model, worlds, before, goals)
    return Found(len(worlds), f"the end cannot be reached from {stuck}" if stuck else "", stuck)


def _stuck(model: Model, worlds: list[World], before: list[list[int]], goals: list[int]) -> World | None:
    can, todo = set(goals), list(goals)
    while todo:
        for earlier in before[todo.pop()]:
            if earlier not in can:
                can.add(earlier)
                todo.append(earlier)
    for at, world in enumerate(worlds):
        living = not all(actor.dead for actor in world.actors)
        if at not in can and living and world.item.generation < model.opens - 1:
            return world
    return None
