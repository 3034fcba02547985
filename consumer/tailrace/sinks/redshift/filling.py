"""What one load takes of a table, judged and written. Rule: whole plans in order; a plan that cannot go in stays alone.

Plans of the same shard wait behind it, those of others do not. All files of one load are as one view has them, so no
row is in two of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from tailrace.commit.committed import QUARANTINE, StoredObject
from tailrace.commit.compacted import NOTHING, View, table_view, tables_of
from tailrace.commit.compaction import TableItem
from tailrace.commit.ports import LedgerStore, Place
from tailrace.sinks.ddl.model import DdlError
from tailrace.sinks.lake.formats import PARQUET
from tailrace.sinks.redshift import fitting, plan
from tailrace.sinks.redshift.data_api import Warehouse
from tailrace.sinks.redshift.files import Changed, Entry, Files, Judged, Unfit
from tailrace.sinks.redshift.fitting import Held
from tailrace.sinks.redshift.plan import Pending
from tailrace.sinks.redshift.statements import Copy, Counts


class Ready(NamedTuple):
    """A load that can be sent."""

    taken: list[Pending]
    copies: list[Copy]
    rows: Counts
    why: Counter[str]

    @property
    def files(self) -> set[str]:
        """The names of the lake's objects in it."""
        return {one.file.name for one in self.taken}


class Views:
    """The compactions of tables; their files are read again only where there are more."""

    def __init__(self, ledger: LedgerStore, place: Place, epoch: str) -> None:
        self._ledger, self._place, self._epoch = ledger, place, epoch
        self._known: dict[str, tuple[int, View]] = {}

    def of(self, table: str) -> View:
        """Return a table's as they are committed by now. Raises CommitFileError."""
        item = tables_of(self._ledger, self._epoch, table).get(table, TableItem())
        known = self._known.get(table)
        if known is None or known[0] != item.chain:
            known = self._known[table] = item.chain, table_view(self._place, self._epoch, table, item)
        return known[1]


class Columns:
    """The warehouse's columns, each table's asked for once."""

    def __init__(self, warehouse: Warehouse, schema: str, called: Mapping[str, str]) -> None:
        self._warehouse, self._schema, self._called = warehouse, schema, called
        self._stand: dict[str, list[Held]] = {}
        self._agreed: set[tuple[str, pa.Schema]] = set()

    def where(self, table: str) -> str:
        """Return how people call a table of the lake there."""
        return f"{self._schema}.{self._called[table]}"

    def known(self, table: str) -> list[Held]:
        """Return a table's columns as they stand, none where there is no such table."""
        if table not in self._stand:
            self._stand[table] = self._warehouse.columns(self._schema, self._called[table])
        return self._stand[table]

    def of(self, table: str) -> list[Held]:
        """Return a table's columns as they stand. Raises Unfit where there is none."""
        if not (found := self.known(table)):
            said = f"found no table {self.where(table)}, expected it there"
            raise Unfit(f"{said}: see `tailrace ddl redshift --table {table}`")
        return found

    def taking(self, table: str, schema: pa.Schema) -> list[Held]:
        """Return the columns that files of these columns go to. Raises Unfit where they do not agree."""
        stands = self.of(table)
        if (table, schema) not in self._agreed:
            if wrong := fitting.disagreement(fitting.expected(schema, table), stands):
                raise Unfit(f"{wrong} in {self.where(table)}: see `tailrace ddl redshift --previous`")
            self._agreed.add((table, schema))
        return stands


