"""What a compaction may take, and how it is packed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from support.compacting import World
from support.small_lake import EPOCH, STREAM, outcome, records, sink
from tailrace.commit.committed import shards_of
from tailrace.commit.compacted import NOTHING
from tailrace.commit.compaction import INPUTS_MAX, Input
from tailrace.sinks.lake.candidates import Committed, Limits, ends, groups, tables


@pytest.mark.parametrize(
    ("folder", "end"),
    [
        ("click/v1/dt=2027-01-15/hh=12", datetime(2027, 1, 15, 13, tzinfo=UTC)),
        ("click/v1/p_tenant=a/dt=2027-01-15/hh=23", datetime(2027, 1, 16, tzinfo=UTC)),
        ("quarantine/dt=2027-01-15/stage=parse", datetime(2027, 1, 16, tzinfo=UTC)),
        ("click/v1/dt=2027-13-15/hh=12", None),
        ("click/v1", None),
    ],
)
def test_when_a_folder_is_over(folder: str, end: datetime | None) -> None:
    assert ends(folder) == end


def test_only_closed_folders_are_told() -> None:
    place = World().place
    found = {table: [folder for folder, _ in of] for table, of in tables(place, datetime(2027, 1, 15, 13, tzinfo=UTC))}
    assert found == {"page_view/v1": ["page_view/v1/dt=2027-01-15/hh=12"], "quarantine": []}


def test_only_what_is_committed_is_taken() -> None:
    world = World()
    before = {entry.name for entry in world.objects()}
    filling = sink().start()
    filling.add(outcome("shard-1", records(175, 9)).rows)
    for name in filling.names(f"{EPOCH}-{STREAM}-shard-1-0000000003"):
        body = filling._folders[name.rpartition("/")[0]].close(".parquet", {})
        assert world.place.create(name, body, {})
    committed = Committed(world.place, shards_of(world.ledger, EPOCH, STREAM))
    names = [name for name, _ in world.place.names("") if not name.startswith("_")]
    assert len(names) > len(before)
    assert {
        entry.name for entry in committed.live([*names, "page_view/v1/dt=2027-01-15/hh=12/other"], NOTHING)
    } == before


def entry(number: int, size: int, suffix: str = ".parquet", rows: int = 1) -> Input:
    return Input(f"t/dt=1/{number:04d}{suffix}", rows, size, "", 1, 1)


def test_small_files_are_packed_up_to_the_target_and_large_ones_left() -> None:
    found = [entry(number, 40) for number in range(7)] + [entry(7, 50), entry(8, 0, rows=0)]
    packed = [[int(one.name[-12:-8]) for one in group] for group in groups(found, Limits(2, 100))]
    assert packed == [[0, 1, 2], [3, 4, 5]]


def test_a_file_goes_with_all_its_formats() -> None:
    found = [entry(number, 10, suffix) for number in range(3) for suffix in (".parquet", ".avro")]
    assert [len(group) for group in groups(found, Limits(3, 1000))] == [6]


def test_a_compaction_fits_in_an_item() -> None:
    sizes = [len(group) for group in groups([entry(n, 1) for n in range(2 * INPUTS_MAX)], Limits(2, 1000))]
    assert sizes == [INPUTS_MAX, INPUTS_MAX]
