"""One lane of one shard: a batch fills while the last one is written. Rule: every effect is one the protocol named.

The main thread opens, fills and cuts; one worker thread prepares, writes and commits. The owner's state belongs to the
worker while a plan is in flight, and to the main thread otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from functools import partial

from tailrace.commit import protocol
from tailrace.commit.batch import Batch, FlushLimits, Part
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.objects import Objects
from tailrace.commit.patience import Bound, Patience
from tailrace.commit.plan import Plan, commit_name, facts, stem
from tailrace.commit.ports import FORMATS_MAX, Body, Filling, Place, Say, Sink
from tailrace.commit.protocol import RESTING, Lost, Owner, Read, Sent, Swap
from tailrace.commit.rules import CAREFUL_AFTER_FAILURES
from tailrace.nouns import START, Identity, Outcome
from tailrace.world import WorldError

WAIT_STEP_S = 0.2  # how often a wait looks whether the daemon still lives


class Lane:
    """A batch, a ledger item, a sink and the thread between them."""

    def __init__(
        self,
        name: str,
        identity: Identity,
        ledger: LaneLedger,
        place: Place | None,
        sink: Sink,
        limits: FlushLimits,
        *,
        digests: tuple[tuple[str, str], ...],
        patience: Callable[[], Patience],
        say: Say,
        alive: Callable[[], None],
        uploads: int = 4,
        bound: Bound | None = None,
    ) -> None:
        """`place`: where its objects go, a commit file with each plan; None: what it brings about is no objects."""
        self.name = name
        self._identity = identity
        self._ledger = ledger
        self._objects = None if place is None else Objects(place, identity, name, say, uploads)
        self._sink = sink
        self._limits = limits
        self._digests = digests
        self._patience = patience
        self._say = say
        self._alive = alive  # raises or exits when nobody waits for this child any more
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"lane-{name}")
        self._flight: Future[None] | None = None
        self._owner = Owner()
        self.taken = START  # mark of the last record taken in
        self.watermark = START  # mark of the last record committed
        self.forced = START  # where the open plan that was found ends
        self.careful = False  # the last children died too often without a commit
        self._batch = Batch(START)
        self._filling: Filling = sink.start()
        self._parked = ""  # why it takes nothing in any more, while others go on
        self._paused = False  # a person said so
        self._bound = bound  # None: who must wait for this lane waits for as long as it takes
        self.oldest_ms: int | None = None  # when the oldest record arrived that it has not committed

    # -- the life of a lane, on the main thread ------------------------------------------------------------------

    def found(self) -> str | None:
        """Return the watermark as the ledger has it, None where it knows no such lane yet. Changes nothing."""
        return self._ledger.watermark()

    def open(self, start: str = START) -> None:
        """Take the lane over: raise the generation, find watermark and open plan. A new one begins at `start`."""
        self._owner = owner = self._drive(Owner(start=start))
        item = owner.item
        self.taken = self.watermark = item.watermark
        self.forced = item.plan.last if item.plan is not None and not item.stopped else START
        self.careful = item.failures > CAREFUL_AFTER_FAILURES and self._objects is not None  # one lane notes for all
        self._batch = Batch(self.watermark)
        self._say(
            "opened",
            lane=self.name,
            generation=owner.generation,
            chain=item.chain,
            watermark=item.watermark,
            open_plan=item.plan.chain if item.plan else None,
            failures=item.failures,
            careful=self.careful,
            stopped=item.stopped or None,
        )

    @property
    def state(self) -> str:
        """`fill` while all is well; `lost`, `stopped`, `parked` or `paused` for good."""
        if self._parked:
            return "paused" if self._paused else "parked"
        return self._owner.step if self._flight is None else "fill"

    @property
    def in_flight(self) -> bool:
        """Is a plan being written?"""
        return self._flight is not None and not self._flight.done()

    @property
    def why(self) -> str:
        return self._parked or self._owner.why

    @property
    def generation(self) -> int:
        return self._owner.generation

    @property
    def poison(self) -> tuple[str, ...]:
        """Records that killed children."""
        return self._owner.item.poison

    @property
    def hot(self) -> tuple[str, ...]:
        """First and last of the records that a child died with; () when there are none."""
        return self._owner.item.hot

    def boundaries(self) -> tuple[str, ...]:
        """Marks after which records must be split for this lane."""
        return tuple(m for m in (self.watermark, self.forced) if m != START)

    def make_room(self, outcome: Outcome) -> bool:
        """Cut first where these rows would open too many objects; False where they alone are too many for a batch."""
        most = self._limits.objects
        if self.state != "fill" or self.forced != START or self._filling.objects + FORMATS_MAX * _rows(outcome) <= most:
            return True
        if self._filling.objects + self._filling.opens(outcome.rows) <= most:
            return True
        self.cut("objects")
        return self._filling.opens(outcome.rows) <= most

    def wants(self, part: Part) -> bool:
        """Has this lane not taken the part in yet?"""
        return self.state == "fill" and part.last > self.taken

    def reach(self, part: Part) -> None:
        """Cut a plan that waits for its last record, where the replay has gone past it."""
        if self.wants(part) and self.forced != START and part.last > self.forced:
            self.cut("forced")
            self.settle()

    @property
    def seen(self) -> dict[str, str]:
        """Owners of the keys of the batch's events, for who looks for those that come again."""
        return self._batch.seen

    @property
    def repeated(self) -> Mapping[str, str] | None:
        """What an open plan that was found left out, position -> why: its verdicts stand. None: there is no plan."""
        plan = self._owner.item.plan
        return None if self.forced == START or plan is None else dict(plan.repeated)

    @property
    def same_edition(self) -> bool:
        """Was the open plan that was found made under this edition, of the records that come (none others accepted)?"""
        item = self._owner.item
        same = item.plan is not None and dict(item.plan.digests) == dict(self._digests)
        return same and item.waived != item.chain + 1

    def add(self, part: Part, outcome: Outcome, now_ms: int) -> None:
        """Take a part in, unless this lane has it already."""
        self.reach(part)
        if self.oldest_ms is None and part.last > self.taken:
            self.oldest_ms = part.records[0].arrival_ms
        if not self.wants(part):
            return
        self._batch.add(part, outcome, now_ms)
        self._filling.add(outcome.rows)
        self.taken = part.last
        if part.last == self.forced:
            self.cut("forced")

    def flush_due(self, now_ms: int) -> None:
        """Cut the batch if it is time."""
        self.check()
        if self.state != "fill" or self.forced != START:
            return
        why = self._batch.due(now_ms, self._filling.objects, self._limits)
        if why and not (why == "age" and self._flight is not None):  # age alone does not make the daemon wait
            self.cut(why)

    def caught_up(self) -> None:
        """Nothing more is there to come: a plan that still waits for its last record waits in vain."""
        if self.forced != START:
            self.cut("forced")

    def cut(self, why: str) -> None:
        """Hand the batch to the worker. Waits while the last one is still in flight."""
        self.settle()
        if self.state != "fill" or not (self._batch or self.forced != START):
            return
        batch, filling = self._batch, self._filling
        self._batch = Batch(max(batch.last, self.forced) or self.watermark)
        self._filling = self._sink.start()
        self.forced = START
        self._flight = self._worker.submit(self._commit, batch, filling, self._digests, why)

    def flush(self, within_s: float | None = None) -> bool:
        """Cut and wait until all is committed, or the time is over. True when nothing is left that could be.

        A plan that waits for the rest of its records cannot: they come again to whoever opens next.
        """
        left = self.settle(within_s)
        if self._flight is None and self.forced == START and (left is None or left > 0):
            self.cut("flush")
            self.settle(left)
        return self._flight is None and (not self._batch or self.forced != START)

    def settle(self, within_s: float | None = None) -> float | None:
        """Wait for the plan in flight; raises what its worker raised. Returns what is left of the time."""
        left = within_s
        while self._flight is not None and (left is None or left > 0):
            with self._bound.waiting() if self._bound is not None and within_s is None else nullcontext():
                wait([self._flight], timeout=WAIT_STEP_S)
            left = None if left is None else left - WAIT_STEP_S
            self.check()
            self._alive()
            if self._bound is not None and within_s is None and self.in_flight:
                self._bound.check()
        return left

    def begin_turn(self) -> None:
        """The main thread may be kept waiting anew."""
        if self._bound is not None:
            self._bound.begin()

    def check(self) -> None:
        """See whether the plan in flight has landed."""
        flight = self._flight
        if flight is None or not flight.done():
            return
        self._flight = None
        flight.result()
        self.watermark = max(self.watermark, self._owner.item.watermark)
        if not self._parked:
            self.oldest_ms = self._batch.arrival_ms if self._batch else None
        self.careful = False
        if self._owner.step != "fill":
            self._say(self._owner.step, lane=self.name, generation=self._owner.generation, why=self._owner.why)
            self.drop()

    def adopt(self, sink: Sink | None, digests: tuple[tuple[str, str], ...]) -> None:
        """Go on under another edition, with nothing in hand: a plan has one edition; one in flight keeps its own.

        `sink` None: it is the same for any edition.
        """
        if self._batch or self.forced != START:
            raise RuntimeError(f"lane {self.name}: another edition comes between plans only")
        self._filling.drop()
        self._sink, self._digests = sink or self._sink, digests
        self._filling = self._sink.start()

    def skip(self, upto: str, why: str) -> None:
        """Leave out records, and note it. Right after `open`."""
        self._owner = self._drive(protocol.skip(self._owner, upto, why))
        self.taken = self.watermark = self._owner.item.watermark
        self.forced = START
        self._batch = Batch(self.watermark)
        self._say("skipped", lane=self.name, upto=self.watermark, why=why)

    def park(self, why: str, *, paused: bool = False) -> None:
        """Take nothing in any more. What is in hand stays uncommitted, and comes again to whoever opens next.

        A plan that is being written may still land.
        """
        self._parked, self._paused = why, paused
        self.drop()
        self._say(self.state, lane=self.name, why=why)

    def suspect(self, span: tuple[str, ...]) -> None:
        """Careful mode: make it durable that the records from the first to the last mark are in hand; (): none are."""
        self.settle()
        if self.state == "fill":
            self._owner = self._drive(protocol.suspect(self._owner, span))

    def leave(self) -> None:
        """Say goodbye in good order. Only with nothing in flight."""
        if self._flight is None and self._owner.step == "fill":
            self._owner = self._drive(protocol.leave(self._owner))

    def drop(self) -> None:
        """Forget what is in hand."""
        self._filling.drop()
        self._batch = Batch(self.watermark)
        self.forced = START

    def close(self) -> None:
        """Let the threads go."""
        self._worker.shutdown(wait=False, cancel_futures=True)
        if self._objects is not None:
            self._objects.close()

    def stopped_item(self) -> bool:
        """Does the ledger still say that this shard waits for a person?"""
        found = self._ledger.read()
        return found is not None and bool(found[1].stopped)

    # -- one plan, on the worker thread --------------------------------------------------------------------------

    def _commit(self, batch: Batch, filling: Filling, digests: tuple[tuple[str, str], ...], why: str) -> None:
        try:
            chain = self._owner.item.chain + 1
            own = self._names(filling, chain)
            draft, opened = batch.draft(own, digests, filling.deltas()), self._owner.item.plan
            if opened is not None:
                repeated = {**dict(opened.repeated), **dict(draft.repeated)}  # those that did not come stand too
                draft = draft._replace(repeated=tuple(sorted(repeated.items())))
            owner = protocol.cut(self._owner, draft)
            bodies: dict[str, Body] = {}
            if owner.plan is not None and owner.step in {"prepare", "take_over"}:
                plan = owner.plan
                about = facts(self._identity, self.name, plan, owner.generation)
                self._say(
                    "cut", lane=self.name, chain=plan.chain, generation=owner.generation, why=why, step=owner.step
                )
                bodies = filling.seal(plan.names[:-1], about)
            self._owner = self._drive(owner, partial(self._bring_about, filling, bodies))
            if self._owner.step == "fill":
                self._say("durable", lane=self.name, arrival_ms=batch.arrival_ms)
        finally:
            filling.drop()

    def _names(self, filling: Filling, chain: int) -> tuple[str, ...]:
        if self._objects is None:
            return ()
        return (*filling.names(stem(self._identity, chain)), commit_name(self._identity, chain))

    def _drive(self, owner: Owner, bring_about: Callable[[Plan, int, Patience], Sent | None] | None = None) -> Owner:
        patience = self._patience()
        whole = patience
        while owner.step not in RESTING:
            effect = protocol.effect(owner)
            reply: protocol.Reply
            if isinstance(effect, protocol.Write):
                assert bring_about is not None, "only a cut leads here"
                reply = bring_about(effect.plan, owner.generation, whole)
                patience = whole.part()
            else:
                patience.trying()
                try:
                    reply = self._touch_ledger(effect)
                except WorldError as error:
                    self._say("trouble", lane=self.name, what="ledger", error=str(error))
                    patience.wait(error)
                    reply = Lost()
            before, owner = owner, protocol.after(owner, effect, reply)
            self._tell(before, owner)
        return owner

    def _bring_about(
        self, filling: Filling, bodies: dict[str, Body], plan: Plan, generation: int, whole: Patience
    ) -> Sent | None:
        upto = filling.deliver(plan, whole)
        if not upto and self._objects is not None:
            self._objects.write(plan, generation, bodies, whole)
        return Sent(upto) if upto else None

    def _touch_ledger(self, effect: Read | Swap) -> protocol.Reply:
        if isinstance(effect, Read):
            return self._ledger.read()
        return self._ledger.swap(effect.expected, effect.item)

    def _tell(self, before: Owner, now: Owner) -> None:
        plan = before.plan
        if plan is None or now.step == before.step:
            return
        about = {"lane": self.name, "chain": plan.chain, "generation": before.generation}
        if now.step == "write":
            self._say(
                "prepared",
                **about,
                records=plan.records,
                objects=len(plan.names),
                taken_over=before.step == "take_over",
            )
        elif now.step == "commit":
            self._say("written", **about)
        elif before.step == "commit" and now.step == "fill":
            self._say("committed", **about, last=plan.last, records=plan.records, **plan.counts._asdict())


def _rows(outcome: Outcome) -> int:
    return outcome.stored + outcome.rejected + outcome.archived
