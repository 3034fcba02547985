"""A small world around compaction. Rule: only the world is a model; compactors, uploads and views are shipped code.

One folder with two committed objects and a third that a lane commits late; compactors that may die, stall, lose replies
and go on as zombies; a lane's zombie that puts an old object again; a lifecycle rule that removes what was swept; and a
reader who reads one object at a time while all that goes on.

Safety, in every world: the committed view holds each committed row once, in objects as they were committed, and so does
whatever the reader accepts. Liveness: the world where all is compacted and swept can be reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from types import ModuleType
from typing import Any, NamedTuple

from tailrace.commit.committed import StoredObject
from tailrace.commit.compacted import Compaction, Fold, View, decode_fold, encode_fold
from tailrace.commit.compaction import Input, TableItem

EMPTY: tuple[int, ...] = ()
LANE = {"a": (2, (1,)), "b": (1, (2,)), "c": (1, (3,))}  # name -> generation, rows
PUT_AGAIN = "a"  # by a zombie of the lane
TABLE = "t"


class Actor(NamedTuple):
    """One compactor."""

    state: Any
    bodies: tuple[tuple[str, Any], ...] = ()  # what it is to put: (name, content)
    todo: tuple[tuple[str, int, Any], ...] = ()  # name, generation, content
    upload: Any = None
    dead: bool = False


class Reader(NamedTuple):
    """Someone who reads the committed view; `chain` is None before it has asked."""

    chain: int | None = None
    folded: int = 0
    names: tuple[str, ...] | None = None  # of the lane's objects that it knows
    todo: tuple[tuple[str, int, Any], ...] = ()
    rows: tuple[int, ...] = ()
    done: bool = False


class World(NamedTuple):
    """All that is, at one moment."""

    revision: int = 0
    item: TableItem = TableItem()
    committed: tuple[str, ...] = ("a", "b")  # by the lane
    store: tuple[tuple[str, int, Any], ...] = (("a", 2, (1,)), ("b", 1, (2,)))
    actors: tuple[Actor, ...] = ()
    zombie: Any = None
    expired: bool = False
    reader: Reader = Reader()


class Ports(NamedTuple):
    """Which promises hold; each can be taken away."""

    swap_compares: bool = True
    create_only: bool = True
    replace_compares: bool = True
    looks_at_what_was_replaced: bool = True  # a compactor chooses by the view, not by what lies there
    sweeps_with_a_higher_generation: bool = True
    reader_compares: bool = True  # each object with what was committed
    reader_asks_tables_first: bool = True
    folds_before_it_is_named: bool = True


SOUND = Ports()


def standing(world: World) -> dict[str, tuple[int, Any]]:
    return {name: (generation, content) for name, generation, content in world.store}


def with_object(world: World, name: str, generation: int, content: Any) -> World:
    store = {**standing(world), name: (generation, content)}
    return world._replace(store=tuple(sorted((n, g, c) for n, (g, c) in store.items())))


def view(world: World, chain: int, folded: int) -> View | None:
    """Return the view of the first compactions, as far as may be from a fold; None where a file is missing."""
    found = standing(world)
    folds = [found.get(f"_fold/{folded}")] if folded else []
    files = [found.get(f"_file/{number}") for number in range(folded + 1, chain + 1)]
    if None in files or None in folds:
        return None
    return made(tuple(file[1] for file in files if file), folds[0][1] if folds and folds[0] else b"")


@lru_cache(maxsize=10_000)
def made(files: tuple[Compaction, ...], fold: bytes) -> View:
    return View(files, decode_fold(fold) if fold else None)


@lru_cache(maxsize=10_000)
def told(seen: View) -> Fold:
    return seen.fold("e", TABLE, 0)


def lane_objects(names: tuple[str, ...]) -> list[StoredObject]:
    return [StoredObject(n, TABLE, len(LANE[n][1]), LANE[n][0], repr(LANE[n][1])) for n in names]


def live(seen: View, names: tuple[str, ...]) -> list[StoredObject]:
    return [*seen.live(lane_objects(names)), *(entry for _, entry in seen.outputs())]


class Model:
    """The moves, with the compaction module handed in, so that altered ones can be tried."""

    def __init__(
        self,
        c: ModuleType,
        p: ModuleType,
        ports: Ports = SOUND,
        *,
        opens: int = 2,
        late: bool = False,
        zombie: int = 0,
        reader: bool = False,
        fold_every: int = 1,
    ) -> None:
        self.fold_every = fold_every
        self.c, self.p, self.ports, self.opens, self.late = c, p, ports, opens, late
        self.zombies = zombie  # the generation of the lane's; 0: there is none
        self.with_reader = reader
        self.dead = Actor(None, dead=True)

    def moves(self, world: World) -> Iterator[World]:
        if len(world.actors) < 2:
            yield world._replace(actors=(*world.actors, Actor(self.c.Compactor(fold_every=self.fold_every))))
        if self.late and "c" not in world.committed and world.item.chain == 1:
            put = with_object(world, "c", *LANE["c"])
            yield put._replace(committed=(*world.committed, "c"))
        if self.zombies:
            yield from self.zombie(world)
        if self.with_reader:
            yield from self.reads(world)
        if self.zombies and not world.expired and world.item.chain and standing(world).get("a", (0, None))[1] == EMPTY:
            yield world._replace(expired=True, store=tuple(one for one in world.store if one[0] != "a"))
        for at, actor in enumerate(world.actors):
            if actor.dead:
                continue
            for changed, became in self.steps(world, actor):
                others = world.actors[:at] + world.actors[at + 1 :]
                yield changed._replace(actors=tuple(sorted((*others, became), key=hash)))  # one is as good as another

    # -- the lane's zombie -----------------------------------------------------------------------------------

    def zombie(self, world: World) -> Iterator[World]:
        upload = world.zombie or self.p.Upload(self.zombies)
        if upload.step in {"done", "superseded"}:
            return
        for changed, became in self.put(world, PUT_AGAIN, LANE[PUT_AGAIN][1], upload, lossy=False):
            yield changed._replace(zombie=became)

    def put(self, world: World, name: str, content: Any, upload: Any, *, lossy: bool) -> Iterator[tuple[World, Any]]:
        """Yield the worlds that one step of an upload can lead to."""
        stands = standing(world).get(name)
        new = with_object(world, name, upload.generation, content)
        match upload.step:
            case "create" if stands is None or not self.ports.create_only:
                stored = True
            case "replace":
                stored = stands is not None and (upload.etag == repr(stands) or not self.ports.replace_compares)
            case "head":
                reply = None if stands is None else (repr(stands), stands[0])
                yield world, self.p.uploaded(upload, reply)
                return
            case _:
                stored = False
        yield new if stored else world, self.p.uploaded(upload, stored)
        if stored and lossy:
            yield new, self.p.uploaded(upload, self.p.Lost())

    # -- a reader --------------------------------------------------------------------------------------------

    def reads(self, world: World) -> Iterator[World]:
        reader = world.reader
        if reader.done:
            return
        first = "chain" if self.ports.reader_asks_tables_first else "names"
        if reader.chain is None and (first == "chain" or reader.names is not None):
            became = reader._replace(chain=world.item.chain, folded=world.item.folded)
        elif reader.names is None:
            became = reader._replace(names=world.committed)
        else:
            yield world._replace(reader=self.reading(world, reader))
            return
        if became.chain is not None and became.names is not None:
            seen = view(world, became.chain, became.folded)
            if seen is None:
                return  # `wrong` says so
            todo = tuple((entry.name, entry.bytes, entry.sha256) for entry in live(seen, became.names))
            became = became._replace(todo=todo)
        yield world._replace(reader=became)

    def reading(self, world: World, reader: Reader) -> Reader:
        if not reader.todo:
            return reader._replace(done=True)
        (name, generation, digest), *rest = reader.todo
        stands = standing(world).get(name)
        if self.ports.reader_compares and (stands is None or (stands[0], repr(stands[1])) != (generation, digest)):
            return Reader()  # it was replaced meanwhile: all is asked anew
        rows = () if stands is None else stands[1]
        return reader._replace(todo=tuple(rest), rows=(*reader.rows, *rows))

    # -- compactors ------------------------------------------------------------------------------------------

    def steps(self, world: World, actor: Actor) -> Iterator[tuple[World, Actor]]:
        state = actor.state
        match state.step:
            case "rest":
                yield from self.choose(world, actor)
            case "write" | "sweep":
                yield from self.putting(world, actor)
            case "fold":
                yield from self.folding(world, actor)
            case "lost":  # wrongly: `wrong` says so
                return
            case _:
                yield from self.asking(world, actor)
        yield world, self.dead

    def choose(self, world: World, actor: Actor) -> Iterator[tuple[World, Actor]]:
        state = actor.state
        seen = view(world, state.item.chain, state.item.folded)
        assert seen is not None, "what is committed has its file"
        if state.item.plan is not None:
            inputs, names = state.item.plan.inputs, state.item.plan.names
            chain = state.item.plan.chain
        else:
            entries = live(seen, world.committed)
            if not self.ports.looks_at_what_was_replaced:
                there = standing(world)
                entries = [e for e in lane_objects(world.committed) if there.get(e.name, (0, EMPTY))[1]]
                entries += [entry for _, entry in seen.outputs()]
            if len(entries) < 2:
                return
            inputs = tuple(Input(e.name, e.rows, e.bytes, e.sha256, 0, e.bytes) for e in entries)
            chain = state.item.chain + 1
            names = (f"big-{chain}", f"_file/{chain}")
        rows = self.built(world, inputs)
        if rows is None and state.item.plan is None:
            return
        if rows is None:
            inputs, rows = (), EMPTY
        output = StoredObject(names[0], TABLE, len(rows), state.generation, repr(rows))
        file = Compaction("e", TABLE, chain, state.generation, inputs, (output,))
        bodies = ((names[0], rows), (names[1], file))
        became = self.c.take(state, self.c.Work(0, 0, inputs, names))
        yield world, self.entered(world, actor._replace(bodies=bodies), became)

    def built(self, world: World, inputs: tuple[Input, ...]) -> tuple[int, ...] | None:
        found, rows = standing(world), list[int]()
        for one in inputs:
            stands = found.get(one.name)
            if stands is None or (stands[0], repr(stands[1])) != (one.generation, one.sha256):
                return None
            rows += stands[1]
        return tuple(sorted(rows))

    def entered(self, world: World, actor: Actor, state: Any) -> Actor:
        actor = actor._replace(state=state)
        todo: tuple[tuple[str, int, Any], ...] = ()
        if state.step == "write":
            todo = tuple((name, state.generation, content) for name, content in actor.bodies)
        if state.step == "sweep":
            found, more = standing(world), 1 if self.ports.sweeps_with_a_higher_generation else 0
            todo = tuple(
                (one.name, one.generation + more, EMPTY)
                for chain in range(state.item.swept + 1, state.item.chain + 1)
                for one in found[f"_file/{chain}"][1].inputs
            )
        if state.step == "lost" and state.generation != world.item.generation:
            return Actor(self.c.Compactor(fold_every=self.fold_every))  # it opens again
        if state.step not in {"write", "sweep"}:
            bodies = actor.bodies if state.step == "prepare" else ()
            return Actor(state, bodies)
        if not todo:
            done = self.c.Sweep(0, 0)
            return self.entered(world, actor, self.c.after(state, done, None))
        return Actor(state, (), todo, self.p.Upload(todo[0][1]))

    def asking(self, world: World, actor: Actor) -> Iterator[tuple[World, Actor]]:
        state = actor.state
        effect = self.c.effect(state)
        if isinstance(effect, self.c.Read):
            if state.step == "open" and world.item.generation >= self.opens:
                return  # the small world ends here
            reply = (world.revision, world.item) if world.revision else None
            yield world, self.entered(world, actor, self.c.after(state, effect, reply))
        elif effect.expected == world.revision or not self.ports.swap_compares:
            changed = world._replace(revision=world.revision + 1, item=effect.item)
            yield changed, self.entered(changed, actor, self.c.after(state, effect, None))
            yield changed, self.entered(changed, actor, self.c.after(state, effect, self.p.Lost()))
        else:
            yield world, self.entered(world, actor, self.c.after(state, effect, (world.revision, world.item)))

    def folding(self, world: World, actor: Actor) -> Iterator[tuple[World, Actor]]:
        """Put the file, create-only: one that is there says the same, and `wrong` holds it to that."""
        state = actor.state
        chain, name = state.item.chain, f"_fold/{state.item.chain}"
        seen = view(world, chain, state.item.folded)
        assert seen is not None, "what is committed has its file"
        if not self.ports.folds_before_it_is_named or name in standing(world):
            changed = world
        else:
            changed = with_object(world, name, 0, encode_fold(seen.fold("e", TABLE, chain)))
        yield changed, self.entered(changed, actor, self.c.after(state, self.c.Fold(chain), None))

    def putting(self, world: World, actor: Actor) -> Iterator[tuple[World, Actor]]:
        name, _, content = actor.todo[0]
        for changed, upload in self.put(world, name, content, actor.upload, lossy=actor.state.step == "write"):
            yield changed, self.went(changed, actor, upload)

    def went(self, world: World, actor: Actor, upload: Any) -> Actor:
        writing = actor.state.step == "write"
        if upload.step not in {"done", "superseded"}:
            return actor._replace(upload=upload)
        rest = () if writing and upload.step == "superseded" else actor.todo[1:]
        if rest:
            return actor._replace(todo=rest, upload=self.p.Upload(rest[0][1]))
        done = self.c.Write(actor.state.plan) if writing else self.c.Sweep(0, 0)
        return self.entered(world, actor._replace(todo=(), upload=None), self.c.after(actor.state, done, None))

    # -- what must hold --------------------------------------------------------------------------------------

    def start(self) -> World:
        return World()

    def spent(self, world: World) -> bool:
        """Are too few openings left to come to the end, or is nobody alive?"""
        return all(actor.dead for actor in world.actors) or world.item.generation >= self.opens - 1

    def done(self, world: World) -> bool:
        """Is all compacted that is committed, and all swept?"""
        item = world.item
        if item.plan is not None or item.swept != item.chain or len(world.committed) < 2 + self.late:
            return False
        if item.chain - item.folded >= self.fold_every:
            return False
        seen, found = view(world, world.item.chain, world.item.folded), standing(world)
        if seen is None or len(live(seen, world.committed)) != 1:
            return False
        strays = {PUT_AGAIN} if world.expired else set()
        return all(not found.get(n, (0, EMPTY))[1] for n in {"a", "b", "c"} & set(world.committed) - strays)

    def wrong(self, world: World) -> str:
        """Say what a reader of the committed view would find wrong, or nothing."""
        seen, found = view(world, world.item.chain, world.item.folded), standing(world)
        if seen is None:
            return "a committed compaction has no file"
        rows: list[int] = []
        for entry in live(seen, world.committed):
            stands = found.get(entry.name)
            if stands is None or (stands[0], repr(stands[1])) != (entry.bytes, entry.sha256):
                return f"{entry.name} is not what was committed: {stands}"
            rows += stands[1]
        wanted = sorted(row for name in world.committed for row in LANE[name][1])
        if sorted(rows) != wanted:
            return f"committed {wanted}, the view holds {sorted(rows)}"
        files = tuple(found[f"_file/{number}"][1] for number in range(1, world.item.chain + 1))
        if told(seen) != told(made(files, b"")):
            return "the fold says something else than the files"
        if name := self.not_swept(world):
            return f"{name} is said to be swept"
        reader = world.reader
        if reader.done and sorted(reader.rows) != sorted(row for n in reader.names or () for row in LANE[n][1]):
            return f"a reader took {reader.rows} for what {reader.names} hold"
        for actor in world.actors:
            if not actor.dead and actor.state.step == "lost" and actor.state.generation == world.item.generation:
                return f"the rightful compactor gave up: {actor.state.why}"
        return ""

    def not_swept(self, world: World) -> str:
        """Return a name that is said to hold no rows any more, and does."""
        found = standing(world)
        for chain in range(1, world.item.swept + 1):
            for entry in found[f"_file/{chain}"][1].inputs:
                if found.get(entry.name, (0, EMPTY))[1] and not (entry.name == PUT_AGAIN and world.expired):
                    return str(entry.name)
        return ""
