"""What makes the tables of an older version those of this one. Rule: columns are added at the end, nothing else.

What else differs is said, all of it, and then nothing is printed that could be run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from tailrace.sinks.ddl.model import Column, DdlError, Dialect, Relation, remark


class Growing(Dialect, Protocol):
    """A dialect whose tables stay and grow."""

    def add(self, relation: Relation, columns: Sequence[Column]) -> list[str]:
        """Return the statements that add columns at the end."""

    def widen(self, relation: Relation, column: Column, before: str) -> list[str] | None:
        """Return the statements that make of the type before the column's own; None where there are none."""


class Model(msgspec.Struct, forbid_unknown_fields=True):
    """What `--json` printed."""

    engine: str
    database: str
    tables: list[Relation]


class Step(NamedTuple):
    """The statements of a step, in order, or why there is none."""

    statements: list[str]
    refusals: list[str]
    new: bool  # there are tables that were not there before


def model(data: bytes, origin: str, engine: str, database: str) -> Model:
    """Return what an older run printed with `--json`. Raises DdlError."""
    try:
        found = msgspec.json.decode(data, type=_Plain)
    except msgspec.DecodeError as error:
        raise DdlError(f"{origin}: expected what `tailrace ddl {engine} --json` printed: {error}") from None
    if (found.engine, found.database) != (engine, database):
        raise DdlError(
            f"{origin}: found tables of {remark(found.engine)} in {remark(found.database)}, "
            f"expected {engine} and {database}"
        )
    return Model(found.engine, found.database, [one.relation() for one in found.tables])


def step(before: Model, relations: Sequence[Relation], dialect: Growing) -> Step:
    """Return what leads from the tables before to these."""
    old = {one.table: one for one in before.tables}
    out = Step([], [], any(one.table not in old for one in relations))
    for relation in relations:
        was = old.get(relation.table)
        if was is None:
            out.statements.append(dialect.create(relation))
        else:
            _grow(was, relation, dialect, out)
    return out


def _grow(was: Relation, now: Relation, dialect: Growing, out: Step) -> None:
    if (was.name, was.partitions) != (now.name, now.partitions):
        out.refusals.append(
            f"{now.table}: found {_described(now)}, expected {_described(was)} as before: it needs a new table"
        )
        return
    for at, column in enumerate(was.columns):
        found = now.columns[at] if at < len(now.columns) else None
        if found == column:
            continue
        wider = None
        if found is not None and found.name == column.name:
            wider = dialect.widen(now, found, column.type)
        if wider is None:
            what = "no column" if found is None else f"{remark(found.name)} {found.type}"
            out.refusals.append(
                f"{now.table}, column {at + 1}: found {what}, expected {remark(column.name)} {column.type} as before: "
                "columns are only added, at the end"
            )
            return
        out.statements.extend(wider)
    added = now.columns[len(was.columns) :]
    if added:
        out.statements.extend(dialect.add(now, added))


def _described(relation: Relation) -> str:
    keys = ", ".join(column.name for column in relation.partitions)
    return f"{remark(relation.name)} by {keys}" if keys else remark(relation.name)


class _PlainColumn(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    type: str


class _PlainTable(msgspec.Struct, forbid_unknown_fields=True):
    table: str
    name: str
    columns: list[_PlainColumn]
    partitions: list[_PlainColumn]
    left_out: list[str]

    def relation(self) -> Relation:
        columns = tuple(Column(one.name, one.type) for one in self.columns)
        partitions = tuple(Column(one.name, one.type) for one in self.partitions)
        return Relation(self.table, self.name, columns, partitions, tuple(self.left_out))


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    engine: str
    database: str
    tables: list[_PlainTable]
