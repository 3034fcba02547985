"""Compaction killed, raced and read at every effect. The real command over a lake in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import pytest

from support.compacting import Killed, Watch, World, kill
from support.small_lake import AVRO_ALONE, BOTH, EPOCH, FORM, STREAM
from tailrace.commit.committed import shards_of
from tailrace.commit.compacted import view_of
from tailrace.sinks.lake.formats import Format
from tailrace.sinks.lake.read import Search

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
