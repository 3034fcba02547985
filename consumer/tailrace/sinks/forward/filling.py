"""One destination's batch. Rule: what is sent is noted every so many messages, and a letter is stored before the note.

A crash repeats at most what stands between two notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from tailrace.commit.patience import Patience
from tailrace.commit.plan import CommitFacts, Plan
from tailrace.commit.ports import Body
from tailrace.nouns import Rows, Table
from tailrace.sinks.forward.dead import DeadLetters
from tailrace.sinks.forward.messages import Message, in_order, messages_of, order
from tailrace.sinks.forward.sender import Sender, Trouble


class ForwardSink(NamedTuple):
    """What every filling of one destination shares."""

    sender: Sender
    dead: DeadLetters
    note_every: int
    keys: tuple[str, ...]

    def start(self) -> ForwardFilling:
        """Return a new, empty filling."""
        return ForwardFilling(self)


class ForwardFilling:
    """Rows of one batch: as columns until they are sent, then as messages."""

    def __init__(self, sink: ForwardSink) -> None:
        self._sink = sink
        self._parts: list[tuple[Table, pa.RecordBatch]] = []
        self._messages: list[Message] | None = None
        self._trouble = Trouble()
        self._piece = 0

    @property
    def rows(self) -> int:
        return sum(batch.num_rows for _, batch in self._parts)

    @property
    def objects(self) -> int:
        return 0

    def opens(self, rows: Sequence[Rows]) -> int:
        return 0

    def add(self, rows: Sequence[Rows]) -> None:
        """Take rows in. They are the lake's own columns, or a part of them."""
        self._parts += [(part.table, part.batch) for part in rows]

    def names(self, stem: str) -> tuple[str, ...]:
        raise AssertionError("a lane without a place asks for no names")

    def seal(self, names: Sequence[str], facts: CommitFacts) -> dict[str, Body]:
        return {}

    def deltas(self) -> str:
        return ""

    def deliver(self, plan: Plan, patience: Patience) -> str:
        """Send the next piece after what is sent; return where it ends, "" where it was the last."""
        if self._messages is None:
            keys = self._sink.keys
            found = [one for table, batch in self._parts for one in messages_of(table, batch, keys)]
            sent = order(plan.sent) if plan.sent else ()
            self._messages = [one for one in in_order(found) if order(one.position) > sent]
            self._parts = []
        piece = self._messages[: self._sink.note_every]
        if not piece:
            return ""
        self._piece += 1
        letters = self._sink.sender.send(piece, self._trouble)
        if letters:
            self._sink.dead.put(letters, plan, self._piece, patience)
        del self._messages[: len(piece)]
        return piece[-1].position if self._messages else ""

    def drop(self) -> None:
        """Forget the rows."""
        self._parts, self._messages = [], None
