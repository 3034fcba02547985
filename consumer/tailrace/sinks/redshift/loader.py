"""One run of the loader. Rule: the warehouse's own ledger says what has landed; all else only spares work.

Killed anywhere, the next run asks the warehouse and goes on from there. A load that still runs then, or is sent later
by a loader that slept, meets the lock and the guard of its own transaction, and changes nothing.

Objects are read as they were committed. Only where one is not so any more are the table's compactions asked what holds
its rows; a run that is up to date reads none of their files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from tailrace.commit.committed import ARCHIVE, CommitFile, CommitFileError, Shard, commits_of, told_once
from tailrace.commit.compacted import View
from tailrace.commit.ports import Place, Say
from tailrace.ops.clock import Clock
from tailrace.sinks.ddl.model import DdlError
from tailrace.sinks.redshift import plan, rules, statements
from tailrace.sinks.redshift.data_api import Failed, State, Warehouse
from tailrace.sinks.redshift.files import Changed, Files, Unfit
from tailrace.sinks.redshift.filling import Columns, Filling, Ready
from tailrace.sinks.redshift.ledger import LoadLedger
from tailrace.sinks.redshift.plan import Load, Marks, Pending
from tailrace.world import WorldError

TRIES_MAX: Final = 5  # of one load whose place another loader moves, or whose files are compacted, meanwhile

FORGOTTEN: Final = State("FORGOTTEN", "FORGOTTEN by the Data API; the next run sees whether it landed")


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
    accepts_missing: bool = False  # objects that are gone for good are passed over


class Summary:
    """What a run did."""

    def __init__(self) -> None:
        self.loads = 0
        self.rows: Counter[str] = Counter()  # by table: those that the plans committed which landed
        self.rejected: Counter[str] = Counter()  # by the first reason's keyword; of files, so perhaps once more
        self.missing: Counter[str] = Counter()  # by table: rows that were passed over, gone for good
        self.problems: list[str] = []  # each keeps something out
        self.left_out: Counter[str] = Counter()  # objects of tables that the schemas do not know
        self.found: list[str] = []  # what became of loads that an earlier run left open


class Loader:
    """One loader of one warehouse. `run` may be called once."""

    def __init__(
        self,
        aim: Aim,
        *,
        ledger: LoadLedger,
        place: Place,
        files: Files,
        warehouse: Warehouse,
        view: Callable[[str], View],
        clock: Clock,
        say: Say,
        summary: Summary | None = None,
    ) -> None:
        """`view`: returns the compactions of a table, as they are committed when it is called."""
        self._aim, self._ledger, self._place, self._files = aim, ledger, place, files
        self._warehouse, self._view, self._clock, self._say = warehouse, view, clock, say
        self._columns = Columns(warehouse, aim.schema, aim.called)
        self._generation = self._sends = 0
        self.summary = summary or Summary()

    def run(self, shards: Iterable[Shard]) -> Summary:
        """Load all that is committed. Raises Occupied, WorldError, WorldDenied, Failed."""
        aim = self._aim
        now = self._clock.now_ms()
        item = self._ledger.change(lambda item: rules.taking(item, aim.holder, now, aim.lease_ms, force=aim.takes_over))
        self._generation = item.generation
        scanned, seen = None, ""
        try:
            self._furnish()
            self._settle_found()
            problems = len(self.summary.problems)
            upto, marks = self._all(list(shards))
            if len(self.summary.problems) == problems:
                # As this run knows it, not as asked now: the warehouse may have been put back to an older state since.
                scanned, seen = self._files.note(upto), plan.seen(marks, self._asked())
        finally:
            self._leave(scanned, seen)
        return self.summary

    def _furnish(self) -> None:
        try:
            self._warehouse.run(statements.furnish(self._aim.schema))
        except Failed as error:
            made = f"in the schema {self._aim.schema}, which `tailrace ddl redshift` prints"
            raise Failed(f"load_ledger could not be made {made}: {error}") from error

    def _leave(self, scanned: str | None, seen: str) -> None:
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
        self.summary.found.append(f"{load.table}: a load of an earlier run had {'' if landed else 'not '}landed")
        self._say("orphan", table=load.table, load=load.id, landed=landed is not None)

    def _all(self, shards: Sequence[Shard]) -> tuple[dict[str, int], Marks]:
        """Load every table; return how far each shard was looked at, and what has landed."""
        marks: Marks = self._marks()
        item = self._ledger.item
        scanned = self._files.noted(item.scanned) if item.seen == plan.seen(marks, self._asked()) else {}
        waiting, upto = self._waiting(shards, marks, scanned)
        for table in sorted(waiting):
            filling = Filling(table, self._aim.called, self._columns, self._files, self._tick)
            try:
                marks = self._table(filling, waiting[table], marks)
            except (Unfit, DdlError, CommitFileError) as error:
                self.summary.problems.append(f"{table}: {error}")
            self.summary.problems += filling.problems
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
                    if chain > marks.get((one.table, stream, name), 0) and self._wanted(one.table):
                        waiting.setdefault(one.table, []).append(Pending(stream, name, chain, one, one))
                upto[at] = chain
        return waiting, upto

    def _asked(self) -> list[str]:
        """Return what decides which tables are loaded."""
        return [*self._aim.tables, *self._aim.called]

    def _wanted(self, table: str) -> bool:
        if table == ARCHIVE or not any(fnmatchcase(table, pattern) for pattern in self._aim.tables):
            return False
        if table not in self._aim.called:
            self.summary.left_out[table] += 1
            return False
        return True

    def _table(self, filling: Filling, waiting: list[Pending], marks: Marks) -> Marks:
        """Load all that waits of a table, in as many transactions as it takes; return what has landed."""
        tries, table = 0, filling.table
        while left := filling.waiting(waiting):
            self._tick()
            if tries == TRIES_MAX:
                raise WorldError(f"{table}: loaded or compacted by others meanwhile, {tries} times; try again")
            try:
                ready = filling.ready(left, self._aim.load_bytes)
            except Changed as error:
                tries += self._changed(filling, left, error)
                continue
            if ready is None:
                continue  # what was next is stuck, and does not wait any more
            load = plan.load_of(self._aim.target, self._aim.epoch, table, plan.ranges(table, ready.taken, marks))
            ended = self._brought(load, ready)
            if ended is None:
                tries = 0
                filling.landed()
                marks = {**marks, **{(table, one.stream, one.shard): one.chain for one in load.ranges}}
            else:
                tries += 1
                marks = self._after_failure(filling, ready, marks, ended)
            waiting = [one for one in waiting if one.chain > marks.get((table, one.stream, one.shard), 0)]
        return marks

    def _changed(self, filling: Filling, waiting: Iterable[Pending], error: Changed) -> int:
        """Find what holds the rows of an object by now, or leave it; return 1 where it was compacted."""
        if self._compacted(filling, {error.name}):
            return 1
        of = next(one for one in waiting if one.file.name == error.name)
        if error.gone and self._aim.accepts_missing:
            self._say("passed over, gone for good", table=filling.table, object=error.name, rows=of.file.rows)
            filling.pass_over(of)
        else:
            filling.stick(of, error)
        return 0

    def _compacted(self, filling: Filling, files: Iterable[str]) -> bool:
        """Ask for the table's compactions anew. Have they replaced any of these files?"""
        view = self._view(filling.table)
        if not any(view.replaced(name) for name in files):
            return False
        filling.renew(view)
        self._say("compacted meanwhile", table=filling.table)
        return True

    def _after_failure(self, filling: Filling, ready: Ready, marks: Marks, ended: State) -> Marks:
        """Return what has landed. Raises Unfit where neither another loader nor a compaction came between."""
        now = self._marks()
        was, stands = ({key: at for key, at in each.items() if key[0] == filling.table} for each in (marks, now))
        if was == stands and not self._compacted(filling, ready.files):
            raise Unfit(f"the transaction failed: {' '.join(ended.error.split()) or ended.status}")
        return now

    def _brought(self, load: Load, ready: Ready) -> State | None:
        """Send a load and see it end; return None where it has landed, else how it ended."""
        aim, rows = self._aim, ready.rows
        sqls = statements.transaction(aim.schema, aim.epoch, load, ready.copies, rows, aim.role)
        # The same load failed before, perhaps: with its token the Data API would answer that again.
        self._sends += 1
        load = load._replace(token=f"{load.id}-{self._generation}-{self._sends}")
        self._ledger.change(lambda item: rules.sending(item, self._generation, load))
        began = self._clock.monotonic()
        statement = self._warehouse.submit(sqls, load.token)
        self._ledger.change(lambda item: rules.sent(item, self._generation, statement))
        ended = self._warehouse.wait(statement, self._tick) or FORGOTTEN
        landed = self._landed(load)
        self._ledger.change(lambda item: rules.settling(item, self._generation, load.id, landed))
        seconds = self._clock.monotonic() - began
        if landed is None:
            self._say("load failed", table=load.table, load=load.id, error=ended.error, seconds=seconds)
            return ended
        copied = sum(copy.rows for copy in ready.copies)
        facts = {"rows": rows.committed, "copied": copied, "rejected": dict(ready.why), "missing": rows.missing}
        self._say("loaded", table=load.table, load=load.id, **facts, seconds=seconds)
        self.summary.loads += 1
        self.summary.rows[load.table] += rows.committed
        self.summary.missing[load.table] += rows.missing
        self.summary.rejected += ready.why
        return None

    def _landed(self, load: Load) -> tuple[int, int] | None:
        """Ask the warehouse for a load: (rows committed, rows rejected), None where it has not landed."""
        ((found, committed, rejected),) = self._warehouse.run(statements.landed(self._aim.schema, load.id))
        if found not in {0, len(load.ranges)}:
            raise Failed(
                f"load {load.id}: found {found} rows in {statements.LEDGER}, expected {len(load.ranges)} or none"
            )
        return (committed, rejected) if found else None

    def _marks(self) -> dict[tuple[str, str, str], int]:
        rows = self._warehouse.run(statements.marks(self._aim.schema, self._aim.epoch))
        return {(table, stream, shard): int(chain) for table, stream, shard, chain in rows}

    def _tick(self) -> None:
        """Keep the lease while there is work. Raises Occupied where somebody took it: then nothing more is sent."""
        now, lease_ms = self._clock.now_ms(), self._aim.lease_ms
        if self._ledger.item.until_ms < now + lease_ms // 2:
            self._ledger.change(lambda item: rules.renewing(item, self._generation, now + lease_ms))
