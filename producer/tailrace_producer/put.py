"""PutRecords with the KPL's care. Rule: each user record gets one result, and success means that a reader gets it.

A put can fail whole (the service is away) or in part (a throttled shard): what failed is sent again, after a growing,
jittered pause, up to `ATTEMPTS_MAX` times. An aggregate that landed on a shard which does not hold all its user
records would be dropped by KCL without a word; so when one lands elsewhere than predicted, the shard map is read again,
as patiently as a put is tried, and if the shard does not hold them all, each user record is sent anew.
Right after a split KCL may not know the new shards yet (it lists them every 30 s) and hands such an aggregate on all
the same: then its records come twice, never not at all. The KPL does so too.
A retried record comes after those sent with it at first, so the order of a key is not promised.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from tailrace_producer.aggregate import AGGREGATE_BYTES_MAX, Aggregate, Packed, UserRecord, hash_of
from tailrace_producer.shard_map import ListsShards, ShardMap, read_map

PUT_RECORDS_MAX = 500  # records of one PutRecords call
PUT_BYTES_MAX = 5 * 1024 * 1024  # data and partition keys of one call; the API's older, safer limit
ATTEMPTS_MAX = 8
PAUSE_FIRST_S = 0.1
PAUSE_MAX_S = 5.0
RETRIED_CODES = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "InternalFailure",
        "InternalFailureException",
        "ServiceUnavailable",
        "ThrottlingException",
        "LimitExceededException",
        "KMSThrottlingException",
    }
)
OUT_OF_RANGE = "OutOfShardRange"  # our own code: the aggregate landed where KCL would drop it
NO_ANSWER = "NoAnswer"  # our own code: the call itself failed, or its reply was lost


class Kinesis(ListsShards, Protocol):
    """The part of a boto3 Kinesis client this file needs."""

    def put_records(self, **arguments: Any) -> Any: ...


class Attempt(NamedTuple):
    """One try at one record."""

    code: str  # empty: it was accepted
    message: str


class Result(NamedTuple):
    """What became of one user record."""

    record: UserRecord
    shard: str | None  # None: it was never accepted
    sequence: str | None
    sub: int  # its place in the aggregate; 0 when sent alone
    attempts: tuple[Attempt, ...]

    @property
    def success(self) -> bool:
        """Say whether the record is in the stream, where a reader gets it."""
        return self.sequence is not None


@dataclass(slots=True)
class _Entry:
    """One Kinesis record on its way, and the places of its user records in the caller's order."""

    packed: Packed
    places: tuple[int, ...]
    predicted: str | None
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def exhausted(self) -> bool:
        return len(self.attempts) >= ATTEMPTS_MAX


