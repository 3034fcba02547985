"""A ledger and a place in memory. Rule: they keep every promise of `commit.ports`, and no other."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

from tailrace.commit.ports import Body, Head


class MemoryLedger:
    """Items by key, as JSON text: what does not survive a store does not survive here."""

    def __init__(self) -> None:
        self._items: dict[str, list[str]] = {}  # key -> the item at each revision, from 1 on

    def read(self, key: str) -> tuple[int, dict[str, Any]] | None:
        written = self._items.get(key)
        return None if written is None else (len(written), json.loads(written[-1]))

    def swap(self, key: str, expected: int, item: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
        stands = self.read(key)
        if (stands[0] if stands else 0) != expected:
            assert stands is not None, "nobody expects a revision of an item that never was"
            return stands
        self._items.setdefault(key, []).append(json.dumps(item))
        return None

    def keys(self, prefix: str) -> Iterator[str]:
        yield from sorted(key for key in self._items if key.startswith(prefix))

    def revision(self, key: str) -> int:
        """Return the revision that stands; 0 for none."""
        return len(self._items.get(key, ()))

    def at(self, key: str, revision: int) -> dict[str, Any] | None:
        """Return the item as it was; None for revision 0."""
        return json.loads(self._items[key][revision - 1]) if revision else None


class Stored(NamedTuple):
    """One object."""

    data: bytes
    meta: dict[str, str]
    etag: str


class MemoryPlace:
    """Objects by name."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self._puts = 0

    def _put(self, name: str, body: Body, meta: Mapping[str, str]) -> None:
        self._puts += 1
        with body.open() as source:
            self.objects[name] = Stored(source.read(), dict(meta), f"etag-{self._puts}")

    def create(self, name: str, body: Body, meta: Mapping[str, str]) -> bool:
        if name in self.objects:
            return False
        self._put(name, body, meta)
        return True

    def head(self, name: str) -> Head | None:
        found = self.objects.get(name)
        return None if found is None else Head(found.etag, found.meta, len(found.data))

    def replace(self, name: str, body: Body, etag: str, meta: Mapping[str, str]) -> bool:
        if name not in self.objects or self.objects[name].etag != etag:
            return False
        self._put(name, body, meta)
        return True

    def read(self, name: str) -> bytes:
        if name not in self.objects:
            raise FileNotFoundError(name)
        return self.objects[name].data

    def open(self, name: str) -> BinaryIO:
        return io.BytesIO(self.read(name))

    def names(self, prefix: str) -> Iterator[tuple[str, int]]:
        yield from ((n, len(self.objects[n].data)) for n in sorted(self.objects) if n.startswith(prefix))

    def sync(self) -> None:
        """Nothing here survives a power cut, and none comes."""
