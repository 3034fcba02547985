"""A sink that brings about no objects: a counter that takes a plan's delta, and messages one after the other.

Rule: it obeys the port that the real ones obey; versions of the code reckon different deltas of the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from tailrace.commit.patience import Patience
from tailrace.commit.plan import CommitFacts, Plan
from tailrace.commit.ports import Body
from tailrace.nouns import Rows
from tailrace.world import WorldError

PIECE = 2  # messages between two notes in the ledger


class Effects:
    """What has been brought about."""

    def __init__(self) -> None:
        self.chain = 0
        self.total = 0
        self.messages: list[str] = []  # positions, in the order in which they came
        self.planned: dict[int, int] = {}  # chain -> delta, as it became durable first
        self.ends: dict[int, str] = {}  # chain -> mark of its last record

    def add(self, chain: int, delta: int) -> None:
        if chain > self.chain:
            self.chain, self.total = chain, self.total + delta


class EffectsSink(NamedTuple):
    """Writes into `effects` by way of `reach`, where what happens can be struck."""

    effects: Effects
    reach: Callable[[str, Callable[[], None]], None] = lambda _kind, act: act()
    worth: int = 1  # of a row, as this version of the code has it

    def start(self) -> EffectsFilling:
        return EffectsFilling(self)


class EffectsFilling:
    """Rows of one batch."""

    def __init__(self, sink: EffectsSink) -> None:
        self._sink = sink
        self._positions: list[str] = []

    @property
    def rows(self) -> int:
        return len(self._positions)

    @property
    def objects(self) -> int:
        return 0

    def opens(self, _rows: Sequence[Rows]) -> int:
        return 0

    def add(self, rows: Sequence[Rows]) -> None:
        for part in rows:
            self._positions += part.batch

    def names(self, _stem: str) -> tuple[str, ...]:
        raise AssertionError("a lane without a place asks for no names")

    def seal(self, names: Sequence[str], _facts: CommitFacts) -> dict[str, Body]:
        assert not names
        return {}

    def deltas(self) -> str:
        return str(self._sink.worth * len(self._positions)) if self._positions else ""

    def deliver(self, plan: Plan, patience: Patience) -> str:
        sink, effects = self._sink, self._sink.effects
        if plan.deltas:
            _patiently(patience, lambda: sink.reach("add", lambda: effects.add(plan.chain, int(plan.deltas))))
        left = [one for one in self._positions if not plan.sent or _order(one) > _order(plan.sent)]
        for one in left[:PIECE]:
            _patiently(patience, partial(sink.reach, "send", partial(effects.messages.append, one)))
        return left[PIECE - 1] if len(left) > PIECE else ""

    def drop(self) -> None:
        self._positions = []


def _patiently(patience: Patience, act: Callable[[], None]) -> None:
    while True:
        patience.trying()
        try:
            return act()
        except WorldError as error:
            patience.wait(error)


def _order(position: str) -> tuple[int, ...]:
    return tuple(map(int, position.split("/")))
