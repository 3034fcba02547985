"""One run of the loader. Rule: the warehouse's own ledger says what has landed; all else only spares work.

Killed anywhere, the next run asks the warehouse and goes on from there. A load that still runs then, or is sent later
by a loader that slept, meets the lock and the guard of its own transaction, and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

import pyarrow as pa

from tailrace.commit.committed import ARCHIVE, QUARANTINE, CommitFile, Shard, commits_of, told_once
from tailrace.commit.lane import Say
from tailrace.commit.ports import Place, WorldError
from tailrace.ops.clock import Clock
from tailrace.sinks.ddl.model import DdlError
from tailrace.sinks.lake.formats import PARQUET
from tailrace.sinks.redshift import fitting, plan, rules, statements
from tailrace.sinks.redshift.data_api import Failed, State, Warehouse
from tailrace.sinks.redshift.files import Entry, Files, Judged, Unfit
from tailrace.sinks.redshift.fitting import Held
from tailrace.sinks.redshift.ledger import LoadLedger
from tailrace.sinks.redshift.plan import Load, Marks, Pending
from tailrace.sinks.redshift.statements import Copy

TRIES_MAX: Final = 3  # of a table whose place another loader has moved meanwhile


class Aim(NamedTuple):
    """What is to be loaded, and where."""

    epoch: str
    target: str  # names the warehouse in the ledger
    schema: str
    role: str
    tables: tuple[str, ...]  # patterns
    called: Mapping[str, str]  # table of the lake -> its name in the warehouse
    load_bytes: int
    lease_ms: int
    holder: str
    takes_over: bool = False  # from a loader whose lease is not over


class Summary:
    """What a run did."""

    def __init__(self) -> None:
        self.loads = 0
        self.rows: Counter[str] = Counter()  # by table
        self.rejected: Counter[str] = Counter()  # by the first reason's keyword
        self.problems: list[str] = []  # each keeps something out
        self.left_out: Counter[str] = Counter()  # objects of tables that the schemas do not know
        self.found = ""  # what became of a load that an earlier run left open


class _Ready(NamedTuple):
    """Files of a load, judged and written."""

    taken: list[Pending]
    copies: list[Copy]
    rows: int
    why: Counter[str]


class Loader:
    """One loader of one warehouse. `run` may be called once."""

    def __init__(
        self, aim: Aim, *, ledger: LoadLedger, place: Place, files: Files, warehouse: Warehouse, clock: Clock, say: Say
    ) -> None:
        self._aim, self._ledger, self._place, self._files = aim, ledger, place, files
        self._warehouse, self._clock, self._say = warehouse, clock, say
        self._generation = 0
        self._stands: dict[str, list[Held]] = {}
        self.summary = Summary()

    def run(self, shards: Iterable[Shard]) -> Summary:
        """Load all that is committed. Raises Occupied, WorldError, WorldDenied, Failed."""
        aim = self._aim
        now = self._clock.now_ms()
        item = self._ledger.change(lambda item: rules.taking(item, aim.holder, now, aim.lease_ms, force=aim.takes_over))
        self._generation = item.generation
        scanned, seen = None, ""
        try:
            self._warehouse.run(statements.furnish(aim.schema))
            self._settle_found()
            upto, marks = self._all(list(shards))
            if not self.summary.problems:
                # As this run knows it, not as asked now: the warehouse may have been put back to an older state since.
                scanned, seen = tuple(sorted(upto.items())), plan.seen(marks, self._asked())
        finally:
            self._leave(scanned, seen)
        return self.summary

    def _leave(self, scanned: tuple[tuple[str, int], ...] | None, seen: str) -> None:
        try:
            self._ledger.change(lambda item: rules.leaving(item, self._generation, scanned, seen))
        except WorldError as error:  # the lease ends by itself
            self._say("lease kept", error=str(error))

    def _settle_found(self) -> None:
        """See what became of a load that an earlier run left open."""
        load = self._ledger.item.open
        if load is None:
            return
        if load.statement:
            self._warehouse.wait(load.statement, self._tick)
        landed = self._landed(load)
        self._ledger.change(lambda item: rules.settling(item, self._generation, load.id, landed))
        self.summary.found = f"{load.table}: a load of an earlier run had {'' if landed else 'not '}landed"
        self._say("orphan", table=load.table, load=load.id, landed=landed is not None)

    def _all(self, shards: Sequence[Shard]) -> tuple[dict[str, int], Marks]:
        """Load every table; return how far each shard was looked at, and what has landed."""
        marks: Marks = self._marks()
        item = self._ledger.item
        scanned = dict(item.scanned) if item.seen == plan.seen(marks, self._asked()) else {}
        waiting, upto = self._waiting(shards, marks, scanned)
        for table in sorted(waiting):
            try:
                marks = self._table(table, waiting[table], marks)
            except (Unfit, DdlError) as error:
                self.summary.problems.append(f"{table}: {error}")
        return upto, marks

    def _waiting(
        self, shards: Sequence[Shard], marks: Marks, scanned: Mapping[str, int]
    ) -> tuple[dict[str, list[Pending]], dict[str, int]]:
        """Return what has not landed, by table, and how far each shard was looked at."""
        waiting: dict[str, list[Pending]] = {}
        upto: dict[str, int] = {}
        for shard in shards:
            stream, name = shard.identity.stream, shard.identity.shard
            at = f"{stream}/{name}"
            upto[at] = scanned.get(at, 0)
            for chain, commit in commits_of(self._place, shard, upto[at]):
                if not isinstance(commit, CommitFile):
                    self.summary.problems.append(f"{at}, chain {chain}: found {commit or 'no commit file'}")
                    break  # what comes later must not be loaded before it
                for one in told_once(commit.objects):
                    if chain > marks.get((one.table, stream, name), 0) and self._wanted(one.table, one.name):
                        pending = Pending(stream, name, chain, one.name, one.rows, one.bytes)
                        waiting.setdefault(one.table, []).append(pending)
                upto[at] = chain
        return waiting, upto

    def _asked(self) -> list[str]:
        """Return what decides which tables are loaded."""
        return [*self._aim.tables, *self._aim.called]

    def _wanted(self, table: str, name: str) -> bool:
        if table == ARCHIVE or not any(fnmatchcase(table, pattern) for pattern in self._aim.tables):
            return False
        if table not in self._aim.called:
            self.summary.left_out[table] += 1
            return False
        if not name.endswith(PARQUET):
            self.summary.problems.append(f"{name}: found an Avro file alone, expected Parquet: see [lake] parquet")
            return False
        return True

    def _table(self, table: str, waiting: list[Pending], marks: Marks) -> Marks:
        """Load all that waits of a table, in as many transactions as it takes; return what has landed."""
        tries = 0
        while waiting:
            self._tick()
            ready = self._ready(table, waiting)
            load = plan.load_of(self._aim.target, self._aim.epoch, table, plan.ranges(table, ready.taken, marks))
            # The same load failed before, perhaps: with its token the Data API would answer that again.
            load = load._replace(token=f"{load.id}-{self._generation}-{tries}")
            ended = self._brought(load, ready)
            if ended is not None:
                tries += 1
                now = self._marks()
                if tries == TRIES_MAX or all(now.get(key, 0) == marks.get(key, 0) for key in now if key[0] == table):
                    raise Unfit(f"the transaction failed: {' '.join(ended.error.split()) or ended.status}")
                marks = now
            else:
                marks = {**marks, **{(table, one.stream, one.shard): one.chain for one in load.ranges}}
            waiting = [one for one in waiting if one.chain > marks.get((table, one.stream, one.shard), 0)]
        return marks

    def _ready(self, table: str, waiting: Iterable[Pending]) -> _Ready:
        """Judge the files of the next load and write what it needs."""
        stands, where = self._columns(table), self._where(table)
        taken: list[Pending] = []
        shapes: dict[pa.Schema, list[Judged]] = {}
        for of_plan in plan.plans(plan.cut(waiting, self._aim.load_bytes)):
            schemas = [self._files.schema(one) for one in of_plan]
            if taken and len({*shapes, *schemas}) > plan.SHAPES_MAX:
                break
            for one, schema in zip(of_plan, schemas, strict=True):
                wrong = "" if schema in shapes else fitting.disagreement(fitting.expected(schema, table), stands)
                if wrong:
                    raise Unfit(f"{wrong} in {where}: see `tailrace ddl redshift --previous`")
                self._tick()
                judged = self._files.judged(one, stands, lambda: self._columns(QUARANTINE), where)
                shapes.setdefault(schema, []).append(judged)
            taken += of_plan
        return self._written(table, taken, list(shapes.values()))

    def _written(self, table: str, taken: list[Pending], groups: Sequence[Sequence[Judged]]) -> _Ready:
        copies: list[Copy] = []
        why: Counter[str] = Counter()
        for group in groups:
            why.update(sum((one.why for one in group), Counter()))
            copies += self._copy(table, [one.entry for one in group], group[0])
        rejects = [one.rejects for group in groups for one in group if one.rejects is not None]
        rows = sum(copy.rows for copy in copies)
        if rejects:
            wanted, where = fitting.expected(rejects[0].schema, QUARANTINE), self._where(QUARANTINE)
            if wrong := fitting.disagreement(wanted, self._columns(QUARANTINE)):
                raise Unfit(f"rows that do not fit have no place: {wrong} in {where}: see `tailrace ddl redshift`")
            entry = self._files.together(rejects)
            copies += self._copy(QUARANTINE, [entry], Judged(rejects[0].schema, entry, None, Counter()))
        return _Ready(taken, copies, rows, why)

    def _copy(self, table: str, entries: Sequence[Entry], like: Judged) -> list[Copy]:
        full = [one for one in entries if one.rows]
        if not full:
            return []
        columns = fitting.expected(like.schema, table)
        nested = any(column.type == "SUPER" for column in columns)
        names = tuple(column.name for column in columns)
        rows = sum(one.rows for one in full)
        return [Copy(self._aim.called[table], names, self._files.manifest(full), rows, nested)]

    def _where(self, table: str) -> str:
        return f"{self._aim.schema}.{self._aim.called[table]}"

    def _columns(self, table: str) -> list[Held]:
        """Return a table's columns as they stand. Raises Unfit where there is none."""
        if table not in self._stands:
            found = self._warehouse.columns(self._aim.schema, self._aim.called[table])
            if not found:
                where = self._where(table)
                raise Unfit(f"found no table {where}, expected it there: see `tailrace ddl redshift --table {table}`")
            self._stands[table] = found
        return self._stands[table]

    def _brought(self, load: Load, ready: _Ready) -> State | None:
        """Send a load and see it end; return None where it has landed, else how it ended."""
        aim, rejected = self._aim, ready.why.total()
        sqls = statements.transaction(aim.schema, aim.epoch, load, ready.copies, rejected, aim.role)
        self._ledger.change(lambda item: rules.sending(item, self._generation, load))
        began = self._clock.monotonic()
        statement = self._warehouse.submit(sqls, load.token)
        self._ledger.change(lambda item: rules.sent(item, self._generation, statement))
        ended = self._warehouse.wait(statement, self._tick) or State("FORGOTTEN")
        landed = self._landed(load)
        self._ledger.change(lambda item: rules.settling(item, self._generation, load.id, landed))
        seconds = self._clock.monotonic() - began
        if landed is None:
            self._say("load failed", table=load.table, load=load.id, error=ended.error, seconds=seconds)
            return ended
        self._say("loaded", table=load.table, load=load.id, rows=ready.rows, rejected=dict(ready.why), seconds=seconds)
        self.summary.loads += 1
        self.summary.rows[load.table] += ready.rows
        self.summary.rejected += ready.why
        return None

    def _landed(self, load: Load) -> tuple[int, int] | None:
        """Ask the warehouse for a load: (rows copied, rows rejected), None where it has not landed."""
        ((found, copied, rejected),) = self._warehouse.run(statements.landed(self._aim.schema, load.id))
        if found not in {0, len(load.ranges)}:
            raise Failed(
                f"load {load.id}: found {found} rows in {statements.LEDGER}, expected {len(load.ranges)} or none"
            )
        return (copied, rejected) if found else None

    def _marks(self) -> dict[tuple[str, str, str], int]:
        rows = self._warehouse.run(statements.marks(self._aim.schema, self._aim.epoch))
        return {(table, stream, shard): int(chain) for table, stream, shard, chain in rows}

    def _tick(self) -> None:
        """Keep the lease while there is work. Raises Occupied where somebody took it: then nothing more is sent."""
        now, lease_ms = self._clock.now_ms(), self._aim.lease_ms
        if self._ledger.item.until_ms < now + lease_ms // 2:
            self._ledger.change(lambda item: rules.renewing(item, self._generation, now + lease_ms))
