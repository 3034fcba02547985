"""Which shard a record will land on. Rule: only open shards are predicted; where the map is unsure it says None.

Kinesis places a record by a 128-bit hash: the explicit hash key, or the MD5 of the partition key. Each open shard holds
one range of it. Source: the ListShards and PutRecord pages of the Kinesis API.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol


class ListsShards(Protocol):
    """The part of a boto3 Kinesis client this file needs."""

    def list_shards(self, **arguments: Any) -> Any: ...


class Shard(NamedTuple):
    """A shard and the hashes it holds, both ends included."""

    id: str
    first: int
    last: int
    open: bool = True


class ShardMap:
    """Shards by hash range."""

    def __init__(self, shards: Iterable[Shard]) -> None:
        self._by_id = {shard.id: shard for shard in shards}
        self._shards = sorted((shard for shard in self._by_id.values() if shard.open), key=lambda shard: shard.first)
        self._firsts = [shard.first for shard in self._shards]

    def __len__(self) -> int:
        return len(self._shards)

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the open shards' names, in the order of their ranges."""
        return tuple(shard.id for shard in self._shards)

    def predict(self, key: int) -> str | None:
        """Return the shard that holds the hash, or None where no open shard is known to (a split under way)."""
        at = bisect_right(self._firsts, key) - 1
        if at < 0 or key > self._shards[at].last:
            return None
        return self._shards[at].id

    def holds(self, shard: str, key: int) -> bool:
        """Say whether the shard is known and holds the hash. It may be closed by now: its records are still read."""
        known = self._by_id.get(shard)
        return known is not None and known.first <= key <= known.last


def read_map(client: ListsShards, stream: str) -> ShardMap:
    """Ask ListShards, all pages. A shard with an ending sequence number is closed."""
    shards: list[Shard] = []
    arguments: dict[str, Any] = {"StreamName": stream}
    while True:
        page = client.list_shards(**arguments)
        for item in page["Shards"]:
            keys = item["HashKeyRange"]
            still_open = "EndingSequenceNumber" not in item["SequenceNumberRange"]
            shards.append(Shard(item["ShardId"], int(keys["StartingHashKey"]), int(keys["EndingHashKey"]), still_open))
        token = page.get("NextToken")
        if not token:
            return ShardMap(shards)
        arguments = {"NextToken": token}  # the API takes no stream name beside a token
