"""The real daemon's lines, as `record.py` wrote them down, through our reading of them."""

import json
from pathlib import Path

import pytest

from tailrace.kcl import lines, protocol
from tailrace.kcl.protocol import (
    CheckpointReply,
    Initialize,
    LeaseLost,
    Records,
    ShardEnded,
    ShutdownRequested,
    State,
    Turn,
)
from tailrace.nouns import Record
from tailrace_producer.aggregate import UserRecord, pack

HERE = Path(__file__).parent
SCENES = sorted(path.stem for path in HERE.glob("*.jsonl"))


def raw(scene: str) -> list[bytes]:
    return (HERE / f"{scene}.jsonl").read_bytes().splitlines()


def said(scene: str) -> list[Turn | CheckpointReply]:
    return [lines.read(memoryview(line)) for line in raw(scene)]


def records(turns: list[Turn | CheckpointReply]) -> list[Record]:
    return [record for turn in turns if isinstance(turn, Records) for chunk in turn.chunks for record in chunk]


def test_there_are_recorded_scenes() -> None:
    assert SCENES == ["child_shard", "lease_lost", "shard_ended", "shut_down"]


@pytest.mark.parametrize("scene", SCENES)
def test_every_conversation_is_legal(scene: str) -> None:
    state = State.FRESH
    for turn in said(scene):
        if isinstance(turn, CheckpointReply):
            assert state in protocol.CHECKPOINT_AT | protocol.CHECKPOINT_END
        else:
            state = protocol.after(state, turn)
    assert state is not State.FRESH


@pytest.mark.parametrize("scene", SCENES)
def test_chunks_of_any_size_hold_what_json_holds(scene: str) -> None:
    for line in raw(scene):
        expected = json.loads(line).get("records")
        if expected is None:
            continue
        for size in (1, 100, 1000, 10**6):
            found = [record for chunk in lines.chunks(line, size) for record in chunk]
            assert [(r.sequence, r.sub, r.arrival_ms, r.partition_key, r.fault) for r in found] == [
                (e["sequenceNumber"], e["subSequenceNumber"], e["approximateArrivalTimestamp"], e["partitionKey"], None)
                for e in expected
            ]


@pytest.mark.parametrize("scene", SCENES)
def test_lines_take_the_fast_way(scene: str) -> None:
    for line in raw(scene):
        if b'"processRecords"' in line:
            assert lines._plain(line) is not None


def test_shut_down() -> None:
    turns = said("shut_down")
    kinds = [type(turn) for turn in turns]
    assert kinds == [
        Initialize,
        Records,
        CheckpointReply,
        CheckpointReply,
        Records,
        ShutdownRequested,
        LeaseLost,
    ]
    assert turns[0] == Initialize("shardId-000000000000", "TRIM_HORIZON", 0)
    refused, taken = turns[2], turns[3]
    assert isinstance(refused, CheckpointReply)
    assert isinstance(taken, CheckpointReply)
    with pytest.raises(protocol.CheckpointError) as error:
        protocol.judge(refused)
    assert (error.value.kind, error.value.name) == ("invalid", "IllegalArgumentException")
    protocol.judge(taken)


def test_every_kind_of_record_arrives_whole() -> None:
    found = records(said("shut_down"))
    (whole,) = pack([UserRecord(key, f"event of {key}".encode()) for key in "abc"])
    assert (
        [record.data for record in found]
        == [
            b'{"type":"plain"}',
            "ké".encode(),
            bytes(range(256)),
            b"event of a",
            b"event of b",
            b"event of c",
            whole.data[:-1] + bytes([whole.data[-1] ^ 1]),  # a damaged aggregate comes raw
            whole.data[: len(whole.data) // 2],
            b" ",
        ]
    )
    assert found[1].partition_key == 'ké "},{"data":"\U0001f600\u2028'
    assert [(record.sequence == found[3].sequence, record.sub) for record in found[3:6]] == [
        (True, 0),
        (True, 1),
        (True, 2),
    ]
    assert found[8].sequence > found[3].sequence


def test_the_empty_tick_has_no_chunk() -> None:
    tick = said("shut_down")[4]
    assert isinstance(tick, Records)
    assert list(tick.chunks) == []
    assert tick.millis_behind == 0


def test_a_first_start_at_a_time_begins_there() -> None:
    turns = said("lease_lost")
    assert turns[0] == Initialize("shardId-000000000000", "AT_TIMESTAMP", 0)
    assert [record.data for record in records(turns)] == [b"after"]
    assert turns[-1] == LeaseLost()


def test_a_split_shard_ends_and_its_child_begins() -> None:
    turns = said("shard_ended")
    assert turns[-2] == ShardEnded()
    assert turns[-1] == CheckpointReply(None, None, None)
    child = said("child_shard")
    assert isinstance(child[0], Initialize)
    assert child[0].sequence == "TRIM_HORIZON"
    assert [record.data for record in records(child)] == [b"child"]
