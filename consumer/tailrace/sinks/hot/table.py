"""What the hot tier asks of its table. Rule: shapes only; a condition is data, so that any store can judge it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol

from tailrace.sinks.hot.values import Item, Value

Key = tuple[str, str]  # partition, sort


class Clause(NamedTuple):
    """One thing that must hold of what stands there."""

    attribute: str
    op: Literal["<", "<=", "=", "absent"]
    value: Value = ""
    or_absent: bool = False  # it holds too where there is no such attribute, or no item


class Update(NamedTuple):
    """One write of one item, all of it or nothing."""

    key: Key
    clauses: tuple[Clause, ...]  # all must hold
    put: Mapping[str, Value] = {}
    put_once: Mapping[str, Value] = {}  # where there is no such attribute yet
    add: Mapping[str, Decimal] = {}
    remove: tuple[str, ...] = ()


class Table(Protocol):
    """A table with one index. Threads share it. Every call may raise WorldError or WorldDenied."""

    def put(self, items: Sequence[Item]) -> Sequence[Item]:
        """Store items over what stands there, 25 at most; return those that must be given again."""

    def update(self, update: Update) -> Item | None:
        """Write if the clauses hold: None. Else return what stands there, {} where nothing does."""

    def get(self, key: Key) -> Item | None:
        """Return an item as it stands now."""

    def get_all(self, keys: Sequence[Key]) -> Mapping[Key, Item]:
        """Return those of the items that are there, as they stood a moment ago."""

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
        """Yield a partition's items by sort key, page by page.

        `index`: of the index, which has the keys alone; `now`: no stale one; `page`: so many at a time, 0: 1 MB.
        """


def holds(clause: Clause, item: Item) -> bool:
    """Say whether a clause holds of an item, as DynamoDB judges it: another kind of value fits nothing."""
    stands = item.get(clause.attribute)
    if stands is None:
        return clause.or_absent or clause.op == "absent"
    if isinstance(stands, str) != isinstance(clause.value, str) or clause.op == "absent":
        return False
    match clause.op:
        case "<":
            return stands < clause.value  # type: ignore[operator]  # of one kind, as was seen
        case "<=":
            return stands <= clause.value  # type: ignore[operator]
    return stands == clause.value
