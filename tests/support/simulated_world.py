"""The world around simulated processes. Rule: every effect goes through `Process.effect`, where it can be struck.

An effect has a kind; a fault strikes it: the process dies or stalls before or after it, its reply is lost, or it fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Literal, NamedTuple, TypeVar

from support.memory_claims import MemoryClaims
from support.memory_effects import Effects
from support.memory_ports import MemoryLedger, MemoryPlace
from support.memory_sink import ASIDE
from support.simulated_threads import Group, Killed, Threads
from tailrace.commit.committed import SUFFIXES, decode, told_once
from tailrace.commit.plan import Item, commit_name, item_from_dict, lane_key, stem
from tailrace.commit.ports import Body, Head
from tailrace.nouns import START, Identity, Record, mark
from tailrace.world import WorldError

Fault = Literal[
    "kill before",
    "kill after",
    "lose the reply",
    "fail",
    "stall before",
    "stall after",
    "ledger away",
    "place away",
    "aside away",
]
Strike = Callable[["Process", str], Fault | None]
T = TypeVar("T")

EFFECTS = frozenset(
    {
        "ledger.read",
        *(
            f"swap.{s}"
            for s in ("open", "prepare", "take_over", "advance", "commit", "skip", "suspect", "leave", "stop")
        ),
        *(f"create.{what}" for what in ("object", "commit_file", "shelf")),
        *(f"{verb}.{what}" for verb in ("head", "replace", "sync") for what in ("object", "commit_file")),
        "read.shelf",
        "sync.shelf",
        "claim",
        "aside.add",
        "aside.send",
        "swap.redriven",
        "checkpoint",
        "checkpoint_end",
        *(f"answer.{t}" for t in ("initialize", "processRecords", "shutdownRequested", "shardEnded", "leaseLost")),
    }
)
SERVICES = {
    **dict.fromkeys(("ledger", "swap", "claim"), "ledger"),  # one service, several tables
    **dict.fromkeys(("create", "head", "replace", "read", "sync"), "place"),
    "aside": "aside",
}
AWAY_S = 45.0  # longer than the patience of a simulated child
IDENTITY = Identity("stream", "epoch", "shard-0")
LANE = "lake"
KEY = lane_key(IDENTITY, LANE)
ASIDE_KEY = lane_key(IDENTITY, ASIDE)


def service_of(kind: str) -> str:
    """Return what must answer for an effect of this kind."""
    return SERVICES.get(kind.partition(".")[0], "daemon")


class Wrong(AssertionError):
    """Something that must never happen did."""


class Done(NamedTuple):
    """One effect, as it went."""

    process: int
    kind: str
    fault: Fault | None


class Grant(NamedTuple):
    """A key that was given to whoever asked, or left with it."""

    key: str
    owner: str
    now_s: int


class World:
    """Ledger, place, stream and lease; the clock; what was done and what was struck."""

    def __init__(self, records: Sequence[Record], *, ended: bool) -> None:
        self.now_s = 1_000.0
        self.threads = Threads(self._tick)
        self.ledger = MemoryLedger()
        self.place = MemoryPlace()
        self.claims = MemoryClaims()
        self.grants: list[Grant] = []  # in order
        self.records = list(records)
        self.ended = ended  # the shard is closed: after its last record comes its end
        self.holder: Process | None = None
        self.checkpoint = START  # what KCL has accepted
        self.end_taken = False
        self.strike: Strike = lambda _process, _kind: None
        self.away: dict[str, float] = {"ledger": 0.0, "place": 0.0, "aside": 0.0}
        self.aside = Effects()
        self.planned: dict[int, str] = {}  # chain of the lane beside the lake -> deltas, as they became durable first
        self.items: dict[tuple[str, str], dict[str, Any]] = {}  # of the hot table
        self.done: list[Done] = []
        self.said: list[str] = []
        self.wrong: list[str] = []
        self._known = (0, Item())
        self.blamed: set[str] = set()  # records that children were seen to die with

    def _tick(self, seconds: float) -> None:
        self.now_s += seconds

    @property
    def item(self) -> Item:
        """The lane's item as it stands; read anew when it has changed."""
        revision = self.ledger.revision(KEY)
        if revision != self._known[0]:
            self._known = (revision, item_from_dict(self.ledger.at(KEY, revision) or {}))
        return self._known[1]

    @property
    def last(self) -> str:
        return mark(self.records[-1].sequence, self.records[-1].sub) if self.records else START

    def expect(self, holds: object, text: str) -> None:
        """Note what is wrong at once, with its place in the story."""
        if not holds:
            self.wrong.append(text)
            self.said.append(f"WRONG: {text}")

    def kinds(self) -> Counter[str]:
        return Counter(done.kind for done in self.done)


