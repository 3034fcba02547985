"""A pipeline and a sink of a few lines: rows are positions, objects are JSON. Rule: they obey the real ones' ports.

A record's bytes say what becomes of it: `2` two events, `bad` a reject, `raise` a mistake of our own code, `die` the
end of the process.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from tailrace.commit.audit_compacted import Contents, Origins
from tailrace.commit.committed import StoredObject, encode
from tailrace.commit.ledger import BytesBody
from tailrace.commit.patience import Patience
from tailrace.commit.plan import CommitFacts, Plan, commit_name
from tailrace.commit.ports import Body, Place
from tailrace.nouns import Identity, Outcome, Reason, Record, Rows, Table

EVENTS = Table("events/v1", pa.schema([]), ())
QUARANTINE = Table("quarantine", pa.schema([]), ())
INTERNAL = "internal"
ASIDE = "hot"  # the lane beside the lake


class OurMistake(Exception):
    """What a pipeline with a mistake in it raises."""


class MemoryPipeline:
    """Rows of records, as lists of positions."""

    def __init__(self, die: Callable[[], None] = lambda: None) -> None:
        self._die = die

    def __call__(self, records: Sequence[Record]) -> Outcome:
        good: list[str] = []
        bad: list[str] = []
        for record in records:
            if record.data == b"raise":
                raise OurMistake(record.sequence)
            if record.data == b"die":
                self._die()
            if record.data.isdigit():
                good += [f"{record.sequence}/{record.sub}/{at}" for at in range(int(record.data))]
            else:
                bad.append(f"{record.sequence}/{record.sub}/0")
        return _outcome(good, bad, "parse")

    def internal(self, record: Record, reason: Reason) -> Outcome:
        return _outcome([], [f"{record.sequence}/{record.sub}/0"], INTERNAL)


class Positions(list[str]):
    """Rows, as a list."""

    @property
    def num_rows(self) -> int:
        return len(self)


def _outcome(good: list[str], bad: list[str], stage: str) -> Outcome:
    rows = [Rows(EVENTS, Positions(good), {ASIDE: Positions(good)})] if good else []
    rows += [Rows(QUARANTINE, Positions(f"{stage}:{position}" for position in bad))] if bad else []
    total = len(good) + len(bad)
    return Outcome(rows, total, len(good), len(bad), 0, Counter(), Counter())


class MemorySink(NamedTuple):
    """Rows by `sequence % partitions`; versions of the code differ in how many there are."""

    partitions: int = 2
    pad: int = 0  # letters more in each folder's name: large plans of few objects

    def start(self) -> MemoryFilling:
        return MemoryFilling(self)


class MemoryFilling:
    """The rows of one batch, by folder."""

    def __init__(self, sink: MemorySink) -> None:
        self._sink = sink
        self._folders: dict[str, list[str]] = {}

    @property
    def rows(self) -> int:
        return sum(map(len, self._folders.values()))

    @property
    def objects(self) -> int:
        return len(self._folders)

    def add(self, rows: Sequence[Rows]) -> None:
        for part in rows:
            for value in part.batch:
                self._folders.setdefault(self._folder(part.table, value), []).append(value)

    def opens(self, rows: Sequence[Rows]) -> int:
        needed = {self._folder(part.table, value) for part in rows for value in part.batch}
        return len(needed - self._folders.keys())

    def _folder(self, table: Table, value: str) -> str:
        if table is QUARANTINE:
            return f"quarantine/stage={value.partition(':')[0]}"
        number = int(value.partition("/")[0]) % self._sink.partitions
        return f"{table.name}/p={number}{'x' * self._sink.pad}"

    def names(self, stem: str) -> tuple[str, ...]:
        return tuple(sorted(f"{folder}/{stem}.parquet" for folder in self._folders))

    def seal(self, names: Sequence[str], facts: CommitFacts) -> dict[str, Body]:
        assert self._folders.keys() <= {name.rpartition("/")[0] for name in names}, "rows without a planned name"
        about = {"epoch": facts.epoch, "chain": facts.chain, "generation": facts.generation}
        bodies: dict[str, Body] = {}
        stored = []
        for name in names:
            rows = self._folders.get(name.rpartition("/")[0], [])
            body = BytesBody(json.dumps({**about, "rows": rows}).encode(), len(rows))
            table = QUARANTINE.name if name.startswith(QUARANTINE.name) else EVENTS.name
            bodies[name] = body
            stored.append(StoredObject(name, table, len(rows), body.length, body.sha256))
        identity = Identity(facts.stream, facts.epoch, facts.shard)
        bodies[commit_name(identity, facts.chain)] = BytesBody(encode(facts, stored))
        return bodies

    def deltas(self) -> str:
        return ""

    def deliver(self, _plan: Plan, _patience: Patience) -> str:
        return ""

    def drop(self) -> None:
        self._folders = {}


class MemoryReader:
    """What the audit asks of these objects."""

    def rows(self, place: Place, name: str) -> int:
        return len(values(place, name))

    def contents(self, place: Place, name: str) -> Contents:
        positions = [value.rpartition(":")[2] for value in values(place, name)]
        return Contents([f"id-{position}" for position in positions], positions)

    def origins(self, place: Place, name: str) -> Origins:
        raise AssertionError(f"nothing here is compacted, least of all {name}")

    def records(self, place: Place, name: str) -> Sequence[str]:
        raise AssertionError(f"nothing here is archived, least of all {name}")


def values(place: Place, name: str) -> list[str]:
    """Return an object's rows; those of the quarantine begin with their stage."""
    raw: dict[str, Any] = json.loads(place.read(name))
    return list(raw["rows"])
