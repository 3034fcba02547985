"""What becomes of messages: taken, refused for good, or given up after a stated patience."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from support.memory_target import Ear, Fate, MemoryTarget, Time, messages, pauses, sender
from tailrace.sinks.forward.messages import Message
from tailrace.sinks.forward.sender import ASKED_EVERY_S, IN_VAIN_MAX, LONGEST_WAIT_S, Sender, Trouble
from tailrace.sinks.forward.target import Failure, Limits
from tailrace.world import WorldError

LIMITS = Limits(10, 1000, 500)


def until(times: int, fate: Fate, hit: Callable[[Message], bool] = lambda _: True) -> Callable[[Message], Fate]:
    """Each message that is hit meets that fate so many times."""
    seen: Counter[str] = Counter()

    def said(one: Message) -> Fate:
        seen[one.row_id] += 1
        return fate if hit(one) and seen[one.row_id] <= times else ""

    return said


def test_all_goes_out_in_order_in_full_calls() -> None:
    target, ear = MemoryTarget(LIMITS), Ear()
    assert sender(target, Time(), ear).send(messages(25)) == []
    assert target.taken == messages(25)
    assert [len(call) for call in target.calls] == [10, 10, 5]
    facts = {"lane": "there", "sent": 25, "refused": 0, "dead": 0, "retries": 0, "calls": 3}
    assert ear.said == [("forwarded", facts)]


def test_only_what_failed_is_sent_again() -> None:
    target = MemoryTarget(LIMITS, fate=until(2, "throttled", lambda one: one.row_id.endswith("3")))
    ear = Ear()
    assert sender(target, Time(), ear).send(messages(10)) == []
    assert [[one.position for one in call] for call in target.calls[1:]] == [["3/0/0"]] * 2
    assert ear.total("forwarded", "retries") == 2


def test_pauses_grow_up_to_a_limit_and_are_scattered_over_their_whole_length() -> None:
    clock = Time()
    target = MemoryTarget(LIMITS, fate=until(9, "throttled"), clock=clock)
    sender(target, clock, jitter=lambda: 1.0).send(messages(1))
    assert pauses(target.times) == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, *[LONGEST_WAIT_S] * 3]
    clock = Time()
    target = MemoryTarget(LIMITS, fate=until(4, "throttled"), clock=clock)
    sender(target, clock, jitter=iter((0.0, 0.5, 0.25, 1.0)).__next__).send(messages(1))
    assert pauses(target.times) == [0.0, 0.2, 0.2, 1.6]


def test_a_pause_that_the_service_asks_for_is_kept_but_no_longer_than_the_patience() -> None:
    class Asking(MemoryTarget):
        def send(self, batch: object) -> list[Failure | None]:
            self.times.append(clock.at)
            return [Failure("HTTP 429", after_s=40.0)]

    clock, target = Time(), Asking(LIMITS)
    (letter,) = sender(target, clock).send(messages(1))
    assert pauses(target.times) == [40.0, 20.0]
    assert (letter.attempts, letter.failure.why) == (3, "HTTP 429")


def test_what_is_refused_for_good_is_a_letter_at_once_and_keeps_nobody_waiting() -> None:
    clock = Time()
    target = MemoryTarget(LIMITS, fate=until(99, "refused", lambda one: one.position == "2/0/0"))
    letters = sender(target, clock, blocks=True).send(messages(4))
    assert [(one.message.position, one.failure.final, one.attempts) for one in letters] == [("2/0/0", True, 1)]
    assert (len(target.taken), clock.slept) == (3, [])


def test_what_is_too_large_never_goes_out_and_says_by_how_much() -> None:
    target = MemoryTarget(LIMITS)
    large = messages(1, size=501, first=2)
    (letter,) = sender(target, Time()).send([*messages(1), *large, *messages(1, first=3)])
    assert letter.message == large[0]
    assert letter.failure == Failure("501 bytes, where a message may have 500", final=True)
    assert [one.position for one in target.taken] == ["1/0/0", "3/0/0"]


def test_one_message_may_be_larger_than_what_calls_are_filled_to() -> None:
    target = MemoryTarget(Limits(10, 100, 500))
    assert sender(target, Time()).send([*messages(3, size=40), *messages(1, size=300, first=4)]) == []
    assert [len(call) for call in target.calls] == [2, 1, 1]


@pytest.mark.parametrize("bad", [1, 6, 10])
def test_a_call_that_is_refused_as_a_whole_is_halved_until_the_message_is_found(bad: int) -> None:
    target = MemoryTarget(LIMITS, fate=until(99, "unfit", lambda one: one.position == f"{bad}/0/0"))
    (letter,) = sender(target, Time()).send(messages(10))
    assert letter.message.position == f"{bad}/0/0"
    assert letter.failure == Failure("what is this", final=True, detail="the service's own words")
    assert len(target.taken) == 9


def test_throttling_for_ever_ends_in_letters_after_the_patience() -> None:
    clock, ear = Time(), Ear()
    target = MemoryTarget(LIMITS, fate=until(10**9, "throttled"))
    letters = sender(target, clock, ear).send(messages(5))
    assert [one.failure.why for one in letters] == ["slow down"] * 5
    assert clock.at == pytest.approx(60.0)
    assert ear.count("away") == 1


def test_a_destination_that_blocks_gives_nothing_up() -> None:
    clock = Time()
    target = MemoryTarget(LIMITS, fate=until(10**9, "denied"))
    with pytest.raises(WorldError, match="there: nothing is given up, and this is not taken: not yours"):
        sender(target, clock, blocks=True).send(messages(5))
    assert clock.at == pytest.approx(60.0)


def test_a_destination_that_is_away_is_said_once_asked_now_and_then_and_said_to_be_back() -> None:
    clock, ear, away = Time(), Ear(), [True]
    target = MemoryTarget(LIMITS, fate=lambda _: "down" if away[0] else "")
    one = sender(target, clock, ear)
    assert len(one.send(messages(30))) == 30
    assert clock.at == pytest.approx(60.0)
    calls = len(target.calls)
    for n in range(5):
        letters = one.send(messages(1000, first=100 + 1000 * n))
        assert {letter.failure.why for letter in letters} == {"the destination is away"}
    assert len(target.calls) == calls, "given up without a call"
    assert clock.at == pytest.approx(60.0), "and without a pause"
    clock.at += ASKED_EVERY_S
    letters = one.send(messages(50))
    assert len(target.calls) == calls + 1
    assert [letter.attempts for letter in letters] == [1] * 10 + [0] * 40
    away[0] = False
    clock.at += ASKED_EVERY_S
    assert one.send(messages(50)) == []
    assert target.taken == messages(50)
    assert (ear.count("away"), ear.count("back")) == (1, 1)


def test_a_destination_that_hangs_is_not_asked_for_each_message() -> None:
    clock = Time()
    target = MemoryTarget(Limits(1, 1000, 500), fate=lambda _: "down", clock=clock, call_s=15.0)
    letters = sender(target, clock).send(messages(1000))
    assert len(letters) == 1000
    assert clock.at <= 60.0 + IN_VAIN_MAX * 15.0
    assert len(target.calls) <= 2 * IN_VAIN_MAX


def test_one_message_that_always_fails_does_not_keep_the_others() -> None:
    clock = Time()
    target = MemoryTarget(Limits(1, 1000, 500), fate=until(10**9, "throttled", lambda one: one.position == "5/0/0"))
    ear = Ear()
    (letter,) = sender(target, clock, ear).send(messages(20))
    assert letter.message.position == "5/0/0"
    assert len(target.taken) == 19
    assert ear.count("away") == 0, "it takes the others"


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("at", [1, 20])
def test_some_that_always_fail_in_a_row_take_nobody_with_them(at: int, *, ordered: bool) -> None:
    bad = {f"{n}/0/0" for n in range(at, at + 5)}
    target = MemoryTarget(
        Limits(1, 10**6, 10**6), ordered=ordered, fate=lambda one: "throttled" if one.position in bad else ""
    )
    given, clock = messages(50, keys=50), Time()
    letters = sender(target, clock).send(given)
    assert {one.message.position for one in letters} == bad
    assert {one.position for one in target.taken} == {one.position for one in given} - bad


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("count", [7, 95])
def test_one_that_brings_down_each_call_it_is_in_takes_nobody_with_it(count: int, *, ordered: bool) -> None:
    given, clock, ear = messages(count, keys=count), Time(), Ear()
    target = MemoryTarget(
        Limits(100, 10**6, 10**6),
        ordered=ordered,
        fate=lambda one: "down" if one.position == "5/0/0" else "",
        clock=clock,
    )
    (letter,) = sender(target, clock, ear).send(given)
    assert (letter.message.position, letter.failure.why) == ("5/0/0", "nobody there")
    assert {one.position for one in target.taken} == {one.position for one in given} - {"5/0/0"}
    assert clock.at == pytest.approx(60.0)
    assert ear.count("away") == 0
    calls = [call for call, at in zip(target.calls, target.times, strict=True) if at >= 60.0]
    assert len(calls) <= 1 + 1 + count // 10 + 1 + 10, "fewer and fewer at a time"


def test_a_destination_that_is_down_is_not_asked_for_each_message_before_it_is_given_up() -> None:
    clock = Time()
    target = MemoryTarget(LIMITS, fate=lambda _: "down", clock=clock, call_s=5.0)
    assert len(sender(target, clock).send(messages(1000))) == 1000
    assert clock.at <= 60.0 + 2 * IN_VAIN_MAX * 5.0


def test_the_patience_is_a_plans_and_not_a_pieces() -> None:
    clock, trouble = Time(), Trouble()
    target = MemoryTarget(LIMITS, fate=until(10**9, "throttled", lambda one: int(one.position[:-4]) % 5 == 0))
    one = sender(target, clock)
    for first in (1, 101, 201):
        assert len(one.send(messages(100, first=first), trouble)) == 20
    assert clock.at == pytest.approx(60.0)


def test_where_order_counts_nothing_of_a_key_overtakes_what_failed() -> None:
    target = MemoryTarget(LIMITS, ordered=True, fate=until(3, "throttled", lambda one: one.position == "1/0/0"))
    assert sender(target, Time()).send(messages(12)) == []
    for key in range(3):
        of_key = [int(one.position[:-4]) for one in target.taken if one.key == f"key-{key}"]
        assert of_key == sorted(of_key)
    others = [one for one in target.taken[:8] if one.key != "key-1"]
    assert len(others) == 8, "other keys do not wait for it"


def test_where_order_counts_a_letter_lets_the_next_of_its_key_go() -> None:
    target = MemoryTarget(LIMITS, ordered=True, fate=until(10**9, "throttled", lambda one: one.position == "1/0/0"))
    (letter,) = sender(target, Time()).send(messages(12))
    assert letter.message.position == "1/0/0"
    assert len(target.taken) == 11


def test_calls_may_overlap_where_order_does_not_count() -> None:
    target = MemoryTarget(LIMITS, fate=until(1, "throttled"))
    one = Sender("there", target, Time(), lambda: 0.0, Ear(), patience_s=60.0, concurrency=4)
    try:
        assert one.send(messages(95)) == []
    finally:
        one.close()
    assert {message.row_id for message in target.taken} == {message.row_id for message in messages(95)}


def test_who_is_waited_for_ends_its_patience_early() -> None:
    clock, ear = Time(), Ear()
    target = MemoryTarget(LIMITS, fate=lambda _: "down")
    one = sender(target, clock, ear, hurry=lambda: clock.at >= 7.5)
    assert len(one.send(messages(30))) == 30
    assert clock.at <= 8.5
    assert ear.count("away") == 1, "and so the next need not wait at all"
    assert len(one.send(messages(30, first=31))) == 30
    assert clock.at <= 8.5


def test_who_is_waited_for_still_sends_what_is_taken() -> None:
    target = MemoryTarget(LIMITS, fate=until(1, "throttled", lambda one: one.position == "3/0/0"))
    (letter,) = sender(target, Time(), hurry=lambda: True).send(messages(30))
    assert letter.message.position == "3/0/0"
    assert len(target.taken) == 29
