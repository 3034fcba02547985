"""The ledger in a DynamoDB table. Rule: every write is conditional on the revision, every read is consistent.

Key attribute `pk`, number `revision`, the item's members as attributes of their own beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.ops import aws
from tailrace.world import WorldDenied

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY, REVISION = "pk", "revision"
CONNECTIONS = 4


class DynamoLedger:
    """Items of one table. Threads share it."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    @classmethod
    def connect(cls, table: str, *, region: str, endpoint: str = "") -> DynamoLedger:
        """Return the ledger over a client of its own."""
        return cls(aws.client("dynamodb", region=region, endpoint=endpoint, connections=CONNECTIONS), table)

    def read(self, key: str) -> tuple[int, dict[str, Any]] | None:
        """Return (revision, item) as it stands now, or None."""
        try:
            answer = self._client.get_item(TableName=self._table, Key={KEY: {"S": key}}, ConsistentRead=True)
        except (ClientError, BotoCoreError) as error:
            aws.raise_world(error, self._what("read", key))
        return _parts(answer["Item"]) if "Item" in answer else None

    def swap(self, key: str, expected: int, item: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """Write the item if the revision is still `expected` (0: no item yet); else return what stands."""
        if {KEY, REVISION} & item.keys():
            message = f"`{KEY}` and `{REVISION}` are the store's own"
            raise ValueError(message)
        attributes = {name: _to(value) for name, value in item.items()}
        attributes[KEY], attributes[REVISION] = {"S": key}, {"N": str(expected + 1)}
        condition: dict[str, Any] = {"ConditionExpression": f"attribute_not_exists({KEY})"}
        if expected:
            condition = {
                "ConditionExpression": f"{REVISION} = :expected",
                "ExpressionAttributeValues": {":expected": {"N": str(expected)}},
            }
        try:
            self._client.put_item(
                TableName=self._table, Item=attributes, ReturnValuesOnConditionCheckFailure="ALL_OLD", **condition
            )
        except ClientError as error:
            if aws.code(error) == "ConditionalCheckFailedException":
                stands: Any = dict(error.response).get("Item")
                if not stands:
                    message = f"{self._what('write', key)}: the item is gone"
                    raise WorldDenied(message) from error  # deleted by hand: never silently a new start
                return _parts(stands)
            aws.raise_world(error, self._what("write", key))
        except BotoCoreError as error:
            aws.raise_world(error, self._what("write", key))
        return None

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield every key that starts with the prefix, in order. Reads the whole table: an item a lane and shard."""
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table, ProjectionExpression=KEY, ConsistentRead=True
        )
        try:
            found = [entry[KEY]["S"] for page in pages for entry in page["Items"]]
        except (ClientError, BotoCoreError) as error:
            aws.raise_world(error, self._what("list", prefix))
        yield from sorted(key for key in found if key.startswith(prefix))

    def _what(self, verb: str, key: str) -> str:
        return f"{verb} {key} in table {self._table}"


def create_table(client: DynamoDBClient, table: str) -> None:
    """Make the ledger's table, billed by request. For one machine; elsewhere the template makes it."""
    client.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": KEY, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": KEY, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})


def _parts(attributes: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    item = {name: _from(value) for name, value in attributes.items() if name not in {KEY, REVISION}}
    return int(attributes[REVISION]["N"]), item


def _to(value: object) -> dict[str, Any]:
    """Return a JSON-like value as a DynamoDB attribute. Floats are refused: DynamoDB's numbers are decimal."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case Mapping():
            return {"M": {name: _to(member) for name, member in value.items()}}
        case list() | tuple():
            return {"L": [_to(member) for member in value]}
    message = f"no attribute for {type(value).__name__}"
    raise TypeError(message)


def _from(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return int(value)
        case "M":
            return {name: _from(member) for name, member in value.items()}
        case "L":
            return [_from(member) for member in value]
    return value
