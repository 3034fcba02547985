"""A strict service in memory, and a clock that only sleeping moves. Rule: no call goes that a real one would refuse.

What goes wrong is handed in: for each message that comes, a word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from botocore import xform_name

from tailrace.ops.clock import Clock
from tailrace.sinks.forward.messages import Message
from tailrace.sinks.forward.sender import Sender, size_of
from tailrace.sinks.forward.target import Failure, Limits, Result, Unfit
from tailrace.world import WorldDenied, WorldError

Fate = Literal["", "throttled", "refused", "unfit", "down", "denied", "lost"]
WHOLE = ("down", "denied", "lost")


class ShortWay(NamedTuple):
    """A fake of boto3's client, asked as `Wire` asks."""

    client: Any

    def ask(self, operation: str, body: Mapping[str, Any]) -> Any:
        return getattr(self.client, xform_name(operation))(**body)


class Time:
    """A clock."""

    def __init__(self) -> None:
        self.at = 0.0
        self.slept: list[float] = []

    def now_ms(self) -> int:
        return int(self.at * 1000)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


class MemoryTarget:
    """Takes messages."""

    def __init__(
        self,
        limits: Limits,
        *,
        ordered: bool = False,
        fate: Callable[[Message], Fate] = lambda _: "",
        clock: Time | None = None,
        call_s: float = 0.0,
    ) -> None:
        self.limits, self.ordered = limits, ordered
        self.fate, self._clock, self._call_s = fate, clock, call_s
        self.taken: list[Message] = []
        self.calls: list[list[Message]] = []
        self.times: list[float] = []  # of the calls

    def send(self, messages: Sequence[Message]) -> list[Result]:
        limits = self.limits
        assert 0 < len(messages) <= limits.messages
        sizes = [size_of(one, limits) for one in messages]
        assert max(sizes) <= limits.message_bytes
        assert len(sizes) == 1 or sum(sizes) <= limits.bytes
        if self.ordered:
            keys = [one.key for one in messages]
            assert len(set(keys)) == len(keys), "one of each key, or a failure is overtaken"
        self.calls.append(list(messages))
        if self._clock is not None:
            self.times.append(self._clock.at)
            self._clock.at += self._call_s
        fates = [self.fate(one) for one in messages]
        for fate in fates:
            if fate in {"down", "denied"}:
                raise WorldDenied("not yours") if fate == "denied" else WorldError("nobody there")
        if "unfit" in fates:
            raise Unfit("what is this", "the service's own words")
        results: list[Result] = []
        for one, fate in zip(messages, fates, strict=True):
            if fate in {"", "lost"}:
                self.taken.append(one)
            refusal = Failure("no such column", final=True) if fate == "refused" else Failure("slow down")
            results.append(refusal if fate in {"refused", "throttled"} else None)
        if "lost" in fates:
            raise WorldError("no answer")
        return results


def pauses(times: Sequence[float]) -> list[float]:
    """Return what passed from one call to the next."""
    return [round(later - sooner, 6) for sooner, later in pairwise(times)]


class Ear:
    """Remembers what was said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, object]]] = []

    def __call__(self, what: str, /, **facts: object) -> None:
        self.said.append((what, facts))

    def count(self, what: str) -> int:
        return sum(one == what for one, _ in self.said)

    def total(self, what: str, fact: str) -> int:
        return sum(int(str(facts[fact])) for one, facts in self.said if one == what)


def sender(
    target: MemoryTarget,
    clock: Clock,
    ear: Ear | None = None,
    *,
    patience_s: float = 60.0,
    blocks: bool = False,
    jitter: Callable[[], float] = lambda: 1.0,
    hurry: Callable[[], bool] = lambda: False,
) -> Sender:
    return Sender("there", target, clock, jitter, ear or Ear(), patience_s=patience_s, blocks=blocks, hurry=hurry)


def messages(count: int, keys: int = 3, size: int = 10, first: int = 1) -> list[Message]:
    """Return messages in the order of the stream."""
    return [Message(f"{n}/0/0", f"{n:032x}", f"key-{n % keys}", b"x" * size) for n in range(first, first + count)]
