from typing import Any

import msgspec
import pytest

from tailrace import settings as s
from tailrace.kcl import properties, refusals
from tailrace.kcl.refusals import Lease
from tailrace.nouns import START, mark


def settings(patience_s: float = s.World().patience_s, **kcl: Any) -> s.Settings:
    return s.Settings(
        stream=s.Stream(name="clicks"), lake=s.Lake(uri="lake"), world=s.World(patience_s=patience_s), kcl=s.Kcl(**kcl)
    )


class TestSettings:
    def test_the_defaults_with_a_stream_and_a_lake_will_do(self) -> None:
        assert refusals.of_settings(settings()) == []

    def test_a_stream_and_a_lake_must_be_named(self) -> None:
        first, second = refusals.of_settings(s.Settings())
        assert first.startswith("[stream] name")
        assert second.startswith("[lake] uri")

    @pytest.mark.parametrize("patience_s", [10.0, 120.0])
    def test_two_patient_plans_fit_in_a_turn(self, patience_s: float) -> None:
        needed_s = round(properties.turn_needed_s(settings(patience_s)))
        assert refusals.of_settings(settings(patience_s, turn_timeout_s=needed_s)) == []
        (why,) = refusals.of_settings(settings(patience_s, turn_timeout_s=needed_s - 1))
        assert f"turn_timeout_s is {needed_s - 1}, but a turn may take {needed_s} s: two plans" in why

    def test_de_duplication_by_a_table_has_a_patience_too(self) -> None:
        one = msgspec.structs.replace(settings(10.0), dedup=s.Dedup(by="event_id", table="dedup"))
        needed_s = round(properties.turn_needed_s(one))
        assert needed_s == properties.turn_needed_s(settings(10.0)) + 50
        (why,) = refusals.of_settings(msgspec.structs.replace(one, kcl=s.Kcl(turn_timeout_s=needed_s - 1)))
        assert "two plans, and [dedup] table, each with" in why
        assert refusals.of_settings(msgspec.structs.replace(one, kcl=s.Kcl(turn_timeout_s=needed_s))) == []

    def test_de_duplication_has_a_table_of_its_own(self) -> None:
        same = s.Dedup(by="event_id", table=s.Ledger().table)
        (why,) = refusals.of_settings(msgspec.structs.replace(settings(10.0), dedup=same))
        assert why.startswith("[dedup] table is the ledger's")

    def test_a_heap_for_all_leases_at_once(self) -> None:
        assert refusals.of_settings(settings(heap_mb=128 + 2 * 35 * 4, max_leases=2)) == []
        (why,) = refusals.of_settings(settings(heap_mb=407, max_leases=2))
        assert why.startswith("[kcl] heap_mb is 407, but 2 leases with lines of 35 MiB may need 408")

    def test_more_than_the_ceiling_must_be_asked_for(self) -> None:
        (why,) = refusals.of_settings(settings(max_leases=100))
        assert "set [kcl] heap_mb" in why
        assert refusals.of_settings(settings(max_leases=100, heap_mb=16000)) == []


ITEM = {"epoch": "e", "stream": "clicks", "stream_created_at": 5, "first_start": 6, "start": "TRIM_HORIZON"}


class TestApplication:
    def test_the_same_stream_will_do(self) -> None:
        assert refusals.of_application("app", ITEM, "clicks", 5, "s3://lake") == []

    def test_another_stream_is_refused(self) -> None:
        (why,) = refusals.of_application("app", ITEM, "views", 5, "s3://lake")
        assert "belongs to the stream clicks, not to views" in why

    def test_a_stream_made_anew_is_refused(self) -> None:
        assert "was made anew" in refusals.of_application("app", ITEM, "clicks", 6, "s3://lake")[0]

    def test_another_lake_is_refused_and_both_are_named(self) -> None:
        item = {**ITEM, "lake": "s3://lake/a"}
        assert refusals.of_application("app", item, "clicks", 5, "s3://lake/a") == []
        (why,) = refusals.of_application("app", item, "clicks", 5, "s3://lake/b")
        assert "stores into the lake s3://lake/a, not into s3://lake/b" in why


class TestCheckpoints:
    def test_words_are_no_positions(self) -> None:
        leases = [Lease("s", word, 0) for word in ("TRIM_HORIZON", "AT_TIMESTAMP", "SHARD_END", "LATEST")]
        assert refusals.of_checkpoints(leases, {}) == []

    def test_a_position_without_any_ledger_item_is_refused(self) -> None:
        (why,) = refusals.of_checkpoints([Lease("s", "12", 0)], {"other": mark("99", 0)})
        assert why.startswith("s has a checkpoint (12) but no ledger item")

    @pytest.mark.parametrize(
        ("lake", "good"),
        [
            (mark("12", 3), True),
            (mark("13", 0), True),
            (mark("12", 2), False),
            (mark("9", 0), False),  # compared as numbers
            (START, False),
        ],
    )
    def test_a_position_after_the_lakes_watermark_is_refused(self, lake: str, *, good: bool) -> None:
        assert (refusals.of_checkpoints([Lease("s", "12", 3)], {"s": lake}) == []) is good

    def test_lanes_before_a_position_are_told(self) -> None:
        leases = [Lease("s", "12", 3), Lease("t", "TRIM_HORIZON", 0)]
        marks = {"away": {"s": mark("11", 0), "t": START}, "new": {}, "near": {"s": mark("12", 3)}}
        assert refusals.left_behind(leases, marks) == [("away", "s", "12")]


class TestTurns:
    def test_each_destination_may_make_a_turn_wait(self) -> None:
        one = settings(100.0, turn_timeout_s=340)
        assert refusals.of_turn(one, 2) == []
        (why,) = refusals.of_turn(one, 3)
        assert "a turn may take 360 s: two plans, each with [world] patience_s (100) and a last call, 3 dest" in why


def test_a_start_in_the_future_is_refused() -> None:
    assert refusals.of_start(1_000_000, 1_000_000) == []
    assert refusals.of_start(1_060_001, 1_000_000) == ["[stream] start lies in the future: Kinesis refuses that"]
