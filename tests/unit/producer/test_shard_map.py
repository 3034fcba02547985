"""Predicting shards. Rule: the same shard as Kinesis would take, or None."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.fake_kinesis import FakeKinesis
from tailrace_producer.aggregate import HASH_KEY_MAX, UserRecord, hash_of
from tailrace_producer.shard_map import Shard, ShardMap, read_map


@given(st.integers(1, 9), st.integers(0, HASH_KEY_MAX))
def test_the_prediction_is_where_the_record_lands(shards: int, key: int) -> None:
    stream = FakeKinesis(shards)
    predicted = read_map(stream, "s").predict(key)
    reply = stream.put_records(Records=[{"PartitionKey": "k", "Data": b"", "ExplicitHashKey": str(key)}])
    assert reply["Records"][0]["ShardId"] == predicted


def test_a_hash_key_decides_in_place_of_the_partition_key() -> None:
    assert hash_of(UserRecord("anything", b"", "12")) == 12
    assert hash_of(UserRecord("", b"")) == 0xD41D8CD98F00B204E9800998ECF8427E  # the MD5 of nothing


def test_closed_shards_are_not_predicted_but_still_hold_what_they_hold() -> None:
    stream = FakeKinesis(2)
    left, right = stream.split("shardId-000000000000")
    shards = read_map(stream, "s")
    assert shards.ids == (left, right, "shardId-000000000001")
    assert shards.predict(0) == left
    assert shards.holds("shardId-000000000000", 0)
    assert not shards.holds(right, 0)
    assert not shards.holds("shardId-000000000099", 0)


def test_a_hole_in_the_map_predicts_nothing() -> None:
    shards = ShardMap([Shard("b", 100, 199), Shard("d", 300, 399)])
    assert [shards.predict(key) for key in (99, 100, 199, 200, 300, 400)] == [None, "b", "b", None, "d", None]
    assert ShardMap(()).predict(5) is None
    assert len(shards) == 2
