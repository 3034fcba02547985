"""Every world that a small one can become. Rule: the first wrong one is shown, or one from which no end is reached."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, TypeVar

W = TypeVar("W")
WORLDS_MAX = 500_000


class Searched(Protocol[W]):
    """What can happen in worlds, and what must hold in each."""

    def start(self) -> W:
        """Return the first world."""

    def wrong(self, world: W) -> str:
        """Say what is wrong, or nothing."""

    def done(self, world: W) -> bool:
        """Is this the end that must be within reach?"""

    def spent(self, world: W) -> bool:
        """Is the model at its bounds, so that no end need be within reach?"""

    def moves(self, world: W) -> Iterable[W]:
        """Yield what this world can become. AssertionError: the code under test met a state that it excludes."""


class Found(NamedTuple):
    """What an exploration came to."""

    worlds: int
    wrong: str = ""
    world: object = None


def explore(model: Searched[W], *, worlds_max: int = WORLDS_MAX) -> Found:
    """Explore every world, the nearest first; stop at the first wrong one, or name one that leads nowhere."""
    start = model.start()
    ids, worlds, before, ends = {start: 0}, [start], [list[int]()], list[int]()
    queue = deque([start])
    while queue:
        world = queue.popleft()
        here = ids[world]
        if wrong := model.wrong(world):
            return Found(len(worlds), wrong, world)
        if model.done(world):
            ends.append(here)
        try:
            following = list(model.moves(world))
        except AssertionError as error:
            return Found(len(worlds), f"the code met a state that it excludes: {error}", world)
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
    can = _leading(before, ends)
    stuck = next((world for at, world in enumerate(worlds) if at not in can and not model.spent(world)), None)
    return Found(len(worlds), "" if stuck is None else "the end cannot be reached", stuck)


def _leading(before: Sequence[Sequence[int]], ends: Sequence[int]) -> set[int]:
    """Return the worlds from which an end can be reached."""
    can, todo = set(ends), list(ends)
    while todo:
        for earlier in before[todo.pop()]:
            if earlier not in can:
                can.add(earlier)
                todo.append(earlier)
    return can