class Putter:
    """Sends user records to one stream. Not for several threads at once."""

    def __init__(
        self,
        client: Kinesis,
        stream: str,
        *,
        bytes_max: int = AGGREGATE_BYTES_MAX,
        rng: random.Random | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._stream = stream
        self._bytes_max = bytes_max
        self._rng = rng or random.Random()  # noqa: S311 - only spreads the retries
        self._sleep = sleep
        self._map: ShardMap | None = None
        self._stale = False  # the map was wrong once: read it again before it is used next
        self._looked = False  # the map was read again for the reply in hand

    def put(self, records: Sequence[UserRecord], *, aggregate: bool = True) -> list[Result]:
        """Send the records and return their results, in the same order. Raises nothing that the service caused."""
        entries = self._pack(list(enumerate(records)), aggregate=aggregate)
        results: list[Result | None] = [None] * len(records)
        pending = deque(entries)
        while pending:
            retried: list[_Entry] = []
            while pending:
                retried += self._call(_take_call(pending), results)
            if retried:
                self._pause(max(len(entry.attempts) for entry in retried))
                pending.extend(retried)
        missing = [place for place, result in enumerate(results) if result is None]
        assert not missing, f"no result for {missing[:5]}"
        return [result for result in results if result is not None]

    def _pack(self, records: Iterable[tuple[int, UserRecord]], *, aggregate: bool) -> list[_Entry]:
        """Pack per predicted shard. Without a prediction a record goes alone: wrong company would lose it."""
        entries: list[_Entry] = []
        open_aggregates: dict[str, tuple[Aggregate, list[int]]] = {}

        def close(shard: str) -> None:
            packing, places = open_aggregates.pop(shard)
            entries.append(_Entry(packing.seal(), tuple(places), shard))

        shards = self._known_map() if aggregate else ShardMap(())
        for place, record in records:
            shard = shards.predict(hash_of(record))
            if shard is None:
                entries.append(_alone(place, record))
                continue
            if shard in open_aggregates and not open_aggregates[shard][0].fits(record):
                close(shard)
            packing, places = open_aggregates.setdefault(shard, (Aggregate(self._bytes_max), []))
            packing.add(record)
            places.append(place)
        for shard in list(open_aggregates):
            close(shard)
        return entries

    def _pause(self, attempts: int) -> None:
        pause = min(PAUSE_MAX_S, PAUSE_FIRST_S * 2 ** (attempts - 1))
        self._sleep(pause * self._rng.uniform(0.5, 1.0))

    def _known_map(self) -> ShardMap:
        if self._map is None or self._stale:
            try:
                self._read_map()
            except (ClientError, BotoCoreError):
                return self._map or ShardMap(())  # no map, no aggregation
        assert self._map is not None
        return self._map

    def _read_map(self) -> None:
        self._map, self._stale = read_map(self._client, self._stream), False

    def _look_again(self) -> None:
        """Read the map again, once for a reply; when ListShards fails for long, the old map stays."""
        if self._looked:
            return
        self._looked = self._stale = True
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                self._read_map()
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") not in RETRIED_CODES:
                    return
            except BotoCoreError:
                pass  # the service is away
            else:
                return
            if attempt < ATTEMPTS_MAX:
                self._pause(attempt)

    def _call(self, entries: list[_Entry], results: list[Result | None]) -> list[_Entry]:
        """Make one PutRecords call; note what succeeded or failed for good, return what is to be sent again."""
        try:
            reply = self._client.put_records(
                StreamName=self._stream, Records=[_wire(entry.packed) for entry in entries]
            )
            answers = reply["Records"]
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            answers = [{"ErrorCode": code, "ErrorMessage": str(error)}] * len(entries)
        except BotoCoreError as error:
            answers = [{"ErrorCode": NO_ANSWER, "ErrorMessage": str(error)}] * len(entries)
        again: list[_Entry] = []
        self._looked = False
        for entry, answer in zip(entries, answers, strict=True):
            code = answer.get("ErrorCode")
            if code:
                entry.attempts.append(Attempt(code, answer.get("ErrorMessage", "")))
                if entry.exhausted or code not in RETRIED_CODES | {NO_ANSWER}:
                    _note(entry, None, None, results)
                else:
                    again.append(entry)
            elif self._readable(entry, answer["ShardId"]):
                entry.attempts.append(Attempt("", ""))
                _note(entry, answer["ShardId"], answer["SequenceNumber"], results)
            else:
                again += self._one_by_one(entry, answer["ShardId"], results)
        return again

    def _readable(self, entry: _Entry, shard: str) -> bool:
        """Say whether KCL will hand the record on from this shard; a surprise makes the map be read again."""
        if entry.predicted is None or entry.predicted == shard:
            return True
        if not entry.packed.aggregated:
            self._stale = self._stale or not self._looked
            return True  # a single record is where its own hash put it
        self._look_again()
        known = self._map or ShardMap(())
        return all(known.holds(shard, hash_of(record)) for record in entry.packed.records)

    def _one_by_one(self, entry: _Entry, shard: str, results: list[Result | None]) -> list[_Entry]:
        """Return an entry for each user record of an aggregate that its reader will drop."""
        why = Attempt(OUT_OF_RANGE, f"landed on {shard}, predicted {entry.predicted}")
        entry.attempts.append(why)
        if entry.exhausted:
            _note(entry, None, None, results)
            return []
        apart = [_alone(place, record) for place, record in zip(entry.places, entry.packed.records, strict=True)]
        for one in apart:
            one.attempts = list(entry.attempts)
        return apart


def _alone(place: int, record: UserRecord) -> _Entry:
    packing = Aggregate()
    packing.add(record)
    return _Entry(packing.seal(), (place,), None)


def _take_call(pending: deque[_Entry]) -> list[_Entry]:
    """Take as many entries as one call may hold; at least one, so that the service judges what is too large."""
    taken: list[_Entry] = []
    size = 0
    while pending and len(taken) < PUT_RECORDS_MAX:
        size += pending[0].packed.size
        if taken and size > PUT_BYTES_MAX:
            break
        taken.append(pending.popleft())
    return taken


def _wire(packed: Packed) -> dict[str, Any]:
    wire: dict[str, Any] = {"PartitionKey": packed.partition_key, "Data": packed.data}
    if packed.explicit_hash_key is not None:
        wire["ExplicitHashKey"] = packed.explicit_hash_key
    return wire


def _note(entry: _Entry, shard: str | None, sequence: str | None, results: list[Result | None]) -> None:
    for sub, (place, record) in enumerate(zip(entry.places, entry.packed.records, strict=True)):
        results[place] = Result(record, shard, sequence, sub, tuple(entry.attempts))
