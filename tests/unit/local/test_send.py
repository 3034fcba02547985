"""Sending. Rule: every event is where its position says."""

from __future__ import annotations

import random

import pytest

from local.send import NotSentError, Sent, paced, position, send
from local.traffic import join, parcels
from support.fake_kinesis import FakeKinesis
from tailrace_producer.aggregate import is_aggregate, unpack
from tailrace_producer.put import Putter


def test_positions_lead_to_the_events() -> None:
    stream = FakeKinesis(3)
    made = list(parcels(600, seed=1, end_ms=1_763_726_400_000))
    sent = [one for step in send(Putter(stream, "s"), made, calls_of=50) for one in step]
    assert len(sent) == len({(one.shard, one.position) for one in sent}) == 600
    records = {sequence: record for shard in stream.shards.values() for sequence, record in shard.records}
    places: dict[tuple[str, str, str], list[Sent]] = {}
    for one in sent:
        sequence, sub, _ = one.position.split("/")
        places.setdefault((one.shard, sequence, sub), []).append(one)
    forms = {tuple(event.raw for event in parcel.events): parcel.form for parcel in made}
    for (shard, sequence, sub), ones in places.items():
        assert any(sequence == known for known, _ in stream.shards[shard].records)
        data = records[sequence].data
        if is_aggregate(data):
            data = unpack(data)[int(sub)].data
        assert [one.position.rsplit("/", 1)[1] for one in ones] == [str(n) for n in range(len(ones))]
        events = tuple(one.made for one in ones)
        assert data == join(forms[tuple(event.raw for event in events)], events)


def test_what_the_stream_never_takes_is_said() -> None:
    stream = FakeKinesis(1)
    stream.troubles = ["AccessDeniedException"]
    with pytest.raises(NotSentError, match="after 1 tries: AccessDeniedException"):
        list(send(Putter(stream, "s"), parcels(10, 1, 1_763_726_400_000)))


def test_steps_keep_their_pace() -> None:
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    one = next(send(Putter(FakeKinesis(1), "s", rng=random.Random(1)), parcels(1, 1, 1_763_726_400_000)))
    times = [clock[0] for _ in paced(iter([one * 100] * 3), 100.0, lambda: clock[0], sleep)]
    assert times == pytest.approx([0.0, 1.0, 2.0])


def test_a_position_has_no_leading_zeros() -> None:
    assert position("000120", 3, 4) == "120/3/4"
    assert position("000", 0, 0) == "0/0/0"
