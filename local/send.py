"""Sends parcels to a stream. Rule: of every event sent it says where it is: shard, sequence number, sub, index."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from local.traffic import Made, Parcel
from tailrace_producer.aggregate import UserRecord
from tailrace_producer.put import Putter

PARCELS_A_CALL = 400
TICK_S = 0.25


class NotSentError(Exception):
    """A record that the stream did not take, after all tries."""


class Sent(NamedTuple):
    """One event in the stream."""

    made: Made
    shard: str
    position: str  # `<sequence without leading zeros>/<sub>/<index>`, as the rows have it


def position(sequence: str, sub: int, index: int) -> str:
    """Return a position as the rows have it."""
    return f"{sequence.lstrip('0') or '0'}/{sub}/{index}"


def send(putter: Putter, parcels: Iterable[Parcel], calls_of: int = PARCELS_A_CALL) -> Iterator[list[Sent]]:
    """Send the parcels, some hundreds a step; yield what each step sent."""
    rest = iter(parcels)
    while step := list(islice(rest, calls_of)):
        yield [*_put(putter, step, aggregated=True), *_put(putter, step, aggregated=False)]


def paced(
    steps: Iterable[list[Sent]],
    events_a_second: float,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[list[Sent]]:
    """Yield the steps, each not before its time."""
    began, sent = now(), 0
    for step in steps:
        yield step
        sent += len(step)
        while (early := began + sent / events_a_second - now()) > 0:
            sleep(min(early, TICK_S))


def _put(putter: Putter, step: list[Parcel], *, aggregated: bool) -> Iterator[Sent]:
    chosen = [parcel for parcel in step if parcel.aggregated == aggregated]
    results = putter.put([UserRecord(parcel.key, parcel.data) for parcel in chosen], aggregate=aggregated)
    for parcel, result in zip(chosen, results, strict=True):
        if result.shard is None or result.sequence is None:
            last = result.attempts[-1]
            raise NotSentError(f"after {len(result.attempts)} tries: {last.code}: {last.message}")
        for index, made in enumerate(parcel.events):
            yield Sent(made, result.shard, position(result.sequence, result.sub, index))
