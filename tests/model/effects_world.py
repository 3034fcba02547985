"""A small world for lanes whose plans bring about no objects. Rule: only the world is a model, as in `world`.

Such a plan holds a delta that is added to a counter, guarded by the chain, and its records are sent as messages, one
piece after the other, the ledger told of each. Versions of the pipeline reckon different deltas of the same records.

Safety, in every reachable world: the counter is the sum of the deltas that were planned first, and each record that is
committed was sent, in order. What an owner sent is in the ledger before
it goes on, and that nothing the ledger has is sent again, the rules assert.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from model.world import Actor, Model, World, mark, number, records_of

WORTH = (1, 10)  # version of the pipeline -> what a record adds


class Effects(NamedTuple):
    """What lanes have brought about."""

    chain: int = 0  # of the delta that was added last
    total: int = 0
    sent: tuple[int, ...] = ()  # in the order in which they came first
    planned: tuple[tuple[int, int], ...] = ()  # (chain, delta) as it became durable first


class EffectsModel(Model):
    """The moves of that world."""

    guard_compares = True  # a delta is added only where the counter's chain is behind

    def names(self, version: int, chain: int, records: tuple[int, ...]) -> tuple[str, ...]:
        return ()

    def deltas(self, version: int, records: tuple[int, ...]) -> str:
        return str(WORTH[version] * len(records))

    def start(self) -> World:
        return World(effects=Effects())

    def moves(self, world: World) -> Iterator[World]:
        for new in super().moves(world):
            plan, effects = new.item.plan, new.effects
            if plan is None or any(chain == plan.chain for chain, _ in effects.planned):
                yield new
            else:
                planned = (*effects.planned, (plan.chain, int(plan.deltas)))
                yield new._replace(effects=effects._replace(planned=planned))

    def entered(self, actor: Actor, owner: Any) -> Actor:
        if owner.step == "write":
            return actor._replace(owner=owner, todo=("add", "send"))
        return actor._replace(owner=owner, todo=())

    def writing(self, world: World, actor: Actor) -> Iterator[tuple[World, Actor]]:
        plan, owner, effects = actor.owner.plan, actor.owner, world.effects
        if actor.todo[0] == "add":
            behind = effects.chain < plan.chain or not self.guard_compares
            added = effects._replace(chain=plan.chain, total=effects.total + int(plan.deltas)) if behind else effects
            yield world._replace(effects=added), actor._replace(todo=actor.todo[1:])
            yield world._replace(effects=added), actor  # the reply was lost
            return
        left = [record for record in records_of(plan) if mark(record) > plan.sent]
        if not left:
            yield world, self.entered(actor, self.p.after(owner, self.p.Write(plan), None))
            return
        record = left[0]
        sent = effects._replace(sent=tuple(dict.fromkeys((*effects.sent, record))))
        told = self.p.after(owner, self.p.Write(plan), self.p.Sent(mark(record)))
        yield world._replace(effects=sent), self.entered(actor, told)
        yield world._replace(effects=sent), actor

    def wrong(self, world: World) -> str:
        effects = world.effects
        if effects.chain < world.item.chain:
            return f"chain {world.item.chain} is committed, the counter has {effects.chain}"
        wanted = sum(delta for chain, delta in effects.planned if chain <= effects.chain)
        if effects.total != wanted:
            return f"the counter says {effects.total}, planned were {wanted}"
        committed = list(range(1, number(world.item.watermark) + 1))
        if list(effects.sent) != sorted(effects.sent) or not set(committed) <= set(effects.sent):
            return f"committed are {committed}, sent were {list(effects.sent)}"
        for actor in world.actors:
            writes = not actor.dead and actor.owner.step == "write" and actor.owner.generation == world.item.generation
            if writes and world.item.plan is not None and actor.owner.plan.sent != world.item.plan.sent:
                return "an owner goes on, and the ledger does not know what it has sent"
            if not actor.dead and actor.owner.step == "lost" and actor.owner.generation == world.item.generation:
                return f"the rightful owner gave the shard up: {actor.owner.why}"
        return ""
