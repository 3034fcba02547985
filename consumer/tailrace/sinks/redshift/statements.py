"""The SQL of a load. Rule: one transaction, which fails as a whole unless the warehouse stands where it was read.

Redshift enforces no key, but it does enforce NOT NULL: the ledger's row of each shard gets a null where the last plan
that landed is not the one this load goes on from, and a table of checks gets one where COPY brought another number of
rows than the files have.
The lock comes first, so that what is looked at is no older than the last loader's commit. BEGIN and COMMIT are the Data
API's own; TRUNCATE would commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from tailrace.sinks.ddl.model import DdlError, quoted, remark, text
from tailrace.sinks.ddl.redshift import KEY
from tailrace.sinks.redshift.plan import Load, Range

LEDGER: Final = "load_ledger"
CHECK: Final = "load_check"
STATEMENTS_MAX: Final = 40
STATEMENT_BYTES_MAX: Final = 100_000
COLUMNS: Final = (
    ("load", "VARCHAR(64)"), ("epoch", "VARCHAR(64)"), ("lake_table", "VARCHAR(512)"), ("stream", "VARCHAR(128)"),
    ("shard", "VARCHAR(128)"), ("after_chain", "BIGINT"), ("chain", "BIGINT"), ("committed", "BIGINT"),
    ("missing", "BIGINT"), ("copied", "BIGINT"), ("rejected", "BIGINT"),
)  # fmt: skip


class Counts(NamedTuple):
    """Rows of a load."""

    committed: int = 0  # by its plans, without those that are missing
    missing: int = 0  # of objects that are gone for good, as a person accepted
    rejected: int = 0  # that do not fit


class Copy(NamedTuple):
    """Files of one list of columns, on their way into one table."""

    table: str  # in the warehouse
    columns: tuple[str, ...]  # there, in the files' order
    manifest: str  # its URL
    rows: int
    nested: bool  # has columns that become SUPER
    elsewhere: str = ""  # where else these rows may stand by now, as fitting or not, and must not stay


def furnish(schema: str) -> str:
    """Return what makes the ledger's table."""
    columns = ", ".join(f"{quoted(name)} {kind} NOT NULL" for name, kind in COLUMNS)
    return f"CREATE TABLE IF NOT EXISTS {_of(schema, LEDGER)} ({columns})"


def marks(schema: str, epoch: str) -> str:
    """Return what asks how far each table has come."""
    by, only = ", ".join(map(quoted, ("lake_table", "stream", "shard"))), f'"epoch" = {literal(epoch)}'
    return f'SELECT {by}, max("chain") FROM {_of(schema, LEDGER)} WHERE {only} GROUP BY {by} ORDER BY {by}'


def landed(schema: str, id_: str) -> str:
    """Return what asks for the ledger's rows of a load: how many, and the rows that were committed and rejected."""
    return (
        f'SELECT count(*), coalesce(max("committed"), 0), coalesce(max("rejected"), 0) FROM {_of(schema, LEDGER)} '
        f'WHERE "load" = {literal(id_)}'
    )


def transaction(schema: str, epoch: str, load: Load, copies: Sequence[Copy], rows: Counts, role: str) -> list[str]:
    """Return the statements of a load, in order."""
    counts = f"{rows.committed}, {rows.missing}, {sum(copy.rows for copy in copies)}, {rows.rejected}"
    out = [f"LOCK {_of(schema, LEDGER)}", _claim(schema, epoch, load, counts)]
    for number, copy in enumerate(copies):
        out += _merge(schema, copy, _stage(number), role)
    if copies:
        out += _checked(copies)
    assert len(out) <= STATEMENTS_MAX, "`plan.cut` and the shapes' bound saw to it"
    assert all(len(one.encode()) <= STATEMENT_BYTES_MAX for one in out), "so they did"
    return out


def _claim(schema: str, epoch: str, load: Load, counts: str) -> str:
    names = ", ".join(quoted(name) for name, _ in COLUMNS)
    selects = "\nUNION ALL ".join(_one(schema, epoch, load, one, counts) for one in load.ranges)
    return f"INSERT INTO {_of(schema, LEDGER)} ({names})\n{selects}"


def _one(schema: str, epoch: str, load: Load, one: Range, counts: str) -> str:
    words = ", ".join(f"CAST({literal(word)} AS VARCHAR(512))" for word in (load.id, epoch, load.table, *one[:2]))
    guard = f'CASE WHEN coalesce(max("chain"), 0) = {one.after} THEN {one.after} END'
    where = {"epoch": epoch, "lake_table": load.table, "stream": one.stream, "shard": one.shard}
    only = " AND ".join(f"{quoted(name)} = {literal(value)}" for name, value in where.items())
    return f"SELECT {words}, {guard}, {one.chain}, {counts} FROM {_of(schema, LEDGER)} WHERE {only}"


def _merge(schema: str, copy: Copy, stage: str, role: str) -> list[str]:
    """Return what copies files to a table of just their columns, and puts its rows in place of those they repeat."""
    columns = ", ".join(map(quoted, copy.columns))
    target, key = _of(schema, copy.table), quoted(KEY)
    by = literal(role) if role else "default"
    nested = " SERIALIZETOJSON" if copy.nested else ""
    out = [
        f"CREATE TEMP TABLE {stage} AS SELECT {columns} FROM {target} WHERE 1 = 0",
        f"COPY {stage} FROM {literal(copy.manifest)} IAM_ROLE {by} FORMAT AS PARQUET{nested} MANIFEST",
    ]
    out += [
        f"DELETE FROM {_of(schema, table)} USING {stage} WHERE {quoted(table)}.{key} = {stage}.{key}"
        for table in (copy.table, copy.elsewhere)
        if table
    ]
    return [*out, f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {stage}"]


def _checked(copies: Sequence[Copy]) -> list[str]:
    """Return what fails unless COPY brought as many rows as the files have."""
    counts = (
        f"SELECT CASE WHEN count(*) = {copy.rows} THEN {copy.rows} END FROM {_stage(at)}"
        for at, copy in enumerate(copies)
    )
    check = quoted(CHECK)
    return [
        f'CREATE TEMP TABLE {check} ("rows" BIGINT NOT NULL)',
        f'INSERT INTO {check} ("rows")\n' + "\nUNION ALL ".join(counts),
    ]


def literal(value: str) -> str:
    """Return a text between quotes. Raises DdlError for a backslash, which is Redshift's to read, not ours to write."""
    if "\\" in value or not value.isprintable():
        raise DdlError(f"found {remark(value)}, expected printable characters without a backslash")
    return text(value)


def _stage(number: int) -> str:
    return quoted(f"load_stage_{number}")


def _of(schema: str, name: str) -> str:
    return f"{quoted(schema)}.{quoted(name)}"
