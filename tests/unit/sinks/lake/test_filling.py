"""A filling: planned names, bodies and bounded memory."""

from __future__ import annotations

from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.small_lake import (
    AVRO_ALONE,
    BOTH,
    ENVELOPE,
    EPOCH,
    FORM,
    PAGE_VIEW,
    STREAM,
    lane,
    outcome,
    page_views,
    records,
    sink,
)
from tailrace.commit.batch import part_of
from tailrace.commit.committed import CommitFileError, StoredObject, decode, told_once
from tailrace.commit.ledger_sqlite import SqliteLedger
from tailrace.commit.plan import CommitFacts, stem
from tailrace.nouns import Identity, Rows
from tailrace.sinks.lake.avro_read import Container
from tailrace.sinks.lake.formats import AVRO, PARQUET, Format
from tailrace.sinks.lake.places.directory import DirectoryPlace

SHARD = "shard-0"
STEM = stem(Identity(STREAM, EPOCH, SHARD), 3)
COMMIT = f"_commits/{EPOCH}/{STREAM}/{SHARD}/0000000003.json"
FACTS = CommitFacts(EPOCH, STREAM, SHARD, "lake", 3, 2, "a", "b", 4, "d", 4, 3, 1, 0, {"code": "c"})
HOUR_MS = 3_600_000


