"""Where a time falls in a shard. Rule: the stream is asked, and only for its first record from then on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.nouns import END, SUB_MAX, mark
from tailrace.ops import aws
from tailrace.settings import Settings
from tailrace.world import WorldError

READS_MAX: Final = 1000  # an answer may be empty and yet not the last


def before(settings: Settings, at: datetime) -> Callable[[str], str]:
    """Return what tells the mark before a shard's first record that arrived at the time, or after it."""
    client: Any = aws.client("kinesis", region=settings.stream.region, endpoint=settings.aws.kinesis_endpoint)

    def of(shard: str) -> str:
        try:
            return _before(client, settings.stream.name, shard, at)
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and aws.code(error) == "ResourceNotFoundException":
                return END  # the shard is no more, and all its records are older than the stream keeps them
            aws.raise_world(error, f"read {shard}")

    return of


def _before(client: Any, stream: str, shard: str, at: datetime) -> str:
    iterator = client.get_shard_iterator(
        StreamName=stream, ShardId=shard, ShardIteratorType="AT_TIMESTAMP", Timestamp=at
    )["ShardIterator"]
    for _ in range(READS_MAX):
        if iterator is None:
            return END
        answer = client.get_records(ShardIterator=iterator, Limit=1)
        if answer["Records"]:
            return mark(str(int(answer["Records"][0]["SequenceNumber"]) - 1), SUB_MAX)
        if not answer.get("MillisBehindLatest"):
            return END
        iterator = answer.get("NextShardIterator")
    raise WorldError(f"read {shard}: {READS_MAX} answers without a record, and more to come: ask again")
