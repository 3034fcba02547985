"""Claims in a DynamoDB table. Rule: a claim is one conditional write; what has expired counts as gone at once.

Key attribute `pk`, a hash; `owner`, the row that has it; `expires`, seconds since 1970, the table's TTL attribute.
DynamoDB deletes late, by days at times, so the condition looks at the time itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.commit import ledger_dynamodb
from tailrace.commit.ledger_dynamodb import KEY
from tailrace.ops import aws
from tailrace.world import WorldError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

OWNER, EXPIRES = "owner", "expires"
THREADS = 16  # of one child; each has one write under way
FREE = "attribute_not_exists(#key) OR #owner = :me OR #expires < :now"
NAMES = {"#key": KEY, "#owner": OWNER, "#expires": EXPIRES}


class DynamoClaims:
    """Keys of one table. Threads share it."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="claim")

    @classmethod
    def connect(cls, table: str, *, region: str, endpoint: str = "") -> DynamoClaims:
        """Return the claims over a client of their own."""
        return cls(aws.client("dynamodb", region=region, endpoint=endpoint, connections=THREADS), table)

    def claim(self, keys: Mapping[str, str], now_s: int, expires_s: int) -> Mapping[str, str]:
        """Ask for keys, some at a time; return who owns each."""
        if len(keys) == 1:
            ((key, owner),) = keys.items()
            return {key: self._owner(key, owner, now_s, expires_s)}
        flights = {key: self._threads.submit(self._owner, key, owner, now_s, expires_s) for key, owner in keys.items()}
        try:
            return {key: flight.result() for key, flight in flights.items()}
        finally:
            for flight in flights.values():
                flight.cancel()

    def _owner(self, key: str, owner: str, now_s: int, expires_s: int) -> str:
        what = f"claim a key in table {self._table}"
        try:
            self._client.put_item(
                TableName=self._table,
                Item={KEY: {"S": key}, OWNER: {"S": owner}, EXPIRES: {"N": str(expires_s)}},
                ConditionExpression=FREE,
                ExpressionAttributeNames=NAMES,
                ExpressionAttributeValues={":me": {"S": owner}, ":now": {"N": str(now_s)}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if aws.code(error) != "ConditionalCheckFailedException":
                aws.raise_world(error, what)
            stands: Any = dict(error.response).get("Item")
            if not stands:
                raise WorldError(f"{what}: it was deleted at that moment") from error
            return str(stands[OWNER]["S"])
        except BotoCoreError as error:
            aws.raise_world(error, what)
        return owner


def create_table(client: DynamoDBClient, table: str) -> None:
    """Make the table, billed by request, with its TTL. For one machine; elsewhere the template makes it."""
    ledger_dynamodb.create_table(client, table)
    client.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES})