def test_names_are_folders_with_the_plans_stem() -> None:
    filling = sink().start()
    filling.add(outcome(SHARD, records(1, 20, step_ms=HOUR_MS // 10)).rows)
    assert filling.names(STEM) == (
        f"page_view/v1/dt=2027-01-15/hh=12/{STEM}.parquet",
        f"page_view/v1/dt=2027-01-15/hh=13/{STEM}.parquet",
        f"quarantine/dt=2027-01-15/stage=parse/{STEM}.parquet",
    )
    assert (filling.rows, filling.objects) == (20, 3)
    filling.drop()


def test_names_hang_on_the_rows_alone_not_on_how_they_came() -> None:
    made = records(1, 40, step_ms=HOUR_MS // 10)
    whole, pieces = sink().start(), sink().start()
    whole.add(outcome(SHARD, made).rows)
    for n in range(0, 40, 7):
        pieces.add(outcome(SHARD, made[n : n + 7]).rows)
    assert whole.names(STEM) == pieces.names(STEM)
    whole.drop()
    pieces.drop()


def test_every_planned_name_gets_a_body_and_the_commit_file_comes_last() -> None:
    filling = sink().start()
    filling.add(outcome(SHARD, records(1, 20)).rows)
    known = f"page_view/v1/dt=2020-01-01/hh=00/{STEM}.parquet"
    forgotten = f"gone/v7/p_tenant=x/dt=2020-01-01/hh=00/{STEM}.parquet"
    names = sorted([*filling.names(STEM), known, forgotten])
    bodies = filling.seal(names, FACTS)
    assert list(bodies) == [*names, COMMIT]
    assert {name: bodies[name].rows for name in names if bodies[name].rows} == dict(
        zip(filling_names(names), (18, 2), strict=True)
    )
    with bodies[known].open() as zero, bodies[forgotten].open() as other:
        assert pq.read_schema(zero).names == PAGE_VIEW.schema.names
        assert pq.read_schema(other).names == ENVELOPE.names
    commit = decode(bodies[COMMIT].open().read())
    assert commit.facts == FACTS
    assert commit.objects == tuple(
        StoredObject(name, table, bodies[name].rows, bodies[name].length, bodies[name].sha256)
        for name, table in zip(names, ("gone/v7", "page_view/v1", "page_view/v1", "quarantine"), strict=True)
    )
    filling.drop()


def filling_names(names: list[str]) -> list[str]:
    return [name for name in names if "2027" in name]


def test_two_formats_are_two_names_and_two_objects() -> None:
    filling = sink(BOTH).start()
    rows = outcome(SHARD, records(1, 20)).rows
    assert filling.opens(rows) == 4
    filling.add(rows)
    assert (filling.rows, filling.objects, filling.opens(rows)) == (20, 4, 0)
    names = filling.names(STEM)
    assert names == (
        f"page_view/v1/dt=2027-01-15/hh=12/{STEM}.avro",
        f"page_view/v1/dt=2027-01-15/hh=12/{STEM}.parquet",
        f"quarantine/dt=2027-01-15/stage=parse/{STEM}.avro",
        f"quarantine/dt=2027-01-15/stage=parse/{STEM}.parquet",
    )
    bodies = filling.seal(names, FACTS)
    assert [bodies[name].rows for name in names] == [18, 18, 2, 2]
    for avro, parquet in (names[:2], names[2:]):
        with bodies[parquet].open() as source:
            expected = pq.read_table(source)
        with bodies[avro].open() as source:
            blocks = [block.read() for block in Container(source).blocks()]
        assert pa.concat_tables(blocks).equals(expected)
    assert [entry.name for entry in decode(bodies[COMMIT].open().read()).objects] == list(names)
    filling.drop()
    assert filling._budget.used == 0


def test_a_lane_makes_room_for_both_formats(tmp_path: Path) -> None:
    store, place = SqliteLedger(tmp_path / "ledger.sqlite"), DirectoryPlace(tmp_path / "lake")
    made = lane(SHARD, store, place, BOTH)
    made._limits = made._limits._replace(objects=4)
    few, many = records(1, 20), records(30, 20, step_ms=HOUR_MS // 10)
    assert made.make_room(outcome(SHARD, few))  # two folders, four objects
    made.add(part_of(few), outcome(SHARD, few), 0)
    assert not made.make_room(outcome(SHARD, many))  # three folders
    made.settle()
    assert len(list(place.names("_commits/"))) == 1
    assert len([name for name, _ in place.names("page_view/")]) == 2
    made.close()
    store.close()


def test_a_table_of_each_format() -> None:
    filling = sink(FORM._replace(parquet=("quarantine",), avro=("page_view/*",))).start()
    rows = outcome(SHARD, records(1, 20)).rows
    assert filling.opens(rows) == 2
    filling.add(rows)
    assert [name.rpartition(".")[2] for name in filling.names(STEM)] == ["avro", "parquet"]
    filling.drop()


@pytest.mark.parametrize("form", [FORM, BOTH, AVRO_ALONE])
def test_a_name_of_a_format_that_is_not_written_any_more_gets_a_file_without_rows(form: Format) -> None:
    filling = sink(form).start()
    filling.add(outcome(SHARD, records(1, 20)).rows)
    mine = filling.names(STEM)
    names = sorted({*mine, *(name.rpartition(".")[0] + suffix for name in mine for suffix in (PARQUET, AVRO))})
    bodies = filling.seal(names, FACTS)
    assert {name for name in names if bodies[name].rows} == set(mine)
    found = decode(bodies[COMMIT].open().read()).objects
    assert sum(entry.rows for entry in told_once(found)) == 20
    gone = f"gone/v7/dt=2020-01-01/hh=00/{STEM}.avro"
    filling.drop()
    with sink(form).start().seal([gone], FACTS)[gone].open() as source:
        assert [field["name"] for field in fastavro.reader(source).writer_schema["fields"]] == ENVELOPE.names  # type: ignore[index, call-overload]


def test_a_plan_without_rows_still_has_its_commit_file() -> None:
    filling = sink().start()
    bodies = filling.seal((), FACTS)
    assert list(bodies) == [COMMIT]
    assert decode(bodies[COMMIT].open().read()).objects == ()


def test_rows_without_a_planned_name_are_our_own_mistake() -> None:
    filling = sink().start()
    filling.add(outcome(SHARD, records(1, 20)).rows)
    with pytest.raises(ValueError, match="without a planned name"):
        filling.seal(filling.names(STEM)[1:], FACTS)
    filling.drop()


def test_waiting_rows_are_bounded_over_all_folders_and_the_largest_goes_first() -> None:
    def hours(first: int, counts: dict[int, int]) -> list[Rows]:
        made = []
        for hour, count in counts.items():
            for record in records(first + hour * 10_000, count, step_ms=0):
                record.arrival_ms += hour * HOUR_MS
                made.append(record)
        return [Rows(PAGE_VIEW, page_views(SHARD, made))]

    one_row = page_views(SHARD, records(1, 1000)).nbytes / 1000
    filling = sink()._replace(waiting_bytes=int(one_row * 100)).start()
    filling.add(hours(1, {0: 40, 1: 20, 2: 30}))
    assert filling._waiting_bytes == sum(file.waiting_bytes for file in filling._folders.values())
    assert all(file.files[PARQUET].rows == 0 for file in filling._folders.values())
    filling.add(hours(1001, {0: 5, 1: 10}))
    assert [file.files[PARQUET].rows for file in filling._folders.values()] == [45, 0, 0]  # only the largest
    assert filling._waiting_bytes <= one_row * 100
    assert filling._waiting_bytes == sum(file.waiting_bytes for file in filling._folders.values())
    bodies = filling.seal(filling.names(STEM), FACTS)
    assert [body.rows for body in bodies.values()] == [45, 30, 30, 0]
    filling.drop()


def test_dropping_frees_open_files_and_finished_bodies() -> None:
    filling = sink().start()
    filling.add(outcome(SHARD, records(1, 200)).rows)
    filling.drop()
    assert (filling.rows, filling.objects, filling._budget.used) == (0, 0, 0)
    filling.add(outcome(SHARD, records(1, 200)).rows)
    bodies = filling.seal(filling.names(STEM), FACTS)
    assert filling._budget.used == sum(body.length for name, body in bodies.items() if name != COMMIT)
    filling.drop()
    assert filling._budget.used == 0


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"version": 2}', b'{"version": 1, "objects": []}', b"\xff"])
def test_a_commit_file_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(CommitFileError):
        decode(data)


def test_equal_rows_give_equal_bytes() -> None:
    digests = set()
    for _ in range(2):
        filling = sink(BOTH).start()
        filling.add(outcome(SHARD, records(1, 200)).rows)
        digests.add(tuple(body.sha256 for body in filling.seal(filling.names(STEM), FACTS).values()))
        filling.drop()
    assert len(digests) == 1