class Filling:
    """A table's loads, one after another."""

    def __init__(
        self, table: str, called: Mapping[str, str], columns: Columns, files: Files, tick: Callable[[], None]
    ) -> None:
        """`tick`: called before each object that is read."""
        self.table = table
        self._called, self._columns, self._files, self._tick = called, columns, files, tick
        self._judged: dict[str, Judged] = {}  # what may be sent again is not read again
        self.view: View = NOTHING
        self.problems: list[str] = []
        self._stuck: set[tuple[str, str]] = set()  # shards
        self._missing: dict[str, StoredObject] = {}

    def waiting(self, waiting: Iterable[Pending]) -> list[Pending]:
        """Return what still can be loaded, with the files that hold it."""
        return plan.held([one for one in waiting if one[:2] not in self._stuck], self.view)

    def renew(self, view: View) -> None:
        """Go by another view from now on."""
        self.view = view
        self._judged = {name: one for name, one in self._judged.items() if not view.replaced(name)}

    def pass_over(self, one: Pending) -> None:
        """Load plans without what this object held."""
        self._missing[one.file.name] = one.file

    def stick(self, one: Pending, error: Exception) -> None:
        """Leave a shard's plans from this one on."""
        self._stuck.add(one[:2])
        text = f"{self.table}: {error}"
        if text not in self.problems:
            self.problems.append(text)

    def ready(self, waiting: Sequence[Pending], bytes_max: int) -> Ready | None:
        """Judge the files of the next load and write what it needs; None where no plan can go in. Raises Changed."""
        self._columns.of(self.table)
        taken: list[Pending] = []
        files: dict[str, Judged] = {}
        for of_plan in plan.plans(plan.cut(waiting, bytes_max)):
            if of_plan[0][:2] in self._stuck:
                continue
            try:
                found = {one.file.name: self._one(one) for one in of_plan if one.file.name not in self._missing}
            except Changed:
                raise
            except (Unfit, DdlError) as error:
                self.stick(of_plan[0], error)
                continue
            if taken and len({one.schema for one in (*files.values(), *found.values())}) > plan.SHAPES_MAX:
                break
            files |= found
            taken += of_plan
        return self._written(taken, list(files.values())) if taken else None

    def landed(self) -> None:
        """Forget the files of a load that landed."""
        self._judged.clear()

    def _one(self, one: Pending) -> Judged:
        name = one.file.name
        if not name.endswith(PARQUET):
            raise Unfit(f"{name}: found an Avro file alone, expected Parquet: see [lake] parquet")
        if name not in self._judged:
            self._tick()
            self._judged[name] = self._files.judged(
                one.file, lambda schema: self._columns.taking(self.table, schema), self._quarantine, self._where
            )
        return self._judged[name]

    @property
    def _where(self) -> str:
        return self._columns.where(self.table)

    def _quarantine(self) -> list[Held]:
        try:
            return self._columns.taking(QUARANTINE, self._files.quarantine.schema)
        except Unfit as error:
            raise Unfit(f"rows that do not fit have no place: {error}") from None

    def _written(self, taken: list[Pending], files: Sequence[Judged]) -> Ready:
        shapes: dict[pa.Schema, list[Entry]] = {}
        for one in files:
            shapes.setdefault(one.schema, []).append(one.entry)
        # A compacted file has rows that were judged before, perhaps by columns of another width.
        again = any(one.moved for one in taken) and self.table != QUARANTINE and bool(self._columns.known(QUARANTINE))
        copies = [
            copy for schema, entries in shapes.items()
            for copy in self._copy(self.table, schema, entries, QUARANTINE if again else "")
        ]  # fmt: skip
        rejects = [one.rejects for one in files if one.rejects is not None]
        copies += self._copy(QUARANTINE, self._files.quarantine.schema, rejects, self.table if again else "")
        why = sum((one.why for one in files), Counter[str]())
        missing = sum(one.own.rows for one in taken if one.file.name in self._missing)
        return Ready(taken, copies, Counts(sum(one.own.rows for one in taken) - missing, missing, why.total()), why)

    def _copy(self, table: str, schema: pa.Schema, entries: Sequence[Entry], elsewhere: str) -> list[Copy]:
        full = [one for one in entries if one.rows]
        if not full:
            return []
        columns = fitting.expected(schema, table)
        return [
            Copy(
                self._called[table],
                tuple(column.name for column in columns),
                self._files.manifest(full),
                sum(one.rows for one in full),
                any(column.type == "SUPER" for column in columns),
                self._called[elsewhere] if elsewhere else "",
            )
        ]
