"""Whole stories: children live, die and follow each other until all is committed. Rule: one seed, one story."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Literal, NamedTuple, cast

from support.memory_effects import EffectsSink
from support.memory_sink import ASIDE, INTERNAL, MemoryPipeline, MemoryReader, MemorySink, OurMistake, values
from support.simulated_daemon import Manner, SimulatedDaemon
from support.simulated_threads import Killed, Task
from support.simulated_world import ASIDE_KEY, EFFECTS, IDENTITY, LANE, Process, Strike, World, committed
from tailrace.cli.resolve import decide
from tailrace.commit.audit import audit
from tailrace.commit.audit_compacted import Reader
from tailrace.commit.batch import FlushLimits
from tailrace.commit.lane import Lane
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.patience import Bound, Patience
from tailrace.commit.plan import item_from_dict
from tailrace.commit.ports import Place
from tailrace.commit.switches import Order, Skip
from tailrace.kcl.child import Anew, Life, Resolved, Superseded
from tailrace.kcl.daemon import Daemon
from tailrace.kcl.protocol import CheckpointError, DaemonGone
from tailrace.nouns import START, Record, mark
from tailrace.shard import Shard
from tailrace.world import WorldError

STEPS_MAX = 10_000
STAY = 0.6  # how likely a thread goes on past a point where others could
PATIENCE_S = 20.0
BOUND_S = 10.0  # that a lane beside the lake may keep the main thread waiting
RESTART_S = 2.0  # the supervisor's
RETRY_S = 60.0  # until a parked lane is tried again
SAID_SHOWN = 120
ALLOWED = (DaemonGone, Superseded, Resolved, Anew, WorldError, OurMistake)


class Scenery(NamedTuple):
    """What a story is about, before anything goes wrong."""

    datas: tuple[bytes, ...] = (b"1", b"2", b"bad", b"1", b"3", b"0x", b"1", b"2")
    ended: bool = True
    rows: int = 4
    age_ms: int = 5_000
    partitions: tuple[int, ...] = (2, 3)  # of each process's version of the code, in turn
    formats: tuple[str, ...] = ("parquet",)  # of each process's settings, in turn; or avro, both; real shards alone
    archive: tuple[str, ...] = ("",)  # of each process's settings, in turn; or avro; real shards alone
    pad: int = 0
    uploads: int = 2
    records_max: int = 4  # a turn
    idle_max: int = 20  # empty turns before the daemon stops a child
    lost_last: bool = False  # after shutdownRequested comes leaseLost
    accept: bool = True  # what the person says of a stopped shard
    dedup: Literal["", "plan", "table"] = ""  # how far events that come again are looked for; real shards alone
    ttl_s: int = 10**9  # of the table's claims
    aside: bool = False  # there is a second lane, which brings about no objects; light shards alone
    left_out: str = START  # the mark up to which all children but the first are told to leave records out of it


class Kind(NamedTuple):
    """What a shard is made of, and how its objects are read."""

    make: Callable[[Process, Scenery], Shard]
    reader: Reader
    rows: Callable[[Place, str], list[str]]


class Drive(NamedTuple):
    """What goes wrong, apart from single effects."""

    lives: int = 1  # processes with a manner of their own; those after them are calm
    steal: float = 0.0  # at each step: the lease moves though its holder lives
    wake: float = 0.0  # at each step: a stalled process goes on
    wake_at_commit: bool = False  # a stalled process goes on right after another's commit
    stop_early: bool = False  # shutdownRequested in the middle


CALM = Drive()


def records_of(scenery: Scenery) -> list[Record]:
    """Return records whose sequences have several sub-sequences, as aggregates have."""
    return [Record(data, str(100 + at // 2), at % 2, 1_000_000 + at) for at, data in enumerate(scenery.datas)]


def light_shard(process: Process, scenery: Scenery) -> Shard:
    """Return the real shard and lane over a pipeline and a sink of a few lines."""
    lane = Lane(
        LANE,
        IDENTITY,
        LaneLedger(process.ledger, process.place, IDENTITY, LANE),
        process.place,
        MemorySink(scenery.partitions[process.number % len(scenery.partitions)], scenery.pad),
        FlushLimits(scenery.rows, 10**9, scenery.age_ms, 10**9),
        digests=(("code", str(process.number)),),
        patience=lambda: Patience(process.clock, PATIENCE_S, lambda: 0.5),
        say=process.say,
        alive=lambda: None,
        uploads=scenery.uploads,
    )
    lanes = [lane, _aside(process, scenery)] if scenery.aside else [lane]
    orders = (
        {ASIDE: Order(skip=Skip(scenery.left_out, "a test says so"))} if process.number and scenery.left_out else {}
    )
    now_ms = lambda: int(process.clock.monotonic() * 1000)  # noqa: E731
    return Shard(MemoryPipeline(process.kill), lanes, now_ms, process.say, orders=orders)


def _aside(process: Process, scenery: Scenery) -> Lane:
    def reach(kind: str, act: Callable[[], None]) -> None:
        process.effect(f"aside.{kind}", act)

    return Lane(
        ASIDE,
        IDENTITY,
        LaneLedger(process.ledger, process.place, IDENTITY, ASIDE),
        None,
        EffectsSink(process.world.aside, reach, worth=1 + process.number % 2 * 9),
        FlushLimits(scenery.rows, 10**9, scenery.age_ms // 2, 10**9, 2 * scenery.age_ms),
        digests=(("code", str(process.number)),),
        patience=lambda: Patience(process.clock, PATIENCE_S, lambda: 0.5),
        say=process.say,
        alive=lambda: None,
        bound=Bound(process.clock, BOUND_S),
    )


LIGHT = Kind(light_shard, MemoryReader(), values)


class Story:
    """One run: a scenery, a seed, what strikes, and what became of it."""

    def __init__(
        self,
        scenery: Scenery,
        seed: int,
        *,
        drive: Drive = CALM,
        strike: Strike | None = None,
        kind: Kind = LIGHT,
        prepare: Callable[[World], None] = lambda _: None,
        renew: Callable[[Process, Shard], None] = lambda _process, _shard: None,
    ) -> None:
        self.scenery = scenery
        self.seed = seed
        self.world = World(records_of(scenery), ended=scenery.ended)
        prepare(self.world)
        self._rng = Random(seed)
        self._steps = self._chain = 0
        self._drive = drive
        self._renew = renew  # may have a shard go on under another edition, at the start of a turn
        self.kind = kind
        self.processes: list[Process] = []
        if strike is not None:
            self.world.strike = strike

    # -- the driver ----------------------------------------------------------------------------------------------

    def run(self) -> Story:
        """Tell the story to its end."""
        with self.world.threads.installed():
            try:
                self.world.threads.run(self._choose)
            finally:
                for process in self.processes:
                    process.group.dead = True
                self.world.threads.run(lambda _tasks, _current: None)  # every thread ends
        return self

    def _choose(self, runnable: list[Task], current: Task | None) -> Task | None:
        """Begin what must begin, wake what may wake, and say who goes on; nobody when all is over."""
        world, rng = self.world, self._rng
        self._steps += 1
        if self._steps > STEPS_MAX:
            world.expect(holds=False, text="the story has no end")
            return None
        if current is not None and not current.group.stalled and rng.random() < STAY:
            return current
        holder = world.holder
        idle = holder is None or holder.end or holder.group.stalled
        if self.all_stored():
            self._wake(all_of_them=not runnable)
        elif idle or (self._drive.steal and len(self.processes) < self._drive.lives and self._happens("steal")):
            self._begin()
        if self._drive.wake and self._happens("wake"):
            self._wake()
        if world.item.chain > self._chain:
            self._chain = world.item.chain
            if self._drive.wake_at_commit:
                self._wake(all_of_them=True)
        if world.item.stopped and rng.random() < 0.05:
            decide(world.ledger, world.place, IDENTITY, accept=self.scenery.accept)
        runnable = world.threads.runnable()
        return rng.choice(runnable) if runnable else None

    def all_stored(self) -> bool:
        world = self.world
        item = world.item
        stored = item.watermark >= world.last and item.plan is None
        return stored and (world.end_taken if world.ended else world.checkpoint >= world.last)

    def _happens(self, what: str) -> bool:
        return self._rng.random() < getattr(self._drive, what)

    def _wake(self, *, all_of_them: bool = False) -> None:
        stalled = [p for p in self.processes if p.group.stalled and not p.group.dead]
        for process in stalled if all_of_them else stalled[:1]:
            self.world.said.append(f"{process.number}: goes on")
            process.group.stalled = False

    def _begin(self) -> None:
        process = Process(self.world, len(self.processes))
        self.world.now_s += RESTART_S
        self.processes.append(process)
        self.world.holder = process
        early = self._drive.stop_early and len(self.processes) <= self._drive.lives
        manner = Manner(
            self._rng.randrange(2**32),
            self._rng.randint(1, 6) if early else 10**9,
            self._rng.randint(0, 6),
            self.scenery.records_max,
            self.scenery.idle_max,
            self.scenery.lost_last,
        )
        daemon = SimulatedDaemon(process, manner)

        def open_shard(_shard: str) -> Shard:
            return self.kind.make(process, self.scenery)

        life = Life(cast("Daemon", daemon), open_shard, process.clock, grace_s=30.0, failover_s=3.0, retry_s=RETRY_S)
        life.say = process.say
        life.renew = lambda shard: self._renew(process, shard)
        self.world.threads.spawn(process.group, lambda: self._live(process, life))

    def _live(self, process: Process, life: Life) -> None:
        try:
            life.live()
        except Killed:
            process.end = "killed"
            raise
        except ALLOWED as end:
            process.end = repr(end)
        except CheckpointError as end:
            process.end = repr(end)
            self.world.expect(end.kind != "invalid", f"{process}: {end}")
        except BaseException:  # noqa: BLE001 - whatever else it is, it is wrong
            process.end = "wrong"
            self.world.expect(holds=False, text=f"{process}: {traceback.format_exc()}")
        finally:
            process.group.dead = True
            self.world.said.append(f"{process.number}: ends, {process.end}")

    # -- what must hold ------------------------------------------------------------------------------------------

    def rows(self) -> Counter[str]:
        """Return the committed rows, each `[<stage of the reject>:]<position>...`."""
        place = self.world.place
        return committed(self.world, lambda name: self.kind.rows(place, name))

    def judge(self, calm: Counter[str]) -> None:
        """Compare with the calm run's rows, and look at everything else that must hold."""
        world = self.world
        found = self.rows()
        world.expect(found == (wanted := self._excused(calm, found)), f"committed {_difference(found, wanted)}")
        self.judge_sums(found)

    def judge_sums(self, found: Counter[str]) -> None:
        """Look at everything that must hold whatever the rows are."""
        world = self.world
        if self.scenery.aside and self.kind is LIGHT:
            self._judge_aside(found)
        item = world.item
        kept = item.totals.stored + item.totals.rejected
        world.expect(not item.stopped, f"stopped: {item.stopped}")
        world.expect(item.totals.received == kept + item.totals.filtered, f"totals: {item.totals}")
        world.expect(kept == found.total(), f"totals: {item.totals}, found {found.total()} rows")
        world.expect(item.records == len(world.records), f"{item.records} records in the ledger")
        report = audit(world.ledger, world.place, self.kind.reader, IDENTITY.epoch)
        findings = [*report.findings, *(finding for shard in report.shards for finding in shard.findings)]
        world.expect(report.holds, f"audit: {findings}")
        unknown = world.kinds().keys() - EFFECTS
        world.expect(not unknown, f"kinds of effects that no list knows: {sorted(unknown)}")
        assert not world.wrong, self.told()

    def _judge_aside(self, found: Counter[str]) -> None:
        """Each delta that was planned first counts once, and each stored row is a message, in order at first."""
        aside, world = self.world.aside, self.world
        item = item_from_dict(world.ledger.at(ASIDE_KEY, world.ledger.revision(ASIDE_KEY)) or {})
        world.expect(not item.stopped and item.plan is None, f"aside: {item}")
        world.expect(item.watermark >= world.last, f"aside stands at {item.watermark}")
        told = all("a test says so" in text for text in item.resolved)
        world.expect(told, f"aside left out what nobody told it to: {item.resolved}")
        given_up = next((chain for chain in aside.planned if f"; chain {chain} was open" in " ".join(item.resolved)), 0)
        wanted = sum(delta for chain, delta in aside.planned.items() if chain <= item.chain and chain != given_up)
        perhaps = {wanted, wanted + aside.planned.get(given_up, 0)}
        world.expect(aside.total in perhaps, f"aside counts {aside.total}, planned were {aside.planned}")
        world.expect(item.since.mark >= aside.ends.get(given_up, START), f"half of chain {given_up} may count twice")
        left_out = [record for record in world.records if mark(record.sequence, record.sub) > item.since.mark]
        missing = item.records - item.since.records - len(left_out)
        world.expect(not missing, f"aside has {missing} records more or less than came since {item.since}")
        first = list(dict.fromkeys(aside.messages))
        # A child that was held up may send what was left out long after: nothing sent before it holds it back.
        taken = [row for row in first if mark(*_record(row)) > item.since.mark]
        world.expect(taken == sorted(taken, key=_order), f"aside sent {first}")
        stored = {row for row in found if ":" not in row}
        blamed = {row for row in set(first) - stored if mark(*_record(row)) in world.blamed}
        gone = {row for row in stored - set(first) if mark(*_record(row)) <= item.since.mark}
        world.expect(set(first) - blamed == stored - gone, f"aside sent {sorted(first)}, stored are {sorted(stored)}")

    def _excused(self, calm: Counter[str], found: Counter[str]) -> Counter[str]:
        """Return the calm run's rows, but a reject for a record that a child died with, where it became one."""
        rejects = {record_of(row) for row in found if row.startswith(INTERNAL)}
        at = {f"{r.sequence}/{r.sub}": mark(r.sequence, r.sub) for r in self.world.records}
        blamed = {record for record, m in at.items() if m in self.world.blamed} & rejects
        wanted = Counter({row: n for row, n in calm.items() if record_of(row) in at.keys() - blamed})
        return wanted + Counter({row: 1 for row in found if row.startswith(INTERNAL) and record_of(row) in blamed})

    def told(self) -> str:
        """Return what is wrong and the end of the story."""
        story = "\n".join(self.world.said[-SAID_SHOWN:])
        wrong = "\n".join(self.world.wrong)
        return f"seed {self.seed}, {self.scenery}, {self._drive}\n{story}\n{wrong}"


def _order(position: str) -> tuple[int, ...]:
    return tuple(map(int, position.split("/")))


def _record(position: str) -> tuple[str, int]:
    sequence, sub, _ = position.split("/")
    return sequence, int(sub)


def record_of(row: str) -> str:
    """Return `<sequence>/<sub>` of a row."""
    return row.rpartition(":")[2].rpartition("/")[0]


def _difference(found: Counter[str], rows: Counter[str]) -> str:
    return f"too many: {sorted((found - rows).elements())}, too few: {sorted((rows - found).elements())}"


@cache
def calm_rows(scenery: Scenery, kind: Kind = LIGHT) -> Counter[str]:
    """Return what is committed when nothing goes wrong but our own mistakes."""
    return Story(scenery, 0, kind=kind).run().rows()
