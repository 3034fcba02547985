"""The loader against the strict stand-in: what is committed lands once, whatever happens on the way."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support import small_lake
from support.small_lake import AVRO_ALONE, PAGE_VIEW, QUARANTINE, TABLES, commit, lane, records
from support.warehouse import LEASE_MS, House, client
from tailrace.commit.batch import part_of
from tailrace.commit.committed import CommitFile, commits_of, shards_of
from tailrace.nouns import Outcome, Record, Rows, Table
from tailrace.sinks.lake.read import LakeReader
from tailrace.sinks.redshift.ledger import Occupied

LEDGER, VIEWS, REJECTS = "tailrace.load_ledger", "tailrace.page_view_v1", "tailrace.quarantine"
WIDER = Table("page_view/v1", PAGE_VIEW.schema.append(pa.field("at", pa.struct([("x", pa.int64())]))), ("tenant",))


@pytest.fixture
def house() -> Iterator[House]:
    made = House()
    with made.server:
        yield made


def fill(house: House) -> None:
    commit("shard-0", house.store, house.place, [records(100, 120), records(220, 50)])
    commit("shard-1", house.store, house.place, [records(500, 30)])


def committed(house: House) -> dict[str, set[str]]:
    """Return the row_ids of the committed lake, by table."""
    out: dict[str, set[str]] = {}
    for shard in shards_of(house.store, "0a1b2c3d", "clicks"):
        for _, found in commits_of(house.place, shard):
            assert isinstance(found, CommitFile)
            for one in found.objects:
                ids = LakeReader().contents(house.place, one.name).row_ids
                assert not out.setdefault(one.table, set()) & set(ids)
                out[one.table] |= set(ids)
    return out


def landed_once(house: House) -> None:
    """Assert that the warehouse has what is committed, and that its ledger tells of each plan once."""
    wanted = committed(house)
    for table, name in (("page_view/v1", VIEWS), ("quarantine", REJECTS)):
        ids = [row_id for (row_id,) in house.rows(f"SELECT row_id FROM {name}")]
        assert len(ids) == len(set(ids))
        assert set(ids) == wanted.get(table, set())
    for after, chain, before in house.rows(
        f"SELECT after_chain, chain, coalesce(lag(chain) OVER (PARTITION BY lake_table, shard ORDER BY chain), 0) "
        f"FROM {LEDGER}"
    ):
        assert before == after < chain


def test_all_that_is_committed_lands_once_and_again_is_nothing(house: House) -> None:
    house.furnish()
    fill(house)
    first = house.load()
    assert (first.loads, dict(first.rows), first.problems) == (2, {"page_view/v1": 180, "quarantine": 20}, [])
    landed_once(house)
    house.service.calls.clear()
    assert house.load().loads == 0
    assert "BatchExecuteStatement" not in house.service.calls
    commit("shard-1", house.store, house.place, [records(530, 45)])
    assert house.load().rows == {"page_view/v1": 40, "quarantine": 5}
    landed_once(house)
    assert house.item().rows == 245


def test_a_run_reads_only_commit_files_that_are_new(house: House) -> None:
    house.furnish()
    fill(house)
    house.load()
    read: list[str] = []

    class Place:
        def __getattr__(self, name: str) -> Any:
            return getattr(house.place, name)

        def read(self, name: str) -> bytes:
            read.append(name)
            return house.place.read(name)

    house.load(place=Place())
    assert [name for name in read if not name.startswith("_loads/")] == []
    read.clear()
    # A warehouse that was put back to an older state says so by itself: all is looked at again.
    house.rows(f"DELETE FROM {VIEWS}")
    house.rows(f"DELETE FROM {LEDGER} WHERE lake_table = 'page_view/v1'")
    assert house.load(place=Place()).rows == {"page_view/v1": 180}
    assert len(read) == 3
    landed_once(house)
    # What was noted may expire: then all is looked at again.
    stored: Any = getattr(house.place, "objects")  # noqa: B009  the memory's own
    del stored[house.item().scanned]
    read.clear()
    assert house.load(place=Place()).loads == 0
    assert len(read) == 4


def test_a_load_takes_whole_plans_as_many_as_fit(house: House) -> None:
    house.furnish()
    fill(house)
    assert house.load(load_bytes=1).loads == 6
    landed_once(house)


def wide(table: Table, rows: list[dict[str, Any]]) -> Rows:
    return Rows(table, pa.RecordBatch.from_pylist(rows, table.schema))


def store(house: House, shard: str, made: Sequence[Record], rows: Rows) -> None:
    """Commit one plan of these rows."""
    one = lane(shard, house.store, house.place)
    try:
        one.add(part_of(made), Outcome([rows], len(made), len(made), 0, 0, Counter(), Counter()), 0)
        assert one.flush()
        one.leave()
    finally:
        one.close()


def view(number: int, **more: Any) -> dict[str, Any]:
    return {
        "row_id": f"{number:032x}",
        "event_id": f"e{number}",
        "tenant": "t",
        "event_time": 1_800_014_400_000_000,
        "time_source": "event",
        "received_at": 1_800_014_400_000_000,
        "position": f"{number}/0/0",
        "path": "/",
        **more,
    }


def test_what_a_column_does_not_hold_goes_to_the_quarantine_whole(house: House) -> None:
    house.furnish({**TABLES}, widths={"path": 8})
    rows = [view(1), view(2, path="é" * 4), view(3, path="é" * 4 + "x"), view(4, path="a\0b"), view(5, path=None)]
    store(house, "shard-0", records(1, 5), wide(PAGE_VIEW, rows))
    done = house.load()
    assert done.rejected == {"width": 1, "null_character": 1}
    assert house.rows(f"SELECT event_id, path FROM {VIEWS} ORDER BY 1") == [("e1", "/"), ("e2", "é" * 4), ("e5", None)]
    found = house.rows(f"SELECT row_id, stage, reasons, position FROM {REJECTS} ORDER BY 1")
    assert [(row[0], row[1], row[3]) for row in found] == [
        (f"{3:032x}", "load", "3/0/0"),
        (f"{4:032x}", "load", "4/0/0"),
    ]
    (reason,) = json.loads(found[0][2])
    assert reason["path"] == "$.path"
    assert reason["message"] == 'found 9 bytes in "path", expected at most 8 as in tailrace.page_view_v1'
    assert house.rows(f"SELECT copied, rejected FROM {LEDGER}") == [(5, 2)]
    assert house.load().loads == 0


def test_a_reject_of_a_reject_fits_always(house: House) -> None:
    house.furnish(widths={"reasons": 40, "event_id": 3, "position": 2})
    commit("shard-0", house.store, house.place, [records(100, 1)])
    done = house.load()
    assert done.rejected == {"width": 1}
    assert house.rows(f"SELECT stage, position, reasons FROM {REJECTS}") == [("load", None, None)]


@pytest.mark.parametrize("first", ["old", "new"])
def test_files_of_several_versions_land_in_one_load(house: House, first: str) -> None:
    tables = {"page_view/v1": WIDER, "quarantine": QUARANTINE}
    house.furnish(tables)
    old, new = wide(PAGE_VIEW, [view(1)]), wide(WIDER, [view(2, at={"x": 7})])
    plans = [("shard-0", old), ("shard-1", new)] if first == "old" else [("shard-0", new), ("shard-1", old)]
    for shard, rows in plans:
        before = dict(small_lake.TABLES)
        small_lake.TABLES["page_view/v1"] = rows.table
        try:
            store(house, shard, records(1, 1), rows)
        finally:
            small_lake.TABLES.update(before)
    assert house.load(called=tables).loads == 1
    assert sorted(house.rows(f'SELECT event_id, "at" FROM {VIEWS}')) == [("e1", None), ("e2", '{"x": 7}')]


def test_a_table_that_is_not_there_or_not_alike_keeps_out_only_its_own_rows(house: House) -> None:
    fill(house)
    house.furnish({"page_view/v1": PAGE_VIEW})
    done = house.load()
    assert done.rows == {"page_view/v1": 180}
    (problem,) = done.problems
    assert problem == (
        "quarantine: found no table tailrace.quarantine, "
        "expected it there: see `tailrace ddl redshift --table quarantine`"
    )
    house.furnish()
    assert house.load().rows == {"quarantine": 20}
    landed_once(house)


def test_a_table_of_an_older_schema_is_refused_with_the_column(house: House) -> None:
    fill(house)
    last = len(PAGE_VIEW.schema) - 1
    house.furnish({**TABLES, "page_view/v1": Table("page_view/v1", PAGE_VIEW.schema.remove(last), ())})
    (problem,) = house.load().problems
    assert problem == (
        f'page_view/v1: found no column {last + 1}, expected "path" VARCHAR(4096) in tailrace.page_view_v1: '
        "see `tailrace ddl redshift --previous`"
    )


def test_tables_that_are_not_wanted_or_not_known_stay_out(house: House) -> None:
    house.furnish()
    fill(house)
    done = house.load(tables=("page_view/*",))
    assert (dict(done.rows), done.problems) == ({"page_view/v1": 180}, [])
    done = house.load(called={"page_view/v1": PAGE_VIEW})
    assert (done.loads, dict(done.left_out), done.problems) == (0, {"quarantine": 3}, [])
    assert house.load().rows == {"quarantine": 20}
    landed_once(house)


def test_avro_alone_is_said(house: House) -> None:
    house.furnish()
    commit("shard-0", house.store, house.place, [records(1, 3)], AVRO_ALONE)
    (problem,) = house.load().problems
    assert "found an Avro file alone, expected Parquet" in problem


def objects(house: House, prefix: str) -> list[str]:
    return [name for name, _ in house.place.names(prefix)]


def fewer(data: bytes) -> bytes:
    """Return a file of as many bytes, with one row."""
    rows = pq.read_table(io.BytesIO(data))
    for padding in range(len(data)):
        out = io.BytesIO()
        with pq.ParquetWriter(out, rows.schema) as writer:
            writer.write_table(rows.slice(0, 1))
            writer.add_key_value_metadata({"": "x" * padding})
        if len(out.getvalue()) >= len(data):
            assert len(out.getvalue()) == len(data)
            return out.getvalue()
    raise AssertionError("it cannot be as long")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda data: None, "found no object, expected the # bytes that were committed"),
        (lambda data: data[:-1], "found # bytes, expected # as committed"),
        (lambda data: b"PAR1" + data, "found # bytes, expected # as committed"),
        (lambda data: bytes(len(data)), "found no Parquet file ("),
        (fewer, "found # rows, expected # as committed"),
    ],
    ids=["gone", "cut off", "longer", "of zeros", "of fewer rows"],
)
def test_an_object_that_is_not_what_was_committed_is_found_before_copy(
    house: House, harm: Callable[[bytes], bytes | None], said: str
) -> None:
    house.furnish()
    fill(house)
    stored: Any = getattr(house.place, "objects")  # noqa: B009  the memory's own
    name = objects(house, "page_view/")[0]
    sound = stored.pop(name)
    if (data := harm(sound.data)) is not None:
        stored[name] = sound._replace(data=data)
    done = house.load()
    assert done.rows == {"quarantine": 20, "page_view/v1": 27}  # its own shard's later rows wait, no others
    (problem,) = done.problems
    assert re.sub(r"[\d,]+(?= (bytes|rows|as))", "#", problem).startswith(f"page_view/v1: {name}: {said}")
    assert house.rows(f"SELECT DISTINCT shard FROM {VIEWS}") == [("shard-1",)]


def test_an_object_that_goes_between_the_look_and_copy_undoes_the_transaction(house: House) -> None:
    house.furnish()
    fill(house)
    stored: Any = getattr(house.place, "objects")  # noqa: B009
    name = objects(house, "page_view/")[0]
    gone: list[Any] = []
    house.when_sent(lambda: gone.append(stored.pop(name)))
    (problem,) = house.load(tables=("page_view/*",)).problems
    assert "the transaction failed: ERROR: The specified key does not exist" in problem
    assert house.rows(f"SELECT count(*) FROM {VIEWS}") == house.rows(f"SELECT count(*) FROM {LEDGER}") == [(0,)]
    stored[name] = gone[0]
    house.load()
    landed_once(house)


def test_rows_that_copy_does_not_bring_undo_the_transaction(house: House) -> None:
    house.furnish()
    fill(house)
    stored: Any = getattr(house.place, "objects")  # noqa: B009
    name = objects(house, "page_view/")[0]
    sound = stored[name]
    house.when_sent(lambda: stored.update({name: sound._replace(data=fewer(sound.data))}))
    (problem,) = house.load(tables=("page_view/*",)).problems
    assert "NOT NULL constraint failed" in problem
    assert house.rows(f"SELECT count(*) FROM {VIEWS}") == house.rows(f"SELECT count(*) FROM {LEDGER}") == [(0,)]
    stored[name] = sound
    house.load()
    landed_once(house)


def test_a_missing_commit_file_stops_its_shard_there(house: House) -> None:
    house.furnish()
    fill(house)
    stored: Any = getattr(house.place, "objects")  # noqa: B009
    kept = stored.pop("_commits/0a1b2c3d/clicks/shard-0/0000000001.json")
    done = house.load()
    assert done.problems == ["clicks/shard-0, chain 1: found no commit file"]
    assert house.rows(f"SELECT DISTINCT shard FROM {LEDGER}") == [("shard-1",)]
    stored["_commits/0a1b2c3d/clicks/shard-0/0000000001.json"] = kept
    house.load()
    landed_once(house)


def test_a_second_loader_waits_for_the_first(house: House) -> None:
    house.furnish()
    fill(house)
    said: list[str] = []

    def other() -> None:
        with pytest.raises(Occupied) as caught:
            house.load("two")
        said.append(str(caught.value))

    house.when_sent(other)
    house.load("one")
    assert "one has the warehouse for 5" in said[0]
    landed_once(house)


def test_two_loaders_at_once_load_once(house: House) -> None:
    """The lease is over while the first one's transaction waits; a second loads all; then the first one's runs."""
    house.furnish()
    fill(house)

    def other() -> None:
        house.clock.ms += 2 * LEASE_MS
        item = house.item()
        assert item.open is not None
        house.service.faults.forget.add(item.open.statement)
        house.service.faults.skip.set()
        house.load("two")

    house.when_sent(other)
    with pytest.raises(Occupied):
        house.load("one")
    house.load("three")
    landed_once(house)


@pytest.mark.parametrize(
    "action", ["BatchExecuteStatement", "ExecuteStatement", "DescribeStatement", "GetStatementResult", "DescribeTable"]
)
def test_a_lost_reply_is_asked_for_again(house: House, action: str) -> None:
    house.furnish()
    fill(house)
    house.service.faults.lose_replies += [action] * 3
    assert house.load().loads == 2
    assert house.service.faults.lose_replies == []
    landed_once(house)


def test_the_data_api_is_asked_as_it_wants() -> None:
    with House().server as server, pytest.raises(Exception, match="UnknownOperation"):
        client(server.url).list_databases(Database="dev", WorkgroupName="local")
