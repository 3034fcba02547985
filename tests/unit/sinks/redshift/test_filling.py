"""What a load takes: lists of columns up to a bound, files by row groups, what still can go in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from support import small_lake
from support.small_lake import EPOCH, PAGE_VIEW, QUARANTINE, TABLES, commit, lane, outcome, records
from support.warehouse import House
from tailrace.commit.batch import part_of
from tailrace.nouns import Table
from tailrace.sinks.redshift import plan
from tailrace.sinks.redshift.filling import Views
from tailrace.sinks.redshift.fitting import Held, held

VIEWS = "tailrace.page_view_v1"


@pytest.fixture
def house() -> Iterator[House]:
    made = House()
    with made.server:
        yield made


def wider(columns: int) -> Table:
    """Return the table as a later version of its schema has it."""
    more = [pa.field(f"more_{n}", pa.int64()) for n in range(columns)]
    return PAGE_VIEW._replace(schema=pa.schema([*PAGE_VIEW.schema, *more]))


def version(house: House, monkeypatch: pytest.MonkeyPatch, table: Table, first: int) -> None:
    """Commit a plan of rows that have these columns."""
    monkeypatch.setitem(small_lake.TABLES, table.name, table)
    made = records(first, 2)
    found = outcome("shard-0", made)
    columns = [*found.rows[0].batch.columns, *[pa.nulls(2, field.type) for field in list(table.schema)[9:]]]
    rows = found.rows[0]._replace(table=table, batch=pa.RecordBatch.from_arrays(columns, schema=table.schema))
    one = lane("shard-0", house.store, house.place)
    try:
        one.add(part_of(made), found._replace(rows=[rows]), 0)
        assert one.flush()
        one.leave()
    finally:
        one.close()


def test_a_load_has_no_more_lists_of_columns_than_the_data_api_has_statements_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = plan.SHAPES_MAX + 2
    house.furnish({"page_view/v1": wider(versions), "quarantine": QUARANTINE})
    for number in range(versions):
        version(house, monkeypatch, wider(number), number * 10 + 1)
    done = house.load()
    assert (done.loads, dict(done.rows), done.problems) == (2, {"page_view/v1": 2 * versions}, [])
    assert house.rows(f"SELECT count(DISTINCT row_id) FROM {VIEWS}") == [(2 * versions,)]


def test_a_version_the_warehouse_has_not_keeps_what_comes_after_it_in_its_shard(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.furnish({"page_view/v1": wider(1), "quarantine": QUARANTINE})
    for number, columns in enumerate((0, 1, 2, 1)):
        version(house, monkeypatch, wider(columns), number * 10 + 1)
    monkeypatch.undo()
    commit("shard-1", house.store, house.place, [records(101, 3), records(111, 3), records(121, 3), records(131, 3)])
    (problem,) = house.load(load_bytes=1).problems
    assert problem == (
        'page_view/v1: found no column 11, expected "more_1" BIGINT in tailrace.page_view_v1: '
        "see `tailrace ddl redshift --previous`"
    )
    assert house.rows(f"SELECT shard, count(*) FROM {VIEWS} GROUP BY 1 ORDER BY 1") == [("shard-0", 4), ("shard-1", 12)]


def test_of_many_row_groups_only_the_rows_that_do_not_fit_stay_out(house: House) -> None:
    house.furnish({**TABLES}, widths={"path": 6})
    commit("shard-0", house.store, house.place, [records(851, 160)])  # three groups, the last one reaches 1000
    done = house.load()
    assert (dict(done.rows), done.rejected) == ({"page_view/v1": 144, "quarantine": 16}, {"width": 9})
    assert house.rows(f"SELECT count(*), max(length(path)) FROM {VIEWS}") == [(135, 6)]
    assert house.rows("SELECT stage, count(*) FROM tailrace.quarantine GROUP BY 1 ORDER BY 1") == [
        ("load", 9),
        ("parse", 16),
    ]


def test_an_avro_file_alone_keeps_the_later_ones_waiting(house: House) -> None:
    house.furnish()
    commit("shard-0", house.store, house.place, [records(1, 3)], small_lake.AVRO_ALONE)
    commit("shard-0", house.store, house.place, [records(11, 3)])
    for _ in range(2):
        (problem,) = house.load().problems
        assert "found an Avro file alone, expected Parquet: see [lake] parquet" in problem
    assert house.rows(f"SELECT count(*) FROM {VIEWS}") == [(0,)]


def test_compactions_are_read_again_only_where_there_are_more(house: House) -> None:
    read: list[str] = []

    class Place:
        def read(self, name: str) -> bytes:
            read.append(name)
            return house.place.read(name)

    place: Any = Place()
    views = Views(house.store, place, EPOCH)
    assert views.of("page_view/v1") is views.of("page_view/v1")
    assert views.of("page_view/v1") is not views.of("quarantine")
    assert read == []


@pytest.mark.parametrize(
    ("described", "found"),
    [
        (("A", "VARCHAR", 20), Held("A", "varchar", 20)),
        (("a", "character varying(20)", 20), Held("a", "varchar", 20)),
        (("a", "varchar", None), Held("a", "varchar", 65_535)),
        (("a", "binary varying", -1), Held("a", "varbyte", 16_777_216)),
        (("a", "timestamp without time zone", 0), Held("a", "timestamp", 0)),
        (("a", "super", 0), Held("a", "super", 0)),
    ],
)
def test_a_column_is_known_by_any_name_of_its_type(described: tuple[str, str, int | None], found: Held) -> None:
    assert held(*described) == found
