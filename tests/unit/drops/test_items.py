"""What the ledger says of dropped files: `done` is final, and what may expire loses nothing."""

from __future__ import annotations

import pytest

from support.faked_drops import FILE_A, World, record
from support.memory_ports import MemoryLedger
from tailrace.drops.items import DONE, GONE, KEPT_S, NOBODY, FileItems
from tailrace.files import RefusedFile


def test_nothing_but_the_archive_changes_what_is_done() -> None:
    items = FileItems(MemoryLedger(), "e")
    items.first_seen(FILE_A, NOBODY)
    items.change(FILE_A, status=DONE)
    changed = items.change(FILE_A, status=GONE, why="late", archived="s3://x/y")
    assert (changed["status"], changed["why"], changed["archived"]) == (DONE, "", "s3://x/y")


def test_the_item_of_a_done_file_may_expire_and_the_file_is_still_done() -> None:
    world = World()
    world.queue.say(record())
    assert world.work.step()
    (item,) = world.items()
    assert item["expires"] == world.time.now_ms() // 1000 + KEPT_S
    later = World()  # with nothing of the file but its shard
    later.filing.begun_files.add(FILE_A.shard)
    later.queue.say(record())
    assert later.work.step()
    (item,) = later.items()
    assert (item["status"], item["stored"], later.filing.brought) == (DONE, 3, [])
    assert later.queue.did == [("delete", "r0", 0)]


@pytest.mark.parametrize(("begun", "expires"), [(True, False), (False, True)])
def test_of_other_files_only_those_expire_of_which_nothing_is_stored(begun: bool, expires: bool) -> None:
    world = World()
    world.filing.begun_files |= {FILE_A.shard} if begun else set()
    FileItems(world.ledger, "e").first_seen(FILE_A, {"modified_ms": 1, "positions": ""})
    world.filing.ends["s3://b/in/a.csv"] = RefusedFile("no header")
    world.queue.say(record())
    assert world.work.step()
    assert ("expires" in world.items()[0]) == expires
    world.filing.during = lambda: kept_on.append("expires" in world.items()[0])
    kept_on: list[bool] = []
    world.queue.say(record())
    assert world.work.step()
    assert kept_on == [False]  # while it is worked on it does not
