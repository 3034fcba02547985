"""The rows of a plan as columns of their own. Rule: what no number or key can hold is told, never guessed.

Tables differ in their columns and in their columns' types, so each is looked at batch by batch, and what all have in
common is laid end to end. The time of an event is its own, unless that is ahead of its arrival by more than an hour: a
clock that goes wrong must not own a user's newest event for years.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from itertools import accumulate
from typing import Any, Final, NamedTuple, TypeVar

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tailrace.sinks.hot.options import column_of

AHEAD_MAX_US: Final = 3600 * 1_000_000
SUM_MAX: Final = 1e18  # with nine decimals, ten billion of them still have 38 digits
NUMBER_MAX, NUMBER_MIN = 9.9e125, 1e-130  # what DynamoDB holds
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
_TIME: Final = pa.timestamp("us")
T = TypeVar("T")


class Numbers(NamedTuple):
    """A column's numbers, each row in one of three: a whole number, a float, or neither and not null."""

    ints: pa.Array  # int64
    floats: pa.Array  # float64
    odd: pa.Array  # int64: 1 where there is something that cannot be counted in


class Ranking(NamedTuple):
    """An order of rows."""

    ranks: pa.Array  # of each row
    rows: list[int]  # by rank


class Gathered:
    """Rows of all tables of one plan, in the order in which they were given."""

    def __init__(self, batches: Sequence[pa.RecordBatch]) -> None:
        self.batches = batches
        self._starts = [0, *accumulate(batch.num_rows for batch in batches)]
        self._columns: dict[str, list[pa.Array | None]] = {}
        self._numbers: dict[tuple[str, bool], Numbers] = {}
        self.rows = self._starts[-1]

    @cached_property
    def tenant(self) -> pa.Array:
        return self.text("tenant")

    @cached_property
    def user(self) -> pa.Array:
        """User ids; null for none, and for one that is empty."""
        found = self.text("user_id")
        return pc.if_else(pc.equal(found, ""), pa.scalar(None, pa.string()), found)

    @cached_property
    def event_type(self) -> pa.Array:
        return self.text("event_type")

    @cached_property
    def row_id(self) -> pa.Array:
        return self.text("row_id")

    @cached_property
    def received(self) -> pa.Array:
        """Arrival, in microseconds since 1970."""
        return self._whole([_microseconds(batch.column("received_at")) for batch in self.batches], pa.int64())

    @cached_property
    def when(self) -> pa.Array:
        """The time of the event, in microseconds since 1970."""
        own = self._whole([_microseconds(batch.column("event_time")) for batch in self.batches], pa.int64())
        ahead = pc.greater(own, pc.add(self.received, AHEAD_MAX_US))
        return pc.if_else(ahead, self.received, own)

    @cached_property
    def iso(self) -> pa.Array:
        """The time of the event, like 2026-01-31T00:00:00.000000Z."""
        return iso(self.when)

    @cached_property
    def place(self) -> pa.Array:
        """The position as text that compares as positions do."""
        parts = pc.split_pattern(self.text("position"), "/")
        padded = [
            pc.utf8_lpad(pc.list_element(parts, at), width, "0") for at, width in ((0, 64), (1, 10), (2, 8))
        ]  # fmt: skip
        return pc.binary_join_element_wise(*padded, ".")

    @cached_property
    def order(self) -> Ranking:
        """The rows by position."""
        return _ranking([self.place, self.row_id])

    @cached_property
    def age(self) -> Ranking:
        """The rows by (time, position)."""
        return _ranking([self.when, self.place, self.row_id])

    @cached_property
    def times(self) -> list[str]:
        """`iso`, for looking at single rows."""
        return _list(self.iso)

    @cached_property
    def types(self) -> list[str]:
        """`event_type`, for looking at single rows."""
        return _list(self.event_type)

    @cached_property
    def _arrivals(self) -> list[str]:
        return _list(iso(self.received))

    @cached_property
    def _places(self) -> list[str]:
        return _list(self.place)

    @cached_property
    def _row_ids(self) -> list[str]:
        return _list(self.row_id)

    def stamp(self, row: int) -> str:
        """Return what an event is compared by with those of other plans and shards: (time, position), and its id."""
        return f"{self.times[row]}#{self._places[row]}#{self._row_ids[row]}"

    @cached_property
    def _by_order(self) -> list[int]:
        rows: list[int] = pc.sort_indices(self.order).to_pylist()
        return rows

    def arrived(self, row: int) -> str:
        """Return what a value of one shard is compared by with those of others: its arrival, then its position."""
        return f"{self._arrivals[row]}#{self._places[row]}"

    def text(self, name: str) -> pa.Array:
        """Return a column as text; null where it is absent, or nothing that a key could hold."""
        return self._whole([_text(column(batch, name), batch.num_rows) for batch in self.batches], pa.string())

    def numbers(self, name: str, *, summed: bool) -> Numbers:
        """Return a column's numbers; of those that are `summed` fewer can be held."""
        if (name, summed) not in self._numbers:
            within = partial(_of_members, summed=summed)
            found = [
                inside(batch, name, within) or _numbers(column(batch, name), batch.num_rows, summed=summed)
                for batch in self.batches
            ]
            self._numbers[name, summed] = Numbers(
                self._whole([one.ints for one in found], pa.int64()),
                self._whole([one.floats for one in found], pa.float64()),
                self._whole([one.odd for one in found], pa.int64()),
            )
        return self._numbers[name, summed]

    def there(self, name: str) -> pa.Array:
        """Return where a column has a value."""
        found = [column(batch, name) for batch in self.batches]
        return self._whole(
            [
                pa.repeat(pa.scalar(value=False), batch.num_rows) if one is None else one.is_valid()
                for one, batch in zip(found, self.batches, strict=True)
            ],
            pa.bool_(),
        )

    def value(self, name: str, row: int) -> Any:
        """Return one value, None where there is none."""
        if name not in self._columns:
            self._columns[name] = [column(batch, name) for batch in self.batches]
        at = bisect_right(self._starts, row) - 1
        found = self._columns[name][at]
        return None if found is None else found[row - self._starts[at]].as_py()

    def fit(self, says: Callable[[str], bool]) -> pa.Array:
        """Return where the event's type is meant."""
        types = self.event_type.dictionary_encode()
        yes = pa.array([says(name) for name in types.dictionary.to_pylist()], pa.bool_())
        return yes.take(types.indices)

    def _whole(self, parts: Sequence[pa.Array], kind: pa.DataType) -> pa.Array:
        return pa.concat_arrays([pc.cast(part, kind) for part in parts]) if parts else pa.array([], kind)


