"""The daemon's protocol as values. Rule: which turn may follow which stands in one table, and nowhere else.

The daemon speaks first and waits: one turn, one answer. Between the two, and only then, checkpoints may be asked
for. Pure: `lines` turns bytes into turns, `daemon` does the reading and writing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import msgspec

from tailrace.nouns import Record


class ProtocolError(Exception):
    """The daemon, or our own loop, left the protocol. There is no way to go on safely."""


class DaemonGone(Exception):
    """The daemon closed the pipe or is no longer our parent: stop at once."""


Kind = Literal["lost", "retry", "invalid"]


class CheckpointError(Exception):
    """A checkpoint was refused: the lease is `lost`, `retry` may help, or it is `invalid`."""

    def __init__(self, kind: Kind, name: str) -> None:
        super().__init__(f"{name} ({kind})")
        self.kind = kind
        self.name = name


CHECKPOINT_ERRORS: Mapping[str, Kind] = {
    "ShutdownException": "lost",
    "ThrottlingException": "retry",
    "KinesisClientLibDependencyException": "retry",
}  # any other name: invalid


@dataclass(frozen=True, slots=True)
class Initialize:
    """The shard is ours. `sequence` is a number or a word such as TRIM_HORIZON."""

    shard: str
    sequence: str
    sub: int


@dataclass(frozen=True, slots=True)
class Records:
    """Records, or an empty tick. `chunks` reads the line's buffer: it ends with the turn's answer."""

    chunks: Iterator[list[Record]]
    millis_behind: int | None
    line_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ShardEnded:
    """The shard has no more records; must be checkpointed without a position."""


@dataclass(frozen=True, slots=True)
class ShutdownRequested:
    """The daemon stops; the last chance to flush and checkpoint."""


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """Another host has the shard: touch nothing."""


@dataclass(frozen=True, slots=True)
class CheckpointReply:
    """The answer to a checkpoint. `error` is the simple name of a Java exception."""

    sequence: str | None
    sub: int | None
    error: str | None


Turn = Initialize | Records | ShardEnded | ShutdownRequested | LeaseLost

ACTIONS: Mapping[type[object], str] = {
    Initialize: "initialize",
    Records: "processRecords",
    ShardEnded: "shardEnded",
    ShutdownRequested: "shutdownRequested",
    LeaseLost: "leaseLost",
}


class State(StrEnum):
    """Where the conversation stands."""

    FRESH = "fresh"  # nothing was said yet
    RUNNING = "running"
    STOPPING = "stopping"  # shutdownRequested was said
    ENDED = "ended"  # the shard's end was reached
    LOST = "lost"


# (state, turn) -> the state it leads to. What is not here is illegal.
TURNS: Mapping[tuple[State, type[object]], State] = {
    (State.FRESH, Initialize): State.RUNNING,
    (State.RUNNING, Records): State.RUNNING,
    (State.RUNNING, ShutdownRequested): State.STOPPING,
    (State.RUNNING, ShardEnded): State.ENDED,
    (State.RUNNING, LeaseLost): State.LOST,
    (State.STOPPING, ShardEnded): State.ENDED,
    (State.STOPPING, LeaseLost): State.LOST,
}

CHECKPOINT_AT = frozenset({State.RUNNING, State.STOPPING})  # with a position
CHECKPOINT_END = frozenset({State.ENDED})  # without one


def after(state: State, turn: Turn) -> State:
    """Return the state a turn leads to; ProtocolError when it is illegal there."""
    nxt = TURNS.get((state, type(turn)))
    if nxt is None:
        raise ProtocolError(f"the daemon sent {ACTIONS[type(turn)]} while {state.value}")
    return nxt


def status(turn: Turn) -> bytes:
    """Return the line that reports a turn as done."""
    return b'{"action":"status","responseFor":"%s"}\n' % ACTIONS[type(turn)].encode()


def checkpoint(sequence: str | None, sub: int | None) -> bytes:
    """Return the line that asks for a checkpoint; without a position: at the end of what was delivered."""
    return msgspec.json.encode({"action": "checkpoint", "sequenceNumber": sequence, "subSequenceNumber": sub}) + b"\n"


def judge(reply: CheckpointReply) -> None:
    """Raise CheckpointError when the reply is a refusal."""
    if reply.error is not None:
        raise CheckpointError(CHECKPOINT_ERRORS.get(reply.error, "invalid"), reply.error)
