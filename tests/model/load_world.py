"""A small warehouse and its loaders. Rule: only the world is a model; how the item changes is shipped code.

One table, one shard, plans 1..N of which ever more are committed, each with one object. Loaders die at any step, sleep
as long as they like and go on; a lease is over whenever another one likes. A transaction that was sent begins whenever
it likes, or never; when it begins it sees what has landed by then, when it ends it lands if its guard held. Compactions
make one object of all that are live, and sweep those one by one, whenever they like.

Safety: what has landed is each plan once, in order, and its row is there once. Liveness: from every world all can still
land.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from tailrace.commit.committed import StoredObject
from tailrace.commit.compacted import Compaction, View
from tailrace.commit.compaction import Input
from tailrace.commit.rules import Already
from tailrace.sinks.redshift import plan, rules
from tailrace.sinks.redshift.plan import Item, Load, Pending, Range


class Promises(NamedTuple):
    """What holds the world together; each can be taken away."""

    lock: bool = True  # transactions see what the last one left
    guard: bool = True  # a transaction lands only where the warehouse stands as it was read
    seen: bool = True  # what was scanned counts only while the warehouse stands as it did then
    fresh_token: bool = True  # what failed once is sent under another token
    follow: bool = True  # where an object is not what was committed, compactions are asked what holds its rows
    one_view: bool = True  # all objects of a load are as one view has them
    whole: bool = True  # COPY takes an object as it was judged, or none
    merge: bool = True  # rows take the place of those with their row_id


Merged = tuple[tuple[str, ...], ...]  # what each compaction replaced


class Sent(NamedTuple):
    """A transaction under way."""

    load: Load
    saw: int | None = None  # None: it has not begun
    files: tuple[str, ...] = ()


class Loader(NamedTuple):
    """One loader, at a step."""

    step: str = "take"
    generation: int = 0
    stood: int = 0  # where the warehouse stood when it was asked
    upto: int = 0
    load: Load | None = None
    tries: int = 0
    files: tuple[str, ...] = ()
    view: int = 0  # compactions it knows of


class World(NamedTuple):
    """All that is, at one moment."""

    committed: int = 1
    item: Item = Item()
    landed: tuple[tuple[int, int], ...] = ()
    under_way: tuple[Sent, ...] = ()
    tokens: frozenset[str] = frozenset()  # that the Data API knows
    loaders: tuple[Loader, ...] = ()
    restored: bool = False  # somebody put the warehouse back to an empty one
    rows: tuple[int, ...] = ()  # in the warehouse, of each plan
    compactions: Merged = ()
    swept: frozenset[str] = frozenset()


SHARD = ("s", "0")
SOUND = Promises()


def stands(world: World) -> int:
    return max((chain for _, chain in world.landed), default=0)


@lru_cache(None)
def view_of(compactions: Merged) -> View:
    """Return the view, as shipped code has it."""
    return View(
        Compaction("e", "t", at, 1, tuple(Input(name, 1, 1, "", 1, 1) for name in names), (stored(f"c{at}"),))
        for at, names in enumerate(compactions)
    )


def stored(name: str) -> StoredObject:
    return StoredObject(name, "t", 1, 1, "")


@lru_cache(None)
def files_of(chains: tuple[int, ...], compactions: Merged) -> tuple[str, ...]:
    """Return what shipped code loads for plans, by the compactions it knows of."""
    waiting = [Pending(*SHARD, chain, stored(f"o{chain}"), stored(f"o{chain}")) for chain in chains]
    return tuple(sorted({one.file.name for one in plan.held(waiting, view_of(compactions))}))


@lru_cache(None)
def plans_in(name: str, compactions: Merged) -> frozenset[int]:
    """Return the plans whose rows an object holds."""
    if name.startswith("o"):
        return frozenset({int(name[1:])})
    return frozenset().union(*(plans_in(one, compactions) for one in compactions[int(name[1:])]))


def live(world: World) -> tuple[str, ...]:
    return files_of(tuple(range(1, world.committed + 1)), world.compactions)


def plain(item: Item) -> Item:
    """Return the item without what only tells: worlds that differ in it are one."""
    return item._replace(holder="one" if item.holder else "", until_ms=0, loads=0, rows=0, rejected=0)


def seen(chain: int) -> str:
    return plan.seen({("t", *SHARD): chain} if chain else {}, ["*"])


class Model:
    """The moves of the world."""

    def __init__(
        self,
        promises: Promises = SOUND,
        plans: int = 2,
        generations: int = 2,
        restores: bool = False,
        compactions: int = 0,
        loaders: int = 2,
    ) -> None:
        self.promises, self.plans, self.generations = promises, plans, generations
        self.restores, self.compactions, self.loaders = restores, compactions, loaders

    def moves(self, world: World) -> Iterator[World]:
        """Yield every next world."""
        if world.committed < self.plans:
            yield world._replace(committed=world.committed + 1)
        if self.restores and not world.restored and world.landed and not world.under_way:
            yield world._replace(landed=(), restored=True, rows=())
        yield from self.compacting(world)
        if len(world.loaders) < self.loaders:
            yield world._replace(loaders=(*world.loaders, Loader()))
        for at, one in enumerate(world.under_way):
            rest = world.under_way[:at] + world.under_way[at + 1 :]
            yield world._replace(under_way=rest)  # undone
            if one.saw is None:
                if not self.promises.lock or all(other.saw is None for other in rest):
                    yield world._replace(under_way=(*rest, one._replace(saw=stands(world))))
            else:
                (found,) = one.load.ranges
                held = found.after == one.saw or not self.promises.guard
                if held and (not self.promises.whole or not world.swept & {*one.files}):
                    landed = (*world.landed, (found.after, found.chain))
                    yield world._replace(under_way=rest, landed=landed, rows=self.merged(world, one.files))
        for at, loader in enumerate(world.loaders):
            others = world.loaders[:at] + world.loaders[at + 1 :]
            yield world._replace(loaders=others)  # it dies
            for after, became in self.steps(world, loader):
                yield after._replace(loaders=tuple(sorted((*others, became), key=repr)))

    def compacting(self, world: World) -> Iterator[World]:
        replaced = world.compactions[-1] if world.compactions else ()
        unswept = [name for name in replaced if name not in world.swept]
        for name in unswept:
            yield world._replace(swept=world.swept | {name})
        if not unswept and len(world.compactions) < self.compactions:
            yield world._replace(compactions=(*world.compactions, live(world)))

    def merged(self, world: World, files: tuple[str, ...]) -> tuple[int, ...]:
        """Return the warehouse's rows after COPY to a stage, DELETE and INSERT."""
        held = [plans_in(name, world.compactions) for name in files if name not in world.swept]
        rows = []
        for chain in range(1, self.plans + 1):
            there = world.rows[chain - 1] if world.rows else 0
            came = sum(chain in one for one in held)
            rows.append((came or there) if self.promises.merge else came + there)
        return tuple(rows)

    def judged(self, world: World, loader: Loader) -> Iterator[tuple[World, Loader]]:
        """Each object is looked at; one that is not what was committed is followed."""
        changed = world.swept & {*loader.files}
        if not changed:
            yield world, loader._replace(step="send")
        elif self.promises.follow:
            known, files = world.compactions, set()
            for name in loader.files:
                anew = self.promises.one_view or name in changed
                by = view_of(known).holder(name) if anew else None
                files.add(by.objects[0].name if by else name)
            yield world, loader._replace(view=len(known), files=tuple(sorted(files)))
        else:
            yield world, loader._replace(step="over")

    def steps(self, world: World, loader: Loader) -> Iterator[tuple[World, Loader]]:  # noqa: C901  a case a step
        load = loader.load
        match loader.step:
            case "take":
                if world.item.generation < self.generations:
                    taken = rules.taking(world.item, f"{world.item.generation}", 0, 1, force=True)
                    assert isinstance(taken, rules.Next)
                    found = taken.item.open
                    step = "found" if found else "look"
                    yield world._replace(item=plain(taken.item)), Loader(step, taken.item.generation, load=found)
            case "found" | "settle":
                assert load is not None
                landed = (1, 0) if self.has_landed(world, load) else None
                waits = any(one.load.id == load.id for one in world.under_way)
                if loader.step == "settle" and waits:
                    return  # it is looked at again until it has ended
                verdict = rules.settling(world.item, loader.generation, load.id, landed)
                yield from self.went(world, verdict, loader._replace(step="look", tries=1))
            case "look":
                stood, item = stands(world), world.item
                known = int(item.scanned or 0)
                start = known if item.seen == seen(stood) or not self.promises.seen else 0
                upto = world.committed
                if max(start, stood) >= upto:
                    yield world, loader._replace(step="leave", upto=max(start, upto), stood=stood)
                else:
                    for chain in range(stood + 1, upto + 1):
                        made = plan.load_of("w", "e", "t", [Range(*SHARD, stood, chain)])
                        number = loader.tries if self.promises.fresh_token else 0
                        own = loader.generation if self.promises.fresh_token else 0
                        made = made._replace(token=f"{made.id}-{own}-{number}")
                        chains = tuple(range(stood + 1, chain + 1))
                        files = files_of(chains, world.compactions[: loader.view])
                        yield world, loader._replace(step="judge", load=made, stood=stood, files=files)
            case "judge":
                yield from self.judged(world, loader)
            case "send":
                assert load is not None
                verdict = rules.sending(world.item, loader.generation, load)
                yield from self.went(world, verdict, loader._replace(step="submit"))
            case "submit":
                assert load is not None
                known_token = load.token in world.tokens
                under_way = world.under_way if known_token else (*world.under_way, Sent(load, None, loader.files))
                after = world._replace(
                    under_way=under_way, tokens=world.tokens | (set() if self.promises.fresh_token else {load.token})
                )
                yield after, loader._replace(step="settle")
            case "leave":
                verdict = rules.leaving(world.item, loader.generation, str(loader.upto), seen(loader.stood))
                yield from self.went(world, verdict, loader._replace(step="over"))

    def has_landed(self, world: World, load: Load) -> bool:
        (found,) = load.ranges
        return (found.after, found.chain) in world.landed

    def went(self, world: World, verdict: rules.Verdict, became: Loader) -> Iterator[tuple[World, Loader]]:
        if isinstance(verdict, rules.Next):
            yield world._replace(item=plain(verdict.item)), became
        elif isinstance(verdict, Already):
            yield world, became
        else:
            yield world, became._replace(step="over")

    def wrong(self, world: World) -> str:
        """Say what somebody who asks the warehouse would find wrong, or nothing."""
        at = 0
        for after, chain in world.landed:
            if after != at:
                return f"after {at} landed ({after}, {chain}]"
            at = chain
        for chain, rows in enumerate(world.rows, 1):
            if rows > 1 or (chain <= at and not rows):
                return f"plan {chain} landed, and its row is there {rows} times"
        return ""

    def start(self) -> World:
        return World()

    def spent(self, world: World) -> bool:
        """Are the generations used up? That is the end of the model, not of the loaders."""
        return world.item.generation >= self.generations

    def done(self, world: World) -> bool:
        return stands(world) == world.committed == self.plans