def column(batch: pa.RecordBatch, name: str) -> pa.Array | None:
    """Return a column, or what stands inside one; None where there is no such."""
    first, *members = column_of(name).split(".")
    at = batch.schema.get_field_index(first)
    if at < 0:
        return None
    texts = inside(batch, name, as_text)
    if texts is not None:
        return texts
    found = batch.column(at)
    for member in members:
        if not pa.types.is_struct(found.type) or found.type.get_field_index(member) < 0:
            return None
        found = pc.struct_field(found, member)
    return found


def inside(batch: pa.RecordBatch, name: str, of: Callable[[list[Any]], T]) -> T | None:
    """Return what stands inside a column of JSON text, by way of `of`; None where the name leads into no text."""
    first, *members = column_of(name).split(".")
    at = batch.schema.get_field_index(first)
    if at < 0 or not members or not pa.types.is_string(batch.column(at).type):
        return None
    return of([_member(text, members) for text in batch.column(at).to_pylist()])


def _member(text: str | None, members: Sequence[str]) -> Any:
    try:
        found = None if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    for member in members:
        found = found.get(member) if isinstance(found, dict) else None
    return found


def _of_members(values: list[Any], *, summed: bool) -> Numbers:
    """Return numbers value by value: what one is must not depend on those that came with it."""
    ints = [one if type(one) is int and INT_MIN <= one <= INT_MAX else None for one in values]
    odd = float("nan")
    rest = [
        None if one is None or whole is not None else float(one) if type(one) in {int, float} else odd
        for one, whole in zip(values, ints, strict=True)
    ]
    return Numbers(pa.array(ints, pa.int64()), *_floats(pa.array(rest, pa.float64()), summed=summed))


def as_text(values: list[Any]) -> pa.Array:
    """Return scalars as text, null for all else."""
    texts = [
        one if isinstance(one, str) else None if isinstance(one, dict | list | None) else orjson.dumps(one).decode()
        for one in values
    ]
    return pa.array(texts, pa.string())


def iso(microseconds: pa.Array) -> pa.Array:
    """Return times as text."""
    text = pc.cast(pc.cast(microseconds, pa.int64()).view(_TIME), pa.string())
    return pc.binary_join_element_wise(pc.replace_substring(text, " ", "T"), "Z", "")


def _list(column: pa.Array) -> list[str]:
    out: list[str] = column.to_pylist()
    return out


def _microseconds(times: pa.Array) -> pa.Array:
    return pc.cast(times, pa.timestamp("us", times.type.tz)).view(pa.int64())


def _ranking(keys: Sequence[pa.Array]) -> Ranking:
    named = [(f"k{at}", "ascending") for at in range(len(keys))]
    table = pa.Table.from_arrays(list(keys), names=[name for name, _ in named])
    order = pc.sort_indices(table, sort_keys=named)
    return Ranking(pc.cast(pc.sort_indices(order), pa.int64()), order.to_pylist())


def _text(found: pa.Array | None, rows: int) -> pa.Array:
    if found is None or pa.types.is_nested(found.type) or _is_bytes(found.type):
        return pa.nulls(rows, pa.string())
    return pc.cast(found, pa.string())


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _numbers(found: pa.Array | None, rows: int, *, summed: bool) -> Numbers:
    ints, floats, none = pa.nulls(rows, pa.int64()), pa.nulls(rows, pa.float64()), pa.repeat(pa.scalar(0), rows)
    if found is None or pa.types.is_null(found.type):
        return Numbers(ints, floats, none)
    if pa.types.is_integer(found.type) and not pa.types.is_uint64(found.type):
        return Numbers(pc.cast(found, pa.int64()), floats, none)
    if not (pa.types.is_floating(found.type) or pa.types.is_decimal(found.type)):
        return Numbers(ints, floats, pc.cast(found.is_valid(), pa.int64()))
    return Numbers(ints, *_floats(pc.cast(found, pa.float64(), safe=False), summed=summed))


def _floats(given: pa.Array, *, summed: bool) -> tuple[pa.Array, pa.Array]:
    """Return those that can be held, and where there are others."""
    size = pc.abs(given)
    good = pc.less_equal(size, SUM_MAX if summed else NUMBER_MAX)  # not so of what is no number
    if not summed:
        good = pc.and_(good, pc.or_(pc.equal(size, 0), pc.greater_equal(size, NUMBER_MIN)))
    good = pc.and_(pc.fill_null(good, fill_value=False), given.is_valid())
    odd = pc.cast(pc.and_not(given.is_valid(), good), pa.int64())
    return pc.if_else(good, given, pa.scalar(None, pa.float64())), odd
