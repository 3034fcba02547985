"""The scenes that the sweep goes through. Rule: each begins the same way every time, whatever strikes afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from faults import real, repeated
from faults.simulation import LIGHT, Kind, Scenery
from support.simulated_world import KEY, Fault, Process, World
from tailrace.commit.plan import Item, item_to_dict
from tailrace.nouns import mark


class Happened(NamedTuple):
    """Something that strikes in every run of a scene: the n-th effect of a kind."""

    kind: str
    nth: int
    fault: Fault


class Scene(NamedTuple):
    """One story's beginning."""

    scenery: Scenery = Scenery()
    before: tuple[Happened, ...] = ()  # in this order; only what comes after them is struck
    prepare: Callable[[World], None] = lambda _: None
    stop_early: bool = False  # the first children are stopped after few turns
    kind: Kind = LIGHT
    trims: int = 0  # so many records the stream loses at its beginning, once the child has died with a plan open


def died_often(world: World) -> None:
    """The last children died without a commit: the next goes record by record."""
    assert world.ledger.swap(KEY, 0, item_to_dict(Item(generation=7, failures=3))) is None


FORMATS = Scenery(datas=real.DATAS[:4], rows=9, partitions=(1,), formats=("both", "avro"), uploads=1)
ARCHIVED = Scenery(datas=(real.DATAS[0], real.DATAS[6], real.DATAS[4]), rows=9, partitions=(1,), uploads=1)
MIXED = Scenery(datas=(b"1", b"2", b"bad", b"1", b"3", b"1"), rows=4)
LARGE = MIXED._replace(pad=70_000)
PLANNED = Happened("swap.prepare", 1, "kill after")
REPEATED = Scenery(datas=(*[repeated.DATAS[n] for n in (0, 1, 0, 5, 3, 5)],), rows=2, dedup="table")
WRITTEN = Happened("create.commit_file", 1, "kill after")
ASIDE = MIXED._replace(aside=True, datas=(b"1", b"bad", b"2", b"3"), uploads=1)

SCENES = {
    "a shard from its beginning to its end": Scene(MIXED),
    "a stream that goes on, a child that stops": Scene(
        MIXED._replace(ended=False, idle_max=4, age_ms=2_000, lost_last=True)
    ),
    "all is committed, nothing checkpointed": Scene(
        MIXED._replace(ended=False, idle_max=3, rows=9), (Happened("checkpoint", 1, "kill before"),)
    ),
    "a plan is open and nothing of it written": Scene(MIXED, (PLANNED,)),
    "a plan is open, a child stops in the middle of its replay": Scene(
        MIXED._replace(records_max=1, rows=6), (PLANNED,), stop_early=True
    ),
    "a plan is open and all of it written": Scene(MIXED, (WRITTEN,)),
    "two owners died over one plan": Scene(MIXED, (PLANNED, Happened("swap.take_over", 1, "kill after"))),
    "children died often": Scene(MIXED._replace(rows=3), (), died_often),
    "a mistake of our own code": Scene(MIXED._replace(datas=(b"1", b"raise", b"2")), (), died_often),
    "a plan too large for an item": Scene(LARGE),
    "a large plan is open": Scene(LARGE, (WRITTEN,)),
    "events come again": Scene(REPEATED, kind=real.REAL),
    "events come again, and a plan is open": Scene(REPEATED, (PLANNED,), kind=real.REAL),
    "a plan of two formats is open, and the heir's settings name one": Scene(FORMATS, (PLANNED,), kind=real.REAL),
    "a lane beside the lake": Scene(ASIDE),
    "a lane beside the lake has begun to send": Scene(ASIDE, (Happened("aside.send", 2, "kill after"),)),
    "a plan with an archive is open, and the heir's settings want none": Scene(
        ARCHIVED._replace(archive=("avro", "")), (PLANNED,), kind=real.REAL
    ),
    "a plan is open, and the heir's settings want an archive": Scene(
        ARCHIVED._replace(archive=("", "avro")), (PLANNED,), kind=real.REAL
    ),
    "a lane beside the lake has a plan open, and is told to leave records out": Scene(
        ASIDE._replace(left_out=mark("100", 0)), (Happened("aside.add", 1, "kill after"),)
    ),
    "a plan is open, the stream has lost a record": Scene(MIXED._replace(rows=9), (PLANNED,), trims=1),
    "a plan is open, the stream has lost all of it": Scene(MIXED._replace(records_max=2), (PLANNED,), trims=4),
}


class Struck:
    """Lets the scene's beginning happen, then counts effects and strikes one of them."""

    def __init__(self, scene: Scene, at: int = -1, fault: Fault | None = None) -> None:
        self._scene = scene
        self._waiting = list(scene.before)
        self._counts: dict[str, int] = {}
        self._at = at
        self._fault = fault
        self.kinds: list[str] = []  # of the effects after the beginning

    def __call__(self, process: Process, kind: str) -> Fault | None:
        if self._waiting:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            first = self._waiting[0]
            if (kind, self._counts[kind]) != (first.kind, first.nth):
                return None
            self._waiting.pop(0)
            self._counts.clear()
            if not self._waiting:
                del process.world.records[: self._scene.trims]
            return first.fault
        self.kinds.append(kind)
        return self._fault if len(self.kinds) - 1 == self._at else None
