"""One contract, both places: what the commit protocol asks of a place."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import boto3
import pytest

from support.ministack import ministack
from tailrace.commit.ledger import BytesBody
from tailrace.commit.ports import Place
from tailrace.sinks.lake.places.directory import DirectoryPlace
from tailrace.sinks.lake.places.s3 import S3Place

THREADS = 8
NAME = "click/v1/p_tenant=a%2Fb/dt=2027-01-15/hh=12/e-s-h-0000000001.json"
numbers = itertools.count()


@pytest.fixture(scope="module", params=["directory", "s3"])
def where(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | str]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "directory":
        yield folder
        return
    with ministack(folder) as running:
        session = boto3.Session("test", "test", region_name="us-east-1")
        client = session.client("s3", endpoint_url=running.url)
        client.create_bucket(Bucket="lake")
        client.close()
        yield running.url


@pytest.fixture
def place(where: Path | str) -> Place:
    number = next(numbers)
    if isinstance(where, Path):
        return DirectoryPlace(where / str(number))
    return S3Place.connect("lake", f"some/prefix-{number}/", region="us-east-1", endpoint=where, threads=THREADS)


def meta(generation: int) -> dict[str, str]:
    return {"epoch": "e", "chain": "1", "generation": str(generation)}


def body(generation: int, more: str = "") -> BytesBody:
    return BytesBody(json.dumps({**meta(generation), "more": more}).encode())


def test_an_object_comes_back_whole_with_what_was_said_of_it(place: Place) -> None:
    assert place.create(NAME, body(3, "é"), meta(3))
    assert place.read(NAME) == b'{"epoch": "e", "chain": "1", "generation": "3", "more": "\\u00e9"}'
    head = place.head(NAME)
    assert head is not None
    assert (head.meta, head.length) == (meta(3), len(place.read(NAME)))


def test_create_leaves_a_taken_name_alone(place: Place) -> None:
    assert place.create(NAME, body(1), meta(1))
    before = place.head(NAME)
    assert not place.create(NAME, body(2, "longer"), meta(2))
    assert place.head(NAME) == before


def test_what_is_not_there(place: Place) -> None:
    assert place.head(NAME) is None
    with pytest.raises(FileNotFoundError):
        place.read(NAME)
    with pytest.raises(FileNotFoundError):
        place.open(NAME)
    assert list(place.names("")) == []


def test_replace_needs_the_tag_that_stands(place: Place) -> None:
    place.create(NAME, body(1), meta(1))
    first = place.head(NAME)
    assert first is not None
    assert place.replace(NAME, body(2), first.etag, meta(2))
    second = place.head(NAME)
    assert second is not None
    assert second.etag != first.etag
    assert second.meta == meta(2)
    assert not place.replace(NAME, body(3), first.etag, meta(3))
    assert place.head(NAME) == second


def test_replace_makes_nothing_new(place: Place) -> None:
    place.create(NAME, body(1), meta(1))
    head = place.head(NAME)
    assert head is not None
    assert not place.replace(NAME + "x.json", body(2), head.etag, meta(2))
    assert place.head(NAME + "x.json") is None


def test_of_racing_creates_exactly_one_wins_and_its_bytes_stand(place: Place) -> None:
    start = Barrier(THREADS)

    def race(generation: int) -> list[bool]:
        won = []
        for n in range(10):
            start.wait()
            won.append(place.create(f"race/{n}.json", body(generation, "x" * generation * 100), meta(generation)))
        return won

    with ThreadPoolExecutor(THREADS) as pool:
        wins = list(pool.map(race, range(1, THREADS + 1)))
    for n in range(10):
        winners = [generation for generation, won in enumerate(wins, 1) if won[n]]
        assert len(winners) == 1
        assert json.loads(place.read(f"race/{n}.json"))["generation"] == str(winners[0])


def test_of_racing_replacements_of_one_tag_exactly_one_wins(place: Place) -> None:
    start = Barrier(THREADS)
    for n in range(5):
        place.create(f"race/{n}.json", body(0), meta(0))

    def race(generation: int) -> list[bool]:
        won = []
        for n in range(5):
            head = place.head(f"race/{n}.json")
            start.wait()
            assert head is not None
            won.append(place.replace(f"race/{n}.json", body(generation), head.etag, meta(generation)))
            start.wait()
        return won

    with ThreadPoolExecutor(THREADS) as pool:
        wins = list(pool.map(race, range(1, THREADS + 1)))
    for n in range(5):
        winners = [generation for generation, won in enumerate(wins, 1) if won[n]]
        assert len(winners) == 1
        assert json.loads(place.read(f"race/{n}.json"))["generation"] == str(winners[0])


def test_names_below_a_prefix_come_in_order_with_their_lengths(place: Place) -> None:
    names = ["a/b.json", "a-b.json", "a/b/c.json", "a.json", "a/é.json", "b/p=%2F/x.json", "_commits/e/1.json"]
    for name in names:
        place.create(name, BytesBody(b"{}" + b" " * len(name)), meta(1))
    assert list(place.names("")) == [(name, len(name) + 2) for name in sorted(names, key=str.encode)]
    assert [name for name, _ in place.names("a/")] == ["a/b.json", "a/b/c.json", "a/é.json"]
    assert [name for name, _ in place.names("a/b")] == ["a/b.json", "a/b/c.json"]
    assert list(place.names("nothing/")) == []


def test_an_object_is_read_at_any_place(place: Place) -> None:
    data = bytes(range(256)) * 40_000  # more than one ranged request
    place.create("big.bin", BytesBody(data), meta(1))
    with place.open("big.bin") as source:
        assert source.seek(-3, 2) == len(data) - 3
        assert source.read() == data[-3:]
        assert source.seek(1000) == 1000
        assert source.read(5) == data[1000:1005]
        assert source.seek(0) == 0
        assert source.read() == data


def test_sync_may_be_called_at_any_time(place: Place) -> None:
    place.sync()
    place.create(NAME, body(1), meta(1))
    place.sync()
    assert place.read(NAME)
