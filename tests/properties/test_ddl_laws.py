"""Laws of `tailrace ddl`: columns stand as in the files, and no name, whatever it is, becomes more than a name."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import example, given, settings
from hypothesis import strategies as st

from properties.test_columns_laws import books
from properties.test_layout import events
from support.sql import Token, members, statements
from tailrace.commit.plan import CommitFacts
from tailrace.nouns import Rows, Table
from tailrace.schema.book import Book
from tailrace.settings import Contract, Lake
from tailrace.sinks.ddl.additions import model, step
from tailrace.sinks.ddl.athena import Athena, Glue
from tailrace.sinks.ddl.duck import Duck
from tailrace.sinks.ddl.model import Relation, names, plain
from tailrace.sinks.ddl.redshift import Redshift
from tailrace.sinks.lake.filling import LakeFilling, LakeSink
from tailrace.sinks.lake.layout import Layout

HOSTILE = (
    '"; DROP TABLE x; --', "'; --", "`; --", "a`b", "a:b,c", "end", "select", "oid", "dt", "hh", "stage", "p_tenant",
    "x.y", "a-b", "A", "é", "ß", "\n); --", "--", "/*", "$(x)", "${dt}", "a>b<c", "\x00",
    "{0}", "%s", "\\", "İ", "x" * 200,
)  # fmt: skip
NAMES = st.sampled_from(HOSTILE) | st.text(min_size=1, max_size=12)
LEAVES = st.sampled_from([{"type": kind} for kind in ("string", "integer", "number", "boolean", "object")])


def closed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(NAMES, inner, min_size=1, max_size=4).map(
        lambda members: {"type": "object", "additionalProperties": False, "properties": members}
    )


KINDS = st.recursive(
    LEAVES, lambda inner: closed(inner) | inner.map(lambda item: {"type": "array", "items": item}), max_leaves=6
)
SCHEMAS = st.dictionaries(NAMES, KINDS, min_size=1, max_size=8).map(lambda found: {"properties": found})
TYPES = st.sampled_from(["com.acme.click", "com_acme_click", "Com.Acme.click2", "1st", "a-b"]) | st.text(
    "abc._-A'\"; é", min_size=1, max_size=12
)
FACTS = CommitFacts("e", "s", "shard", "lake", 1, 1, "", "", 0, "", 0, 0, 0, 0, {})
LAYOUTS = st.booleans().map(lambda by_tenant: Layout(tenant_partition=by_tenant))


def redshift(widths: int = 100) -> Redshift:
    return Redshift("tailrace", lambda table: dict.fromkeys(table.schema.names, widths))


def athena(layout: Layout) -> Athena:
    return Athena("tailrace", "s3://bucket/lake", layout, "2020-01-01")


def tables_of(schemas: dict[str, dict[str, Any]]) -> list[Table]:
    kept: dict[str, dict[str, Any]] = {}
    for name, schema in schemas.items():
        if name.casefold() not in {one.casefold() for one in kept}:
            kept[name] = schema
    return list(Book(Contract(), {(name, "1-0-0"): schema for name, schema in kept.items()}).tables().values())


def rowless(table: Table, lake: Path, folder: str) -> Path:
    """Write a file of the table without rows, as the lake's sink does."""
    filling = LakeSink.of(Lake(), {table.name: table}, table.schema).start()
    name = f"{table.name}/{folder}/a.parquet"
    _write(filling, [name], lake)
    return lake / name


def filled(rows: Rows, lake: Path, layout: Layout) -> None:
    """Write the rows where the lake's sink does."""
    settled = Lake(tenant_partition=layout.tenant_partition)
    filling = LakeSink.of(settled, {rows.table.name: rows.table}, rows.table.schema).start()
    filling.add([rows])
    _write(filling, filling.names("a"), lake)


def _write(filling: LakeFilling, names: Sequence[str], lake: Path) -> None:
    bodies = filling.seal(names, FACTS)
    for name in names:
        (lake / name).parent.mkdir(parents=True, exist_ok=True)
        with bodies[name].open() as source:
            (lake / name).write_bytes(source.read())
    filling.drop()


def related(dialect: Any, tables: list[Table]) -> list[Relation]:
    called = names(table.name for table in tables)
    return [dialect.relation(table, called[table.name]) for table in tables]


@given(books(), LAYOUTS)
def test_columns_stand_as_in_the_table_and_in_its_file_whatever_the_book(book: Book | None, layout: Layout) -> None:
    if book is None:
        return
    for table in book.tables().values():
        with tempfile.TemporaryDirectory() as folder:
            in_file = pq.read_schema(rowless(table, Path(folder), "dt=2026-01-01/hh=00")).names
        own = table.schema.names
        assert in_file == own
        assert [one.name for one in redshift().relation(table, "t").columns] == own
        assert [one.name for one in Duck("tailrace", "/lake", layout).relation(table, "t").columns] == own
        seen = athena(layout).relation(table, "t")
        assert [one.name for one in seen.columns] == [name.lower() for name in own if name not in seen.left_out]


@given(SCHEMAS, LAYOUTS)
@example({"properties": {name: {"type": "string"} for name in HOSTILE}}, Layout(tenant_partition=True))
@example(
    {"properties": {"s": {"type": "object", "additionalProperties": False,
     "properties": {name: {"type": "string"} for name in HOSTILE if name != "a"}}}},
    Layout(),
)  # fmt: skip
def test_a_name_is_a_name_and_nothing_else(schema: dict[str, Any], layout: Layout) -> None:
    tables = tables_of({"k": schema})
    for dialect, kind in ((redshift(), "name"), (athena(layout), "tick")):
        for relation in related(dialect, tables):
            (found,) = statements(dialect.create(relation))
            assert [one[0] for one in members(found)] == [Token(kind, column.name) for column in relation.columns]
            assert all(token.kind == kind for one in members(found) for token in one[:1])
    for relation in related(Glue(athena(layout)), tables):
        request = Glue(athena(layout)).request(relation)["TableInput"]
        assert [one["Name"] for one in request["StorageDescriptor"]["Columns"]] == [
            one.name for one in relation.columns
        ]
        keys = [one["Name"] for one in request["PartitionKeys"]]
        assert not {*keys} & {one.name for one in relation.columns}


