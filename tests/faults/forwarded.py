"""A light shard with the real forward beside it, and what must hold of it. Rule: judged from the destination's side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from faults.simulation import BOUND_S, PATIENCE_S, Kind, Scenery, Story, light_shard, record_of
from support.forwarding import THERE, OfPositions
from support.memory_sink import ASIDE, MemoryReader, values
from support.memory_target import MemoryTarget
from support.simulated_world import ASIDE_KEY, IDENTITY, Process
from tailrace.commit.batch import FlushLimits
from tailrace.commit.lane import Lane
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.patience import Bound, Patience
from tailrace.commit.plan import item_from_dict
from tailrace.commit.ports import Place
from tailrace.nouns import mark
from tailrace.shard import Shard
from tailrace.sinks.forward import dead
from tailrace.sinks.forward.dead import DeadLetters
from tailrace.sinks.forward.filling import ForwardSink
from tailrace.sinks.forward.messages import Message, order
from tailrace.sinks.forward.sender import Sender
from tailrace.sinks.forward.target import Failure, Limits, Result

NOTE_EVERY = 3


class Struck(MemoryTarget):
    """A service that is reached through the world, where what happens can be struck."""

    def __init__(self, process: Process) -> None:
        super().__init__(Limits(2, 10**6, 10**6), ordered=True)
        self._process = process
        self._met: set[str] = set()

    def send(self, messages: Sequence[Message]) -> list[Result]:
        def take() -> list[Result]:
            results = [self._result(one.position) for one in messages]
            taken = [one.position for one, result in zip(messages, results, strict=True) if result is None]
            self._process.world.aside.messages += taken
            return results

        return self._process.effect("aside.send", take)

    def _result(self, position: str) -> Result:
        """Some are refused for good, and some are throttled when they come for the first time."""
        sequence, sub, _ = position.split("/")
        if sequence.endswith("1"):
            return Failure("no such column", final=True)
        if sub == "0" and position not in self._met:
            self._met.add(position)
            return Failure("slow down")
        return None


def shard(process: Process, scenery: Scenery, *, blocks: bool) -> Shard:
    """Return the light shard, its second lane a forward."""
    light = light_shard(process, scenery._replace(aside=False))
    target, bound = Struck(process), Bound(process.clock, BOUND_S)
    sender = Sender(
        ASIDE,
        target,
        process.clock,
        lambda: 0.5,
        process.say,
        patience_s=PATIENCE_S / 2,
        blocks=blocks,
        hurry=bound.pressing,
    )
    letters = DeadLetters(process.place, IDENTITY, THERE._replace(name=ASIDE), process.say)
    light._lanes = [
        *light._lanes,
        Lane(
            ASIDE,
            IDENTITY,
            LaneLedger(process.ledger, process.place, IDENTITY, ASIDE),
            None,
            OfPositions(ForwardSink(sender, letters, NOTE_EVERY, ("user_id",))),
            FlushLimits(scenery.rows, 10**9, scenery.age_ms // 2, 10**9, 2 * scenery.age_ms),
            digests=(("code", str(process.number)),),
            patience=lambda: Patience(process.clock, PATIENCE_S, lambda: 0.5),
            say=process.say,
            alive=lambda: None,
            bound=bound,
        ),
    ]
    return light


FORWARDED = Kind(partial(shard, blocks=False), MemoryReader(), values)
BLOCKING = Kind(partial(shard, blocks=True), MemoryReader(), values)


def judge(story: Story) -> int:
    """Hold what came and what are letters against what is stored; return how many letters there are."""
    world = story.world
    item = item_from_dict(world.ledger.at(ASIDE_KEY, world.ledger.revision(ASIDE_KEY)) or {})
    world.expect(not item.stopped and item.plan is None, f"aside: {item}")
    world.expect(item.watermark >= world.last, f"aside stands at {item.watermark}")
    came, letters = world.aside.messages, _letters(world.place)
    stored = {row for row in story.rows() if ":" not in row}
    known = {one for one in {*came, *letters} if one in stored or _mark(one) not in world.blamed}
    world.expect(known == stored, f"came {sorted(came)}, letters {sorted(letters)}, stored {sorted(stored)}")
    for user in range(3 * (story.kind is BLOCKING)):  # what is given up may come after all, from who takes over
        first = [one for one in dict.fromkeys(came) if int(one.partition("/")[0]) % 3 == user]
        world.expect(first == sorted(first, key=order), f"of user {user} came {first}")
    again = len(came) - len(set(came))
    world.expect(again <= NOTE_EVERY * len(story.processes), f"{again} came again")
    assert not world.wrong, story.told()
    return len(letters)


def _letters(place: Place) -> list[str]:
    return [one.message.position for one in dead.read(place, IDENTITY.epoch)]


def _mark(position: str) -> str:
    sequence, sub = record_of(position).split("/")
    return mark(sequence, int(sub))
