"""One child after another, told turn by turn what the daemon says. Rule: a script, its actions, nothing by chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, cast

from faults.simulation import PATIENCE_S, RETRY_S, STEPS_MAX, Kind, Scenery, Story
from support.simulated_daemon import Manner, SimulatedDaemon
from support.simulated_threads import Task
from support.simulated_world import KEY, Fault, Process, Strike
from tailrace.commit.plan import Item, item_to_dict
from tailrace.kcl.child import Life
from tailrace.kcl.daemon import Daemon
from tailrace.kcl.protocol import DaemonGone, LeaseLost, Records, ShardEnded, ShutdownRequested, Turn
from tailrace.kcl.switching import Obey, Orders
from tailrace.nouns import mark
from tailrace.shard import Shard

GRACE_S = 30.0
FAILOVER_S = 10.0
TURN_S = 300.0
WORDS = {
    "swap.open": "Opened",
    "swap.prepare": "Prepared",
    "swap.take_over": "TakenOver",
    "create.object": "Put",
    "replace.object": "Replaced",
    "create.commit_file": "PutCommitFile",
    "replace.commit_file": "ReplacedCommitFile",
    "create.shelf": "Shelved",
    "read.shelf": "Unshelved",
    "swap.commit": "Committed",
    "swap.suspect": "Suspected",
    "swap.leave": "Left",
    "swap.stop": "Stopped",
    "checkpoint": "Checkpointed",
    "checkpoint_end": "CheckpointedEnd",
    "answer.initialize": "Answered",
    "answer.processRecords": "Answered",
    "answer.shutdownRequested": "Answered",
    "answer.shardEnded": "Answered",
    "answer.leaseLost": "Answered",
}  # reading, looking and flushing to disk go without saying


class Feed(NamedTuple):
    """A turn with so many records; none: an empty tick."""

    records: int = 0
    behind_ms: int = 0


class Wait(NamedTuple):
    """Time goes by before the next turn."""

    seconds: float


Step = Feed | Wait | ShutdownRequested | ShardEnded | LeaseLost | Callable[[], object]
TICK = Feed()
STOP, END, LOST = ShutdownRequested(), ShardEnded(), LeaseLost()


class ScriptedDaemon(SimulatedDaemon):
    """Says what the script says."""

    def __init__(self, process: Process, script: tuple[Step, ...]) -> None:
        super().__init__(process, Manner(0))
        self._script = script

    def turns(self) -> Iterator[Turn]:
        world = self._world
        rest = [r for r in world.records if mark(r.sequence, r.sub) > world.checkpoint]
        yield self._say(self._initialize())
        for step in self._script:
            if isinstance(step, Wait):
                world.now_s += step.seconds
            elif isinstance(step, Feed):
                taken, rest = rest[: step.records], rest[step.records :]
                yield self._say(Records(self._whole(taken), step.behind_ms))
            elif callable(step):
                step()
            else:
                yield self._say(step)
        self._gone = True
        raise DaemonGone("the script has ended")


class Play(Story):
    """A world, and children that follow scripts."""

    def __init__(self, *datas: bytes, item: Item | None = None, kind: Kind | None = None, **scenery: object) -> None:
        lasting = {"rows": 10**6, "age_ms": 10**9, "partitions": (2,), "uploads": 1, **scenery}
        super().__init__(Scenery(datas=datas, **lasting), 0)  # type: ignore[arg-type]
        if kind is not None:
            self.kind = kind
        if item is not None:
            assert self.world.ledger.swap(KEY, 0, item_to_dict(item)) is None
        self.strike: Strike = self._scripted
        self._strikes: Mapping[tuple[str, int], Fault] = {}
        self._counts: dict[str, int] = {}

    def child(
        self,
        *script: Step,
        strikes: Mapping[tuple[str, int], Fault] | None = None,
        renew: Callable[[Shard], None] = lambda _shard: None,
        orders: Callable[[], Orders] = dict,
    ) -> list[str]:
        """Let one child live through a script; return what it did. `strikes` names the n-th effect of a kind.

        `orders`: what persons say of lanes, asked at the opening and in each turn.
        """
        process = Process(self.world, len(self.processes))
        self.processes.append(process)
        world = self.world
        world.holder, world.strike = process, self.strike
        self._strikes, self._counts = strikes or {}, {}
        before = len(world.done)

        def open_shard(_shard: str) -> Shard:
            shard = self.kind.make(process, self.scenery)
            first = shard._orders = {**shard._orders, **orders()}
            life.obey = Obey(orders, first, life.start_anew)
            return shard

        life = Life(
            cast("Daemon", ScriptedDaemon(process, script)),
            open_shard,
            process.clock,
            GRACE_S,
            FAILOVER_S,
            TURN_S,
            renew,
            RETRY_S,
        )
        life.say = process.say
        with world.threads.installed():
            world.threads.spawn(process.group, lambda: self._live(process, life))
            world.threads.run(self._in_turn)
        assert not world.wrong, self.told()
        return [WORDS[done.kind] for done in world.done[before:] if done.kind in WORDS]

    def _scripted(self, _process: Process, kind: str) -> Fault | None:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return self._strikes.get((kind, self._counts[kind]))

    def _in_turn(self, runnable: list[Task], current: Task | None) -> Task | None:
        """The workers before the main thread, which is the oldest; each in turn."""
        self._steps += 1
        assert self._steps < STEPS_MAX, self.told()
        if not runnable:
            return None
        workers = runnable[1:] or runnable
        return workers[(workers.index(current) + 1) % len(workers) if current in workers else 0]

    @property
    def end(self) -> str:
        """How the last child's life ended."""
        return self.processes[-1].end

    def said(self, what: str) -> int:
        """Return how often the last child said it."""
        begins = f"{self.processes[-1].number}:   {what} "
        return sum(line.startswith(begins) for line in self.world.said)

    def stored(self) -> list[str]:
        """Return the committed rows, in order."""
        return sorted(self.rows().elements())


__all__ = [
    "END",
    "FAILOVER_S",
    "GRACE_S",
    "LOST",
    "PATIENCE_S",
    "RETRY_S",
    "STOP",
    "TICK",
    "TURN_S",
    "Feed",
    "Play",
    "Wait",
]
