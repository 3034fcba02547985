"""Compaction killed, raced and read at every effect. The real command over a lake in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pytest

from support.compacting import Killed, Watch, World, kill
from support.small_lake import AVRO_ALONE, BOTH, EPOCH, FORM, PAGE_VIEW, STREAM, lane, page_views, records
from tailrace.commit.batch import part_of
from tailrace.commit.committed import shards_of
from tailrace.commit.compacted import View, encode_fold, view_of
from tailrace.nouns import Outcome, Rows
from tailrace.sinks.lake.formats import Format
from tailrace.sinks.lake.read import Search


@pytest.fixture(autouse=True)
def _folded_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.cli.compact.FOLD_EVERY", 1)


FORMS = pytest.mark.parametrize("form", [FORM, BOTH, AVRO_ALONE], ids=["parquet", "both", "avro"])


def effects(world: World) -> int:
    watch = Watch(lambda _number, _side: None)
    world.copy().compact(watch)
    return watch.effects


def is_whole(world: World, before: list[tuple[str, str, str, str]]) -> bool:
    return world.rows() == before and world.findings() == []


@FORMS
def test_the_same_rows_lie_in_fewer_files(form: Format) -> None:
    world = World(form)
    before = world.rows()
    done, said = world.compact()
    suffixes = len(form.suffixes("page_view/v1"))
    assert (done.inputs, done.outputs, said) == (10 * suffixes, 2 * suffixes, [])
    assert is_whole(world, before)
    assert len(world.objects()) == 2 * suffixes
    assert world.leftovers() == []
    assert world.compact()[0].inputs == 0


def kills(form: Format) -> Iterator[tuple[World, int, str]]:
    world = World(form)
    count = effects(world)
    assert count > 20
    for at in range(1, count + 1):
        for when in ("before", "after"):
            yield world.copy(), at, when


@pytest.mark.parametrize("form", [FORM, BOTH], ids=["parquet", "both"])
def test_killed_at_any_effect_the_view_is_whole_and_the_next_run_ends_it(form: Format) -> None:
    before = World(form).rows()
    for world, at, when in kills(form):
        with pytest.raises(Killed):
            world.compact(kill(at, when))
        assert is_whole(world, before), (at, when)
        world.compact()
        assert is_whole(world, before), (at, when)
        assert len(world.objects()) == 2 * len(form.suffixes("page_view/v1")), (at, when)
        assert world.leftovers() == [], (at, when)


def test_another_run_at_any_effect_and_the_first_goes_on_as_a_zombie() -> None:
    start = World()
    before = start.rows()
    for at in range(1, effects(start) + 1):
        world = start.copy()

        def race(number: int, side: str, at: int = at, world: World = world) -> None:
            if (number, side) == (at, "before"):
                world.compact()

        world.compact(Watch(race))
        assert is_whole(world, before), at
        assert len(world.objects()) == 2, at
        assert world.leftovers() == [], at


def test_at_no_effect_does_the_view_lack_a_row_or_hold_one_twice() -> None:
    world = World()
    before = world.rows()
    looked = []

    def look(number: int, side: str) -> None:
        looked.append((number, side))
        assert is_whole(world, before), (number, side)

    world.compact(Watch(look))
    assert len(looked) > 40


def test_an_audit_and_a_search_in_whose_midst_a_compaction_comes_ask_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    opened, reads = world.place.open, []

    def comes(name: str) -> BinaryIO:
        reads.append(name)
        if len(reads) == 3:
            monkeypatch.setattr(world.place, "open", opened)
            world.compact()
        return opened(name)

    monkeypatch.setattr(world.place, "open", comes)
    assert world.findings() == []
    assert len(world.objects()) == 2

    world = World()
    view = view_of(world.ledger, world.place, EPOCH)
    world.compact()
    search = Search(world.place, "shard-1-171", view)
    shards = list(shards_of(world.ledger, EPOCH, STREAM))
    assert (list(search.run(shards)), search.changed) == ([], True)
    search = Search(world.place, "shard-1-171", view_of(world.ledger, world.place, EPOCH))
    assert ([hit.facts.chain for hit in search.run(shards)], search.changed) == ([2], False)


def test_late_rows_are_compacted_with_what_was_compacted() -> None:
    world = World()
    world.compact()
    world.late()
    before = world.rows()
    done, _ = world.compact()
    assert done.inputs == 6  # of two tables: the file of before and two late ones
    assert is_whole(world, before)
    assert len(world.objects()) == 2


def test_a_run_that_found_its_inputs_gone_leaves_what_lies_there() -> None:
    world = World()
    before = world.rows()
    name = next(entry.name for entry in world.objects() if entry.table == "page_view/v1")
    stored = world.place.objects[name]
    with pytest.raises(Killed):
        world.compact(kill(2, "after"))  # a compaction is prepared
    del world.place.objects[name]
    done, said = world.compact()
    assert f"left as it is: {name} is gone" in said
    assert done.outputs >= 1
    world.place.objects[name] = stored
    assert is_whole(world, before)


def commit_columns(world: World, shard: str, plans: int, **columns: pa.Array) -> None:
    """Commit plans of page views that have other columns: added at the end, or of another type."""
    made = lane(shard, world.ledger, world.place)
    for number in range(plans):
        chunk = records(100 + 9 * number, 9)
        batch = pa.Table.from_batches([page_views(shard, chunk)])
        for name, values in columns.items():
            at = batch.schema.get_field_index(name)
            batch = batch.append_column(name, values) if at < 0 else batch.set_column(at, name, values)
        rows = Rows(PAGE_VIEW._replace(schema=batch.schema), batch.combine_chunks().to_batches()[0])
        made.add(part_of(chunk), Outcome([rows], 9, 9, 0, 0, Counter(), Counter()), 0)
        assert made.flush()
    made.leave()
    made.close()


def test_versions_that_only_grow_become_one_file_and_others_one_of_their_own() -> None:
    world = World()
    commit_columns(world, "shard-2", 3, referrer=pa.array(["r"] * 9))
    commit_columns(world, "shard-3", 3, referrer=pa.array(["r"] * 9), words=pa.array(range(9)))
    commit_columns(world, "shard-4", 3, path=pa.array(range(9)))
    commit_columns(world, "shard-5", 1, tenant=pa.array(range(9)))
    before = sorted(row[:3] for row in world.rows())
    _, said = world.compact()
    views = [entry for entry in world.objects() if entry.table == "page_view/v1"]
    assert sorted(entry.rows for entry in views) == [9, 27, 120 + 54]
    assert ["left as it is" in line for line in said] == [True]
    assert sorted(row[:3] for row in world.rows()) == before
    assert (world.findings(), world.compact()[0].inputs) == ([], 0)


def test_one_damaged_object_does_not_keep_the_others_from_it() -> None:
    world = World()
    name = next(entry.name for entry in world.objects() if entry.table == "page_view/v1")
    world.place.objects[name] = world.place.objects[name]._replace(data=b"PAR1")
    _, said = world.compact()
    assert said == [f"left as it is: {name} is not what was committed"]
    assert sorted(entry.table for entry in world.objects()) == ["page_view/v1", "page_view/v1", "quarantine"]


def test_a_struct_of_nulls_is_no_null_and_a_dot_is_no_member() -> None:
    world = World()
    struct = pa.StructArray.from_arrays([pa.nulls(9, pa.string())], ["tag"])
    empty = pa.nulls(9, pa.string())
    commit_columns(world, "shard-2", 2, target=struct, late=empty, **{"late.by": pa.array(range(9))})
    before = world.rows()
    assert any("{'tag': None}" in row[3] and "'late.by': 8" in row[3] for row in before)
    world.compact()
    assert sorted(row[3] for row in world.rows() if row[1] == "shard-2") == sorted(
        row[3] for row in before if row[1] == "shard-2"
    )


def test_an_audit_tells_a_fold_that_says_something_else() -> None:
    world = World()
    world.compact()
    assert world.findings() == []
    (name,) = [one for one, _ in world.place.names("_compactions/") if "page_view" in one and "upto-" in one]
    world.place.objects[name] = world.place.objects[name]._replace(
        data=encode_fold(View().fold(EPOCH, "page_view/v1", 1))
    )
    assert [finding.text for finding in world.findings()] == [
        f"{name} says something else than the compactions that are in it"
    ]
    del world.place.objects[name]
    assert ["is missing" in finding.text for finding in world.findings()] == [True]
    assert len(world.rows()) == 134
