"""Many small objects of one folder as one. Rule: the same rows, in every format, with one row group in memory.

The columns are those of the widest file: a table only grows, at its end, so the others lack its last ones. Files that
do not fit together so become files of their own.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import BinaryIO, Final

import pyarrow as pa

from tailrace.commit.committed import QUARANTINE, StoredObject
from tailrace.commit.compacted import Compaction, encode
from tailrace.commit.compaction import Input
from tailrace.commit.ledger import BytesBody
from tailrace.commit.ports import Body, Place
from tailrace.nouns import Table
from tailrace.settings import MIB
from tailrace.sinks.lake import avro_read
from tailrace.sinks.lake.folder import Folder, file_of
from tailrace.sinks.lake.formats import AVRO, Format
from tailrace.sinks.lake.groups import Group, opened, parquet
from tailrace.sinks.lake.layout import table_of
from tailrace.sinks.lake.spool import Budget

READ_BYTES: Final = 8 * MIB
KEPT_BYTES_MAX: Final = 32 * MIB  # of inputs, between the look at their columns and the reading of their rows
WAITING_BYTES_MAX: Final = 64 * MIB  # rows on their way into a row group
ROW_GROUPS: Final = 4  # of the settings' size in one here: what repeats is found in more rows
SORT: Final = "tenant"
LEAST: Final = pa.schema([("row_id", pa.string())])  # a file without any column is none for some readers


class Unfit(Exception):
    """These files cannot become one; why, in a line. `names`: those that keep the others from it."""

    def __init__(self, why: str, names: Iterable[str] = ()) -> None:
        super().__init__(why)
        self.names = frozenset(names)


def apart(inputs: Sequence[Input], names: frozenset[str]) -> list[tuple[Input, ...]]:
    """Return the inputs without the files of these names, and those, each with all its formats; one where it is all."""
    stems = {name.rpartition(".")[0] for name in names}
    out = tuple(entry for entry in inputs if entry.name.rpartition(".")[0] in stems)
    rest = tuple(entry for entry in inputs if entry not in out)
    return [part for part in (rest, out) if part]


def told(inputs: Sequence[Input]) -> list[Input]:
    """Return of each file's formats the one that is read: the first with rows, Parquet before Avro."""
    stems: dict[str, list[Input]] = {}
    for entry in sorted(inputs, key=lambda entry: entry.name.endswith(AVRO)):
        stems.setdefault(entry.name.rpartition(".")[0], []).append(entry)
    return [next(one for one in entries if one.rows) for entries in stems.values() if any(one.rows for one in entries)]


