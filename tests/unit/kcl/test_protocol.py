import json

import pytest

from tailrace.kcl import protocol
from tailrace.kcl.protocol import (
    ACTIONS,
    CheckpointError,
    CheckpointReply,
    Initialize,
    LeaseLost,
    ProtocolError,
    Records,
    ShardEnded,
    ShutdownRequested,
    State,
    Turn,
)

TURNS: list[Turn] = [Initialize("s", "1", 0), Records(iter(()), 0), ShardEnded(), ShutdownRequested(), LeaseLost()]
LEGAL = [  # written out: the code's table must not be its own judge
    (State.FRESH, "initialize"),
    (State.RUNNING, "processRecords"),
    (State.RUNNING, "shutdownRequested"),
    (State.RUNNING, "shardEnded"),
    (State.RUNNING, "leaseLost"),
    (State.STOPPING, "shardEnded"),
    (State.STOPPING, "leaseLost"),
]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: type(turn).__name__)
def test_only_legal_turns_are_taken(state: State, turn: Turn) -> None:
    if (state, ACTIONS[type(turn)]) in LEGAL:
        protocol.after(state, turn)
    else:
        with pytest.raises(ProtocolError, match=state.value):
            protocol.after(state, turn)


def test_after_the_end_nothing_is_legal() -> None:
    assert protocol.after(State.RUNNING, ShardEnded()) is State.ENDED
    assert protocol.after(State.STOPPING, LeaseLost()) is State.LOST
    assert not [key for key in protocol.TURNS if key[0] in {State.ENDED, State.LOST}]


@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: type(turn).__name__)
def test_a_status_has_two_members_and_one_line(turn: Turn) -> None:
    line = protocol.status(turn)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"action": "status", "responseFor": ACTIONS[type(turn)]}


def test_a_checkpoint_always_says_sub() -> None:
    assert json.loads(protocol.checkpoint("12", 3)) == {
        "action": "checkpoint",
        "sequenceNumber": "12",
        "subSequenceNumber": 3,
    }
    assert json.loads(protocol.checkpoint(None, None))["sequenceNumber"] is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ShutdownException", "lost"),
        ("ThrottlingException", "retry"),
        ("KinesisClientLibDependencyException", "retry"),
        ("InvalidStateException", "invalid"),
        ("IllegalArgumentException", "invalid"),
        ("NullPointerException", "invalid"),
    ],
)
def test_a_refused_checkpoint_says_what_to_do(name: str, kind: str) -> None:
    with pytest.raises(CheckpointError) as error:
        protocol.judge(CheckpointReply("1", 0, name))
    assert (error.value.kind, error.value.name) == (kind, name)


def test_a_taken_checkpoint_raises_nothing() -> None:
    protocol.judge(CheckpointReply("1", 0, None))
