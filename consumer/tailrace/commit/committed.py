"""A plan's commit file as a value. Rule: what it says is enough to find and to check every object of the plan.

JSON, one object: the facts of the plan and, under `objects`, every object it wrote, zero-row ones too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tailrace.commit.plan import CommitFacts, Item, app_key, commit_name, item_from_dict, lanes_prefix
from tailrace.commit.ports import LedgerStore, Place
from tailrace.nouns import LAKE, Identity

QUARANTINE = "quarantine"  # the table of what was rejected
ARCHIVE = "raw"  # the table of records as they came, which are no rows of events
VERSION = 1
SUFFIXES = (".parquet", ".avro")  # of objects with rows; where several hold the same rows, the first is read


class StoredObject(NamedTuple):
    """One object as its plan left it."""

    name: str
    table: str
    rows: int
    bytes: int
    sha256: str


class CommitFile(NamedTuple):
    """What one plan stored."""

    facts: CommitFacts
    objects: tuple[StoredObject, ...]


class CommitFileError(Exception):
    """These bytes are no commit file of a version known here."""


def encode(facts: CommitFacts, objects: Iterable[StoredObject]) -> bytes:
    """Return the commit file's bytes; the same facts and objects give the same bytes."""
    raw: dict[str, Any] = {"version": VERSION, **facts._asdict(), "digests": dict(facts.digests)}
    raw["objects"] = [entry._asdict() for entry in sorted(objects)]
    return json.dumps(raw, indent=1, ensure_ascii=False).encode() + b"\n"


def decode(data: bytes) -> CommitFile:
    """Read a commit file back."""
    try:
        raw = json.loads(data)
        if raw["version"] != VERSION:
            message = f"version {raw['version']} of the commit file is not known here"
            raise CommitFileError(message)
        raw.setdefault("archived", 0)  # written before there was an archive
        facts = CommitFacts(**{field: raw[field] for field in CommitFacts._fields})
        objects = tuple(
            StoredObject(**{field: entry[field] for field in StoredObject._fields}) for entry in raw["objects"]
        )
    except (ValueError, TypeError, KeyError) as error:
        message = f"no commit file: {error!r}"
        raise CommitFileError(message) from error
    return CommitFile(facts, objects)


class Shard(NamedTuple):
    """A shard's lane, the lake's mostly, as the ledger knows it: what it says is committed, and only that, counts."""

    identity: Identity
    item: Item


def formats(objects: Iterable[StoredObject]) -> list[list[StoredObject]]:
    """Return objects by what their names have in common but for the suffix: files of one folder, in several formats.

    Of those, each that has rows has all of the folder's. One has none where its plan was begun under other settings.
    """
    found: dict[str, list[StoredObject]] = {}
    for entry in objects:
        found.setdefault(entry.name.rpartition(".")[0], []).append(entry)
    return [sorted(entries, key=lambda entry: not entry.name.endswith(SUFFIXES[0])) for entries in found.values()]


def told_once(objects: Iterable[StoredObject]) -> Iterator[StoredObject]:
    """Yield objects with rows, so that no row is among them twice."""
    for entries in formats(objects):
        yield from [entry for entry in entries if entry.rows][:1]


def epoch_of(ledger: LedgerStore, application: str) -> str | None:
    """Return the epoch of the application, None before its first start."""
    found = ledger.read(app_key(application))
    return None if found is None else str(found[1]["epoch"])


def shards_of(ledger: LedgerStore, epoch: str, stream: str, lane: str = LAKE) -> Iterator[Shard]:
    """Yield every shard whose lane has an item, in name order. An empty stream means every stream of the ledger."""
    return (shard for _, shard in lanes_of(ledger, epoch, stream, lane))


def lanes_of(ledger: LedgerStore, epoch: str, stream: str, lane: str = "") -> Iterator[tuple[str, Shard]]:
    """Yield (lane, shard) of every lane that has an item, or of one of them, in name order of the shards."""
    for key in ledger.keys(lanes_prefix(epoch, stream)):
        _, _, of, shard, name = key.split("/")
        found = ledger.read(key) if not lane or name == lane else None
        if found is not None:
            yield name, Shard(Identity(of, epoch, shard), item_from_dict(found[1]))


def commits_of(place: Place, shard: Shard, after: int = 0) -> Iterator[tuple[int, CommitFile | CommitFileError | None]]:
    """Yield (chain, commit file) of all that is committed after a chain, oldest first; None where it is missing."""
    for chain in range(after + 1, shard.item.chain + 1):
        try:
            yield chain, decode(place.read(commit_name(shard.identity, chain)))
        except FileNotFoundError:
            yield chain, None
        except CommitFileError as error:
            yield chain, error
