"""`tailrace compact`. Rule: only committed rows of hours that are over move, and no view of them lacks one.

Exit status: 0 done, 2 wrong usage, 75 a service stayed away: what was begun is finished by the next run.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from tailrace.cli.once import Run, add_metrics, told
from tailrace.cli.selection import add_origins, opened
from tailrace.commit.committed import Shard, shards_of
from tailrace.commit.compacted import Compaction
from tailrace.commit.compaction import (
    FOLD_EVERY,
    Input,
    file_name,
    item_from_dict,
    output_name,
    table_key,
    tables_prefix,
)
from tailrace.commit.compactor import TableCompactor
from tailrace.commit.patience import Patience
from tailrace.commit.ports import Body, LedgerStore, Place
from tailrace.ops.clock import Clock, SystemClock
from tailrace.settings import MIB, Settings, SettingsError
from tailrace.sinks.lake.candidates import Committed, Limits, groups, tables
from tailrace.sinks.lake.compact import Empties, Merge, Unfit, apart
from tailrace.sinks.lake.filling import format_of
from tailrace.sinks.lake.formats import Format
from tailrace.sinks.lake.places import place_of

NAME = "compact"
HELP = "Make few large files of the many small ones of hours that are over."
GROUP = "mend"
HOURS_MAX: Final = 24 * 365


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_origins(parser, "compact what `{}` stored")
    parser.add_argument("--table", metavar="NAME", action="append", help="this table alone; can be given again")
    parser.add_argument("--after", type=float, metavar="HOURS", default=2.0, help="after an hour's end (default: 2)")
    parser.add_argument("--also-open", action="store_true", help="hours that are not over as well: only for a look")
    parser.add_argument("--least", type=int, metavar="N", default=4, help="files that make one (default: 4)")
    parser.add_argument("--target-mb", type=int, metavar="MB", default=128, help="how large a file gets (default: 128)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    add_metrics(parser)


def run(args: argparse.Namespace) -> int:
    """Compact the lake that the settings name; return the exit status."""
    with told(NAME, args.metrics) as report:
        report.status = _run(args, report)
    return report.status


def _run(args: argparse.Namespace, report: Run) -> int:
    _check(args)
    settings = args.settings
    ledger, origin, epoch = opened(args)
    shards = list(shards_of(ledger, epoch, origin.stream))
    clock = SystemClock()
    work = Compacting(
        settings, epoch, ledger, place_of(settings), shards, clock, Limits(args.least, args.target_mb * MIB)
    )
    started = clock.monotonic()
    closed = datetime.fromtimestamp(clock.now_ms() / 1000, UTC) - timedelta(hours=args.after)
    done = work.run(datetime.max.replace(tzinfo=UTC) if args.also_open else closed, args.table, dry=args.dry_run)
    seconds = max(clock.monotonic() - started, 0.001)
    if not args.dry_run:
        report.problems, report.rows = len(work.said), {"compacted": done.rows}
    for line in work.said:
        print(f"  {line}")
    if unknown := sorted(set(args.table or ()) - work.tables):
        there = ", ".join(sorted(work.tables)) or "none"
        raise SettingsError(f"--table: found {unknown[0]!r}, expected a table with files in the lake: {there}")
    print(_sentence(done, args, seconds))
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raises SettingsError for a number that says nothing."""
    for option, found, good, expected in (
        ("--least", args.least, args.least >= 2, "2 files or more"),
        ("--target-mb", args.target_mb, args.target_mb >= 1, "1 MB or more"),
        ("--after", args.after, 0 <= args.after <= HOURS_MAX, f"hours, 0 to {HOURS_MAX}"),
    ):
        if not good:
            raise SettingsError(f"{option}: found {found}, expected {expected}")


def _sentence(done: Done, args: argparse.Namespace, seconds: float) -> str:
    if not done.inputs:
        when = "hour" if args.also_open else "hour that is over"
        return f"Nothing to compact: no {when} has {args.least} small files of a table."
    files = f"{done.inputs:,} files of {done.read / MIB:,.1f} MiB"
    if args.dry_run:
        return f"{files} would become {done.outputs:,}."
    return f"{files} became {done.outputs:,}: {done.rows:,} rows, {done.read / MIB / seconds:,.1f} MiB/s."


class Done(NamedTuple):
    """What was compacted: files in all formats, rows counted once."""

    inputs: int = 0
    outputs: int = 0
    read: int = 0
    rows: int = 0

    def plus(self, inputs: tuple[Input, ...], outputs: int, rows: int) -> Done:
        return Done(
            self.inputs + len(inputs),
            self.outputs + outputs,
            self.read + sum(entry.bytes for entry in inputs),
            self.rows + rows,
        )


