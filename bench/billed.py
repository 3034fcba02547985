"""A bucket and a table in memory, which count what AWS bills. Rule: a request here is one that the real place makes.

Prices: AWS's list prices of us-east-1, without free tiers and discounts. Neither KCL's own table is counted, nor what
leaves the region.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any, BinaryIO, Final, NamedTuple

from tailrace.commit.compaction import SWEPT
from tailrace.commit.ports import Body, Head

PUT_DOLLARS: Final = 0.005 / 1000  # PUT and LIST
GET_DOLLARS: Final = 0.0004 / 1000  # GET and HEAD
WRITE_DOLLARS: Final = 0.625 / 1_000_000  # DynamoDB on demand, for each begun KB of the item
READ_DOLLARS: Final = 0.125 / 1_000_000  # for each begun 4 KB, consistent
GB_MONTH_DOLLARS: Final = 0.023
GB, KB = 1024**3, 1024
NAMES_A_LIST: Final = 1000


class Requests(NamedTuple):
    """What was asked."""

    puts: int = 0
    gets: int = 0
    writes: int = 0
    reads: int = 0

    def less(self, other: Requests) -> Requests:
        """Return what came after the other."""
        return Requests(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def dollars(self) -> float:
        return (
            self.puts * PUT_DOLLARS + self.gets * GET_DOLLARS + self.writes * WRITE_DOLLARS + self.reads * READ_DOLLARS
        )


class Bucket:
    """Objects by name."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, Mapping[str, str], str]] = {}
        self._guard = Lock()  # a lane puts from several threads
        self.puts = self.gets = 0

    def create(self, name: str, body: Body, meta: Mapping[str, str]) -> bool:
        return self._put(name, body, meta, "")

    def replace(self, name: str, body: Body, etag: str, meta: Mapping[str, str]) -> bool:
        return self._put(name, body, meta, etag)

    def _put(self, name: str, body: Body, meta: Mapping[str, str], etag: str) -> bool:
        with self._guard, body.open() as source:
            self.puts += 1
            found = self._objects.get(name)
            if (found[2] if found else "") != etag:
                return False
            self._objects[name] = (source.read(), dict(meta), f"e{self.puts}")
            return True

    def head(self, name: str) -> Head | None:
        self.gets += 1
        found = self._objects.get(name)
        return None if found is None else Head(found[2], found[1], len(found[0]))

    def read(self, name: str) -> bytes:
        self.gets += 1
        found = self._objects.get(name)
        if found is None:
            raise FileNotFoundError(name)
        return found[0]

    def open(self, name: str) -> BinaryIO:
        self.gets += 1  # S3 is asked for the length first
        return io.BytesIO(self.read(name))

    def names(self, prefix: str) -> Iterator[tuple[str, int]]:
        found = sorted(name for name in self._objects if name.startswith(prefix))
        self.puts += 1 + len(found) // NAMES_A_LIST
        yield from ((name, len(self._objects[name][0])) for name in found)

    def sync(self) -> None:
        """S3 answers a PUT when it is durable."""

    @property
    def lengths(self) -> list[int]:
        """Return the bytes of each object that no lifecycle rule removes."""
        return [len(data) for data, meta, _ in self._objects.values() if SWEPT not in meta]


class Ledger:
    """Items by key."""

    def __init__(self) -> None:
        self._items: dict[str, tuple[int, str]] = {}
        self.writes = self.reads = 0

    def read(self, key: str) -> tuple[int, dict[str, Any]] | None:
        revision, text = self._items.get(key, (0, ""))
        self.reads += -(-max(1, len(text)) // (4 * KB))
        return (revision, json.loads(text)) if revision else None

    def swap(self, key: str, expected: int, item: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
        text = json.dumps(dict(item))
        self.writes += -(-len(text) // KB)
        revision, stands = self._items.get(key, (0, ""))
        if revision != expected:
            return revision, json.loads(stands)
        self._items[key] = (expected + 1, text)
        return None

    def keys(self, prefix: str) -> Iterator[str]:
        yield from sorted(key for key in self._items if key.startswith(prefix))


def requests(bucket: Bucket, ledger: Ledger) -> Requests:
    """Return what both were asked so far."""
    return Requests(bucket.puts, bucket.gets, ledger.writes, ledger.reads)
