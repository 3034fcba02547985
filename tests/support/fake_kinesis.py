"""A stream in memory. Rule: it places records as Kinesis does, and drops what KCL would drop.

It answers ListShards and PutRecords; `read` hands out user records as the daemon would, each aggregate checked against
its shard's range. Troubles are given as a list, one for each call to come: None, a code for the whole call, or
{index in the call: code}. ListShards has a list of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from tailrace_producer.aggregate import HASH_KEY_MAX, UserRecord, hash_of, is_aggregate, unpack

NO_ANSWER = "no answer"

Trouble = None | str | Mapping[int, str]


@dataclass
class FakeShard:
    first: int
    last: int
    open: bool = True
    records: list[tuple[str, UserRecord]] = field(default_factory=list)


class FakeKinesis:
    def __init__(self, shards: int = 2, page: int = 2) -> None:
        step = (HASH_KEY_MAX + 1) // shards
        self.shards = {
            f"shardId-{n:012d}": FakeShard(n * step, (n + 1) * step - 1 if n < shards - 1 else HASH_KEY_MAX)
            for n in range(shards)
        }
        self.troubles: list[Trouble] = []
        self.list_troubles: list[str | None] = []
        self.calls: list[list[dict[str, Any]]] = []
        self.lists = 0
        self._page = page
        self._sequence = 0

    def split(self, name: str) -> tuple[str, str]:
        parent = self.shards[name]
        parent.open = False
        middle = (parent.first + parent.last) // 2
        new = []
        for first, last in ((parent.first, middle), (middle + 1, parent.last)):
            new.append(f"shardId-{len(self.shards):012d}")
            self.shards[new[-1]] = FakeShard(first, last)
        return new[0], new[1]

    def list_shards(self, **arguments: Any) -> Any:
        assert ("StreamName" in arguments) != ("NextToken" in arguments), "the API takes one of the two"
        self.lists += 1
        _raise(self.list_troubles.pop(0) if self.list_troubles else None, "ListShards")
        at = int(arguments.get("NextToken", 0))
        names = sorted(self.shards)
        page = {"Shards": [self._describe(name) for name in names[at : at + self._page]]}
        return page | ({"NextToken": str(at + self._page)} if at + self._page < len(names) else {})

    def put_records(self, **arguments: Any) -> Any:
        records = arguments["Records"]
        self.calls.append(records)
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble is None or isinstance(trouble, str):
            _raise(trouble, "PutRecords")
            trouble = {}
        return {"Records": [self._put(n, record, trouble) for n, record in enumerate(records)]}

    def read(self) -> list[UserRecord]:
        """Return every user record a reader gets: aggregates with a record outside their shard vanish whole."""
        out: list[UserRecord] = []
        for shard in self.shards.values():
            for _, record in shard.records:
                if not is_aggregate(record.data):
                    out.append(record)
                    continue
                inner = unpack(record.data)
                if all(shard.first <= hash_of(one) <= shard.last for one in inner):
                    out += inner
        return out

    def _put(self, n: int, wire: Mapping[str, Any], trouble: Mapping[int, str]) -> dict[str, Any]:
        if n in trouble:
            return {"ErrorCode": trouble[n], "ErrorMessage": "this record"}
        record = UserRecord(wire["PartitionKey"], wire["Data"], wire.get("ExplicitHashKey"))
        key = hash_of(record)
        name = next(name for name, shard in self.shards.items() if shard.open and shard.first <= key <= shard.last)
        self._sequence += 1
        self.shards[name].records.append((str(self._sequence), record))
        return {"ShardId": name, "SequenceNumber": str(self._sequence)}

    def _describe(self, name: str) -> dict[str, Any]:
        shard = self.shards[name]
        numbers = {"StartingSequenceNumber": "0"} | ({} if shard.open else {"EndingSequenceNumber": "9"})
        keys = {"StartingHashKey": str(shard.first), "EndingHashKey": str(shard.last)}
        return {"ShardId": name, "HashKeyRange": keys, "SequenceNumberRange": numbers}


def _raise(trouble: str | None, call: str) -> None:
    if trouble == NO_ANSWER:
        raise EndpointConnectionError(endpoint_url="http://kinesis.invalid")
    if trouble is not None:
        raise ClientError({"Error": {"Code": trouble, "Message": "the whole call"}}, call)
