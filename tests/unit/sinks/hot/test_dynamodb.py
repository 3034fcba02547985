"""The hot table in DynamoDB, beside the one in memory: what a test may believe of that, and the table itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import pyarrow as pa
import pytest

from support.hot_rows import Tier, options, row, rows_of
from support.hot_table import FOREVER, REGION, hot_tables
from support.memory_table import MemoryTable
from tailrace.nouns import Destination
from tailrace.ops import aws
from tailrace.settings import Aws, Settings
from tailrace.sinks.destinations import look
from tailrace.sinks.hot import keys
from tailrace.sinks.hot.dynamodb import DynamoTable
from tailrace.sinks.hot.events import ITEM_BYTES_MAX
from tailrace.sinks.hot.keys import GSI_PK, GSI_SK, PK, SK
from tailrace.sinks.hot.table import Clause, Table, Update
from tailrace.sinks.hot.values import Item, Value, size
from tailrace.world import WorldDenied

Make = Callable[[], DynamoTable]
KEY = ("P", "S")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    with hot_tables(tmp_path_factory.mktemp("ddb")) as make:
        yield make


@pytest.fixture(params=["memory", "dynamodb"])
def table(request: pytest.FixtureRequest, made: Make) -> Table:
    return MemoryTable() if request.param == "memory" else made()


def item(sk: str, **more: Value) -> Item:
    return {PK: "P", SK: sk, **more}


def test_an_update_makes_an_item_and_is_refused_where_a_clause_does_not_hold(table: Table) -> None:
    once = Update(KEY, (Clause("chain", "<", 1, or_absent=True),), {"chain": 1}, add={"n": Decimal(5)})
    assert table.update(once) is None
    refused = table.update(once)
    assert refused is not None
    assert {**refused} == {PK: "P", SK: "S", "chain": 1, "n": 5}
    assert table.get(KEY) == refused


def test_all_clauses_must_hold(table: Table) -> None:
    assert table.update(Update(KEY, (), {"a": "b", "n": 2})) is None
    for clause, good in [
        (Clause("a", "<", "c"), True),
        (Clause("a", "<", "b"), False),
        (Clause("a", "<=", "b"), True),
        (Clause("a", "=", "b"), True),
        (Clause("a", "=", 2), False),  # another kind
        (Clause("a", "<", 9), False),
        (Clause("n", "<", 10), True),
        (Clause("x", "=", "b"), False),
        (Clause("x", "=", "b", or_absent=True), True),
        (Clause("x", "absent"), True),
        (Clause("a", "absent"), False),
    ]:
        update = Update(KEY, (Clause("a", "=", "b"), clause), {"seen": True})
        assert (table.update(update) is None) is good, clause


def test_an_update_puts_once_adds_and_removes(table: Table) -> None:
    first = Update(KEY, (), {"x": "1"}, put_once={"once": "first"}, add={"n": Decimal("0.1")})
    second = Update(KEY, (), {}, put_once={"once": "second"}, add={"n": Decimal("0.2")}, remove=("x", "absent"))
    assert [table.update(first), table.update(second)] == [None, None]
    assert table.get(KEY) == {PK: "P", SK: "S", "once": "first", "n": Decimal("0.3")}


def test_names_that_are_words_of_the_service_are_names(table: Table) -> None:
    assert table.update(Update(KEY, (Clause("count", "absent"),), {"size": "a", "at#type": "b"})) is None
    assert table.get(KEY) == item("S", size="a", **{"at#type": "b"})


def test_numbers_keep_all_their_digits(table: Table) -> None:
    many = Decimal("12345678901234567890123456789.123456789")
    assert table.update(Update(KEY, (), {"chain": 2**53 + 1}, add={"n": many})) is None
    found = table.get(KEY) or {}
    assert (found["n"], found["chain"]) == (many, 2**53 + 1)


def test_events_are_put_and_read_by_key_by_prefix_and_by_index(table: Table) -> None:
    items = [item(f"EVENT#{n:02}", **{GSI_PK: "I", GSI_SK: f"{n:02}", "body": "é" * n}) for n in range(20)]
    assert list(table.put(items)) == []
    assert list(table.put(items[:3])) == []  # again: the same
    assert list(table.put([item("PROFILE")])) == []
    assert [one[SK] for one in table.query("P", "EVENT#", page=7)] == [one[SK] for one in items]
    assert next(one[SK] for one in table.query("P", newest_first=True)) == "PROFILE"
    listed = list(table.query("I", index=True, newest_first=True))
    assert [one[GSI_SK] for one in listed] == [f"{n:02}" for n in reversed(range(20))]
    assert all("body" not in one for one in listed)
    assert table.get_all([("P", "EVENT#03"), ("P", "EVENT#99")]) == {("P", "EVENT#03"): items[3]}


def test_the_largest_puts_and_the_largest_item_are_taken(made: Make) -> None:
    table = made()
    tier = Tier(table, options(**FOREVER, daily=False, profiles=False))
    for most in ("\U0001f642" * 101_000, "é" * 202_000, '"' * 202_000, "x" * 404_000):
        rows = [row(n, text=most) for n in range(30)]
        tier.deliver(1, rows_of(rows, {"text": pa.string()}))
    for more in range(40):
        rows = [row(100 + more, text="x" * (ITEM_BYTES_MAX - 700 + 15 * more))]
        tier.deliver(1, rows_of(rows, {"text": pa.string()}))
    found = list(table.query(keys.user_pk("north", "ann"), "EVENT#"))
    assert len(found) == 70
    sizes = [size(one) for one in found if "oversize" not in one]
    assert ITEM_BYTES_MAX - 15 < max(sizes) <= ITEM_BYTES_MAX


def test_more_than_a_hundred_items_are_read_by_key(made: Make) -> None:
    table = made()
    for first in range(0, 225, 25):
        table.put([item(f"{n:03}") for n in range(first, first + 25)])
    assert len(table.get_all([("P", f"{n:03}") for n in range(225)])) == 225


def test_a_new_table_is_as_it_must_be(made: Make) -> None:
    table = made()
    table.must_have_keys()
    assert table.differences() == []


def test_a_table_that_is_missing_or_has_other_keys_is_told_in_one_line(made: Make) -> None:
    client = made()._client
    missing = DynamoTable(client, "nowhere")
    assert missing.differences() is None
    endpoint = Settings(aws=Aws(dynamodb_endpoint=client.meta.endpoint_url))
    nowhere = Destination("hot", "dynamodb", f"arn:aws:dynamodb:{REGION}:123456789012:table/nowhere")
    assert look(nowhere, endpoint) == "table nowhere: there is none: `tailrace hot init` makes it"
    with pytest.raises(WorldDenied, match="table nowhere: there is none: `tailrace hot init` makes it"):
        missing.must_have_keys()
    client.create_table(
        TableName="other",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
    )
    other = DynamoTable(client, "other")
    with pytest.raises(WorldDenied, match=r"table other: key: found id \(N\), expected PK and SK, texts; index GSI1"):
        other.must_have_keys()
    assert other.differences() == [
        "key: found id (N), expected PK and SK, texts",
        "index GSI1: found none, expected one of GSI1PK and GSI1SK, texts",
        "stream: found none, expected NEW_AND_OLD_IMAGES",
        "time to live: found none, expected on `ttl`",
    ]


def test_a_table_may_be_provisioned(made: Make) -> None:
    table = DynamoTable(made()._client, "provisioned")
    table.create((5, 6))
    units = table._client.describe_table(TableName="provisioned")["Table"]["ProvisionedThroughput"]
    assert (units["ReadCapacityUnits"], units["WriteCapacityUnits"]) == (5, 6)
    assert table.differences() == []


def test_what_the_service_took_is_counted(made: Make) -> None:
    table = made()
    table.put([item(str(n), body="x" * 1500) for n in range(3)])
    assert table.capacity == 6
    table.update(Update(KEY, (), {"x": "1"}))
    table.update(Update(KEY, (Clause("x", "absent"),), {"x": "2"}))
    assert table.capacity == 8


def test_a_service_that_is_away_is_the_worlds_trouble() -> None:
    away = DynamoTable(aws.client("dynamodb", region=REGION, endpoint="http://127.0.0.1:9"), "hot")
    with pytest.raises(Exception, match="table hot"):
        away.get(KEY)
