"""The hot table in DynamoDB. Rule: nothing is written but conditionally or under its own name; every refusal is told.

`capacity` counts what the service says it took, for metrics and for those who reckon what the tier costs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.ops import aws
from tailrace.ops.wire import Wire
from tailrace.sinks.hot.keys import GSI, GSI_PK, GSI_SK, PK, SK, TTL
from tailrace.sinks.hot.table import Clause, Key, Update
from tailrace.sinks.hot.values import Item, attribute, attributes, item_of
from tailrace.world import WorldDenied, WorldError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CONNECTIONS: Final = 16
GET_MAX: Final = 100  # keys of one BatchGetItem
NEVER_EXPIRES: Final = f"time to live: found none, expected on `{TTL}`"  # as a `create` leaves it that is cut off
T = TypeVar("T")


class DynamoTable:
    """One table. Threads share it."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self._wire = Wire(client)
        self.name = name
        self._lock = threading.Lock()
        self.capacity = 0.0  # units of writes

    @classmethod
    def connect(cls, name: str, *, region: str, endpoint: str = "") -> DynamoTable:
        """Return the table over a client of its own."""
        return cls(aws.client("dynamodb", region=region, endpoint=endpoint, connections=CONNECTIONS), name)

    def put(self, items: Sequence[Item]) -> Sequence[Item]:
        """Store items over what stands there, 25 at most; return those that must be given again."""
        puts: Any = [{"PutRequest": {"Item": attributes(item)}} for item in items]
        answer = self._asked(
            "write events to",
            "BatchWriteItem",
            {"RequestItems": {self.name: puts}, "ReturnConsumedCapacity": "TOTAL"},
        )
        for one in answer.get("ConsumedCapacity", ()):
            self._took(one)
        left: Any = answer.get("UnprocessedItems", {}).get(self.name, [])
        return [item_of(one["PutRequest"]["Item"]) for one in left]

    def update(self, update: Update) -> Item | None:
        """Write if the clauses hold: None. Else return what stands there, {} where nothing does."""
        asked = {
            "TableName": self.name,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            "ReturnConsumedCapacity": "TOTAL",
            **_expressions(update),
        }
        try:
            answer = self._wire.ask("UpdateItem", asked)
        except ClientError as error:
            if aws.code(error) == "ConditionalCheckFailedException":
                self._took({"CapacityUnits": 1.0})  # what is refused is billed as the item's size
                stands: Any = dict(error.response).get("Item") or {}
                return item_of(stands)
            self._trouble(error, "update")
        except BotoCoreError as error:
            self._trouble(error, "update")
        self._took(answer.get("ConsumedCapacity", {}))
        return None

    def get(self, key: Key) -> Item | None:
        """Return an item as it stands now."""
        answer = self._asked("read", "GetItem", {"TableName": self.name, "Key": _key(key), "ConsistentRead": True})
        return item_of(answer["Item"]) if "Item" in answer else None

    def get_all(self, keys: Sequence[Key]) -> Mapping[Key, Item]:
        """Return those of the items that are there, as they stood a moment ago."""
        out: dict[Key, Item] = {}
        left: list[Any] = [_key(key) for key in keys]
        while left:
            asked, left = left[:GET_MAX], left[GET_MAX:]
            answer = self._asked("read", "BatchGetItem", {"RequestItems": {self.name: {"Keys": asked}}})
            for one in map(item_of, answer["Responses"].get(self.name, [])):
                out[str(one[PK]), str(one[SK])] = one
            late = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            if len(late) == len(asked):
                raise WorldError(f"read table {self.name}: throttled")
            left += late
        return out

    def query(
        self,
        pk: str,
        prefix: str = "",
        *,
        index: bool = False,
        newest_first: bool = False,
        now: bool = False,
        page: int = 0,
    ) -> Iterator[Item]:
        """Yield a partition's items by sort key, page by page."""
        names = (GSI_PK, GSI_SK) if index else (PK, SK)
        condition, values = "#p = :p", {":p": {"S": pk}}
        if prefix:
            condition, values = f"{condition} AND begins_with(#s, :s)", {**values, ":s": {"S": prefix}}
        asked: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ExpressionAttributeNames": {"#p": names[0]} | ({"#s": names[1]} if prefix else {}),
            "ScanIndexForward": not newest_first,
            "ConsistentRead": now,
        }
        asked |= ({"IndexName": GSI} if index else {}) | ({"Limit": page} if page else {})
        while True:
            found = self._asked("query", "Query", asked)
            yield from map(item_of, found["Items"])
            if "LastEvaluatedKey" not in found:
                return
            asked["ExclusiveStartKey"] = found["LastEvaluatedKey"]

    def _asked(self, verb: str, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._told(verb, lambda: self._wire.ask(operation, body))

    def _told(self, verb: str, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except (ClientError, BotoCoreError) as error:
            self._trouble(error, verb)

    def _trouble(self, error: ClientError | BotoCoreError, verb: str) -> NoReturn:
        if _is_missing(error):
            raise WorldDenied(f"table {self.name}: there is none: `tailrace hot init` makes it") from error
        aws.raise_world(error, f"{verb} table {self.name}")

    def _took(self, consumed: Mapping[str, Any]) -> None:
        with self._lock:
            self.capacity += float(consumed.get("CapacityUnits", 0.0))

    # -- the table itself ----------------------------------------------------------------------------------------

    def differences(self) -> list[str] | None:
        """Return how the table differs from what it must be; None where there is none."""
        try:
            found: Any = self._client.describe_table(TableName=self.name)["Table"]
            lasting: Any = self._client.describe_time_to_live(TableName=self.name)["TimeToLiveDescription"]
        except ClientError as error:
            if _is_missing(error):
                return None
            aws.raise_world(error, f"describe table {self.name}")
        except BotoCoreError as error:
            aws.raise_world(error, f"describe table {self.name}")
        return [*_keys_differ(found), *_rest_differs(found, lasting)]

    def must_have_keys(self) -> None:
        """Raise WorldDenied, one line, where there is no such table, or one with other keys."""
        found: Any = self._told("describe", lambda: self._client.describe_table(TableName=self.name)["Table"])
        if wrong := _keys_differ(found):
            raise WorldDenied(f"table {self.name}: {'; '.join(wrong)}")

    def create(self, provisioned: tuple[int, int] | None = None) -> None:
        """Make the table; `provisioned`: units of reads and writes, of the index as well. Waits until it stands."""
        units: dict[str, Any] = {} if provisioned is None else {
            "ProvisionedThroughput": {"ReadCapacityUnits": provisioned[0], "WriteCapacityUnits": provisioned[1]}
        }  # fmt: skip
        index: Any = {
            "IndexName": GSI,
            "KeySchema": _schema(GSI_PK, GSI_SK),
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
        try:
            self._client.create_table(
                TableName=self.name,
                KeySchema=_schema(PK, SK),
                AttributeDefinitions=[
                    {"AttributeName": name, "AttributeType": "S"} for name in (PK, SK, GSI_PK, GSI_SK)
                ],
                GlobalSecondaryIndexes=[index | units],
                BillingMode="PAY_PER_REQUEST" if provisioned is None else "PROVISIONED",
                StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
                **units,
            )
            self._client.get_waiter("table_exists").wait(TableName=self.name, WaiterConfig={"Delay": 1})
        except (ClientError, BotoCoreError) as error:
            aws.raise_world(error, f"create table {self.name}")
        self.expire()

    def expire(self) -> None:
        """Turn the time to live on."""
        on: Any = {"Enabled": True, "AttributeName": TTL}
        self._told("update", lambda: self._client.update_time_to_live(TableName=self.name, TimeToLiveSpecification=on))


def _is_missing(error: ClientError | BotoCoreError) -> bool:
    return isinstance(error, ClientError) and aws.code(error) == "ResourceNotFoundException"


def _schema(pk: str, sk: str) -> Any:
    return [{"AttributeName": pk, "KeyType": "HASH"}, {"AttributeName": sk, "KeyType": "RANGE"}]


def _key(key: Key) -> dict[str, Any]:
    return {PK: {"S": key[0]}, SK: {"S": key[1]}}


def _keys_differ(found: Mapping[str, Any]) -> list[str]:
    """Say how keys of a table, or of its index, are not ours."""
    kinds = {one["AttributeName"]: one["AttributeType"] for one in found["AttributeDefinitions"]}
    indexes = {one["IndexName"]: one["KeySchema"] for one in found.get("GlobalSecondaryIndexes", ())}
    out = []
    for what, schema, wanted in (
        ("key", found["KeySchema"], (PK, SK)),
        (f"index {GSI}", indexes.get(GSI), (GSI_PK, GSI_SK)),
    ):
        if schema is None:
            out.append(f"{what}: found none, expected one of {' and '.join(wanted)}, texts")
            continue
        by_type = {one["KeyType"]: one["AttributeName"] for one in schema}
        stands = tuple(by_type[kind] for kind in ("HASH", "RANGE") if kind in by_type)
        if stands != wanted or any(kinds[name] != "S" for name in stands):
            named = " and ".join(f"{name} ({kinds[name]})" for name in stands)
            out.append(f"{what}: found {named}, expected {' and '.join(wanted)}, texts")
    return out


def _rest_differs(found: Mapping[str, Any], lasting: Mapping[str, Any]) -> list[str]:
    out = []
    stream = found.get("StreamSpecification", {})
    if not stream.get("StreamEnabled") or stream.get("StreamViewType") != "NEW_AND_OLD_IMAGES":
        out.append(f"stream: found {stream.get('StreamViewType', 'none')}, expected NEW_AND_OLD_IMAGES")
    on = lasting.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}
    if not on:
        out.append(NEVER_EXPIRES)
    elif lasting.get("AttributeName") != TTL:
        out.append(f"time to live: found {lasting.get('AttributeName')}, expected on `{TTL}`")
    return out


class _Names:
    """Placeholders of an expression."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def name(self, attribute_name: str) -> str:
        for short, long in self.names.items():
            if long == attribute_name:
                return short
        short = f"#a{len(self.names)}"
        self.names[short] = attribute_name
        return short

    def value(self, value: Any) -> str:
        short = f":v{len(self.values)}"
        self.values[short] = attribute(value)
        return short


def _expressions(update: Update) -> dict[str, Any]:
    """Return an update as UpdateItem takes it."""
    n = _Names()
    sets = [f"{n.name(a)} = {n.value(v)}" for a, v in update.put.items()]
    sets += [f"{n.name(a)} = if_not_exists({n.name(a)}, {n.value(v)})" for a, v in update.put_once.items()]
    said = [f"SET {', '.join(sets)}"] if sets else []
    if update.add:
        said.append("ADD " + ", ".join(f"{n.name(a)} {n.value(v)}" for a, v in update.add.items()))
    if update.remove:
        said.append("REMOVE " + ", ".join(map(n.name, update.remove)))
    out: dict[str, Any] = {"Key": _key(update.key)}
    if said:
        out["UpdateExpression"] = " ".join(said)
    if update.clauses:
        out["ConditionExpression"] = " AND ".join(_condition(one, n) for one in update.clauses)
    if n.names:
        out["ExpressionAttributeNames"] = n.names
    if n.values:
        out["ExpressionAttributeValues"] = n.values
    return out


def _condition(clause: Clause, n: _Names) -> str:
    name = n.name(clause.attribute)
    if clause.op == "absent":
        return f"attribute_not_exists({name})"
    holds = f"{name} {clause.op} {n.value(clause.value)}"
    return f"(attribute_not_exists({name}) OR {holds})" if clause.or_absent else holds
