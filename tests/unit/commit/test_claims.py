"""One contract, every kind of claims: a key has one owner, who is told so again, until its time is over."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from support.dynamodb_local import dynamodb_local
from support.memory_claims import MemoryClaims
from support.memory_ports import MemoryLedger
from support.ministack import ministack
from tailrace.commit.claims import LedgerClaims
from tailrace.commit.claims_dynamodb import DynamoClaims, create_table
from tailrace.commit.ledger_sqlite import SqliteLedger
from tailrace.commit.ports import Claims
from tailrace.commit.stores import claims_of
from tailrace.settings import Aws, Dedup, Settings
from tailrace.world import WorldDenied, WorldError

Open = Callable[[], Claims]  # another way to the same keys

NOW, LATER = 1_000_000, 1_003_600
THREADS, ROUNDS, KEYS = 8, 12, 5
KINDS = ["memory", "ministack", "dynamodb_local"]
numbers = itertools.count()


@pytest.fixture(scope="module", params=KINDS)
def endpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "memory":
        yield ""
        return
    folder = tmp_path_factory.mktemp(request.param)
    with (ministack if request.param == "ministack" else dynamodb_local)(folder) as running:
        yield running.url


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture
def opening(endpoint: str) -> Open:
    if not endpoint:
        shared = MemoryClaims()
        return lambda: shared
    table = f"dedup-{next(numbers)}"
    create_table(boto3.client("dynamodb", region_name="us-east-1", endpoint_url=endpoint), table)
    return lambda: DynamoClaims.connect(table, region="us-east-1", endpoint=endpoint)


def ask(claims: Claims, owner: str, *keys: str, now_s: int = NOW, expires_s: int = LATER) -> list[str]:
    answer = claims.claim(dict.fromkeys(keys, owner), now_s, expires_s)
    return [answer[key] for key in keys]


def test_who_asks_first_owns_it(opening: Open) -> None:
    assert ask(opening(), "a", "k", "l") == ["a", "a"]
    assert ask(opening(), "b", "l", "m", "k") == ["a", "b", "a"]


def test_its_own_key_is_its_own_again(opening: Open) -> None:
    for _ in range(3):
        assert ask(opening(), "a", "k") == ["a"]
    assert ask(opening(), "b", "k") == ["a"]


def test_nothing_is_asked_for_nothing(opening: Open) -> None:
    assert opening().claim({}, NOW, LATER) == {}


def test_a_key_is_free_once_its_time_is_over_though_it_still_stands(opening: Open) -> None:
    ask(opening(), "a", "k")
    assert ask(opening(), "b", "k", now_s=LATER) == ["a"]
    assert ask(opening(), "b", "k", now_s=LATER + 1, expires_s=LATER + 9) == ["b"]
    assert ask(opening(), "a", "k", now_s=LATER + 9) == ["b"]


def test_who_asks_again_keeps_it_longer(opening: Open) -> None:
    ask(opening(), "a", "k")
    ask(opening(), "a", "k", expires_s=LATER + 100)
    assert ask(opening(), "b", "k", now_s=LATER + 50) == ["a"]


def test_of_many_that_ask_at_once_one_gets_each_key(opening: Open) -> None:
    begin = Barrier(THREADS)
    ways = [opening() for _ in range(THREADS)]

    def race(number: int) -> list[Mapping[str, str]]:
        answers = []
        for round_ in range(ROUNDS):
            begin.wait(60)
            asked = {f"{round_}-{key}": f"owner-{number}" for key in range(KEYS)}
            answers.append(ways[number].claim(asked, NOW, LATER))
        return answers

    with ThreadPoolExecutor(THREADS) as threads:
        told = list(threads.map(race, range(THREADS)))
    for round_ in range(ROUNDS):
        assert all(told[number][round_] == told[0][round_] for number in range(THREADS)), "all are told the same owner"
    winners = Counter(owner for answer in told[0] for owner in answer.values())
    assert winners.total() == ROUNDS * KEYS


def test_of_many_that_ask_for_an_expired_key_one_gets_it(opening: Open) -> None:
    first = opening()
    keys = [f"k{n}" for n in range(KEYS)]
    ask(first, "old", *keys)
    begin = Barrier(THREADS)
    ways = [opening() for _ in range(THREADS)]

    def race(number: int) -> list[str]:
        begin.wait(60)
        return ask(ways[number], f"owner-{number}", *keys, now_s=LATER + 1, expires_s=LATER + 100)

    with ThreadPoolExecutor(THREADS) as threads:
        told = list(threads.map(race, range(THREADS)))
    assert len({tuple(one) for one in told}) == 1
    assert "old" not in told[0]


def test_more_keys_than_threads_are_all_answered(opening: Open) -> None:
    asked = {f"key-{n}": f"row-{n}" for n in range(100)}
    assert opening().claim(asked, NOW, LATER) == asked


# ---- DynamoDB's own


class Refuses:
    """A client whose every put ends in this."""

    def __init__(self, response: dict[str, Any]) -> None:
        self._response = response

    def put_item(self, **_: object) -> None:
        raise ClientError(self._response, "PutItem")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("response", "error"),
    [
        ({"Error": {"Code": "ProvisionedThroughputExceededException"}}, WorldError),
        ({"Error": {"Code": "ResourceNotFoundException"}}, WorldDenied),
        ({"Error": {"Code": "ConditionalCheckFailedException"}}, WorldError),  # gone between refusal and look
    ],
)
@pytest.mark.parametrize("keys", [1, 3])
def test_errors_leave_as_what_they_are(response: dict[str, Any], error: type[Exception], keys: int) -> None:
    claims = DynamoClaims(Refuses(response), "t")  # type: ignore[arg-type]
    with pytest.raises(error, match="claim a key in table t"):
        ask(claims, "a", *map(str, range(keys)))


def test_the_table_forgets_by_its_ttl_attribute(endpoint: str) -> None:
    if not endpoint:
        assert MemoryClaims().standing == {}
        return
    client = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=endpoint)
    create_table(client, "forgets")
    told = client.describe_time_to_live(TableName="forgets")["TimeToLiveDescription"]
    assert (told["AttributeName"], told["TimeToLiveStatus"]) == ("expires", "ENABLED")
    ask(DynamoClaims.connect("forgets", region="us-east-1", endpoint=endpoint), "row", "k")
    (item,) = client.scan(TableName="forgets")["Items"]
    assert item == {"pk": {"S": "k"}, "owner": {"S": "row"}, "expires": {"N": str(LATER)}}


# ---- claims in the ledger


def test_claims_in_the_ledger_hold_for_good() -> None:
    ledger = MemoryLedger()
    assert ask(LedgerClaims(ledger), "a", "redriven/e/1", "redriven/e/2") == ["a", "a"]
    assert ask(LedgerClaims(ledger), "b", "redriven/e/2", now_s=10**12) == ["a"]
    assert ask(LedgerClaims(ledger), "a", "redriven/e/2") == ["a"]
    assert ledger.read("redriven/e/2") == (1, {"owner": "a"})


# ---- which are used


@pytest.mark.parametrize("dedup", [Dedup(), Dedup(by="event_id"), Dedup(table="claims")])
def test_without_a_table_or_a_key_there_are_none(dedup: Dedup) -> None:
    assert claims_of(Settings(dedup=dedup)) is None


def test_with_both_there_are_some() -> None:
    aws = Aws(dynamodb_endpoint="http://127.0.0.1:1")
    assert isinstance(claims_of(Settings(dedup=Dedup(by="fingerprint", table="claims"), aws=aws)), DynamoClaims)


def test_a_key_whose_owner_was_rejected_after_all_is_free_again() -> None:
    claims = LedgerClaims(MemoryLedger())
    claims.release("never asked for", "a")
    assert ask(claims, "a", "k", "l") == ["a", "a"]
    claims.release("k", "b")
    assert ask(claims, "b", "k", "l") == ["a", "a"], "only its owner's"
    claims.release("k", "a")
    claims.release("k", "a")
    assert ask(claims, "b", "k", "l") == ["b", "a"]
    assert ask(claims, "a", "k") == ["b"]
    claims.release("k", "a")
    assert ask(claims, "c", "k") == ["b"]


def test_of_many_that_want_a_freed_key_one_gets_it(tmp_path: Path) -> None:
    """Also while others free it once more."""
    store = SqliteLedger(tmp_path / "ledger.sqlite")
    for at in range(ROUNDS):
        key, gate = f"k-{at}", Barrier(THREADS)
        LedgerClaims(store).claim({key: "gone"}, 0, 0)

        def want(me: int, key: str = key, gate: Barrier = gate) -> str:
            claims = LedgerClaims(store)
            gate.wait()
            claims.release(key, "gone")
            return claims.claim({key: f"owner-{me}"}, 0, 0)[key]

        with ThreadPoolExecutor(THREADS) as threads:
            assert len(set(threads.map(want, range(THREADS)))) == 1