@given(SCHEMAS, LAYOUTS)
@example({"properties": {name: {"type": "string"} for name in HOSTILE}}, Layout(tenant_partition=True))
@example({"properties": {name: {"type": "string"} for name in HOSTILE if name != "dt"}}, Layout())
def test_duckdb_takes_every_view_and_its_columns_are_the_files(schema: dict[str, Any], layout: Layout) -> None:
    tables = tables_of({"k": schema})
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as duck:
        dialect = Duck("main", f"{folder}/it's [a] lake*", layout)
        relations = related(dialect, tables)
        for table, relation in zip(tables, relations, strict=True):
            sql = dialect.create(relation)
            assert len(duckdb.extract_statements(sql)) == 1
            duck.execute(sql)
            empty = duck.execute(f'DESCRIBE "{relation.name}"').fetchall()
            assert [row[0] for row in empty] == [one.name for one in (*relation.columns, *relation.partitions)]
            end = "dt=2026-01-01/" + ("stage=parse" if table.name == "quarantine" else "hh=03")
            tenant = "p_tenant=a%20b/" if layout.tenant_partition and table.name != "quarantine" else ""
            rowless(table, Path(f"{folder}/it's [a] lake*"), tenant + end)
            assert duck.execute(f'SELECT count(*) FROM "{relation.name}"').fetchall() == [(0,)]
            found = duck.execute(f"SELECT * FROM read_parquet('{folder}/*/{table.name}/**/*.parquet', "
                                 "hive_partitioning = false)").description  # fmt: skip
            assert [(one[0], str(one[1])) for one in found or ()] == [
                (row[0], row[1]) for row in empty[: len(relation.columns)]
            ]
        duck.execute(dialect.views(relations))


@given(st.lists(TYPES, min_size=1, max_size=8, unique_by=str.casefold))
def test_no_two_tables_share_a_name(types: list[str]) -> None:
    tables = [table.name for table in tables_of({name: {} for name in types})]
    called = names(tables)
    assert called == names(reversed(tables))
    assert len(set(called.values())) == len(tables)
    assert all(name.isascii() and name.isidentifier() and name == name.lower() for name in called.values())


@given(SCHEMAS, st.integers(0, 8), LAYOUTS)
def test_what_a_version_adds_is_added_and_all_else_is_refused(schema: dict[str, Any], at: int, layout: Layout) -> None:
    """The columns of the table before, with those that are added, are the columns of the table after."""
    items = list(schema["properties"].items())
    (old,) = (one for one in tables_of({"k": {"properties": dict(items[:at])}}) if one.name == "k/v1")
    (new,) = (one for one in tables_of({"k": schema}) if one.name == "k/v1")
    for engine, dialect in (("redshift", redshift()), ("athena", athena(layout))):
        was, now = dialect.relation(old, "k_v1"), dialect.relation(new, "k_v1")
        data = _json(plain(engine, "tailrace", [was]))
        found = step(model(data, "f", engine, "tailrace"), [now], dialect)
        if was.partitions != now.partitions:  # a new member is called like a partition
            assert found.refusals
            continue
        assert found.refusals == []
        added = [token.value for one in statements("\n".join(found.statements)) for token in _columns(one)]
        assert [one.name for one in was.columns] + added == [one.name for one in now.columns]
        back = step(model(_json(plain(engine, "tailrace", [now])), "f", engine, "tailrace"), [was], dialect)
        assert bool(back.refusals) == (len(now.columns) > len(was.columns))


def _columns(statement: list[Token]) -> list[Token]:
    if any(token == ("word", "COLUMNS") for token in statement):
        return [one[0] for one in members(statement)]
    return [statement[[token.value for token in statement].index("COLUMN") + 1]]


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


@given(st.lists(events, min_size=1, max_size=6), LAYOUTS)
@settings(max_examples=30)
def test_the_views_minutes_and_days_are_those_of_the_folders(
    made: list[tuple[str, datetime, timedelta, str]], layout: Layout
) -> None:
    """So that a query which names a day by `dt` misses none of its events, however wrong their clocks."""
    (table,) = (one for one in tables_of({"k": {}}) if one.name == "k/v1")
    rows = [
        {"row_id": str(at), "tenant": tenant, "event_time": arrived + away, "time_source": source,
         "received_at": arrived}
        for at, (tenant, arrived, away, source) in enumerate(made)
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as duck:
        filled(Rows(table, pa.RecordBatch.from_pylist(rows, table.schema)), Path(folder), layout)
        dialect = Duck("main", folder, layout)
        relations = related(dialect, [table])
        duck.execute(dialect.create(relations[0]) + dialect.views(relations))
        query = """SELECT count(*), count_if(CAST(filed_at AS DATE) = k_v1.dt AND hour(filed_at) = hh)
                   FROM events JOIN k_v1 USING (row_id)"""
        assert duck.execute(query).fetchall() == [(len(made), len(made))]
        for view in ("events_per_minute", "daily_users"):
            assert duck.execute(f"SELECT sum(events) FROM {view}").fetchall() == [(len(made),)]
