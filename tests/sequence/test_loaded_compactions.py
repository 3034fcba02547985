"""Loads and compactions in each other's midst: the warehouse has each row once. Both commands are real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from support.compacting import Watch, World
from support.small_lake import commit, records
from support.warehouse import CALLS, House, Told, client
from tailrace.cli import compact
from tailrace.commit.compacted import NOTHING
from tailrace.sinks.redshift.loader import Loader, Summary

WIDTH = 6  # of a path: those of records from 1000 on are wider
COMMITTED = {"page_view/v1": 129, "quarantine": 15}


@contextmanager
def made() -> Iterator[tuple[World, House]]:
    world = World()
    commit("shard-2", world.ledger, world.place, [records(995, 6), records(1001, 4)])
    house = House(world.ledger, world.place)
    house.furnish(widths={"path": WIDTH})
    with house.server:
        yield world, house


def tables(house: House) -> list[Any]:
    return [
        house.rows("SELECT row_id, path FROM tailrace.page_view_v1 ORDER BY ALL"),
        house.rows("SELECT row_id, stage, reasons FROM tailrace.quarantine ORDER BY ALL"),
        house.rows("SELECT lake_table, shard, max(chain) FROM tailrace.load_ledger GROUP BY ALL ORDER BY ALL"),
    ]


def load(house: House, tell: Callable[[str], None] = lambda _: None, **options: Any) -> Summary:
    """Run a loader; tell of each of its calls."""
    return house.load(
        ledger=Told(tell, house.store, {"swap"}),
        place=Told(tell, house.place, {"open", "create", "read"}),
        api=Told(tell, client(house.server.url), CALLS),
        **options,
    )


@pytest.fixture(scope="module")
def calm() -> Iterator[tuple[list[Any], int]]:
    """Return what a warehouse has without compactions, and how many calls that took."""
    calls: list[str] = []
    with made() as (_, house):
        done = load(house, calls.append)
        assert (dict(done.rows), done.rejected) == (COMMITTED, {"width": 4})
        assert len(house.rows("FROM tailrace.quarantine WHERE stage = 'load'")) == 4
        yield tables(house), len(calls)


def test_what_was_compacted_before_lands_once_and_is_counted_once(calm: tuple[list[Any], int]) -> None:
    with made() as (world, house):
        world.compact()
        done = load(house)
        assert (dict(done.rows), done.rejected, done.problems) == (COMMITTED, {"width": 4}, [])
        assert tables(house) == calm[0]
        opened: list[str] = []
        assert load(house, opened.append).loads == 0
        assert "before open" not in opened


def test_one_file_for_many_plans_is_copied_once_a_load_and_merged_in_the_next(calm: tuple[list[Any], int]) -> None:
    with made() as (world, house):
        world.compact()
        done = load(house, load_bytes=1)
        assert dict(done.rows) == COMMITTED
        assert done.loads == 13
        assert tables(house) == calm[0]
        copied = house.rows("SELECT lake_table, any_value(copied) FROM tailrace.load_ledger GROUP BY load, lake_table")
        assert {rows for table, rows in copied if table == "quarantine"} == {15}


def test_a_compaction_at_any_call_of_the_loader(calm: tuple[list[Any], int]) -> None:
    wanted, calls = calm
    assert calls > 60
    followed = 0
    for at in range(0, calls, 2):  # before each
        with made() as (world, house):
            told: list[str] = []

            def tell(name: str, at: int = at, world: World = world, told: list[str] = told) -> None:
                told.append(name)
                if len(told) - 1 == at:
                    world.compact()

            done = load(house, tell)
            assert (done.problems, dict(done.rows)) == ([], COMMITTED), at
            assert tables(house) == wanted, f"{told[at]}, the {at}th"
            followed += any(what == "compacted meanwhile" for what, _ in house.said)
    assert followed > calls // 8


@pytest.mark.parametrize("folds", [2, 32])
def test_compactions_one_after_another_under_a_loader(folds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time it has followed one, the next may be there; after some they are folded into one file."""
    monkeypatch.setattr(compact, "FOLD_EVERY", folds)
    for every in (3, 7, 20):
        with made() as (world, house):
            told: list[str] = []

            def tell(name: str, every: int = every, world: World = world, told: list[str] = told) -> None:
                told.append(name)
                if name == "before open" and len(told) % every == 0 and len(told) < 200:
                    commit("late", world.ledger, world.place, [records(len(told) * 10 + 1, 2)])
                    world.compact()

            load(house, tell)
            done = load(house)
            assert done.problems == []
            ids = [row_id for (row_id,) in house.rows("SELECT row_id FROM tailrace.page_view_v1")]
            ids += [row_id for (row_id,) in house.rows("SELECT row_id FROM tailrace.quarantine")]
            assert len(ids) == len(set(ids)) == len(world.rows())


def test_a_load_at_any_effect_of_a_compaction(calm: tuple[list[Any], int]) -> None:
    with made() as (world, _):
        watch = Watch(lambda _number, _side: None)
        world.compact(watch)
    assert watch.effects > 20
    for at in range(1, watch.effects + 1):
        with made() as (world, house):

            def loads(number: int, side: str, at: int = at, house: House = house) -> None:
                if (number, side) == (at, "before"):
                    assert load(house).problems == []

            world.compact(Watch(loads))
            assert tables(house) == calm[0], at


def test_a_row_that_was_set_aside_and_fits_by_now_stands_in_one_table() -> None:
    with made() as (world, house):
        assert load(house).rejected == {"width": 4}
        house.service.engine.transaction(['ALTER TABLE "tailrace"."page_view_v1" ALTER COLUMN "path" TYPE VARCHAR(20)'])
        commit("shard-2", world.ledger, world.place, [records(1005, 3)])
        world.compact()
        done = load(house)
        assert (done.rows, done.rejected, done.problems) == ({"page_view/v1": 3}, {}, [])
        assert house.rows("SELECT count(*) FROM tailrace.page_view_v1") == [(132,)]
        assert house.rows("SELECT count(*) FROM tailrace.quarantine") == [(15,)]


def test_a_loader_that_does_not_follow_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with made() as (world, house):
        world.compact()
        kept = Loader.__init__

        def blind(self: Loader, *args: Any, **options: Any) -> None:
            kept(self, *args, **{**options, "view": lambda _: NOTHING})

        monkeypatch.setattr(Loader, "__init__", blind)
        assert "as committed" in load(house).problems[0]
