"""A lake in memory whose compactions can be stopped at every effect. Rule: lanes, sinks, laws and files are real."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from support.memory_ports import MemoryLedger, MemoryPlace
from support.small_lake import EPOCH, FORM, STREAM, Still, commit, records
from tailrace.cli.compact import Compacting, Done
from tailrace.commit.audit import audit
from tailrace.commit.audit_report import Finding
from tailrace.commit.committed import CommitFile, StoredObject, commits_of, shards_of, told_once
from tailrace.commit.compacted import view_of
from tailrace.commit.plan import app_key
from tailrace.commit.ports import Body
from tailrace.settings import Lake, Settings
from tailrace.sinks.lake.candidates import Limits
from tailrace.sinks.lake.formats import Format
from tailrace.sinks.lake.groups import opened
from tailrace.sinks.lake.read import LakeReader

CLOSED = datetime(2027, 2, 1, tzinfo=UTC)


class Killed(Exception):
    """The process is gone."""


class World:
    """A ledger and a place; `before` and `after` are called around each effect with its number, from 1 on."""

    def __init__(self, form: Format = FORM) -> None:
        self.ledger, self.place, self.form = MemoryLedger(), MemoryPlace(), form
        assert self.ledger.swap(app_key("tailrace"), 0, {"epoch": EPOCH}) is None
        commit("shard-0", self.ledger, self.place, [records(100, 30), records(130, 20), records(150, 9)], form)
        commit("shard-1", self.ledger, self.place, [records(100, 30), records(130, 45)], form)

    def copy(self) -> World:
        return copy.deepcopy(self)

    def late(self) -> None:
        """Commit two plans more, of the same hour."""
        commit("shard-0", self.ledger, self.place, [records(159, 12), records(171, 12)], self.form)

    def compact(self, watch: Watch | None = None, *, least: int = 2) -> tuple[Done, list[str]]:
        form = self.form
        lake = Lake(parquet=form.parquet, avro=form.avro, row_group_rows=form.row_group_rows)
        ledger = WatchedLedger(self.ledger, watch) if watch else self.ledger
        place = WatchedPlace(self.place, watch) if watch else self.place
        shards = list(shards_of(self.ledger, EPOCH, STREAM))
        clock: Any = Still()
        work = Compacting(Settings(lake=lake), EPOCH, ledger, place, shards, clock, Limits(least))
        return work.run(CLOSED, None), work.said

    def objects(self) -> list[StoredObject]:
        """Return the objects of the committed view."""
        view = view_of(self.ledger, self.place, EPOCH)
        live = [entry for _, entry in view.outputs()]
        for shard in shards_of(self.ledger, EPOCH, STREAM):
            for _, found in commits_of(self.place, shard):
                assert isinstance(found, CommitFile)
                live += view.live(found.objects)
        return live

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return what the committed view holds: table, shard, position and the row, sorted."""
        out = []
        for entry in told_once(self.objects()):
            with self.place.open(entry.name) as source, opened(entry.name, source) as groups:
                for group in groups:
                    out += [(entry.table, row["shard"], row["position"], repr(row)) for row in group.read().to_pylist()]
        return sorted(out)

    def leftovers(self) -> list[str]:
        """Return the names outside the committed view that hold rows: a listing would see those twice."""
        live = {entry.name for entry in self.objects()}
        names = [name for name, _ in self.place.names("") if not name.startswith("_") and name not in live]
        return [name for name in names if LakeReader().rows(self.place, name)]

    def findings(self) -> list[Finding]:
        report = audit(self.ledger, self.place, LakeReader(), EPOCH, STREAM)
        return [*report.findings, *(finding for shard in report.shards for finding in shard.findings)]


class Watch:
    """Calls a function before and after each effect."""

    def __init__(self, told: Callable[[int, str], None]) -> None:
        self.effects = 0
        self._told = told

    def around(self, effect: Callable[[], Any]) -> Any:
        self.effects += 1
        number = self.effects
        self._told(number, "before")
        reply = effect()
        self._told(number, "after")
        return reply


def kill(at: int, when: str) -> Watch:
    """Die at one effect: before it, or when it has happened and its reply has not been heard."""

    def told(number: int, side: str) -> None:
        if (number, side) == (at, when):
            raise Killed

    return Watch(told)


class WatchedLedger:
    """A ledger whose swaps are effects."""

    def __init__(self, inner: MemoryLedger, watch: Watch) -> None:
        self._inner, self._watch = inner, watch
        self.read, self.keys = inner.read, inner.keys

    def swap(self, key: str, expected: int, item: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
        return self._watch.around(lambda: self._inner.swap(key, expected, item))


class WatchedPlace:
    """A place whose puts are effects."""

    def __init__(self, inner: MemoryPlace, watch: Watch) -> None:
        self._inner, self._watch = inner, watch
        self.head, self.read, self.open = inner.head, inner.read, inner.open
        self.names, self.sync = inner.names, inner.sync

    def create(self, name: str, body: Body, meta: Mapping[str, str]) -> bool:
        return bool(self._watch.around(lambda: self._inner.create(name, body, meta)))

    def replace(self, name: str, body: Body, etag: str, meta: Mapping[str, str]) -> bool:
        return bool(self._watch.around(lambda: self._inner.replace(name, body, etag, meta)))