class Process:
    """One child, as far as the world sees it: what it touches, it touches through here."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.group = Group(f"process {number}")
        self.end = ""  # how its life ended
        self.ledger = _Ledger(self)
        self.place = _Place(self)
        self.claims = _Claims(self)
        self.clock = _Clock(self)

    def __repr__(self) -> str:
        return self.group.name

    def effect(self, kind: str, act: Callable[[], T], lost: Callable[[str], Exception] = WorldError) -> T:
        """Do something to the world, unless or until a fault strikes."""
        world = self.world
        world.threads.pause()
        fault = world.strike(self, kind)
        world.done.append(Done(self.number, kind, fault))
        world.said.append(f"{self.number}: {kind}{f' [{fault}]' if fault else ''}")
        service = service_of(kind)
        if fault in {"ledger away", "place away", "aside away"}:
            world.away[fault.partition(" ")[0]] = world.now_s + AWAY_S
        if fault == "fail" or world.away.get(service, 0.0) > world.now_s:
            raise lost("no answer")
        if fault == "kill before":
            self.kill()
        if fault == "stall before":
            self.stall()
        reply = act()
        if fault == "kill after":
            self.kill()
        if fault == "stall after":
            self.stall()
        if fault == "lose the reply":
            raise lost("the reply was lost")
        return reply

    def kill(self) -> None:
        self.group.dead = True
        self.end = self.end or "killed"
        raise Killed

    def stall(self) -> None:
        self.group.stalled = True
        self.world.threads.pause()

    def say(self, what: str, /, **facts: object) -> None:
        shown = " ".join(f"{k}={v}" for k, v in facts.items() if k in {"chain", "generation", "why", "state", "result"})
        self.world.said.append(f"{self.number}:   {what} {shown}")


class _Clock:
    """The world's clock; sleeping lets others go on."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def now_ms(self) -> int:
        return int(self._process.world.now_s * 1000)

    def monotonic(self) -> float:
        return self._process.world.now_s

    def sleep(self, seconds: float) -> None:
        self._process.world.now_s += seconds
        self._process.world.threads.pause()


class _Ledger:
    """The ledger, as one process reaches it."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._world = process.world

    def read(self, key: str) -> tuple[int, dict[str, Any]] | None:
        return self._process.effect("ledger.read", lambda: self._world.ledger.read(key))

    def swap(self, key: str, expected: int, item: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
        if key.startswith("redriven/"):
            return self._process.effect("swap.redriven", lambda: self._world.ledger.swap(key, expected, item))
        before = self._world.ledger.at(key, expected)
        was, new = Item() if before is None else item_from_dict(before), item_from_dict(item)
        kind = _kind(was, new)

        def act() -> tuple[int, dict[str, Any]] | None:
            refused = self._world.ledger.swap(key, expected, item)
            if refused is None:
                self._world.blamed.update(new.poison)
                if key == ASIDE_KEY and new.plan is not None:
                    self._world.planned.setdefault(new.plan.chain, new.plan.deltas)
                    self._world.aside.ends[new.plan.chain] = new.plan.last
                    if new.plan.deltas.isdecimal() or not new.plan.deltas:
                        self._world.aside.planned.setdefault(new.plan.chain, int(new.plan.deltas or 0))
            return refused

        return self._process.effect(f"swap.{kind}", act)

    def keys(self, prefix: str) -> Iterator[str]:
        raise Wrong("a child lists no keys")


def _kind(was: Item, new: Item) -> str:
    if new.generation != was.generation:
        return "open"
    if new.since != was.since:
        return "skip"
    if new.chain != was.chain:
        return "commit"
    if new.plan != was.plan:
        if was.plan is None or new.plan is None:
            return "prepare"
        return "take_over" if new.plan.sent == was.plan.sent else "advance"
    if new.stopped != was.stopped:
        return "stop"
    if new.failures == 0 and was.failures:
        return "leave"
    if new.suspect != was.suspect:
        return "suspect"
    raise Wrong(f"a write without a reason: {was} -> {new}")


class _Claims:
    """The claims, as one process reaches them."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._world = process.world

    def claim(self, keys: Mapping[str, str], now_s: int, expires_s: int) -> Mapping[str, str]:
        def act() -> Mapping[str, str]:
            owners = self._world.claims.claim(keys, now_s, expires_s)
            self._world.grants += [Grant(key, who, now_s) for key, who in owners.items() if keys[key] == who]
            return owners

        return self._process.effect("claim", act)


class _Place:
    """The place, as one process reaches it. What is committed must not change any more."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._world = process.world
        self._touched = "object"

    def create(self, name: str, body: Body, meta: Mapping[str, str]) -> bool:
        return self._put(f"create.{_what(name)}", name, lambda: self._world.place.create(name, body, meta))

    def replace(self, name: str, body: Body, etag: str, meta: Mapping[str, str]) -> bool:
        return self._put(f"replace.{_what(name)}", name, lambda: self._world.place.replace(name, body, etag, meta))

    def _put(self, kind: str, name: str, act: Callable[[], bool]) -> bool:
        self._touched = _what(name)

        def watched() -> bool:
            stored = act()
            if stored and self._touched != "shelf":
                self._world.expect(not self._committed(name), f"{self._process} put {name} after its commit")
            return stored

        return self._process.effect(kind, watched)

    def _committed(self, name: str) -> bool:
        chains = range(1, self._world.item.chain + 1)
        ends = [f"/{stem(IDENTITY, chain)}{suffix}" for chain in chains for suffix in SUFFIXES]
        return name.endswith(tuple(ends)) or name in {commit_name(IDENTITY, chain) for chain in chains}

    def head(self, name: str) -> Head | None:
        return self._process.effect(f"head.{_what(name)}", lambda: self._world.place.head(name))

    def read(self, name: str) -> bytes:
        return self._process.effect(f"read.{_what(name)}", lambda: self._world.place.read(name))

    def open(self, name: str) -> BinaryIO:
        raise Wrong("a child opens no object")

    def names(self, prefix: str) -> Iterator[tuple[str, int]]:
        raise Wrong("a child lists no objects")

    def sync(self) -> None:
        self._process.effect(f"sync.{self._touched}", self._world.place.sync)


def _what(name: str) -> str:
    return "commit_file" if name.startswith("_commits/") else "shelf" if name.startswith("_plans/") else "object"


def committed(world: World, rows_of: Callable[[str], Sequence[str]], only: int = 0) -> Counter[str]:
    """Return the rows that a reader of the commit files finds: of all, or of the one with this chain."""
    found: Counter[str] = Counter()
    for chain in [only] if only else range(1, world.item.chain + 1):
        for entry in told_once(decode(world.place.read(commit_name(IDENTITY, chain))).objects):
            found.update(rows_of(entry.name))
    return found
