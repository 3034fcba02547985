"""Proof that each record is stored once. Rule: everything is compared with something that was written by another step.

Ledger, commit files and objects are three tellings of one story. Ranges of plans that neither overlap nor leave a gap,
rows that lie in their plan's range, and no position twice within a plan: so no row stands twice in the whole lake, and
no more than one plan is ever held in memory (of every object, a number that stands for its name).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tailrace.commit import audit_archive
from tailrace.commit.audit_compacted import Contents, Outputs, Reader
from tailrace.commit.audit_lanes import Beside
from tailrace.commit.audit_report import Finding, Report, ShardReport
from tailrace.commit.audit_strays import strays
from tailrace.commit.committed import (
    ARCHIVE,
    QUARANTINE,
    CommitFile,
    CommitFileError,
    Shard,
    StoredObject,
    commits_of,
    formats,
    shards_of,
    told_once,
)  # fmt: skip
from tailrace.commit.compacted import Whole, tables_of, whole_of, wrong_folds
from tailrace.commit.compaction import TableItem
from tailrace.commit.plan import CommitFacts, Counts, PositionsDigest
from tailrace.commit.ports import LedgerStore, Place
from tailrace.nouns import START, mark, unmark

READ_BYTES = 8 * 1024 * 1024
NAMES_SHOWN = 5
DAY = re.compile(r"/dt=(?P<day>\d{4}-\d{2}-\d{2})/")

CHECKS: Mapping[str, str] = {
    "commits": "the ledger's chain counts the plans; each has its commit file, which names its own shard and chain",
    "ranges": "each plan begins where the one before ended; the last ends at the ledger's watermark",
    "objects": "every object that a commit file names is there, with its bytes and its SHA-256, or is replaced",
    "rows": "the objects' rows, counted, are what the commit file says; events are `stored`, quarantine is `rejected`; "
    "what a folder has in two formats is the same rows in the same order, and counts once",
    "positions": "each row lies in its plan's range; no row_id or position stands twice; they are the plan's records; "
    "so are the archive's, where it is on",
    "sums": "received = stored + rejected + filtered in every plan; the plans' sums are the ledger's totals; where the "
    "archive is on, a plan's records are archived",
    "strays": "no object with rows lies in the lake that no committed or open plan names",
}


def audit(
    ledger: LedgerStore, place: Place, reader: Reader, epoch: str, stream: str = "", *, expired_before: str = ""
) -> Report:
    """Compare the ledger, the commit files and the objects of every shard; then look for what none of them names.

    Objects of the quarantine and the archive from days before `expired_before` (YYYY-MM-DD) may be gone: they are
    counted in a note. What a compaction replaces meanwhile is looked at once more.
    """
    while True:
        items = tables_of(ledger, epoch)
        report = _once(ledger, place, reader, epoch, stream, expired_before)
        if report.holds or _chains(tables_of(ledger, epoch)) == _chains(items):
            return report


def _chains(items: Mapping[str, TableItem]) -> Mapping[str, int]:
    return {table: item.chain for table, item in items.items()}


def _once(ledger: LedgerStore, place: Place, reader: Reader, epoch: str, stream: str, expired_before: str) -> Report:
    report = Report(epoch, [], [], [])
    named: set[int] = set()
    items, beside = tables_of(ledger, epoch), Beside(ledger, epoch, stream)  # before the shards
    try:
        view = whole_of(place, epoch, items)
        report.findings.extend(Finding("commits", text) for text in wrong_folds(place, epoch, items, view))
    except CommitFileError as error:
        report.findings.append(Finding("commits", str(error)))
        view = Whole()
    outputs = Outputs(place, reader, view, partial(_expired, place, expired_before))
    shards = list(shards_of(ledger, epoch, stream))
    for shard in shards:
        one = _ShardAudit(place, reader, shard, expired_before, outputs, partial(beside.see, shard.identity.shard))
        one.run()
        named |= one.named
        report.shards.append(one.report)
    named |= _outputs(place, report, outputs)
    strays(ledger, place, reader, report, shards, named)
    return report._replace(lanes=tuple(beside.reports(shards)))


class _ShardAudit:
    """One shard, plan after plan."""

    def __init__(
        self,
        place: Place,
        reader: Reader,
        shard: Shard,
        expired_before: str,
        outputs: Outputs,
        seen: Callable[[CommitFacts], None],
    ) -> None:
        """`seen` is told of each plan, in their order."""
        self._place = place
        self._seen = seen
        self._reader = reader
        self._shard = shard
        self._expired_before = expired_before
        self._outputs = outputs
        self._expired = list[StoredObject]()
        self.named: set[int] = set()
        item = shard.item
        self.report = ShardReport(
            shard.identity.stream, shard.identity.shard, item.chain, item.totals, [], Counter(), {}, []
        )
        self._sums = Counts()
        self._records = self._objects = self._bytes = self._rows = 0

    def run(self) -> None:
        item = self._shard.item
        end: str | None = START  # None: unknown, the plan before is missing
        files = 0
        for chain, found in commits_of(self._place, self._shard):
            if not isinstance(found, CommitFile):
                why = "is missing" if found is None else f"cannot be read: {found}"
                self._find("commits", f"chain {chain}: its commit file {why}: a hole after {_where(end)}")
                end = None
                continue
            files += 1
            self._commit(chain, found)
            self._range(chain, found, end)
            self._seen(found.facts)
            end = found.facts.last
        self._same("ranges", "the last plan's end against the ledger's watermark", end or "", item.watermark)
        for field, ours, theirs in zip(Counts._fields, self._sums, item.totals, strict=True):
            self._same("sums", f"{field}, all commit files against the ledger", ours, theirs)
        self._same("sums", "records, all commit files against the ledger", self._records, item.records)
        self._law("the ledger's totals", item.totals)
        self._note_state()
        self.report.numbers.update(
            commits=f"{files} commit files, chain {item.chain}",
            ranges=f"{files} ranges, from {_where(START)} to {_where(item.watermark)}",
            objects=f"{self._objects} objects, {self._bytes:,} bytes read and digested",
            rows=f"{self._rows:,} rows counted",
            positions=f"{self._rows:,} rows, {self._records:,} records",
            sums=f"{self._sums.received:,} = {self._sums.stored:,} + {self._sums.rejected:,} + {self._sums.filtered:,}",
        )

    def _note_state(self) -> None:
        item = self._shard.item
        if self._expired:
            rows = sum(entry.rows for entry in told_once(self._expired))
            what = f"{len(self._expired)} objects of the quarantine or the archive with {rows:,} rows have expired"
            self.report.notes.append(what)
        if item.totals.archived:
            self.report.notes.append(f"{item.totals.archived:,} records are archived as they came")
        if item.plan is not None:
            self.report.notes.append(
                f"chain {item.plan.chain} is open: {item.plan.records} records up to {_where(item.plan.last)}"
            )
        self.report.notes.extend(f"accepted by a person: {text}" for text in item.resolved)
        if item.stopped:
            self.report.notes.append(f"stopped, waits for `tailrace resolve`: {item.stopped}")

    def _commit(self, chain: int, found: CommitFile) -> None:
        facts, identity = found.facts, self._shard.identity
        claimed = (facts.epoch, facts.stream, facts.shard, facts.chain)
        expected = (identity.epoch, identity.stream, identity.shard, chain)
        self._same("commits", f"chain {chain}: whose plan it is", claimed, expected)
        if chain == self._shard.item.chain:
            committed = self._shard.item.committed_generation
            self._same("commits", f"chain {chain}: its generation against the ledger", facts.generation, committed)
        counts = Counts(facts.received, facts.stored, facts.rejected, facts.filtered, facts.archived)
        self._law(f"chain {chain}", counts)
        self._sums = self._sums.plus(counts)
        self._records += facts.records
        moved = [entry for entry in found.objects if self._replaced(chain, entry)]
        own, archived = audit_archive.parted([entry for entry in found.objects if entry not in moved])
        self._archive(chain, facts, archived)
        before = len(self._expired)
        whole = tuple(entry for entry in own if self._object(chain, entry))
        expired = self._expired[before:]
        if len(whole) + len(expired) == len(own):
            there = {entry.name.rpartition(".")[0] for entry in whole if entry.rows}
            gone = [entry for entry in told_once(expired) if entry.name.rpartition(".")[0] not in there]
            self._contents(chain, found._replace(objects=whole), sum(entry.rows for entry in gone), moved)

    def _range(self, chain: int, found: CommitFile, end: str | None) -> None:
        facts = found.facts
        self._check("ranges", facts.after < facts.last, f"chain {chain}: ends before it begins")
        if end is None:
            return
        kind = "a hole" if facts.after > end else "an overlap"
        text = f"chain {chain}: begins after {_where(facts.after)}, the one before ended at {_where(end)}: {kind}"
        self._check("ranges", facts.after == end, text)

    def _replaced(self, chain: int, entry: StoredObject) -> bool:
        """Do others hold the object's rows by now? Then what replaced it must have known it as it was committed."""
        known = self._outputs.view.input(entry.name)
        if known is None:
            return False
        self.named.add(hash(entry.name))
        what = f"chain {chain}: {entry.name}, as what replaced it knew it"
        self._same("objects", what, (known.rows, known.bytes, known.sha256), (entry.rows, entry.bytes, entry.sha256))
        return True

    def _object(self, chain: int, entry: StoredObject) -> bool:
        """Compare the object's bytes with what was committed; True when they are the same, False also when expired."""
        self.named.add(hash(entry.name))
        try:
            length, digest = _measured(self._place, entry.name)
        except FileNotFoundError:
            if _old(entry, self._expired_before):
                self._expired.append(entry)
                return False
            self._find("objects", f"chain {chain}: {entry.name} is not there; it had {entry.rows} rows")
            return False
        self._objects += 1
        self._bytes += length
        self._same("objects", f"chain {chain}: bytes of {entry.name}", length, entry.bytes)
        self._same("objects", f"chain {chain}: SHA-256 of {entry.name}", digest, entry.sha256)
        return (length, digest) == (entry.bytes, entry.sha256)

    def _archive(self, chain: int, facts: CommitFacts, entries: Sequence[StoredObject]) -> None:
        """Compare what is archived of a plan with its records."""
        held = [audit_archive.counted(facts)]
        before = len(self._expired)
        whole = [entry for entry in entries if self._object(chain, entry)]
        expired = self._expired[before:]
        if len(whole) + len(expired) == len(entries):
            rows = sum(entry.rows for entry in expired)
            try:
                held += audit_archive.compared(self._place, self._reader, facts, whole, rows)
            except (ValueError, FileNotFoundError) as error:
                self._find("rows", f"chain {chain}: its archive cannot be read: {error}")
        for one in held:
            self._same(one.check, f"chain {chain}: {one.what}", one.ours, one.theirs)

    def _contents(self, chain: int, found: CommitFile, expired: int, moved: Sequence[StoredObject]) -> None:
        """Compare a plan's rows with its commit file and its range; `expired` rows are not there."""
        facts = found.facts
        ids: list[str] = []
        positions: list[str] = []
        try:
            elsewhere = self._outputs.moved(self._shard.identity.shard, facts.after, facts.last, moved)
        except ValueError as error:
            self._find("rows", f"chain {chain}: what holds its moved rows: {error}")
            return
        expired += elsewhere.expired
        rows = Counter({True: expired})  # is quarantine -> rows
        for table, held in elsewhere.contents:
            rows[table == QUARANTINE] += len(held.row_ids)
            ids.extend(held.row_ids)
            positions.extend(held.positions)
        self._same("rows", f"chain {chain}: rows that were moved", len(ids) + elsewhere.expired, elsewhere.rows)
        for entries in formats(found.objects):
            contents = self._told(chain, entries)
            if contents is None:
                return
            rows[entries[0].table == QUARANTINE] += len(contents.row_ids)
            ids.extend(contents.row_ids)
            positions.extend(contents.positions)
        self._rows += len(ids)
        self._same("rows", f"chain {chain}: rows of events against `stored`", rows[False], facts.stored)
        self._same("rows", f"chain {chain}: rows of quarantine against `rejected`", rows[True], facts.rejected)
        self._unique(chain, "row_id", ids)
        self._unique(chain, "position", positions)
        self._inside(chain, found, positions, partly=bool(found.facts.filtered or expired))

    def _told(self, chain: int, entries: Sequence[StoredObject]) -> Contents | None:
        """Return the rows that a folder's files hold, each in its format; None where one cannot be read."""
        told = Contents((), ())
        for entry in entries:
            try:
                count = self._reader.rows(self._place, entry.name)
                contents = self._reader.contents(self._place, entry.name) if count else Contents((), ())
            except ValueError as error:
                self._find("rows", f"chain {chain}: {entry.name} cannot be read: {error}")
                return None
            self._same("rows", f"chain {chain}: rows of {entry.name}", count, entry.rows)
            if count and told.row_ids:
                text = f"chain {chain}: {entry.name} has other rows than {entries[0].name}, or in another order"
                self._check("rows", contents == told, text)
            elif count:
                told = contents
        return told

    def _unique(self, chain: int, what: str, values: list[str]) -> None:
        distinct = set(values)
        twice = len(values) - len(distinct)
        sample = [value for value, count in Counter(values).items() if count > 1][:NAMES_SHOWN] if twice else []
        self._check("positions", not twice, f"chain {chain}: {twice} rows repeat a {what}: {', '.join(sample)}")

    def _inside(self, chain: int, found: CommitFile, positions: list[str], *, partly: bool) -> None:
        facts = found.facts
        records = {position.rpartition("/")[0] for position in positions}
        try:
            marks = sorted((mark(sequence, int(sub)), f"{sequence}/{sub}") for sequence, sub in map(_halves, records))
        except ValueError as error:
            self._find("positions", f"chain {chain}: a row's position is none: {error}")
            return
        outside = [text for at, text in marks if not facts.after < at <= facts.last]
        text = f"chain {chain}: {len(outside)} records outside its range: {', '.join(outside[:NAMES_SHOWN])}"
        self._check("positions", not outside, text)
        if partly:
            return  # filtered events leave no row, nor do expired rejects: so their records need not show
        self._same("positions", f"chain {chain}: records seen in rows", len(marks), facts.records)
        digest = PositionsDigest()
        digest.add([text for _, text in marks])
        self._same("positions", f"chain {chain}: digest of positions", digest.hexdigest(), facts.positions_digest)

    def _law(self, whose: str, counts: Counts) -> None:
        right = counts.stored + counts.rejected + counts.filtered
        self._same("sums", f"{whose}: received against stored + rejected + filtered", counts.received, right)

    def _same(self, check: str, what: str, ours: object, theirs: object) -> None:
        self._check(check, ours == theirs, f"{what}: {ours} is not {theirs}")

    def _check(self, check: str, holds: object, text: str) -> None:
        self.report.compared[check] += 1
        if not holds:
            self.report.findings.append(Finding(check, text))

    def _find(self, check: str, text: str) -> None:
        self._check(check, holds=False, text=text)


