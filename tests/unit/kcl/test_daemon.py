import json
import os
from collections.abc import Iterator

import pytest

from tailrace.kcl.daemon import Daemon
from tailrace.kcl.lines import Stdin
from tailrace.kcl.protocol import (
    CheckpointError,
    DaemonGone,
    Initialize,
    LeaseLost,
    ProtocolError,
    Records,
    ShardEnded,
    ShutdownRequested,
    State,
)

INITIALIZE = b'{"action":"initialize","shardId":"s","sequenceNumber":"TRIM_HORIZON","subSequenceNumber":0}\n'
TICK = b'{"action":"processRecords","records":[],"millisBehindLatest":7}\n'
TAKEN = b'{"action":"checkpoint","sequenceNumber":"1","subSequenceNumber":0,"error":null}\n'
REFUSED = b'{"action":"checkpoint","sequenceNumber":"1","subSequenceNumber":0,"error":"ShutdownException"}\n'


def word(action: str) -> bytes:
    return json.dumps({"action": action}).encode() + b"\n"


class Talk:
    """The daemon's side of both pipes."""

    def __init__(self) -> None:
        stdin_read, self.to_child = os.pipe()
        self.from_child, stdout_write = os.pipe()
        self.fds = {stdin_read, self.to_child, self.from_child, stdout_write}
        self.daemon = Daemon(Stdin(stdin_read, poll_s=0.02), stdout_write)

    def says(self, *lines: bytes) -> None:
        os.write(self.to_child, b"".join(lines))

    def hears(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in os.read(self.from_child, 65536).splitlines()]

    def closes(self, fd: int) -> None:
        os.close(fd)
        self.fds.discard(fd)


@pytest.fixture
def talk() -> Iterator[Talk]:
    made = Talk()
    yield made
    for fd in made.fds:
        os.close(fd)


def test_a_whole_conversation(talk: Talk) -> None:
    talk.says(INITIALIZE)
    turns = talk.daemon.turns()
    first = next(turns)
    assert first == Initialize("s", "TRIM_HORIZON", 0)
    talk.daemon.answer(first)
    talk.says(TICK)
    tick = next(turns)
    assert isinstance(tick, Records)
    assert tick.millis_behind == 7
    talk.says(TAKEN)
    talk.daemon.checkpoint("1", 0)
    talk.daemon.answer(tick)
    talk.says(word("shutdownRequested"))
    asked = next(turns)
    assert asked == ShutdownRequested()
    talk.says(TAKEN)
    talk.daemon.checkpoint("2", 4)
    talk.daemon.answer(asked)
    talk.says(word("leaseLost"))
    lost = next(turns)
    assert lost == LeaseLost()
    talk.daemon.answer(lost)
    talk.closes(talk.to_child)
    with pytest.raises(DaemonGone):
        next(turns)
    assert talk.hears() == [
        {"action": "status", "responseFor": "initialize"},
        {"action": "checkpoint", "sequenceNumber": "1", "subSequenceNumber": 0},
        {"action": "status", "responseFor": "processRecords"},
        {"action": "checkpoint", "sequenceNumber": "2", "subSequenceNumber": 4},
        {"action": "status", "responseFor": "shutdownRequested"},
        {"action": "status", "responseFor": "leaseLost"},
    ]


def start(talk: Talk) -> None:
    talk.says(INITIALIZE)
    talk.daemon.answer(next(talk.daemon.turns()))


def test_a_turn_that_was_not_answered_stops_the_loop(talk: Talk) -> None:
    talk.says(INITIALIZE)
    turns = talk.daemon.turns()
    next(turns)
    with pytest.raises(ProtocolError, match="not answered"):
        next(turns)


def test_a_turn_is_answered_once(talk: Talk) -> None:
    talk.says(INITIALIZE)
    turn = next(talk.daemon.turns())
    talk.daemon.answer(turn)
    with pytest.raises(ProtocolError, match="once"):
        talk.daemon.answer(turn)


def test_no_checkpoint_outside_a_turn(talk: Talk) -> None:
    start(talk)
    with pytest.raises(ProtocolError, match="between"):
        talk.daemon.checkpoint("1", 0)


def test_no_checkpoint_after_the_lease_is_lost(talk: Talk) -> None:
    start(talk)
    talk.says(word("leaseLost"))
    next(talk.daemon.turns())
    with pytest.raises(ProtocolError, match="lost"):
        talk.daemon.checkpoint("1", 0)
    with pytest.raises(ProtocolError, match="lost"):
        talk.daemon.checkpoint_end()


def test_the_end_of_a_shard_is_checkpointed_without_a_position(talk: Talk) -> None:
    start(talk)
    talk.says(TICK)
    with pytest.raises(ProtocolError, match="end"):
        talk.daemon.checkpoint_end()
    turn = next(talk.daemon.turns())
    with pytest.raises(ProtocolError, match="end"):
        talk.daemon.checkpoint_end()
    talk.daemon.answer(turn)
    talk.says(word("shardEnded"))
    ended = next(talk.daemon.turns())
    assert ended == ShardEnded()
    talk.hears()
    talk.says(b'{"action":"checkpoint","sequenceNumber":null,"subSequenceNumber":null,"error":null}\n')
    talk.daemon.checkpoint_end()
    assert talk.hears() == [{"action": "checkpoint", "sequenceNumber": None, "subSequenceNumber": None}]
    assert talk.daemon.state is State.ENDED


def test_a_refused_checkpoint_is_raised_and_the_turn_stays_open(talk: Talk) -> None:
    start(talk)
    talk.says(TICK)
    turn = next(talk.daemon.turns())
    talk.says(REFUSED)
    with pytest.raises(CheckpointError) as error:
        talk.daemon.checkpoint("1", 0)
    assert error.value.kind == "lost"
    talk.daemon.answer(turn)


def test_a_turn_in_place_of_a_checkpoints_answer_is_refused(talk: Talk) -> None:
    start(talk)
    talk.says(TICK)
    next(talk.daemon.turns())
    talk.says(TICK)
    with pytest.raises(ProtocolError, match="turn"):
        talk.daemon.checkpoint("1", 0)


def test_an_answer_nobody_asked_for_is_refused(talk: Talk) -> None:
    start(talk)
    talk.says(TAKEN)
    with pytest.raises(ProtocolError, match="nobody"):
        next(talk.daemon.turns())


def test_an_illegal_turn_is_refused(talk: Talk) -> None:
    talk.says(TICK)
    with pytest.raises(ProtocolError, match="fresh"):
        next(talk.daemon.turns())


def test_a_daemon_that_no_longer_reads_is_gone(talk: Talk) -> None:
    talk.says(INITIALIZE)
    turn = next(talk.daemon.turns())
    talk.closes(talk.from_child)
    with pytest.raises(DaemonGone):
        talk.daemon.answer(turn)
