"""A plan and the ledger's items, as values. Rule: what is written here decides the rest; nothing here acts.

A plan is one lane of one shard, the records after `after` up to and including `last`. A lane's item is the one
place that says what is committed; see `rules.py` for how it may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from tailrace.nouns import START, Identity

PLAN_INLINE_BYTES_MAX = 64 * 1024  # a larger list of names goes to an object; DynamoDB items end at 400 KiB


class Counts(NamedTuple):
    """Events by what became of them, `received == stored + rejected + filtered`; and records kept as they came."""

    received: int = 0
    stored: int = 0
    rejected: int = 0
    filtered: int = 0
    archived: int = 0

    def plus(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def events(self) -> dict[str, int]:
        """Return what became of events alone, by name."""
        return {name: count for name, count in self._asdict().items() if name != "archived"}


class Plan(NamedTuple):
    """One cut, made durable before anything of it is written."""

    chain: int
    generation: int  # of the owner that wrote it into the ledger last
    after: str
    last: str
    records: int
    positions_digest: str
    counts: Counts
    names: tuple[str, ...]  # every object it may write, sorted, the commit file last
    digests: tuple[tuple[str, str], ...] = ()
    shelf: str = ""  # the object that holds `names`, `repeated` and `deltas` when they are too much for the item
    repeated: tuple[tuple[str, str], ...] = ()  # (position, why) of events left out since they came before, sorted
    deltas: str = ""  # what must be applied once, word for word: an owner that comes later may reckon otherwise
    sent: str = ""  # position up to which messages are known to have been sent

    def covers(self, other: Plan) -> bool:
        """Is the other plan the same cut of the same records?"""
        return (self.after, self.last, self.records, self.positions_digest) == (
            other.after,
            other.last,
            other.records,
            other.positions_digest,
        )


class Since(NamedTuple):
    """From where on a lane has had every record, since it began or skipped, and what it had counted by then."""

    mark: str = START
    records: int = 0
    received: int = 0


class Item(NamedTuple):
    """A lane's item in the ledger."""

    generation: int = 0
    watermark: str = START
    chain: int = 0
    committed_generation: int = 0
    plan: Plan | None = None
    totals: Counts = Counts()
    records: int = 0
    failures: int = 0  # opens in a row that ended neither in a commit nor in a goodbye
    suspect: tuple[str, ...] = ()  # careful mode: the first and the last of the records in hand
    hot: tuple[str, ...] = ()  # careful mode: those that were in hand when a child died
    poison: tuple[str, ...] = ()  # careful mode: records in whose hands two children died, alone
    stopped: str = ""  # why the shard waits for a person
    waived: int = 0  # the chain whose records a person accepted as they come
    resolved: tuple[str, ...] = ()  # what persons accepted, in words
    since: Since = Since()


LISTS = ("suspect", "hot", "poison", "resolved")


def item_to_dict(item: Item) -> dict[str, Any]:
    """Return the item as plain values for a store."""
    out: dict[str, Any] = item._asdict()
    out["totals"] = item.totals._asdict()
    out["since"] = item.since._asdict()
    for name in LISTS:
        out[name] = list(out[name])
    out["plan"] = None if item.plan is None else plan_to_dict(item.plan)
    return out


def plan_to_dict(plan: Plan) -> dict[str, Any]:
    out: dict[str, Any] = plan._asdict()
    out["counts"] = plan.counts._asdict()
    out["names"] = list(plan.names)
    out["digests"] = dict(plan.digests)
    out["repeated"] = dict(plan.repeated)
    return out


def item_from_dict(raw: Mapping[str, Any]) -> Item:
    """Read an item back. A member not known here is a TypeError: an older version must not act on it."""
    fields = dict(raw)
    fields["totals"] = Counts(**raw["totals"])
    fields["since"] = Since(**raw.get("since", {}))
    for name in LISTS:
        fields[name] = tuple(raw.get(name, ()))
    fields["plan"] = None if raw.get("plan") is None else plan_from_dict(raw["plan"])
    return Item(**fields)


def plan_from_dict(raw: Mapping[str, Any]) -> Plan:
    fields = dict(raw)
    fields["counts"] = Counts(**raw["counts"])
    fields["names"] = tuple(raw["names"])
    fields["digests"] = tuple(sorted(raw["digests"].items()))
    fields["repeated"] = tuple(sorted(raw.get("repeated", {}).items()))
    return Plan(**fields)


class PositionsDigest:
    """A running digest of the records of a batch, in order."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)
        self.records = 0

    def add(self, positions: list[str]) -> None:
        """Take the positions of more records, each `<sequence>/<sub>`."""
        if positions:
            self._hash.update("\n".join(positions).encode() + b"\n")
            self.records += len(positions)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def lane_key(identity: Identity, lane: str) -> str:
    """Return the ledger key of a lane's item. The epoch keeps applications and rewinds apart."""
    return f"{lanes_prefix(identity.epoch, identity.stream)}{identity.shard}/{lane}"


def lanes_prefix(epoch: str, stream: str = "") -> str:
    """Return what the keys of an epoch's lanes begin with: those of one stream, or of all."""
    return f"lane/{epoch}/{stream}/" if stream else f"lane/{epoch}/"


def app_key(application: str) -> str:
    """Return the ledger key of the application's item."""
    return f"app/{application}"


def stem(identity: Identity, chain: int) -> str:
    """Return what the object names of one plan share. Nothing of it is the clock's or chance's."""
    return f"{identity.epoch}-{identity.stream}-{identity.shard}-{chain:010d}"


def commit_name(identity: Identity, chain: int) -> str:
    """Return the name of a plan's commit file."""
    return f"_commits/{identity.epoch}/{identity.stream}/{identity.shard}/{chain:010d}.json"


def shelf_name(identity: Identity, lane: str, chain: int, generation: int) -> str:
    """Return the name of the object that holds a large plan's names."""
    return f"_plans/{identity.epoch}/{identity.stream}/{identity.shard}/{lane}/{chain:010d}.{generation}.json"


class CommitFacts(NamedTuple):
    """What a commit file says of its plan, besides its objects."""

    epoch: str
    stream: str
    shard: str
    lane: str
    chain: int
    generation: int
    after: str  # mark before the first record
    last: str  # mark of the last record
    records: int
    positions_digest: str
    received: int
    stored: int
    rejected: int
    filtered: int
    digests: Mapping[str, str]  # code, book
    archived: int = 0  # records kept as they came


def facts(identity: Identity, lane: str, plan: Plan, generation: int) -> CommitFacts:
    """Return what the commit file of a plan says."""
    return CommitFacts(
        epoch=identity.epoch,
        stream=identity.stream,
        shard=identity.shard,
        lane=lane,
        chain=plan.chain,
        generation=generation,
        after=plan.after,
        last=plan.last,
        records=plan.records,
        positions_digest=plan.positions_digest,
        **plan.counts._asdict(),
        digests=dict(plan.digests),
    )
