"""PutRecords with care. Rule: every success is read, every failure says why, in the caller's order."""

from __future__ import annotations

import random

from botocore.exceptions import EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from support.fake_kinesis import NO_ANSWER, FakeKinesis, Trouble
from tailrace_producer.aggregate import UserRecord, hash_of
from tailrace_producer.put import ATTEMPTS_MAX, OUT_OF_RANGE, PAUSE_MAX_S, PUT_BYTES_MAX, PUT_RECORDS_MAX, Putter

SLOW_DOWN = "ProvisionedThroughputExceededException"


class World:
    def __init__(self, shards: int = 2, bytes_max: int = 51_200) -> None:
        self.stream = FakeKinesis(shards)
        self.pauses: list[float] = []
        self.putter = Putter(self.stream, "s", bytes_max=bytes_max, rng=random.Random(1), sleep=self.pauses.append)


def users(count: int, size: int = 20) -> list[UserRecord]:
    return [UserRecord(f"u-{n}", f"{n}:".encode().ljust(size, b".")) for n in range(count)]


TROUBLES = st.lists(
    st.one_of(
        st.none(),
        st.sampled_from([SLOW_DOWN, NO_ANSWER, "AccessDeniedException"]),
        st.dictionaries(st.integers(0, 5), st.sampled_from([SLOW_DOWN, "InternalFailure", "Other"])),
    ),
    max_size=12,
)


LIST_TROUBLES = st.lists(st.sampled_from([None, "LimitExceededException", NO_ANSWER, "Other"]), max_size=12)


@given(st.integers(1, 60), st.integers(60, 400), st.booleans(), TROUBLES, LIST_TROUBLES, st.integers(0, 3))
def test_every_record_has_its_result_and_every_success_is_read(
    count: int,
    bytes_max: int,
    aggregate: bool,
    troubles: list[Trouble],
    list_troubles: list[str | None],
    splits: int,
) -> None:
    world = World(3, bytes_max)
    world.putter.put(users(3))  # so that a map is known before the splits
    for n in range(splits):
        world.stream.split(f"shardId-{n:012d}")
    world.stream.troubles = list(troubles)
    world.stream.list_troubles = list(list_troubles)
    records = users(count)
    results = world.putter.put(records, aggregate=aggregate)
    assert [result.record for result in results] == records
    read = world.stream.read()
    for result in results:
        assert 1 <= len(result.attempts) <= ATTEMPTS_MAX
        assert result.success == (result.attempts[-1].code == "")
        if result.success:
            assert result.record in read


def test_calm_weather_needs_one_call_and_an_aggregate_a_shard() -> None:
    world = World(2)
    results = world.putter.put(users(100))
    assert len(world.stream.calls) == 1
    assert len(world.stream.calls[0]) == 2
    assert {(result.shard, result.sequence, result.sub) for result in results} == {
        (name, sequence, sub)
        for name, shard in world.stream.shards.items()
        for sequence, _ in shard.records
        for sub in range(sum(result.shard == name for result in results))
    }
    assert world.pauses == []


def test_plain_records_need_no_map() -> None:
    world = World(2)
    results = world.putter.put(users(5), aggregate=False)
    assert world.stream.lists == 0
    assert [result.sub for result in results] == [0] * 5
    assert len({result.sequence for result in results}) == 5


def test_calls_keep_to_the_limits_of_the_api() -> None:
    world = World(1)
    world.putter.put(users(PUT_RECORDS_MAX + 1), aggregate=False)
    assert [len(call) for call in world.stream.calls] == [PUT_RECORDS_MAX, 1]
    world = World(1)
    world.putter.put(users(6, size=1_000_000), aggregate=False)
    sizes = [sum(len(one["Data"]) + len(one["PartitionKey"]) for one in call) for call in world.stream.calls]
    assert len(sizes) == 2
    assert max(sizes) <= PUT_BYTES_MAX


def test_what_was_throttled_is_sent_again_and_nothing_else() -> None:
    world = World(1)
    world.stream.troubles = [{1: SLOW_DOWN}]
    results = world.putter.put(users(3), aggregate=False)
    assert [[one["PartitionKey"] for one in call] for call in world.stream.calls] == [["u-0", "u-1", "u-2"], ["u-1"]]
    assert [[attempt.code for attempt in result.attempts] for result in results] == [[""], [SLOW_DOWN, ""], [""]]