def _outputs(place: Place, report: Report, outputs: Outputs) -> set[int]:
    """Compare the objects that compactions wrote with what their files say; return what stands for their names."""
    for one, objects in outputs.live():
        for entry in objects:
            try:
                measured = _measured(place, entry.name)
            except FileNotFoundError:
                if not outputs.gone(entry):
                    text = f"{one.table}, compaction {one.chain}: {entry.name} is not there; it had {entry.rows} rows"
                    report.findings.append(Finding("objects", text))
                continue
            if measured != (entry.bytes, entry.sha256):
                text = f"{one.table}, compaction {one.chain}: {entry.name} has other bytes than were committed"
                report.findings.append(Finding("objects", text))
    report.findings.extend(Finding("rows", text) for text in outputs.left())
    if outputs.view.compactions:
        rows = sum(entry.rows for _, objects in outputs.live() for entry in told_once(objects))
        report.notes.append(f"compactions: {len(outputs.view.compactions):,}, which hold {rows:,} rows")
    return {hash(entry.name) for one in outputs.view.compactions for entry in one.objects}


def _old(entry: StoredObject, expired_before: str) -> bool:
    day = DAY.search(entry.name)
    return entry.table in {QUARANTINE, ARCHIVE} and day is not None and day["day"] < expired_before


def _expired(place: Place, expired_before: str, entry: StoredObject) -> bool:
    return _old(entry, expired_before) and place.head(entry.name) is None


def _measured(place: Place, name: str) -> tuple[int, str]:
    digest, length = hashlib.sha256(), 0
    with place.open(name) as source:
        while piece := source.read(READ_BYTES):
            digest.update(piece)
            length += len(piece)
    return length, digest.hexdigest()


def _halves(record: str) -> tuple[str, str]:
    sequence, slash, sub = record.partition("/")
    if not (slash and sequence.isdecimal() and sub.isdecimal()):
        raise ValueError(record)
    return sequence, sub


def _where(at: str | None) -> str:
    if at is None:
        return "an unknown record"
    if at == START:
        return "the start"
    sequence, sub = unmark(at)
    return f"{sequence}/{sub}"
