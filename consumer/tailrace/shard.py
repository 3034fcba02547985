"""One shard: records in, through the pipeline once, into every lane. Rule: rows are made once.

The careful mode stands here too: when children died again and again without a commit, records are noted as suspect in
the ledger before they are touched, first in groups, then one by one in the group that a child died with. What raises,
or was alone in the hands of two children that died, goes to quarantine by itself.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final, Protocol

from tailrace.commit.batch import Part, part_of, parts
from tailrace.commit.lane import Lane
from tailrace.commit.patience import SlowError
from tailrace.commit.ports import Say, Sink
from tailrace.commit.switches import Order
from tailrace.nouns import LAKE, START, Discreet, Outcome, Reason, Record, TooMuch
from tailrace.world import WorldDenied, WorldError

CAREFUL_RECORDS_MAX = 500  # noted at once, and a careful batch: small, so that its commit comes soon
TRACEBACK_CHARS_MAX = 4000
WAITING: Final = frozenset({"parked", "paused", "stopped"})  # states of a lane that the others do not wait for


class Pipeline(Protocol):
    """What makes rows of records."""

    def __call__(self, records: Sequence[Record]) -> Outcome:
        """Return what records became. Raises TooMuch where fewer at a time can be processed."""

    def internal(self, record: Record, reason: Reason) -> Outcome:
        """Return the outcome of a record that our own code cannot process: one reject."""


class Shard:
    """The pipeline and the lanes of one shard."""

    def __init__(
        self,
        pipeline: Pipeline,
        lanes: Sequence[Lane],
        now_ms: Callable[[], int],
        say: Say,
        repeats: Callable[[Outcome, Lane, dict[str, str]], Outcome] | None = None,
        orders: Mapping[str, Order] = MappingProxyType({}),
    ) -> None:
        """`repeats` takes out of an outcome what came before, with what a lane knows; None: nothing does.

        `orders`: what persons have said of lanes, by name.
        """
        self._pipeline = pipeline
        self._lanes = lanes
        self._now_ms = now_ms
        self._say = say
        self._repeats = repeats
        self._orders = orders
        self._careful_records = 0
        self.delivered = START  # mark of the last record the daemon brought
        self.digits = 0  # of its sequence number, where zeros stand before it (stand-ins; Kinesis has none)

    def open(self, checkpoint: str = START) -> None:
        """Take every lane over. `checkpoint`: the mark after which the daemon goes on; the lake must not be behind it.

        A lane that is new begins where the slowest of the others stands: what came before was not meant for it. One
        that was away for so long that the daemon is past it goes on from there.
        """
        found = {lane.name: lane.found() for lane in self._lanes}
        start = min((mark for mark in found.values() if mark is not None), default=START)
        for lane in self._lanes:
            lane.open(START if found[lane.name] is not None else start if lane.name == LAKE else max(start, checkpoint))
            if lane.name == LAKE:
                if lane.watermark < checkpoint:
                    return  # the caller refuses, and nothing more is touched
                continue
            order = self._orders.get(lane.name, Order())
            for upto, why in (order.skip, (checkpoint, "the lane was away")):
                if lane.watermark < upto:
                    lane.skip(upto, why)
            if order.paused:
                lane.park(order.paused, paused=True)

    @property
    def state(self) -> str:
        """`fill`; else `lost` where any lane has another owner, or `stopped` where the lake's waits for a person."""
        states = {lane.state for lane in self._lanes if lane.name == LAKE or lane.state == "lost"}
        return "lost" if "lost" in states else "stopped" if "stopped" in states else "fill"

    @property
    def in_flight(self) -> bool:
        """Is a plan of any lane being written?"""
        return any(lane.in_flight for lane in self._lanes)

    @property
    def why(self) -> str:
        return "; ".join(lane.why for lane in self._lanes if lane.why)

    @property
    def names(self) -> tuple[str, ...]:
        """The lanes beside the lake's."""
        return tuple(lane.name for lane in self._lanes if lane.name != LAKE)

    @property
    def waiting(self) -> dict[str, str]:
        """Lanes beside the lake's that are `parked`, `paused` or `stopped`, by name.

        They wait for better times, or for a person; their records come again once the shard is opened anew.
        """
        return {lane.name: lane.state for lane in self._lanes if lane.name != LAKE and lane.state in WAITING}

    def behind_s(self, now_ms: int) -> float:
        """Return the age of the oldest record that a lane which is parked has not committed."""
        oldest = [lane.oldest_ms for lane in self._lanes if lane.state == "parked" and lane.oldest_ms is not None]
        return (now_ms - min(oldest, default=now_ms)) / 1000

    def pause(self, name: str, why: str) -> None:
        """Have a lane take nothing in any more."""
        for lane in self._lanes:
            if lane.name == name:
                lane.park(why, paused=True)

    @property
    def watermark(self) -> str:
        """Mark up to which every lane has committed."""
        return min(lane.watermark for lane in self._lanes)

    @property
    def generation(self) -> int:
        """How often it was taken over by now."""
        return max(lane.generation for lane in self._lanes)

    @property
    def planned(self) -> str:
        """Mark up to which a lane has committed, or a plan that was found open ends."""
        return max(max(lane.watermark, lane.forced) for lane in self._lanes)

    def add(self, records: Sequence[Record]) -> None:
        """Process records and hand them to the lanes. Waits where a lane is full."""
        if not records:
            return
        boundaries = [b for lane in self._lanes for b in lane.boundaries()]
        for part in parts(records, boundaries):
            self.delivered = max(self.delivered, part.last)
            sequence = part.records[-1].sequence
            self.digits = len(sequence) if sequence.startswith("0") else 0
            if part.last <= min((lane.taken for lane in self._lanes if lane.state == "fill"), default=START):
                self._say("replayed", records=len(part.records))
            elif any(lane.careful for lane in self._lanes):
                self._add_carefully(part)
            else:
                self._process(part)

    def _process(self, part: Part) -> None:
        try:
            outcome = self._pipeline(part.records)
        except TooMuch:
            roomy = False
        else:
            roomy = len(part.records) == 1 or all([lane.make_room(outcome.of(lane.name)) for lane in self._lanes])  # noqa: C419 every lane
        if not roomy:
            half = len(part.records) // 2
            for records in (part.records[:half], part.records[half:]):
                self._process(part_of(records))
            return
        self._take(part, self._once(part, outcome))

    def _take(self, part: Part, outcome: Outcome) -> None:
        self._say(
            "processed", records=len(part.records), bytes=part.bytes, last=part.records[-1].arrival_ms, outcome=outcome
        )
        now_ms = self._now_ms()
        for lane in self._lanes:
            with self._apart(lane):
                lane.add(part, outcome.of(lane.name), now_ms)
                lane.flush_due(now_ms)

    @contextmanager
    def _apart(self, lane: Lane) -> Iterator[None]:
        """What goes wrong with a destination stays its own: its lane is parked, and the others go on."""
        if lane.name == LAKE:
            yield
            return
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, the lake must not wait for it
            lane.park(_words(error))

    def _once(self, part: Part, outcome: Outcome) -> Outcome:
        """Take out what came before. One lane has the say, and all plans note it.

        It is the one with a plan that was found open, whose verdicts stand; else the first that takes the part.
        """
        if self._repeats is None:
            return outcome
        for lane in self._lanes:
            with self._apart(lane):
                lane.reach(part)
        takers = [lane for lane in self._lanes if lane.wants(part)]
        if not takers:
            return outcome
        found = (lane for lane in takers if lane.repeated is not None)
        filling = (lane for lane in takers if lane.repeated is None)  # whose batch goes on after a plan that was found
        sayer = next(found, takers[0])
        return self._repeats(outcome, sayer, next(filling, sayer).seen)

    def _add_carefully(self, part: Part) -> None:
        noting = self._lanes[0]  # one durable note is enough for the shard
        for group in self._groups(part):
            noting.suspect((group[0].last, group[-1].last))
            if self.state != "fill":
                return
            for single in group:
                outcome = self._carefully(single.records[0], single.last)
                try:
                    outcome = self._once(single, outcome)
                except (WorldError, WorldDenied):
                    noting.suspect(())  # no record is to blame for a service that is away
                    raise
                self._take(single, outcome)
            self._careful_records += len(group)
            if self._careful_records >= CAREFUL_RECORDS_MAX:
                self._careful_records = 0
                self._cut("careful")
        noting.suspect(())

    def _groups(self, part: Part) -> Iterator[list[Part]]:
        """Yield the records in groups, each of which is noted at once; alone, those that a child died with."""
        hot = [lane.hot for lane in self._lanes if lane.hot]
        group: list[Part] = []
        for record in part.records:
            single = part_of([record])
            if any(first <= single.last <= last for first, last in hot):
                if group:
                    yield group
                yield [single]
                group = []
                continue
            group.append(single)
            if len(group) == CAREFUL_RECORDS_MAX:
                yield group
                group = []
        if group:
            yield group

    def _carefully(self, record: Record, mark: str) -> Outcome:
        if any(mark in lane.poison for lane in self._lanes):
            self._say("poison", sequence=record.sequence, sub=record.sub)
            message = "two children died while they processed this record (crash, out of memory, or hang)"
            return self._pipeline.internal(record, Reason("internal", "died", "$", message))
        try:
            return self._pipeline([record])
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - our own mistake must not stop the shard for ever
            error_told = repr(error) if isinstance(error, Discreet) else type(error).__name__  # this is logged
            self._say("poison", sequence=record.sequence, sub=record.sub, error=error_told)
            text = traceback.format_exc()[-TRACEBACK_CHARS_MAX:]
            return self._pipeline.internal(record, Reason("internal", type(error).__name__, "$", text))

    def _cut(self, why: str) -> None:
        for lane in self._lanes:
            if lane.forced == START:
                with self._apart(lane):
                    lane.cut(why)
                    lane.settle()

    def adopt(self, pipeline: Pipeline, sinks: Mapping[str, Sink], digests: tuple[tuple[str, str], ...]) -> bool:
        """Go on under another edition from the next record on; `sinks` by lane, new ones. False where that must wait.

        All that is in hand is cut first, as a plan of the edition it was made with. A plan that was found open is
        replayed first. A shard that is lost or stopped opens anew some day, under whatever edition stands then.
        """
        if self.state != "fill" or any(lane.forced != START for lane in self._lanes):
            return False
        for lane in self._lanes:
            with self._apart(lane):
                lane.cut("edition")  # waits for a plan in flight, and for no more: a turn has an end
        if self.state != "fill":
            return False
        self._pipeline = pipeline
        for lane in self._lanes:
            lane.adopt(sinks.get(lane.name), digests)
        return True

    def flush_due(self) -> None:
        """Cut what is due, at the end of a turn."""
        now_ms = self._now_ms()
        for lane in self._lanes:
            with self._apart(lane):
                lane.flush_due(now_ms)
            lane.begin_turn()
            self._say("standing", lane=lane.name, state=lane.state, oldest_ms=lane.oldest_ms)

    def caught_up(self) -> None:
        """Nothing more is in the shard by now."""
        for lane in self._lanes:
            with self._apart(lane):
                lane.caught_up()

    def end(self) -> None:
        """Nothing will ever come again: commit all that is in hand."""
        self.caught_up()
        self.flush()

    def flush(self, within_s: float | None = None) -> bool:
        """Commit all that is in hand and can be, all lanes in that one time; True when nothing of it is left."""
        since_ms = self._now_ms()
        going = [lane for lane in self._lanes if lane.state not in WAITING or lane.name == LAKE]
        for lane in going:  # all at once, as far as none must wait for what it has under way
            with self._apart(lane):
                if lane.forced == START and not lane.in_flight:
                    lane.cut("flush")
        flushed = dict.fromkeys(going, False)
        for lane in going:  # every lane, whatever the first says
            left_s = None if within_s is None else max(0.0, within_s - (self._now_ms() - since_ms) / 1000)
            with self._apart(lane):
                flushed[lane] = lane.flush(left_s)
        return all(done or lane.state in WAITING for lane, done in flushed.items())

    def leave(self) -> None:
        """Say goodbye in good order."""
        for lane in self._lanes:
            with self._apart(lane):
                lane.leave()

    def drop(self) -> None:
        """Forget what is in hand and touch nothing."""
        for lane in self._lanes:
            lane.drop()

    def close(self) -> None:
        for lane in self._lanes:
            lane.close()

    def resolved(self) -> bool:
        """Has a person decided about a lane that stopped?"""
        return not all(lane.stopped_item() for lane in self._lanes if lane.state == "stopped")


def _words(error: Exception) -> str:
    """Return what of a lane's failure may be logged: a library's own words may hold what an event did."""
    kind = type(error).__name__
    if isinstance(error, WorldError | WorldDenied | SlowError | Discreet):
        return f"{kind}: {error}"
    places = traceback.extract_tb(error.__traceback__)
    return f"{kind} in {places[-1].name}, line {places[-1].lineno}" if places else kind
