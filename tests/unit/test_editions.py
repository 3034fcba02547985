"""Editions that follow each other: what is taken up, what is told, and what a start does without its source."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from pathlib import Path
from threading import Event, Semaphore
from typing import Any

import boto3
import msgspec
import pytest

from support.editions import schema, settings_of
from support.ministack import ministack
from tailrace.edition import Edition
from tailrace.editions import Editions, Read, first, read
from tailrace.schema.book import Book, BookError
from tailrace.schema.load import load_files
from tailrace.schema.source import Files
from tailrace.settings import Aws, Refresh, Routes, Schemas, Settings
from tailrace.world import WorldError

LAKE = {"destination_name": "lake", "destination_arn": "", "enabled_events": ["*"]}


class Watched:
    """Editions over a folder, and what they said."""

    def __init__(self, folder: Path, copy: Path | None = None) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.errors: list[str] = []
        schema(folder, "click", "1")
        settings = settings_of(folder)
        self.editions = Editions(settings, read(settings), self._say, copy)

    def _say(self, what: str, /, **facts: Any) -> None:
        if what == "edition_looked":
            self.said.append(facts["result"])
        else:
            self.errors.append(facts["error"])

    def look(self) -> Edition | None:
        self.editions.look()
        return self.editions.ready()


def test_what_has_not_changed_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(tmp_path)
    monkeypatch.setattr(Files, "anew", lambda _files: pytest.fail("read again"))
    assert watched.look() is None
    assert watched.said == ["unchanged"]


def test_a_change_is_handed_over_once(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    schema(tmp_path, "signup", "1")
    new = watched.look()
    assert new is not None
    assert sorted(new.book.types()) == ["click", "signup"]
    assert watched.editions.ready() is None
    assert watched.look() is None
    assert watched.said == ["loaded", "unchanged"]


def test_the_newest_edition_wins_when_nobody_took_the_one_before(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    schema(tmp_path, "signup", "1")
    watched.editions.look()
    schema(tmp_path, "order", "1")
    new = watched.look()
    assert new is not None
    assert sorted(new.book.types()) == ["click", "order", "signup"]


def test_a_file_that_was_only_touched_is_no_new_edition(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    file = tmp_path / "click" / "1.json"
    file.write_text(json.dumps(json.loads(file.read_text()), indent=1))
    assert watched.look() is None
    assert watched.said == ["unchanged"]


def test_a_bad_book_changes_nothing_is_told_once_and_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(tmp_path)
    (tmp_path / "click" / "2.json").write_text("{")
    assert watched.look() is None
    with monkeypatch.context() as patch:
        patch.setattr(Files, "anew", lambda _files: pytest.fail("read again"))
        assert watched.look() is None
    assert watched.said == ["failed", "failed"]
    assert [error for error in watched.errors if "2.json: no JSON" in error] == watched.errors
    assert len(watched.errors) == 1
    (tmp_path / "click" / "2.json").write_text("[")
    assert watched.look() is None
    (tmp_path / "click" / "2.json").write_text("{}")
    assert watched.look() is not None
    assert watched.said == ["failed"] * 3 + ["loaded"]


def test_a_bad_book_that_was_taken_back_is_no_change(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    (tmp_path / "click" / "2.json").write_text("{")
    watched.look()
    (tmp_path / "click" / "2.json").unlink()
    assert watched.look() is None
    (tmp_path / "click" / "2.json").write_text("{")
    watched.look()
    assert watched.said == ["failed", "unchanged", "failed"]
    assert len(watched.errors) == 2


def test_a_source_that_is_away_is_told_once_and_found_again(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "schemas")
    (tmp_path / "schemas").rename(tmp_path / "away")
    for _ in range(3):
        assert watched.look() is None
    (tmp_path / "away").rename(tmp_path / "schemas")
    assert watched.look() is None
    assert watched.said == ["failed"] * 3 + ["unchanged"]
    assert watched.errors == [f"{tmp_path / 'schemas'}: no such folder"]


def test_a_mistake_of_our_own_does_not_end_the_looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(tmp_path)
    schema(tmp_path, "signup", "1")
    with monkeypatch.context() as patch:
        patch.setattr("tailrace.edition.load_files", lambda *_, **__: 1 // 0)
        assert watched.look() is None
    assert watched.errors == ["ZeroDivisionError('integer division or modulo by zero')"]
    assert watched.look() is not None


def test_half_of_a_change_is_no_edition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(tmp_path)
    schema(tmp_path, "signup", "1")
    with monkeypatch.context() as patch:
        patch.setattr(Event, "wait", lambda *_: schema(tmp_path, "order", "1"))
        assert watched.look() is None, "it changed while it was waited for to be still"

    def slow(*given: Any, **named: Any) -> Book:
        book = load_files(*given, **named)
        schema(tmp_path, "refund", "1")
        return book

    with monkeypatch.context() as patch:
        patch.setattr("tailrace.edition.load_files", slow)
        assert watched.look() is None, "it changed while it was read"
    new = watched.look()
    assert new is not None
    assert sorted(new.book.types()) == ["click", "order", "refund", "signup"]
    assert watched.said == ["changing", "changing", "loaded"]
    assert watched.errors == []


def test_what_looks_leave_in_cycles_goes(tmp_path: Path) -> None:
    """The collector is off in a child, and a shard without records collects nothing itself."""

    class Cycle:
        def __init__(self) -> None:
            self.me = self

    schema(tmp_path, "click", "1")
    settings = msgspec.structs.replace(settings_of(tmp_path), refresh=Refresh(every_s=0.001))
    looked, gone = Counted(), Semaphore(0)

    def say(what: str, /, **facts: object) -> None:
        weakref.finalize(Cycle(), gone.release)
        looked(what, **facts)

    gc.disable()
    editions = Editions(settings, read(settings), say)
    try:
        editions.start()
        assert gone.acquire(timeout=30), "nothing collects"
    finally:
        editions.close()
        gc.enable()


def test_the_thread_looks_until_it_is_closed(tmp_path: Path) -> None:
    schema(tmp_path, "click", "1")
    settings = msgspec.structs.replace(settings_of(tmp_path), refresh=Refresh(every_s=0.001))
    looked = Counted()
    editions = Editions(settings, read(settings), looked)
    editions.start()
    looked.wait_for(3)
    editions.close()


def test_no_thread_looks_when_it_shall_only_at_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threading.Thread", lambda **_: pytest.fail("a thread"))
    Watched(tmp_path).editions.start()


class Counted:
    """Counts, and lets a test wait for a count."""

    def __init__(self) -> None:
        self._looks = Semaphore(0)

    def __call__(self, what: str, /, **_facts: object) -> None:
        assert what == "edition_looked"
        self._looks.release()

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self._looks.acquire(timeout=30), "nobody looks"


# -- a start, and its copy


def never(_call: Callable[[], Read]) -> Read:
    raise AssertionError("nothing to wait for")


def start(settings: Settings, copy: Path, bear: Callable[[Callable[[], Read]], Read] = never) -> tuple[Read, list[str]]:
    told: list[str] = []
    return first(settings, copy, bear, lambda text, **facts: told.append(f"{text}: {facts['error']}")), told


def test_a_start_reads_what_stands_now(tmp_path: Path) -> None:
    schema(tmp_path / "schemas", "click", "1")
    settings = settings_of(tmp_path / "schemas")
    read(settings).files.keep(tmp_path / "copy")
    schema(tmp_path / "schemas", "signup", "1")
    found, told = start(settings, tmp_path / "copy")
    assert sorted(found.edition.book.types()) == ["click", "signup"]
    assert (found.from_copy, told) == (False, [])
    (tmp_path / "schemas").rename(tmp_path / "away")
    found, _ = start(settings, tmp_path / "copy")
    assert found.from_copy
    assert sorted(found.edition.book.types()) == ["click", "signup"], "each start leaves its copy"


def test_a_start_that_can_keep_no_copy_says_so_and_goes_on(tmp_path: Path) -> None:
    schema(tmp_path / "schemas", "click", "1")
    found, told = start(settings_of(tmp_path / "schemas"), tmp_path / "no folder" / "copy")
    assert found.edition.book.types() == ["click"]
    assert len(told) == 1
    assert told[0].startswith("no copy of schemas and lookups could be kept")


@pytest.mark.parametrize("why", ["away", "bad"])
def test_a_start_without_a_sound_source_goes_on_with_the_copy_and_says_so(tmp_path: Path, why: str) -> None:
    schema(tmp_path / "schemas", "click", "1")
    settings = settings_of(tmp_path / "schemas")
    whole = read(settings)
    whole.files.keep(tmp_path / "copy")
    if why == "away":
        (tmp_path / "schemas").rename(tmp_path / "away")
    else:
        (tmp_path / "schemas" / "click" / "2.json").write_text("{")
    found, told = start(settings, tmp_path / "copy")
    assert found.from_copy
    assert found.edition.digests == whole.edition.digests
    assert len(told) == 1
    assert "the copy of the last sound ones is used" in told[0]


def test_the_source_is_taken_up_when_it_is_back(tmp_path: Path) -> None:
    schema(tmp_path / "schemas", "click", "1")
    settings = settings_of(tmp_path / "schemas")
    read(settings).files.keep(tmp_path / "copy")
    (tmp_path / "schemas").rename(tmp_path / "away")
    found, _ = start(settings, tmp_path / "copy")
    said: list[object] = []

    def say(_what: str, /, **facts: object) -> None:
        said.append(facts.get("result"))

    editions = Editions(settings, found, say)
    editions.look()
    (tmp_path / "away").rename(tmp_path / "schemas")
    editions.look()
    assert editions.ready() is None
    schema(tmp_path / "schemas", "signup", "1")
    editions.look()
    assert editions.ready() is not None
    assert said == ["failed", None, "unchanged", "loaded"]


def test_without_a_copy_a_source_that_is_away_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schema(tmp_path, "click", "1")
    settings = settings_of(tmp_path)

    def away(*_: object) -> None:
        raise WorldError("S3 is away")

    def bear(call: Callable[[], Read]) -> Read:
        monkeypatch.undo()
        return call()

    monkeypatch.setattr(Files, "folder", away)
    found, told = start(settings, tmp_path / "copy", bear)
    assert found.edition.book.types() == ["click"]
    assert told == []


def test_without_a_copy_a_bad_book_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "click").mkdir()
    (tmp_path / "click" / "1.json").write_text("{")
    with pytest.raises(BookError, match="no JSON"):
        start(settings_of(tmp_path), tmp_path / "copy")


def test_a_copy_that_cannot_be_kept_hinders_no_edition(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "schemas", tmp_path / "no folder" / "copy")
    schema(tmp_path / "schemas", "signup", "1")
    assert watched.look() is not None
    assert watched.said == ["loaded"]
    assert "no folder" in watched.errors[0]


def test_each_new_edition_is_the_copy_from_then_on_and_a_bad_one_never(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "schemas", tmp_path / "copy")
    schema(tmp_path / "schemas", "signup", "1")
    watched.look()
    (tmp_path / "schemas" / "click" / "2.json").write_text("{")
    watched.look()
    found, _ = start(settings_of(tmp_path / "schemas"), tmp_path / "copy")
    assert sorted(found.edition.book.types()) == ["click", "signup"]


# -- from S3


def test_schemas_and_routes_in_s3_are_followed_and_kept_when_s3_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    said: list[str] = []

    def say(what: str, /, **facts: Any) -> None:
        said.append(facts.get("result") or facts["error"])

    with ministack(tmp_path) as running:
        s3: Any = boto3.client("s3", region_name="us-east-1", endpoint_url=running.url)
        s3.create_bucket(Bucket="book")
        s3.put_object(Bucket="book", Key="schemas/click/1-0-0.json", Body=b"{}")
        s3.put_object(Bucket="book", Key="routes.json", Body=json.dumps([LAKE]).encode())
        settings = Settings(
            aws=Aws(s3_endpoint=running.url),
            schemas=Schemas(path="s3://book/schemas"),
            routes=Routes(path="s3://book/routes.json"),
        )
        now, _ = start(settings, tmp_path / "copy")
        assert now.edition.book.types() == ["click"]
        editions = Editions(settings, now, say, tmp_path / "copy")
        editions.look()
        s3.put_object(Bucket="book", Key="schemas/signup/1-0-0.json", Body=b"{}")
        editions.look()
        new = editions.ready()
        assert new is not None
        assert new.book.types() == ["click", "signup"]
        s3.put_object(Bucket="book", Key="routes.json", Body=json.dumps([LAKE | {"tenants": ["a"]}]).encode())
        editions.look()
        new = editions.ready()
        assert new is not None
        assert new.treatment.routes is not None
        assert new.treatment.routes.lake.tenants == ("a",)
        s3.put_object(Bucket="book", Key="schemas/signup/2-0-0.json", Body=b"{")
        editions.look()
        s3.close()
    editions.look()
    assert said[:5] == ["unchanged", "loaded", "loaded", "failed", said[4]]
    assert said[4].startswith("s3://book/schemas/signup/2-0-0.json: no JSON")
    assert said[5] == "failed"
    assert said[6].startswith(("list s3://book/schemas: ", "read s3://book/routes.json: "))
    late, told = start(settings, tmp_path / "copy")
    assert late.from_copy
    assert late.edition.digests == new.digests
    assert len(told) == 1
