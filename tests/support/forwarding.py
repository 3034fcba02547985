"""Rows, plans and sinks of forwards, for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pyarrow as pa

from support.memory_plans import plan
from support.memory_ports import MemoryPlace
from support.memory_target import Ear, MemoryTarget, Time, sender
from tailrace.commit.patience import Patience
from tailrace.commit.plan import Plan
from tailrace.nouns import Destination, Identity, Rows, Table
from tailrace.sinks.forward.dead import DeadLetters
from tailrace.sinks.forward.filling import ForwardFilling, ForwardSink
from tailrace.sinks.forward.messages import Message

IDENTITY = Identity("stream", "epoch", "shard-0")
THERE = Destination("there", "sqs", "arn:aws:sqs:eu-west-1:123456789012:there")
SCHEMA = pa.schema(
    [("row_id", pa.string()), ("tenant", pa.string()), ("user_id", pa.string()), ("position", pa.string())]
)
TABLE = Table("click/v1", SCHEMA, ())


def row_id(position: str) -> str:
    """Return an id that tells its position."""
    return position.replace("/", "f").rjust(32, "0")


def batch(positions: Sequence[str], users: int = 3) -> pa.RecordBatch:
    """Return rows at these positions."""
    columns = [
        [row_id(one) for one in positions],
        ["north"] * len(positions),
        [f"user-{int(one.partition('/')[0]) % users}" for one in positions],
        list(positions),
    ]
    return pa.RecordBatch.from_arrays([pa.array(one, pa.string()) for one in columns], schema=SCHEMA)


def rows(positions: Sequence[str]) -> Rows:
    return Rows(TABLE, batch(positions))


def positions(count: int, first: int = 1) -> list[str]:
    return [f"{n}/0/0" for n in range(first, first + count)]


def patience(clock: Time) -> Patience:
    return Patience(clock, 30.0, lambda: 0.5)


class Lane:
    """One destination's lane, as far as it is this sink's: plans are delivered, and what is sent is noted."""

    def __init__(
        self,
        target: MemoryTarget,
        clock: Time | None = None,
        *,
        note_every: int = 10,
        copy: Callable[[Sequence[Message]], None] | None = None,
        **how: object,
    ) -> None:
        self.clock, self.place, self.ear, self.target = clock or Time(), MemoryPlace(), Ear(), target
        self._how, self._note_every, self._copy = how, note_every, copy
        self.plan = plan(chain=1, generation=1)
        self.notes: list[str] = []

    def sink(self) -> ForwardSink:
        """Return a new one, as each child has."""
        letters = DeadLetters(self.place, IDENTITY, THERE, self.ear, self._copy)
        made = sender(self.target, self.clock, self.ear, **self._how)  # type: ignore[arg-type]
        return ForwardSink(made, letters, self._note_every, ("user_id", "tenant"))

    def deliver(self, *parts: Rows, noted: Callable[[], None] = lambda: None) -> Plan:
        """Deliver the plan to its end, from where its last note stands; `noted` may end it after a note."""
        filling = self.sink().start()
        for part in parts:
            filling.add([part])
        return self.go_on(filling, noted)

    def go_on(self, filling: ForwardFilling, noted: Callable[[], None] = lambda: None) -> Plan:
        while upto := filling.deliver(self.plan, patience(self.clock)):
            self.plan = self.plan._replace(sent=upto)
            self.notes.append(upto)
            noted()
        return self.plan

    def taken_over(self) -> None:
        """Another child owns the plan."""
        self.plan = self.plan._replace(generation=self.plan.generation + 1)


class OfPositions(NamedTuple):
    """The real sink, for pipelines whose rows are lists of positions."""

    sink: ForwardSink

    def start(self) -> ForwardFilling:
        return _FillingOfPositions(self.sink)


class _FillingOfPositions(ForwardFilling):
    def add(self, given: Sequence[Rows]) -> None:
        super().add([rows(list(part.batch)) for part in given])
