"""One destination's batch: sent in order, noted every so many messages, and nothing is lost without a letter."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from support.forwarding import IDENTITY, THERE, Lane, patience, positions, rows
from support.memory_plans import plan
from support.memory_ports import MemoryPlace
from support.memory_target import MemoryTarget, Time
from tailrace.sinks.forward import dead
from tailrace.sinks.forward.target import Limits
from tailrace.world import WorldError

LIMITS = Limits(4, 10_000, 5_000)


def sent(lane: Lane) -> list[str]:
    return [one.position for one in lane.target.taken]


def letters(lane: Lane) -> list[str]:
    return [one.message.position for one in dead.read(lane.place, IDENTITY.epoch)]


def test_what_is_sent_is_noted_every_so_many_messages_and_not_at_the_end() -> None:
    lane = Lane(MemoryTarget(LIMITS), note_every=10)
    lane.deliver(rows(positions(35)))
    assert sent(lane) == positions(35)
    assert lane.notes == ["10/0/0", "20/0/0", "30/0/0"]


def test_a_batch_without_rows_is_done_at_once() -> None:
    lane = Lane(MemoryTarget(LIMITS))
    lane.deliver()
    assert (lane.notes, lane.target.calls) == ([], [])


def test_who_takes_over_goes_on_after_the_note() -> None:
    lane = Lane(MemoryTarget(LIMITS))
    lane.plan = lane.plan._replace(sent="20/0/0")
    lane.deliver(rows(positions(35)))
    assert sent(lane) == positions(15, first=21)


def test_positions_are_numbers() -> None:
    lane = Lane(MemoryTarget(LIMITS))
    lane.plan = lane.plan._replace(sent="9/0/2")
    lane.deliver(rows(["9/0/10", "9/1/0", "10/0/0", "9/0/2", "9/0/1"]))
    assert sent(lane) == ["9/0/10", "9/1/0", "10/0/0"]


def test_a_letter_has_destination_error_attempts_and_the_whole_event() -> None:
    target = MemoryTarget(LIMITS, fate=lambda one: "refused" if one.position == "2/0/0" else "")
    lane = Lane(target)
    lane.deliver(rows(positions(3)))
    ((name, _),) = lane.place.names("")
    assert name == "_dead/epoch/there/epoch-stream-shard-0-0000000001.1.00001.jsonl"
    assert lane.place.objects[name].meta == {"epoch": "epoch", "chain": "1", "generation": "1"}
    (line,) = lane.place.read(name).splitlines()
    raw = orjson.loads(line)
    assert {key: raw[key] for key in ("destination", "address", "why", "error", "attempts", "position")} == {
        "destination": "there", "address": THERE.address, "why": "refused", "error": "no such column", "attempts": 1,
        "position": "2/0/0",
    }  # fmt: skip
    assert raw["event"]["row_id"] == raw["row_id"]
    assert raw["event"]["user_id"] == "user-2"


def test_letters_are_stored_before_what_is_sent_is_noted() -> None:
    lane = Lane(MemoryTarget(LIMITS, fate=lambda _: "down"), note_every=5, patience_s=1)
    seen: list[int] = []
    lane.deliver(rows(positions(20)), noted=lambda: seen.append(len(letters(lane))))
    assert seen == [5, 10, 15]
    assert letters(lane) == positions(20)


def test_letters_that_cannot_be_stored_keep_the_lane() -> None:
    class Away(MemoryPlace):
        def create(self, *_: Any) -> bool:
            raise WorldError("no bucket answers")

    lane = Lane(MemoryTarget(LIMITS, fate=lambda _: "refused"))
    lane.place = Away()
    with pytest.raises(WorldError, match="no bucket"):
        lane.deliver(rows(positions(3)))
    assert lane.clock.at == pytest.approx(30.0), "for as long as the world is borne"
    assert lane.notes == []


def test_a_put_whose_answer_is_lost_is_no_second_object() -> None:
    class Deaf(MemoryPlace):
        def create(self, *args: Any) -> bool:
            if not super().create(*args):
                return False
            raise WorldError("no answer")

    lane = Lane(MemoryTarget(LIMITS, fate=lambda _: "refused"))
    lane.place = Deaf()
    lane.deliver(rows(positions(3)))
    assert letters(lane) == positions(3)


def test_the_next_generation_has_letters_of_its_own() -> None:
    lane = Lane(MemoryTarget(LIMITS, fate=lambda _: "refused"), note_every=2)
    filling = lane.sink().start()
    filling.add([rows(positions(4))])
    assert filling.deliver(lane.plan, patience(lane.clock)) == "2/0/0"  # and dies before that is noted
    lane.taken_over()
    lane.deliver(rows(positions(4)))
    assert sorted(letters(lane)) == ["1/0/0", "1/0/0", "2/0/0", "2/0/0", "3/0/0", "4/0/0"]
    assert len({one.row_id for one in dead.read(lane.place, IDENTITY.epoch)}) == 4


def test_one_that_blocks_leaves_the_note_where_it_was() -> None:
    away = [False]
    target = MemoryTarget(LIMITS, fate=lambda _: "denied" if away[0] else "")
    lane = Lane(target, note_every=5, blocks=True)
    filling = lane.sink().start()
    filling.add([rows(positions(10))])
    assert filling.deliver(lane.plan, patience(lane.clock)) == "5/0/0"
    away[0] = True
    with pytest.raises(WorldError):
        filling.deliver(lane.plan._replace(sent="5/0/0"), patience(lane.clock))
    assert letters(lane) == []


def test_a_queue_gets_each_letter_as_it_is_stored() -> None:
    copied: list[bytes] = []
    target = MemoryTarget(LIMITS, fate=lambda one: "refused" if one.position == "2/0/0" else "")
    lane = Lane(target, copy=lambda given: copied.extend(one.data for one in given))
    lane.deliver(rows(positions(3)))
    ((name, _),) = lane.place.names("")
    assert copied == lane.place.read(name).splitlines()


def test_what_is_dropped_is_gone() -> None:
    lane = Lane(MemoryTarget(LIMITS))
    filling = lane.sink().start()
    filling.add([rows(positions(3))])
    assert (filling.rows, filling.objects, filling.opens([]), filling.deltas()) == (3, 0, 0, "")
    filling.drop()
    assert filling.deliver(plan(), patience(Time())) == ""
    assert lane.target.calls == []