class Merge:
    """One compaction's objects in the making."""

    def __init__(self, place: Place, form: Format, spool_bytes: int) -> None:
        self._place = place
        self._form = form._replace(large=True, row_group_rows=ROW_GROUPS * form.row_group_rows)
        self._budget = Budget(spool_bytes)
        self._bodies: list[Body] = []
        self._kept: dict[str, bytes] = {}

    def bodies(self, about: Compaction, names: Sequence[str]) -> dict[str, Body]:
        """Return the body of each name, the file's too. Raises Unfit, also where an input is gone."""
        *objects, file = names
        meta = {"epoch": about.epoch, "chain": str(about.chain), "generation": str(about.generation)}
        folder, _, _ = objects[0].rpartition("/")
        read = told(about.inputs)
        table = self._table(table_of(objects[0]), read)
        suffixes = ["." + name.rpartition(".")[2] for name in objects]
        rows = Folder(folder, table, self._form, self._budget, suffixes)
        try:
            for entry in read:
                for batch in self._rows(entry, table.schema):
                    rows.add(batch)
                    if rows.waiting_bytes > WAITING_BYTES_MAX:
                        rows.write_waiting()
            made = {name: rows.close(suffix, meta) for name, suffix in zip(objects, suffixes, strict=True)}
        except BaseException:
            rows.drop()
            raise
        self._bodies += made.values()
        wanted = sum(entry.rows for entry in read)
        for name, body in made.items():
            if body.rows != wanted:
                raise Unfit(f"{name} has {body.rows} rows, what it is made of {wanted}")
        stored = tuple(StoredObject(n, table.name, b.rows, b.length, b.sha256) for n, b in made.items())
        return {**made, file: BytesBody(encode(about._replace(objects=stored)))}

    def close(self) -> None:
        """Free memory or disk."""
        for body in self._bodies:
            body.close()
        self._bodies.clear()

    def _table(self, name: str, read: Sequence[Input]) -> Table:
        found = {entry.name: columns(entry.name, self._source(entry, first=True)) for entry in read}
        widest = max(found.values(), key=len, default=LEAST)
        fields = [(field.name, field.type) for field in widest]
        others = [n for n, schema in found.items() if [(f.name, f.type) for f in schema] != fields[: len(schema)]]
        if others:
            more = f" and {len(others) - 1:,} more have" if len(others) > 1 else " has"
            raise Unfit(f"{others[0]}{more} other columns than the files beside it", others)
        sort = SORT if name != QUARANTINE and SORT in widest.names else None
        return Table(name, widest, (), sort)

    def _source(self, entry: Input, *, first: bool = False) -> BinaryIO:
        """Return the bytes of an input, as they were committed. What is small is read once."""
        data = self._kept.get(entry.name)
        if data is None:
            try:
                data = self._place.read(entry.name)
            except FileNotFoundError:
                raise Unfit(f"{entry.name} is gone", [entry.name]) from None
            if sha256(data).hexdigest() != entry.sha256:
                raise Unfit(f"{entry.name} is not what was committed", [entry.name])
            if first and sum(map(len, self._kept.values())) + len(data) <= KEPT_BYTES_MAX:
                self._kept[entry.name] = data
        return io.BytesIO(data)

    def _rows(self, entry: Input, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        try:
            with self._source(entry) as source, opened(entry.name, source) as groups:
                for group in groups:
                    table = group.read(_filled(group))
                    found = dict(zip(table.column_names, table.columns, strict=True))
                    whole = [found[f.name] if f.name in found else pa.nulls(group.rows, f.type) for f in schema]
                    yield from pa.Table.from_arrays(whole, schema=schema).to_batches()
        except ValueError as error:
            raise Unfit(f"{entry.name} cannot be read: {error}", [entry.name]) from error


def columns(name: str, source: BinaryIO) -> pa.Schema:
    """Return a file's columns. Raises Unfit."""
    try:
        if name.endswith(AVRO):
            return avro_read.columns(source)
        with parquet(source) as file:
            return file.schema_arrow.remove_metadata()
    except ValueError as error:
        raise Unfit(f"{name} cannot be read: {error}", [name]) from error


class Empties:
    """Objects without rows, to stand where replaced ones stood. Their columns are those of what replaced them."""

    def __init__(self, place: Place, epoch: str, form: Format) -> None:
        self._place, self._epoch, self._form = place, epoch, form
        self._columns = lru_cache(1)(self._found)

    def __call__(self, done: Compaction, entry: Input) -> Body:
        """Return the object for one name."""
        folder, _, _ = entry.name.rpartition("/")
        table = Table(table_of(entry.name), self._columns(done.objects[0].name), ())
        meta = {"epoch": self._epoch, "chain": str(entry.chain), "generation": str(entry.generation + 1)}
        suffix = "." + entry.name.rpartition(".")[2]
        return file_of(suffix, folder, table, self._form, Budget(READ_BYTES)).close(meta)

    def _found(self, name: str) -> pa.Schema:
        try:
            with self._place.open(name) as source:
                return columns(name, source)
        except (FileNotFoundError, Unfit):  # a lifecycle rule was faster
            return LEAST


def _filled(group: Group) -> list[str] | None:
    """Return the columns that hold anything; None: ask for all. An empty one is half as dear to read as a full one."""
    known = group.statistics
    paths: dict[str, list[str]] = {}
    for path in known:
        paths.setdefault(path.partition(".")[0], []).append(path)
    empty = {path for path, one in known.items() if one is not None and one.null_count == group.rows}
    full = [
        name for name, of in paths.items() if of != [name] or name not in empty
    ]  # null and a struct of nulls differ
    return None if len(full) == len(paths) else full
