"""One contract, every ledger store. DynamoDB is ministack here, and AWS's own local one for real races."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from support.dynamodb_local import dynamodb_local
from support.ministack import ministack
from tailrace.commit.ledger_dynamodb import DynamoLedger, create_table
from tailrace.commit.ledger_sqlite import SqliteLedger
from tailrace.commit.plan import Counts, Item, Plan, item_from_dict, item_to_dict
from tailrace.commit.ports import LedgerStore
from tailrace.commit.stores import ledger_of
from tailrace.nouns import mark
from tailrace.settings import Aws, Ledger, Settings
from tailrace.world import WorldDenied, WorldError

Open = Callable[[], LedgerStore]  # another connection to the same ledger

THREADS = 8
ROUNDS = 25
KINDS = ["sqlite", "ministack", "dynamodb_local"]

ITEM: dict[str, Any] = {
    "text": 'påth/ü "quoted"',
    "empty": "",
    "big": 2**60,
    "negative": -7,
    "yes": True,
    "no": False,
    "nothing": None,
    "list": ["a", 1, None, {"deep": [True, []]}],
    "map": {"a": 0, "x.y": {"z": "1"}},
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        yield "sqlite", str(folder)
        return
    with (ministack if request.param == "ministack" else dynamodb_local)(folder) as running:
        yield request.param, running.url


numbers = itertools.count()


@pytest.fixture
def opening(kind: tuple[str, str]) -> Iterator[Open]:
    """A way to open one fresh ledger, any number of times."""
    name, where = kind
    number = next(numbers)
    opened: list[SqliteLedger] = []

    def sqlite() -> LedgerStore:
        opened.append(SqliteLedger(Path(where) / f"{number}.sqlite"))
        return opened[-1]

    def dynamodb() -> LedgerStore:
        return DynamoLedger.connect(f"ledger-{number}", region="us-east-1", endpoint=where)

    if name != "sqlite":
        create_table(boto3.client("dynamodb", region_name="us-east-1", endpoint_url=where), f"ledger-{number}")
    yield sqlite if name == "sqlite" else dynamodb
    for one in opened:
        one.close()


@pytest.fixture
def store(opening: Open) -> LedgerStore:
    return opening()


def test_what_goes_in_comes_out_equal(store: LedgerStore) -> None:
    assert store.swap("k", 0, ITEM) is None
    assert store.read("k") == (1, ITEM)


def test_a_lane_item_survives(store: LedgerStore) -> None:
    names = tuple(f"page_view/v1/dt=2027-01-15/hh={hour:02d}/e-s-h-0000000001.parquet" for hour in range(24))
    plan = Plan(1, 2, "", mark("9" * 56, 3), 5, "d" * 32, Counts(5, 4, 1, 0), names, (("book", "b"), ("code", "c")))
    item = Item(generation=2, plan=plan, totals=Counts(7, 7), poison=(mark("1", 0),))
    assert store.swap("lane/s/h/lake", 0, item_to_dict(item)) is None
    found = store.read("lane/s/h/lake")
    assert found is not None
    assert item_from_dict(found[1]) == item


def test_an_absent_item_is_none(store: LedgerStore) -> None:
    assert store.read("absent") is None


def test_each_swap_raises_the_revision_by_one(store: LedgerStore) -> None:
    for revision in range(5):
        assert store.swap("k", revision, {"n": revision}) is None
        assert store.read("k") == (revision + 1, {"n": revision})


def test_a_swap_replaces_the_whole_item(store: LedgerStore) -> None:
    store.swap("k", 0, {"a": 1, "b": 2})
    store.swap("k", 1, {"b": 3})
    assert store.read("k") == (2, {"b": 3})


@pytest.mark.parametrize("expected", [0, 1, 3])
def test_a_refused_swap_shows_what_stands_and_changes_nothing(store: LedgerStore, expected: int) -> None:
    store.swap("k", 0, {"n": 1})
    store.swap("k", 1, {"n": 2})
    assert store.swap("k", expected, {"n": 9}) == (2, {"n": 2})
    assert store.read("k") == (2, {"n": 2})


def test_an_item_that_vanished_is_no_new_start(store: LedgerStore) -> None:
    with pytest.raises(WorldDenied, match="gone"):
        store.swap("k", 3, {"n": 1})
    assert store.read("k") is None


def test_keys_come_in_order_by_prefix(store: LedgerStore) -> None:
    for key in ("lane/b", "lane/a", "app/x", "lane%", "lane", "laneX", "lane/ü"):
        store.swap(key, 0, {})
    assert list(store.keys("lane/")) == ["lane/a", "lane/b", "lane/ü"]
    assert len(list(store.keys(""))) == 7


def test_others_see_a_swap_at_once(opening: Open) -> None:
    mine, theirs = opening(), opening()
    mine.swap("k", 0, {"by": "me"})
    assert theirs.read("k") == (1, {"by": "me"})
    assert theirs.swap("k", 0, {"by": "them"}) == (1, {"by": "me"})


def test_of_racing_swaps_exactly_one_wins_each_revision(opening: Open) -> None:
    start = Barrier(THREADS)

    def race(racer: int) -> list[int]:
        store = opening()
        won = []
        for revision in range(ROUNDS):
            start.wait()
            stands = store.swap("k", revision, {"racer": racer})
            if stands is None:
                won.append(revision)
            else:
                assert stands[0] == revision + 1
                assert stands[1]["racer"] != racer
        return won

    with ThreadPoolExecutor(THREADS) as pool:
        wins = [revision for won in pool.map(race, range(THREADS)) for revision in won]
    assert sorted(wins) == list(range(ROUNDS))


def test_threads_may_share_a_store(store: LedgerStore) -> None:
    def count(_: int) -> None:
        while (found := store.read("k")) is None or store.swap("k", found[0], {"n": found[1]["n"] + 1}) is not None:
            pass

    store.swap("k", 0, {"n": 0})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(40)))
    assert store.read("k") == (41, {"n": 40})


# -- what only one of them can get wrong -----------------------------------------------------------------------------


def test_dynamodb_refuses_what_its_numbers_cannot_hold() -> None:
    client = boto3.client("dynamodb", region_name="us-east-1", endpoint_url="http://127.0.0.1:9")
    with pytest.raises(TypeError, match="float"):
        DynamoLedger(client, "t").swap("k", 0, {"n": 0.5})
    with pytest.raises(ValueError, match="revision"):
        DynamoLedger(client, "t").swap("k", 0, {"revision": 1})


def test_dynamodb_out_of_reach_may_be_tried_again() -> None:
    with pytest.raises(WorldError, match="read k in table t"):
        DynamoLedger.connect("t", region="us-east-1", endpoint="http://127.0.0.1:9").read("k")


class Answers:
    """A client whose every call fails with one code."""

    def __init__(self, code: str, status: int) -> None:
        self._error = ClientError(
            {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
            "Call",
        )

    def get_item(self, **_: Any) -> None:
        raise self._error

    put_item = get_item


@pytest.mark.parametrize(
    ("code", "status", "kind_of_error"),
    [
        ("ProvisionedThroughputExceededException", 400, WorldError),
        ("ThrottlingException", 400, WorldError),
        ("ExpiredTokenException", 400, WorldError),
        ("InternalServerError", 500, WorldError),
        ("Anything", 503, WorldError),
        ("ResourceNotFoundException", 400, WorldDenied),
        ("AccessDeniedException", 400, WorldDenied),
        ("ValidationException", 400, WorldDenied),
    ],
)
def test_dynamodb_troubles_are_told_apart(code: str, status: int, kind_of_error: type[Exception]) -> None:
    ledger = DynamoLedger(Answers(code, status), "t")  # type: ignore[arg-type]
    with pytest.raises(kind_of_error, match=code):
        ledger.read("k")
    with pytest.raises(kind_of_error, match=code):
        ledger.swap("k", 0, {})


def test_sqlite_keeps_what_it_answered_for_when_the_process_ends(tmp_path: Path) -> None:
    first = SqliteLedger(tmp_path / "below" / "ledger.sqlite")
    first.swap("k", 0, {"n": 1})
    first.close()
    again = SqliteLedger(tmp_path / "below" / "ledger.sqlite")
    assert again.read("k") == (1, {"n": 1})
    again.close()


def test_sqlite_waits_in_vain_for_a_lock_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.commit.ledger_sqlite.BUSY_TIMEOUT_S", 0.01)
    path = tmp_path / "ledger.sqlite"
    store = SqliteLedger(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(WorldError, match="locked"):
        store.swap("k", 0, {})
    holder.execute("ROLLBACK")
    assert store.swap("k", 0, {}) is None
    holder.close()
    store.close()


def test_sqlite_refuses_a_file_that_is_something_else(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_text("not a database, but long enough to look like something else " * 20)
    with pytest.raises(WorldDenied, match="not a database"):
        SqliteLedger(path)


def test_the_settings_choose_the_store(tmp_path: Path) -> None:
    settings = Settings(
        ledger=Ledger(table="t", path=str(tmp_path / "l.sqlite")), aws=Aws(dynamodb_endpoint="http://127.0.0.1:9")
    )
    local = ledger_of(settings, file_run=True)
    assert isinstance(local, SqliteLedger)
    local.close()
    assert isinstance(ledger_of(settings, file_run=False), DynamoLedger)
