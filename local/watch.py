"""Sends while it watches. Rule: it always says what it waits for, and it never waits for ever."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from local.consumer import Consumer, Numbers
from local.process import NotComeTogetherError
from local.screen import Screen
from local.send import Sent

LOOK_EVERY_S = 0.5
QUIET_MAX_S = 180.0  # without any number moving; a start takes 15 s here, on a slow machine many times that
RESTARTS_MAX = 3  # of the daemon; one may be bad luck
REASONS_SHOWN = 4
LOG_LINES = 30


@dataclass
class Tally:
    """What was sent so far."""

    target: int  # events
    events: int = 0
    records: int = 0  # user records
    sent: list[Sent] = field(default_factory=list)

    def add(self, step: list[Sent]) -> None:
        """Count a step; of each event only what the account needs is kept."""
        self.events += len(step)
        self.records += sum(one.position.endswith("/0") for one in step)
        self.sent += [one._replace(made=one.made._replace(raw=b"")) for one in step]

    @property
    def whole(self) -> bool:
        """Say whether all is sent."""
        return self.events >= self.target


def watch(
    screen: Screen, consumer: Consumer, steps: Iterator[list[Sent]], target: int, rate: float, shards: int
) -> Tally:
    """Send the steps at their pace and show what the consumer says, until all that was sent is committed."""
    tally, began = Tally(target), time.monotonic()
    numbers, moved_at, looked_at = Numbers(), began, float("-inf")
    waited = ""
    with screen.progress() as progress:
        while True:
            now = time.monotonic()
            if not tally.whole and tally.events <= (now - began) * rate:
                tally.add(next(steps))
                moved_at = now
            if now - looked_at >= LOOK_EVERY_S:
                seen, looked_at = consumer.numbers(), now
                _check(consumer, seen, now - moved_at, waited)
                if seen != numbers:
                    numbers, moved_at = seen, now
                waited = waiting_for(numbers, tally, shards)
                progress.show(lines(numbers, tally, waited), line(numbers, tally, waited))
                if not waited:
                    return tally
            if tally.whole or tally.events > (now - began) * rate:
                time.sleep(0.05)


def wait_until(screen: Screen, consumer: Consumer, reached: Callable[[Numbers], bool], waited: str) -> None:
    """Wait until the consumer's numbers say so."""
    numbers, moved_at = Numbers(), time.monotonic()
    with screen.progress() as progress:
        while not reached(seen := consumer.numbers()):
            now = time.monotonic()
            if seen != numbers:
                numbers, moved_at = seen, now
            _check(consumer, seen, now - moved_at, waited)
            said = f"committed {numbers.received:,} events; waits for {waited}"
            progress.show((said,), said)
            time.sleep(LOOK_EVERY_S)


def waiting_for(numbers: Numbers, tally: Tally, shards: int) -> str:
    """Return what the next step depends on; empty when all that was sent is committed."""
    if not numbers.up:
        return "the consumer to look at everything it needs"
    if not numbers.daemon:
        return "the JVM to start"
    if numbers.leases == 0 and numbers.records == 0:
        return f"KCL to take the leases of {shards} shards"
    if numbers.records == 0:
        return "the first record"
    if not tally.whole:
        return "the rest of the traffic"
    if numbers.records < tally.records:
        return "the last records to be read"
    if numbers.received < tally.events:
        return "the last flush"
    return ""


def lines(numbers: Numbers, tally: Tally, waited: str) -> tuple[str, ...]:
    """Return the moving lines: what is sent, what is read, what is committed, what is waited for."""
    broken = f"broken     {numbers.reasons.total():>9,} events{told(numbers)}"
    return (
        f"sent       {tally.events:>9,} of {tally.target:,} events, in {tally.records:,} records",
        f"read       {numbers.records:>9,} records by {numbers.leases} children, {numbers.lag_s:.1f} s behind",
        broken,
        f"committed  {numbers.received:>9,} events = {numbers.stored:,} stored + {numbers.rejected:,} in quarantine",
        f"waits for {waited}" if waited else "all that was sent is committed",
    )


def line(numbers: Numbers, tally: Tally, waited: str) -> str:
    """Return the same in one line, for a screen that cannot move."""
    parts = [f"sent {tally.events:,} of {tally.target:,} events"]
    if numbers.records:
        parts.append(f"read {numbers.records:,} of {tally.records:,} records, {numbers.lag_s:.1f} s behind")
        parts.append(f"{numbers.reasons.total():,} broken{told(numbers)}")
        parts.append(f"committed {numbers.stored:,} stored + {numbers.rejected:,} rejected")
    parts.append(f"waits for {waited}" if waited else "done")
    return "; ".join(parts)


def told(numbers: Numbers) -> str:
    """Return the commonest reasons with their counts."""
    commonest = [f"{stage}/{keyword} {count}" for (stage, keyword), count in numbers.reasons.most_common(REASONS_SHOWN)]
    more = ["..."] if len(numbers.reasons) > REASONS_SHOWN else []
    return f" ({', '.join(commonest + more)})" if commonest else ""


def _check(consumer: Consumer, numbers: Numbers, quiet_s: float, waited: str) -> None:
    """Give up, with all that is known, when it cannot come to a good end any more."""
    why = ""
    if consumer.status is not None:
        why = f"The consumer ended with status {consumer.status}."
    elif numbers.restarts >= RESTARTS_MAX:
        why = f"The daemon ended {numbers.restarts} times."
    elif quiet_s > QUIET_MAX_S:
        why = f"Nothing has moved for {quiet_s:.0f} s while waiting for {waited}. /readyz says: {consumer.ready()}"
    if why:
        raise NotComeTogetherError(f"{why} The end of the consumer's log:\n{consumer.tail(LOG_LINES)}")
