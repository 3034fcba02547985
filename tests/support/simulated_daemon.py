"""The daemon and KCL, as one child meets them. Rule: at least once, from the last accepted checkpoint, in order.

It says only what `kcl.protocol.TURNS` allows, accepts a checkpoint only from the lease's holder, of what it has
delivered, and never behind an older one; and it notes when one is beyond what the ledger has committed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from support.simulated_world import Process
from tailrace.kcl import fd, protocol
from tailrace.kcl.protocol import (
    ACTIONS,
    CheckpointError,
    DaemonGone,
    Initialize,
    LeaseLost,
    Records,
    ShardEnded,
    ShutdownRequested,
    State,
    Turn,
)
from tailrace.nouns import START, Record, mark, unmark

if not fd._taken:
    fd._taken.append(os.dup(1))  # a child's first line moves fd 1 away; here it is pytest's own


class Manner(NamedTuple):
    """How one daemon treats its child."""

    seed: int
    stop_after: int = 10**9  # turns, then shutdownRequested
    late: int = 3  # turns until it knows that the lease went elsewhere
    records_max: int = 4  # a turn
    idle_max: int = 40  # empty turns at the end before it stops
    lost_last: bool = True  # after shutdownRequested comes leaseLost, or nothing


class SimulatedDaemon:
    """One daemon's talk with one child."""

    def __init__(self, process: Process, manner: Manner) -> None:
        self._process = process
        self._world = process.world
        self._manner = manner
        self._rng = Random(manner.seed)
        self._state = State.FRESH
        self._open: Turn | None = None
        self._delivered = START
        self._gone = False

    def gone(self) -> bool:
        return self._gone

    def turns(self) -> Iterator[Turn]:
        world, manner = self._world, self._manner
        rest = [r for r in world.records if mark(r.sequence, r.sub) > world.checkpoint]
        yield self._say(self._initialize())
        turns = late = idle = 0
        while True:
            turns += 1
            late += world.holder is not self._process
            world.now_s += 1.0
            if late > manner.late:
                yield self._say(LeaseLost())
                break
            if turns > manner.stop_after or idle > manner.idle_max:
                yield self._say(ShutdownRequested())
                if manner.lost_last:
                    yield self._say(LeaseLost())
                break
            if not rest and world.ended:
                yield self._say(ShardEnded())
                break
            taken, rest = self._some(rest)
            idle = 0 if taken else idle + 1
            yield self._say(Records(self._chunks(taken), 1000 if rest else 0))
        self._gone = True
        raise DaemonGone("the daemon has ended")

    def _initialize(self) -> Initialize:
        at = self._delivered = self._world.checkpoint
        return Initialize("shard-0", *(unmark(at) if at else ("TRIM_HORIZON", 0)))

    def _whole(self, records: list[Record]) -> Iterator[list[Record]]:
        if records:
            self._delivered = mark(records[-1].sequence, records[-1].sub)
            yield records

    def _some(self, rest: list[Record]) -> tuple[list[Record], list[Record]]:
        count = self._rng.randint(0, self._manner.records_max)
        return rest[:count], rest[count:]

    def _chunks(self, records: list[Record]) -> Iterator[list[Record]]:
        while records:
            count = self._rng.randint(1, len(records))
            self._delivered = mark(records[count - 1].sequence, records[count - 1].sub)
            yield records[:count]
            records = records[count:]

    def _say(self, turn: Turn) -> Turn:
        if self._open is not None:
            raise AssertionError(f"{self._open} was not answered")
        self._state = protocol.after(self._state, turn)
        self._open = turn
        return turn

    def answer(self, turn: Turn) -> None:
        assert turn is self._open, "only the turn in hand can be answered, once"

        def act() -> None:
            self._open = None

        self._process.effect(f"answer.{ACTIONS[type(turn)]}", act, self._broken)
        if isinstance(turn, ShardEnded):
            self._world.expect(self._world.end_taken, "the end was answered before it was checkpointed")

    def _broken(self, text: str) -> DaemonGone:
        self._gone = True
        return DaemonGone(text)

    def checkpoint(self, sequence: str, sub: int) -> None:
        assert self._state in protocol.CHECKPOINT_AT, self._state
        assert self._open is not None, "a checkpoint stands between a turn and its answer"
        at = mark(sequence, sub)
        self._process.effect("checkpoint", lambda: self._accept(at), _dependency)

    def _accept(self, at: str) -> None:
        world = self._world
        self._lease()
        world.expect(at <= world.item.watermark, f"{self._process} checkpointed {at}, beyond {world.item.watermark}")
        if not world.checkpoint <= at <= self._delivered:
            raise CheckpointError("invalid", "IllegalArgumentException")
        world.checkpoint = at

    def checkpoint_end(self) -> None:
        assert self._state in protocol.CHECKPOINT_END, self._state
        self._process.effect("checkpoint_end", self._accept_end, _dependency)

    def _accept_end(self) -> None:
        world = self._world
        self._lease()
        world.expect(world.item.watermark >= world.last, "the end was checkpointed before all was committed")
        world.expect(world.item.plan is None, "the end was checkpointed with an open plan")
        world.end_taken = True

    def _lease(self) -> None:
        if self._world.holder is not self._process:
            raise CheckpointError("lost", "ShutdownException")


def _dependency(_text: str) -> CheckpointError:
    return CheckpointError("retry", "KinesisClientLibDependencyException")
