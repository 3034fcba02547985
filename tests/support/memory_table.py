"""The hot table in memory. Rule: it judges clauses as the port says, writes whole or not at all, and only what fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from threading import RLock

from tailrace.sinks.hot.events import ITEM_BYTES_MAX
from tailrace.sinks.hot.keys import GSI_PK, GSI_SK, PK, SK
from tailrace.sinks.hot.table import Key, Update, holds
from tailrace.sinks.hot.values import EXACT, Item, Value, held, size
from tailrace.world import WorldError


class MemoryTable:
    """Items by key. `reach` is told of each write, and may strike it: before, after, or for good."""

    def __init__(self, reach: Callable[[str, Callable[[], object]], object] = lambda _kind, act: act()) -> None:
        self.items: dict[Key, dict[str, Value]] = {}
        self.reach = reach
        self.writes = 0
        self.refused = 0
        self.unprocessed = 0  # of the next puts, so many are given back
        self._lock = RLock()

    def put(self, items: Sequence[Item]) -> Sequence[Item]:
        assert 0 < len(items) <= 25
        left: list[Item] = []

        def act() -> None:
            with self._lock:
                back = min(self.unprocessed, len(items))
                self.unprocessed -= back
                left[:] = items[len(items) - back :]
                for item in items[: len(items) - back]:
                    self.writes += 1
                    self.items[_key(item)] = _fits(dict(item))

        self.reach("put", act)
        return left

    def update(self, update: Update) -> Item | None:
        found: list[Item | None] = []
        self.reach("update", lambda: found.append(self._update(update)))
        if not found:
            raise WorldError("the reply was lost")
        return found[-1]

    def _update(self, update: Update) -> Item | None:
        with self._lock:
            item = dict(self.items.get(update.key, {}))
            if not all(holds(clause, item) for clause in update.clauses):
                self.refused += 1
                return item
            self.writes += 1
            item = {PK: update.key[0], SK: update.key[1], **update.put_once, **item, **update.put}
            for name, value in update.add.items():
                item[name] = EXACT.add(Decimal(item.get(name, 0)), value)
            for name in update.remove:
                item.pop(name, None)
            self.items[update.key] = _fits(item)
            return None

    def get(self, key: Key) -> Item | None:
        with self._lock:
            return None if key not in self.items else dict(self.items[key])

    def get_all(self, keys: Sequence[Key]) -> Mapping[Key, Item]:
        with self._lock:
            return {key: dict(self.items[key]) for key in keys if key in self.items}

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
        names = (GSI_PK, GSI_SK) if index else (PK, SK)
        with self._lock:
            found = [dict(one) for one in self.items.values() if one.get(names[0]) == pk]
        found = [one for one in found if str(one[names[1]]).startswith(prefix)]
        if index:
            found = [{name: one[name] for name in (PK, SK, GSI_PK, GSI_SK)} for one in found]
        yield from sorted(found, key=lambda one: (str(one[names[1]]), str(one[SK])), reverse=newest_first)


def _fits(item: dict[str, Value]) -> dict[str, Value]:
    """Return an item that DynamoDB would take."""
    for name, most in ((PK, 2048), (SK, 1024), (GSI_PK, 2048), (GSI_SK, 1024)):
        assert 0 < len(str(item.get(name, "-")).encode()) <= most, f"{name} of {item}"
    for name, value in item.items():
        assert isinstance(value, str) or held(Decimal(value)), f"{name} of {item}"
    assert size(item) <= ITEM_BYTES_MAX, f"{size(item)} bytes"
    return item


def _key(item: Item) -> Key:
    return str(item[PK]), str(item[SK])
