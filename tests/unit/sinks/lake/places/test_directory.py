"""What only a directory can get wrong: crashes between two steps, other writers, odd names."""

from __future__ import annotations

import errno
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.small_lake import PAGE_VIEW, page_views, records
from tailrace.commit.ledger import BytesBody
from tailrace.commit.ports import Body
from tailrace.sinks.lake.folder import Folder
from tailrace.sinks.lake.formats import AVRO, PARQUET, Format
from tailrace.sinks.lake.places.directory import OWN, SWEEP_AGE_S, DirectoryPlace
from tailrace.sinks.lake.spool import Budget
from tailrace.world import WorldDenied, WorldError

NAME = "t/v1/dt=2027-01-15/hh=12/e-s-h-0000000001.parquet"


def parquet(generation: int, rows: int = 5, suffix: str = PARQUET) -> Body:
    file = Folder("t/v1/dt=2027-01-15/hh=12", PAGE_VIEW, Format(), Budget(1 << 20), (suffix,))
    if rows:
        file.add(page_views("h", records(1, rows)))
    return file.close(suffix, {"epoch": "e", "chain": "1", "generation": str(generation)})


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.fixture
def place(tmp_path: Path) -> DirectoryPlace:
    return DirectoryPlace(tmp_path / "lake")


@pytest.mark.parametrize("suffix", [PARQUET, AVRO])
def test_a_file_says_itself_whose_it_is(place: DirectoryPlace, suffix: str) -> None:
    name = NAME.replace(PARQUET, suffix)
    assert place.create(name, parquet(7, suffix=suffix), {})
    head = place.head(name)
    assert head is not None
    assert head.meta == {"epoch": "e", "chain": "1", "generation": "7"}


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_crash_before_the_name_is_there_leaves_no_object(
    place: DirectoryPlace, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """As kill -9 would: the clean-up does not run either."""

    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as broken:
        broken.setattr(os, step, die)
        broken.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(Killed):
            place.create(NAME, parquet(1), {})
    assert list(place.names("")) == []
    assert len(files(place.root)) == 1  # the temporary file
    again = DirectoryPlace(place.root)
    assert again.create(NAME, parquet(2), {})
    assert [name for name, _ in again.names("")] == [NAME]


def test_what_a_crash_left_is_swept_after_a_day(place: DirectoryPlace) -> None:
    young, old = place.root / OWN / "tmpyoung", place.root / OWN / "tmpold"
    for path in (young, old):
        path.write_bytes(b"half")
    long_ago = time.time() - SWEEP_AGE_S - 60
    os.utime(old, (long_ago, long_ago))
    DirectoryPlace(place.root)
    assert (young.exists(), old.exists()) == (True, False)


def test_nothing_temporary_is_left_by_wins_and_losses(place: DirectoryPlace) -> None:
    place.create(NAME, parquet(1), {})
    place.create(NAME, parquet(2), {})
    head = place.head(NAME)
    assert head is not None
    place.replace(NAME, parquet(2), head.etag, {})
    place.replace(NAME, parquet(3), head.etag, {})
    assert files(place.root) == [f"{OWN}/lock", NAME]


def test_the_tag_changes_with_every_replacement_even_of_the_same_size_and_second(place: DirectoryPlace) -> None:
    place.create(NAME, parquet(1, 0), {})
    tags = set()
    for generation in range(2, 9):
        head = place.head(NAME)
        assert head is not None
        tags.add(head.etag)
        assert place.replace(NAME, parquet(generation, 0), head.etag, {})
        os.utime(place.root / NAME, (1, 1))
    assert len(tags) == 7


def test_a_reader_keeps_the_object_it_opened(place: DirectoryPlace) -> None:
    place.create(NAME, parquet(1), {})
    before = place.read(NAME)
    head = place.head(NAME)
    assert head is not None
    with place.open(NAME) as source:
        assert place.replace(NAME, parquet(2), head.etag, {})
        assert source.read() == before
    assert place.read(NAME) != before


def _create_many(root: Path, generation: int, queue: Any) -> None:
    place = DirectoryPlace(root)
    won = [n for n in range(20) if place.create(f"race/{n}.parquet", parquet(generation), {})]
    queue.put((generation, won))


def test_processes_race_for_names_and_each_name_has_one_owner(place: DirectoryPlace) -> None:
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    racers = [context.Process(target=_create_many, args=(place.root, generation, queue)) for generation in (1, 2, 3)]
    for racer in racers:
        racer.start()
    wins = dict(queue.get() for _ in racers)
    for racer in racers:
        racer.join()
    assert sorted(n for won in wins.values() for n in won) == list(range(20))
    for generation, won in wins.items():
        for n in won:
            head = place.head(f"race/{n}.parquet")
            assert head is not None
            assert head.meta["generation"] == str(generation)


def test_sync_flushes_every_folder_whose_entries_changed(
    place: DirectoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    sync: Callable[[int], None] = os.fsync

    def note(fd: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        sync(fd)

    place.create(NAME, parquet(1), {})
    monkeypatch.setattr(os, "fsync", note)
    place.sync()
    folders = ["", "/t", "/t/v1", "/t/v1/dt=2027-01-15", "/t/v1/dt=2027-01-15/hh=12"]
    assert flushed == [f"{place.root}{folder}" for folder in folders]
    flushed.clear()
    place.sync()
    assert flushed == []
    place.create(NAME.replace("0001.", "0002."), parquet(1), {})
    place.sync()
    assert flushed[1:] == [f"{place.root}{folders[-1]}"]  # the first is the file itself


def test_a_sync_that_failed_is_owed_still(place: DirectoryPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    place.create(NAME, parquet(1), {})

    def full(_: int) -> None:
        raise OSError(errno.EIO, "I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(WorldError, match="sync"):
            place.sync()
    assert place._touched
    place.sync()
    assert not place._touched


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, WorldError), (errno.EIO, WorldError), (errno.EACCES, WorldDenied)]
)
def test_troubles_are_told_apart(
    place: DirectoryPlace, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(os, "link", fail)
        with pytest.raises(kind, match=os.strerror(number)):
            place.create(NAME, parquet(1), {})
    assert files(place.root) == []
    assert place.create(NAME, parquet(1), {})


@pytest.mark.parametrize("name", ["../x.json", "a//b.json", "/etc/x.json", "a/./b.json", f"{OWN}/lock", ""])
def test_names_that_lead_elsewhere_are_refused(place: DirectoryPlace, name: str) -> None:
    with pytest.raises(WorldDenied, match="no name"):
        place.create(name, BytesBody(b"{}"), {})


def test_a_file_that_is_not_ours_is_never_replaced_blindly(place: DirectoryPlace) -> None:
    target = place.root / NAME
    target.parent.mkdir(parents=True)
    target.write_bytes(b"something else")
    assert not place.create(NAME, parquet(1), {})
    with pytest.raises(WorldDenied, match="damaged"):
        place.head(NAME)
