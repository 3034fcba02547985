"""Laws of forwards: each message arrives or is a letter, in order by key, whatever fails and wherever a child dies."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from support.forwarding import IDENTITY, Lane, positions, row_id, rows
from support.memory_target import Fate, MemoryTarget, Time, sender
from tailrace.sinks.forward import dead
from tailrace.sinks.forward.messages import Message, order
from tailrace.sinks.forward.target import Limits

FATES: tuple[Fate, ...] = ("throttled", "refused", "unfit", "down", "lost", "denied")


class Died(BaseException):
    """The process is gone."""


def in_order_by_key(taken: list[Message]) -> None:
    """Judge in which order messages came for the first time."""
    for key in {one.key for one in taken}:
        first = list(dict.fromkeys(one.position for one in taken if one.key == key))
        assert first == sorted(first, key=order)


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    message = draw(st.integers(20, 400))
    return Limits(draw(st.integers(1, 12)), draw(st.integers(20, 2000)), message, draw(st.integers(0, 5)))


@given(
    limits=limits(),
    sizes=st.lists(st.integers(1, 450), min_size=1, max_size=60),
    ordered=st.booleans(),
    seed=st.integers(0, 2**32),
    bad=st.sets(st.sampled_from(FATES)),
    share=st.sampled_from([0.0, 0.05, 0.3, 0.9]),
    patience_s=st.sampled_from([0.0, 1.0, 60.0]),
)
def test_each_message_is_taken_or_a_letter_and_calls_keep_the_limits(
    limits: Limits, sizes: list[int], ordered: bool, seed: int, bad: set[Fate], share: float, patience_s: float
) -> None:
    rng, kinds = Random(seed), sorted(bad)
    fates: dict[str, Fate] = {}

    def fate(one: Message) -> Fate:
        if kinds and fates.get(one.position) not in {"refused", "unfit"}:  # those stay so
            fates[one.position] = rng.choice(kinds) if rng.random() < share else ""
        return fates.get(one.position, "")

    given_ = [Message(f"{n}/0/0", f"{n:032x}", f"k{n % 4}", b"x" * size) for n, size in enumerate(sizes, start=1)]
    target = MemoryTarget(limits, ordered=ordered, fate=fate)
    clock = Time()
    letters = sender(target, clock, patience_s=patience_s, jitter=rng.random).send(given_)
    taken, dead_ = {one.position for one in target.taken}, [one.message.position for one in letters]
    assert taken | set(dead_) == {one.position for one in given_}
    assert dead_ == sorted(set(dead_), key=order), "each once, in the order of the stream"
    assert taken & set(dead_) == set() or "lost" in kinds, "only a lost answer makes both of one"
    assert clock.at <= patience_s
    for letter in letters:
        assert letter.failure.final or letter.failure.why in {
            "slow down",
            "nobody there",
            "no answer",
            "not yours",
            "the destination takes nothing",
        }
    if ordered:
        in_order_by_key(target.taken)


@given(
    count=st.integers(1, 60),
    note_every=st.integers(1, 20),
    most=st.integers(1, 7),
    ordered=st.booleans(),
    seed=st.integers(0, 2**32),
    deaths=st.integers(0, 6),
    share=st.sampled_from([0.0, 0.2, 0.6]),
)
def test_a_crash_anywhere_loses_nothing_and_repeats_no_more_than_stands_between_two_notes(
    count: int, note_every: int, most: int, ordered: bool, seed: int, deaths: int, share: float
) -> None:
    rng, died = Random(seed), 0
    alive = [True]

    def fate(one: Message) -> Fate:
        nonlocal died
        if died < deaths and rng.random() < 0.1:
            died += 1
            if rng.random() < 0.5:
                target.taken.append(one)  # it came, and then nobody was there to hear of it
            raise Died
        if one.position == "7/0/0":
            return "refused"
        return "throttled" if rng.random() < share else ""

    def noted() -> None:
        nonlocal died
        if died < deaths and rng.random() < 0.2:
            died += 1
            raise Died

    target = MemoryTarget(Limits(most, 10**6, 10**6), ordered=ordered, fate=fate)
    lane = Lane(target, note_every=note_every)
    half = positions(count)[: count // 2], positions(count)[count // 2 :]
    while alive[0]:
        try:
            lane.deliver(rows(half[1]), rows(half[0]), noted=noted)  # tables come one after the other
            alive[0] = False
        except Died:
            lane.taken_over()
    came = Counter(one.position for one in target.taken)
    letters = Counter(one.message.position for one in dead.read(lane.place, IDENTITY.epoch, "there"))
    assert came.keys() | letters.keys() == set(positions(count))
    assert (came.total() + letters.total()) - len(came.keys() | letters.keys()) <= died * note_every
    assert lane.notes == sorted(lane.notes, key=order)
    assert all(one.row_id == row_id(one.position) for one in target.taken)
    if ordered:
        in_order_by_key(target.taken)
