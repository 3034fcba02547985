"""Messages on their way to a target. Rule: each is taken, refused for good, or given up after a stated patience.

What failed alone is sent again, after pauses that grow and are scattered over their whole length. What failed with all
of its call is sent with fewer others, and by itself, before it is given up. Where a target keeps the order of keys,
nothing of a key goes out before what failed of it. A target that took nothing for all of the patience is away: from
then on it is asked now and then, and what comes meanwhile is given up at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

from tailrace.commit.ports import Say
from tailrace.ops.clock import Clock
from tailrace.sinks.forward.messages import Message
from tailrace.sinks.forward.target import Failure, Limits, Result, Target, Unfit
from tailrace.world import WorldDenied, WorldError

FIRST_WAIT_S: Final = 0.2
LONGEST_WAIT_S: Final = 10.0
ASKED_EVERY_S: Final = 15.0  # while the target is away
LOOK_S: Final = 1.0  # how often a pause looks whether somebody waits
NARROWED: Final = 10  # so much smaller calls become, to find a message that fails them
IN_VAIN_MAX: Final = 3  # calls in a row that took nothing: the rest waits


class Letter(NamedTuple):
    """A message that is not sent any more."""

    message: Message
    failure: Failure
    attempts: int


class Trouble:
    """Since when the messages of one plan have been failing: their patience is one."""

    since: float | None = None


class Sender:
    """One destination's messages, one sequence of them at a time."""

    def __init__(
        self,
        name: str,
        target: Target,
        clock: Clock,
        jitter: Callable[[], float],
        say: Say,
        *,
        patience_s: float,
        blocks: bool = False,
        concurrency: int = 1,
        hurry: Callable[[], bool] = lambda: False,
    ) -> None:
        """`jitter`: 0.0 to 1.0. `blocks`: nothing is given up but what is refused; WorldError in its place.

        `hurry`: somebody waits who must not wait for long: then the patience is over before its time.
        """
        self._name, self._target, self._clock, self._jitter, self._say = name, target, clock, jitter, say
        self._patience_s, self._blocks, self._hurry = patience_s, blocks, hurry
        self._concurrency = 1 if target.ordered else concurrency
        many = self._concurrency > 1
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix=f"send-{name}") if many else None
        self._failing: float | None = None  # since when nothing has been taken
        self._away = False
        self._asked = clock.monotonic()
        self._calls = 0

    def close(self) -> None:
        """Let the threads go."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def send(self, messages: Sequence[Message], trouble: Trouble | None = None) -> list[Letter]:
        """Send all; return those that were refused or given up, in their order.

        Raises WorldError where nothing may be given up.
        """
        trouble = trouble or Trouble()
        self._calls, before = 0, self._clock.monotonic()
        dead: dict[str, Letter] = {}
        tries = dict.fromkeys((one.row_id for one in messages), 0)
        left = self._ask(messages, tries, dead) if self._away else list(messages)
        wait_s, limits = FIRST_WAIT_S, self._target.limits
        while left:
            round_ = self._round(left, tries, limits)
            left = self._in_turn(_still(left, round_, tries, dead), round_)
            if not left:
                break
            trouble.since = before if trouble.since is None else trouble.since
            over = trouble.since + self._patience_s - self._clock.monotonic()
            if over <= 0 or self._hurry():
                if round_.whole and limits.messages > 1 and not self._blocks and not self._hurry():
                    limits = limits._replace(messages=max(1, limits.messages // NARROWED))  # one may have failed all
                    continue
                left = self._given_up(left, round_, tries, dead)
                continue
            self._pause(min(over, max(round_.asked_s, wait_s * self._jitter())))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        self._tell(messages, tries, dead)
        return [dead[one.row_id] for one in messages if one.row_id in dead]

    # -- what becomes of those that failed

    def _in_turn(self, left: list[Message], round_: _Round) -> list[Message]:
        """Return what is left with what failed at its end: some that always fail keep nobody else from being tried."""
        failed = {self._line(one) for one in left if one.row_id in round_.failed}
        return sorted(left, key=lambda one: self._line(one) in failed)

    def _line(self, message: Message) -> str:
        """Return what a message stands in line with, so that none of these overtakes another."""
        return message.key if self._target.ordered else message.row_id

    def _pause(self, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0 and not self._hurry():
            self._clock.sleep(min(left, LOOK_S))

    def _given_up(
        self, left: Sequence[Message], round_: _Round, tries: dict[str, int], dead: dict[str, Letter]
    ) -> list[Message]:
        """The patience is over: give up what failed; return what only waited for its key, which is tried once."""
        why = round_.why
        if self._blocks:
            raise WorldError(f"{self._name}: nothing is given up, and this is not taken: {why.why}")
        now = self._clock.monotonic()
        long = self._failing is not None and (now - self._failing >= self._patience_s or self._hurry())
        if long and not self._away:
            self._away, self._asked = True, now
            self._say("away", lane=self._name, why=why.why)
        waiting = []
        for one in left:
            failure = round_.failed.get(one.row_id)
            if failure is None and not self._away:
                waiting.append(one)
            else:
                dead[one.row_id] = Letter(one, failure or why, tries[one.row_id])
        return waiting

    def _ask(self, messages: Sequence[Message], tries: dict[str, int], dead: dict[str, Letter]) -> list[Message]:
        """The target is away: see by its first messages, now and then, whether it is back; return what is left."""
        why = Failure("the destination is away")
        if self._clock.monotonic() - self._asked >= ASKED_EVERY_S:
            asked = next(_batches(messages, self._target.limits, alone=self._target.ordered))
            round_ = self._round(asked, tries, self._target.limits)
            self._asked = self._clock.monotonic()
            if not self._away:
                rest = _still(asked, round_, tries, dead)
                gone = {one.row_id for one in asked}
                left = {one.row_id for one in rest}
                return [one for one in messages if one.row_id in left or one.row_id not in gone]
            why = round_.why
        for one in messages:
            dead[one.row_id] = Letter(one, why, tries[one.row_id])
        return []

    def _tell(self, messages: Sequence[Message], tries: dict[str, int], dead: dict[str, Letter]) -> None:
        refused = sum(one.failure.final for one in dead.values())
        self._say(
            "forwarded",
            lane=self._name,
            sent=len(messages) - len(dead),
            refused=refused,
            dead=len(dead) - refused,
            retries=sum(count - 1 for count in tries.values() if count > 1),
            calls=self._calls,
        )

    # -- one round: each message once, but for those that wait

    def _round(self, messages: Sequence[Message], tries: dict[str, int], limits: Limits) -> _Round:
        round_ = _Round()
        fit = []
        for one in messages:
            size = size_of(one, limits)
            if size > limits.message_bytes:
                why = f"{size:,} bytes, where a message may have {limits.message_bytes:,}"
                round_.failed[one.row_id] = Failure(why, final=True)
            else:
                fit.append(one)
        if self._target.ordered:
            self._in_order(fit, tries, round_, limits)
        else:
            batches = iter(list(_batches(fit, limits)))
            while not round_.stopped and (wave := list(islice(batches, self._concurrency))):
                self._wave(wave, tries, round_)
        return round_

    def _in_order(self, messages: Sequence[Message], tries: dict[str, int], round_: _Round, limits: Limits) -> None:
        """Send one message of each key at a time; where one failed, those of its key after it wait."""
        left = messages
        while left and not round_.stopped:
            batch = next(_batches(left, limits, alone=True))
            self._wave([batch], tries, round_)
            done = {one.row_id for one in batch}
            blocked = {one.key for one in batch if _again(round_.failed.get(one.row_id))}
            left = [one for one in left if one.row_id not in done and one.key not in blocked]

    def _wave(self, batches: Sequence[list[Message]], tries: dict[str, int], round_: _Round) -> None:
        """Make some calls at once."""
        began = self._clock.monotonic()
        self._calls += len(batches)
        call = self._target.send
        many = self._threads is not None and len(batches) > 1
        answers = (
            list(self._threads.map(partial(_called, call), batches))
            if self._threads and many
            else [_called(call, batch) for batch in batches]
        )
        for batch, (results, more) in zip(batches, answers, strict=True):
            self._calls += more
            for one, result in zip(batch, results, strict=True):
                tries[one.row_id] += 1
                round_.reached.add(one.row_id)
                if result is not None:
                    round_.failed[one.row_id] = result
            if all(map(_again, results)):
                round_.whole |= len(batch) > 1
                round_.in_vain += 1
                round_.stopped = round_.in_vain >= IN_VAIN_MAX or self._hurry()
                self._failing = began if self._failing is None else self._failing
                continue
            round_.in_vain, self._failing = 0, None
            if self._away:
                self._away = False
                self._say("back", lane=self._name)


class _Round:
    """What became of messages that were sent once, or had to wait."""

    def __init__(self) -> None:
        self.failed: dict[str, Failure] = {}  # by row_id
        self.reached: set[str] = set()  # row_ids of those that were sent
        self.in_vain = 0  # calls in a row that took nothing
        self.stopped = False  # there is no sense in going on
        self.whole = False  # a call with several messages took none of them

    @property
    def why(self) -> Failure:
        """Why some are to be sent again."""
        again = (one for one in self.failed.values() if not one.final)
        return next(again, Failure("the destination takes nothing"))

    @property
    def asked_s(self) -> float:
        """The pause that the service asked for."""
        return max((one.after_s for one in self.failed.values()), default=0.0)


def _still(
    messages: Sequence[Message], round_: _Round, tries: dict[str, int], dead: dict[str, Letter]
) -> list[Message]:
    """Return what is to be sent again, or for the first time; what is refused for good is dead."""
    out = []
    for one in messages:
        failure = round_.failed.get(one.row_id)
        if failure is not None and failure.final:
            dead[one.row_id] = Letter(one, failure, tries[one.row_id])
        elif failure is not None or one.row_id not in round_.reached:
            out.append(one)
    return out


def _called(send: Callable[[Sequence[Message]], list[Result]], batch: Sequence[Message]) -> tuple[list[Result], int]:
    """Return the results of a batch, and how many calls more than one it took."""
    try:
        return send(batch), 0
    except (WorldError, WorldDenied) as error:
        return [Failure(str(error))] * len(batch), 0
    except Unfit as error:
        if len(batch) == 1:
            return [Failure(str(error), final=True, detail=error.detail)], 0
        half = len(batch) // 2
        first, second = _called(send, batch[:half]), _called(send, batch[half:])
        return [*first[0], *second[0]], 2 + first[1] + second[1]


def size_of(message: Message, limits: Limits) -> int:
    """Return the bytes that a message takes of its call."""
    return len(message.data) + limits.overhead + (len(message.key.encode()) if limits.keyed else 0)


def _again(result: Result) -> bool:
    return result is not None and not result.final


def _batches(messages: Sequence[Message], limits: Limits, *, alone: bool = False) -> Iterator[list[Message]]:
    """Yield what goes into one call, in order. `alone`: the first such batch, with one message of each key."""
    batch, size, keys = list[Message](), 0, set[str]()
    for one in messages:
        if alone and one.key in keys:
            continue
        more = size_of(one, limits)
        if batch and (len(batch) == limits.messages or size + more > limits.bytes):
            yield batch
            if alone:
                return
            batch, size = [], 0
        batch.append(one)
        keys.add(one.key)
        size += more
    if batch:
        yield batch