class Compacting:
    """One run over a lake."""

    def __init__(
        self,
        settings: Settings,
        epoch: str,
        ledger: LedgerStore,
        place: Place,
        shards: list[Shard],
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._epoch, self._ledger, self._place, self._limits = epoch, ledger, place, limits
        self._form: Format = format_of(settings.lake)
        self._spool_bytes = settings.lake.spool_memory_mb * MIB
        self._committed = Committed(place, shards)
        rng = random.Random()  # noqa: S311 - jitter between retries
        self._patience: Callable[[], Patience] = lambda: Patience(clock, settings.world.patience_s, rng.random)
        self._done = Done()
        self.said: list[str] = []
        self.tables: set[str] = set()  # that have files

    def run(self, closed_before: datetime, wanted: list[str] | None, *, dry: bool = False) -> Done:
        """Finish what was begun, then go through the closed folders of each table."""
        if not dry:
            for table in self._begun():
                if not wanted or table in wanted:
                    self._finish(self._open(table))
        for table, folders in tables(self._place, closed_before):
            self.tables.add(table)
            if not wanted or table in wanted:
                self._table(table, folders, dry=dry)
        return self._done

    def _begun(self) -> Iterator[str]:
        prefix = tables_prefix(self._epoch)
        for key in self._ledger.keys(prefix):
            found = self._ledger.read(key)
            item = None if found is None else item_from_dict(found[1])
            if item is not None and (item.plan is not None or item.swept < item.chain):
                yield key.removeprefix(prefix)

    def _open(self, table: str) -> TableCompactor:
        made = TableCompactor(
            self._epoch,
            table,
            self._ledger,
            self._place,
            Empties(self._place, self._epoch, self._form),
            self._patience,
            FOLD_EVERY,
        )
        made.open()
        return made

    def _table(self, table: str, folders: Iterator[tuple[str, list[str]]], *, dry: bool) -> None:
        owner, view = None, None
        for folder, names in folders:
            if len(names) < self._limits.least:
                continue
            if owner is None or view is None:
                owner = self._open(table) if not dry else self._looking(table)
                self._finish(owner)
                view = owner.view()
            for inputs in groups(self._committed.live(names, view), self._limits):
                if owner.lost:
                    break
                if dry:
                    self._done = self._done.plus(inputs, len(self._form.suffixes(table)), 0)
                    self.said.append(f"{folder}: {len(inputs)} files")
                else:
                    self._group(owner, folder, inputs)
            if owner.lost:
                self.said.append(f"{table}: left to another run, which opened it later")
                return

    def _looking(self, table: str) -> TableCompactor:
        """Return one that has opened nothing, and knows what is committed."""
        made = TableCompactor(self._epoch, table, self._ledger, self._place, _never, self._patience)
        found = self._ledger.read(table_key(self._epoch, table))
        made.look(None if found is None else item_from_dict(found[1]))
        return made

    def _finish(self, owner: TableCompactor) -> None:
        """Bring the compaction through that an earlier run left open; as one of nothing where its inputs are gone."""
        opened = owner.opened
        if opened is None or owner.lost or not owner.generation:
            return
        try:
            self._compact(owner, opened.inputs, opened.names)
        except Unfit as error:
            self.said.append(f"left as it is: {error}")
            self._compact(owner, (), opened.names)

    def _group(self, owner: TableCompactor, folder: str, inputs: tuple[Input, ...]) -> None:
        """Make one file of a group's; or as few as may be, where some do not fit together."""
        waiting = [inputs]
        while waiting and not owner.lost:
            inputs = waiting.pop(0)
            suffixes = self._form.suffixes(owner.table)
            objects = (output_name(self._epoch, folder, owner.chain, suffix) for suffix in suffixes)
            try:
                self._compact(owner, inputs, (*objects, file_name(self._epoch, owner.table, owner.chain)))
            except Unfit as error:
                parts = apart(inputs, error.names)
                worth = [part for part in parts if _files(part) >= self._limits.least] if len(parts) > 1 else []
                waiting += worth
                if len(worth) < len(parts):
                    self.said.append(f"left as it is: {error}")

    def _compact(self, owner: TableCompactor, inputs: tuple[Input, ...], names: tuple[str, ...]) -> None:
        """Bring a compaction through. Raises Unfit, and then nothing was begun."""
        merge = Merge(self._place, self._form, self._spool_bytes)
        about = Compaction(self._epoch, owner.table, owner.chain, owner.generation, inputs, ())
        try:
            bodies = merge.bodies(about, names)
            if owner.compact(inputs, names, bodies):
                self._done = self._done.plus(inputs, len(names) - 1, bodies[names[0]].rows)
        finally:
            merge.close()


def _files(inputs: tuple[Input, ...]) -> int:
    """Count files, each with all its formats once."""
    return len({entry.name.rpartition(".")[0] for entry in inputs})


def _never(_done: Compaction, entry: Input) -> Body:
    raise AssertionError(f"who only looks puts nothing at {entry.name}")
