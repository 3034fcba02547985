"""A small world around the real protocol code. Rule: only the world is a model; what owners do is shipped code.

Records 1..N, one lane's item, an object store, and owners that run `commit.protocol` and `commit.rules`. Each owner may
run another version of the pipeline (its own partition of the rows), may die or stall at any step, may lose any reply,
and goes on as a zombie as long as it likes. Every interleaving is explored, breadth first.

Safety, in every reachable world: a reader of the commit files finds what is committed exactly once.
Liveness: from every world with a living owner, the world where all is committed can be reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

from tailrace.commit.plan import Item, Plan

PARTITIONS = (lambda _: 0, lambda record: record % 2)  # version of the pipeline -> partition of a record


class Actor(NamedTuple):
    """One owner: its version of the pipeline, its state in the protocol, and the upload in hand."""

    version: int
    owner: Any
    todo: tuple[str, ...] = ()
    upload: Any = None
    dead: bool = False


class World(NamedTuple):
    """All that is, at one moment."""

    revision: int = 0
    item: Item = Item()
    store: tuple[tuple[str, int, Any], ...] = ()  # (name, generation, content), by name
    actors: tuple[Actor, ...] = ()
    trimmed: bool = False  # the stream has lost its first record: whoever reads from the start does not get it
    planned_first: bool = False  # a plan that holds the first record was durable once
    effects: Any = ()  # what is brought about besides objects; see `effects_world`


class Ports(NamedTuple):
    """Which promises of the ports hold; each can be taken away."""

    swap_compares: bool = True
    create_only: bool = True
    replace_compares: bool = True
    fills_planned_names: bool = True  # zero-row files at planned names


SOUND = Ports()


def mark(record: int) -> str:
    return f"{record:02d}" if record else ""


def number(text: str) -> int:
    return int(text or "0")


def records_of(plan: Plan) -> tuple[int, ...]:
    return tuple(int(r) for r in plan.positions_digest.split())


class Model:
    """The moves of the world, with the protocol and the rules as modules, so that altered ones can be tried."""

    def __init__(
        self,
        protocol: ModuleType,
        ports: Ports = SOUND,
        records: int = 2,
        owners: int = 2,
        opens: int = 3,
        trims: bool = False,
        versions: tuple[int, ...] = (0, 1),
    ) -> None:
        self.p = protocol
        self.ports = ports
        self.records = records
        self.owners = owners
        self.opens = opens
        self.trims = trims
        self.versions = versions
        self.opens_to_the_end = 4 if trims else 1  # open, resolve, open again, and one lost reply; else one
        self.dead = Actor(0, None, dead=True)

    # -- what a version of the pipeline makes of records -----------------------------------------------------

    def names(self, version: int, chain: int, records: tuple[int, ...]) -> tuple[str, ...]:
        parts = sorted({PARTITIONS[version](r) for r in records})
        return (*(f"p{part}/{chain}" for part in parts), f"_commits/{chain}")

    def rows(self, version: int, name: str, plan: Plan) -> tuple[int, ...]:
        return tuple(r for r in records_of(plan) if name[1] == str(PARTITIONS[version](r)))

    def content(self, actor: Actor, name: str, plan: Plan) -> Any:
        if not name.startswith("_commits/"):
            return (actor.version, self.rows(actor.version, name, plan))
        listed = tuple(
            (n, plan.generation, (actor.version, self.rows(actor.version, n, plan)))
            for n in self.filled(actor, plan)
            if not n.startswith("_commits/")
        )
        return (actor.version, listed)

    def filled(self, actor: Actor, plan: Plan) -> tuple[str, ...]:
        if self.ports.fills_planned_names:
            return plan.names
        own = self.names(actor.version, plan.chain, records_of(plan))
        return tuple(n for n in plan.names if n in own)

    def deltas(self, version: int, records: tuple[int, ...]) -> str:
        return ""

    # -- moves -----------------------------------------------------------------------------------------------

    def moves(self, world: World) -> Iterator[World]:
        """Yield every next world."""
        if len(world.actors) < self.owners:  # the lease moves to another child, whenever it likes
            for version in self.versions:
                yield world._replace(actors=(*world.actors, Actor(version, self.p.Owner())))
        if self.trims and not world.trimmed:
            yield world._replace(trimmed=True)
        if world.item.stopped:  # a person decides
            for accept in (False, True):
                resolved = self.p.rules.resolving(world.item, accept=accept)
                if resolved.item.generation <= self.opens:
                    yield world._replace(revision=world.revision + 1, item=resolved.item)
        for at, actor in enumerate(world.actors):
            if actor.dead:
                continue
            for changed, became in self.steps(world, actor):
                actors = list(world.actors)
                actors[at] = became
                yield changed._replace(actors=tuple(actors))

    def steps(self, world: World, actor: Actor) -> Iterator[tuple[World, Actor]]:
        owner = actor.owner
        match owner.step:
            case "fill":
                yield from self.cuts(world, actor)
            case "lost":  # the supervisor's restart opens again
                yield world, actor._replace(owner=self.p.Owner(), todo=(), upload=None)
            case "write":
                yield from self.writing(world, actor)
            case "stopped":  # looks whether a person has decided, and opens again
                if not world.item.stopped:
                    yield world, actor._replace(owner=self.p.Owner(), todo=(), upload=None)
            case _:
                yield from self.asking(world, actor)
        yield world, self.dead  # a crash, anywhere

    def cuts(self, world: World, actor: Actor) -> Iterator[tuple[World, Actor]]:
        owner = actor.owner
        item, after = owner.item, number(owner.item.watermark)
        lasts = [number(item.plan.last)] if item.plan is not None else range(after + 1, self.records + 1)
        for last in lasts:
            records = tuple(r for r in range(after + 1, last + 1) if not (world.trimmed and r == 1))
            if not records and item.plan is None:
                continue
            draft = Plan(
                chain=0,
                generation=0,
                after=item.watermark,
                last=mark(last),
                records=len(records),
                positions_digest=" ".join(map(str, records)),
                counts=Item().totals,
                names=self.names(actor.version, item.chain + 1, records),
                deltas=self.deltas(actor.version, records),
            )
            yield world, self.entered(actor, self.p.cut(owner, draft))

    def entered(self, actor: Actor, owner: Any) -> Actor:
        """Set up the uploads when the owner begins to write; tell the protocol when all are done."""
        actor = actor._replace(owner=owner)
        if owner.step == "write" and actor.upload is None:
            names = self.filled(actor, owner.plan)
            return actor._replace(todo=names, upload=self.p.Upload(owner.generation))
        return actor

    def asking(self, world: World, actor: Actor) -> Iterator[tuple[World, Actor]]:
        owner = actor.owner
        effect = self.p.effect(owner)
        if isinstance(effect, self.p.Read):
            if world.item.generation >= self.opens and owner.step == "open":
                return  # the small world ends here
            reply = (world.revision, world.item) if world.revision else None
            yield world, self.entered(actor, self.p.after(owner, effect, reply))
            return
        if effect.expected == world.revision or not self.ports.swap_compares:
            first = world.planned_first or (effect.item.plan is not None and 1 in records_of(effect.item.plan))
            changed = world._replace(revision=world.revision + 1, item=effect.item, planned_first=first)
            yield changed, self.entered(actor, self.p.after(owner, effect, None))
            yield changed, self.entered(actor, self.p.after(owner, effect, self.p.Lost()))
        else:
            yield world, self.entered(actor, self.p.after(owner, effect, (world.revision, world.item)))

    def writing(self, world: World, actor: Actor) -> Iterator[tuple[World, Actor]]:
        name, plan, upload = actor.todo[0], actor.owner.plan, actor.upload
        standing = {n: (generation, content) for n, generation, content in world.store}
        content = self.content(actor, name, plan)

        def put() -> World:
            store = {**standing, name: (actor.owner.generation, content)}
            return world._replace(store=tuple(sorted((n, g, c) for n, (g, c) in store.items())))

        match upload.step:
            case "create":
                free = name not in standing or not self.ports.create_only
                if free:
                    yield put(), self.went(actor, True)
                    yield put(), self.went(actor, self.p.Lost())
                else:
                    yield world, self.went(actor, False)
            case "head":
                generation, seen = standing[name]
                yield world, self.went(actor, (repr((generation, seen)), generation))
            case "replace":
                same = upload.etag == repr(standing[name])
                if same or not self.ports.replace_compares:
                    yield put(), self.went(actor, True)
                    yield put(), self.went(actor, self.p.Lost())
                else:
                    yield world, self.went(actor, False)

    def went(self, actor: Actor, reply: Any) -> Actor:
        """Return the actor as the reply to its upload leaves it."""
        upload = self.p.uploaded(actor.upload, reply)
        if upload.step == "superseded":
            return self.written(actor)
        if upload.step != "done":
            return actor._replace(upload=upload)
        if len(actor.todo) > 1:
            return actor._replace(todo=actor.todo[1:], upload=self.p.Upload(actor.owner.generation))
        return self.written(actor)

    def written(self, actor: Actor) -> Actor:
        owner = self.p.after(actor.owner, self.p.Write(actor.owner.plan), None)
        return actor._replace(owner=owner, todo=(), upload=None)

    def start(self) -> World:
        return World()

    def spent(self, world: World) -> bool:
        """Are too few openings left to come to the end, or is nobody alive?"""
        living = any(not actor.dead for actor in world.actors)
        return not living or world.item.generation >= self.opens - self.opens_to_the_end

    def done(self, world: World) -> bool:
        """Is every record that can be read committed?"""
        left = set(range(number(world.item.watermark) + 1, self.records + 1)) - ({1} if world.trimmed else set())
        return not left and world.item.plan is None and not world.item.stopped

    # -- what must hold --------------------------------------------------------------------------------------

    def wrong(self, world: World) -> str:
        """Say what a reader of the commit files would find wrong, or nothing."""
        standing = {n: (generation, content) for n, generation, content in world.store}
        found: list[int] = []
        for chain in range(1, world.item.chain + 1):
            if f"_commits/{chain}" not in standing:
                return f"chain {chain} is committed without its commit file"
            _, (_, listed) = standing[f"_commits/{chain}"]
            for name, generation, content in listed:
                if standing.get(name) != (generation, content):
                    return f"chain {chain}: {name} is not what its commit file says"
                found += content[1]
            named = {name for name, _, _ in listed}
            for name, (_, content) in standing.items():
                if name.endswith(f"/{chain}") and not name.startswith("_") and name not in named and content[1]:
                    return f"chain {chain}: rows stand at {name}, which its commit file does not name"
        upto = number(world.item.watermark)
        wanted = set(range(1, upto + 1))
        excused = {1} if world.trimmed and (world.item.resolved or not world.planned_first) else set()
        if len(found) != len(set(found)) or not wanted - excused <= set(found) <= wanted:
            return f"committed up to {upto}, found {sorted(found)}"
        for actor in world.actors:
            if not actor.dead and actor.owner.step == "lost" and actor.owner.generation == world.item.generation:
                return f"the rightful owner gave the shard up: {actor.owner.why}"
        return ""