def test_pauses_grow_with_jitter_up_to_their_limit_and_then_it_gives_up() -> None:
    world = World(1)
    world.stream.troubles = [NO_ANSWER] * 99
    (result,) = world.putter.put(users(1))
    assert not result.success
    assert len(result.attempts) == ATTEMPTS_MAX
    assert len(world.pauses) == ATTEMPTS_MAX - 1
    assert all(
        0.5 * min(PAUSE_MAX_S, 0.1 * 2**n) <= pause <= min(PAUSE_MAX_S, 0.1 * 2**n)
        for n, pause in enumerate(world.pauses)
    )


def test_what_no_retry_can_mend_is_not_retried() -> None:
    world = World(1)
    world.stream.troubles = [{0: "ValidationException"}]
    bad, good = world.putter.put(users(2), aggregate=False)
    assert [attempt.code for attempt in bad.attempts] == ["ValidationException"]
    assert (bad.shard, bad.sequence) == (None, None)
    assert good.success
    assert len(world.stream.calls) == 1


def test_after_a_split_each_record_of_a_stray_aggregate_is_sent_anew() -> None:
    world = World(1)
    world.putter.put(users(2))
    world.stream.split("shardId-000000000000")
    results = world.putter.put(users(40))
    assert sorted(world.stream.read()[2:]) == sorted(users(40))
    assert {result.attempts[0].code for result in results} == {OUT_OF_RANGE}
    assert {result.shard for result in results} == {"shardId-000000000001", "shardId-000000000002"}
    calm = world.putter.put(users(40))
    assert {len(result.attempts) for result in calm} == {1}, "the map was read again"


def halves_known(world: World) -> list[UserRecord]:
    """Put with a map of one shard, then split: the records of the lower half make an aggregate that lands whole."""
    world.putter.put(users(2))
    lower = world.stream.shards[world.stream.split("shardId-000000000000")[0]]
    return [record for record in users(80) if hash_of(record) <= lower.last]


def test_an_aggregate_that_landed_whole_is_not_sent_again_though_the_map_comes_late() -> None:
    world = World(1)
    records = halves_known(world)
    world.stream.list_troubles = ["LimitExceededException", NO_ANSWER, "LimitExceededException"]
    results = world.putter.put(records)
    assert [[attempt.code for attempt in result.attempts] for result in results] == [[""]] * len(records)
    assert world.stream.read()[2:] == records, "none twice"
    assert len(world.pauses) == 3


def test_a_map_that_stays_away_leaves_the_old_one_and_costs_copies_alone() -> None:
    world = World(1)
    records = halves_known(world)
    before = world.stream.lists
    world.stream.list_troubles = ["LimitExceededException"] * ATTEMPTS_MAX
    results = world.putter.put(records)
    assert world.stream.lists - before == ATTEMPTS_MAX
    assert all(result.success for result in results)
    assert {result.attempts[0].code for result in results} == {OUT_OF_RANGE}
    assert sum(pause <= PAUSE_MAX_S for pause in world.pauses) == len(world.pauses) == ATTEMPTS_MAX
    world.stream.list_troubles = ["LimitExceededException"]
    calls = len(world.stream.calls)
    world.putter.put(records)
    assert len(world.stream.calls[calls]) == 1, "aggregated by the old map"


def test_a_map_that_nobody_may_read_is_not_asked_for_again() -> None:
    world = World(1)
    records = halves_known(world)
    before = world.stream.lists
    world.stream.list_troubles = ["AccessDeniedException"] * 9
    assert all(result.success for result in world.putter.put(records))
    assert world.stream.lists - before == 1


def test_one_reply_reads_the_map_once() -> None:
    world = World(1, bytes_max=120)
    world.putter.put(users(2))
    world.stream.split("shardId-000000000000")
    before = world.stream.lists
    world.putter.put(users(40))
    assert len(world.stream.calls[1]) > 2, "several aggregates in one reply"
    assert world.stream.lists - before == 2, "two pages of one reading"


def test_without_a_map_nothing_is_aggregated() -> None:
    class NoList(FakeKinesis):
        def list_shards(self, **arguments: object) -> object:
            raise EndpointConnectionError(endpoint_url="http://kinesis.invalid")

    stream, pauses = NoList(2), list[float]()
    results = Putter(stream, "s", sleep=pauses.append).put(users(10))
    assert pauses == []
    assert len(stream.calls[0]) == 10
    assert all(result.success for result in results)
