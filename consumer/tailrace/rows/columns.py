"""Events to Arrow columns. Rule: a column holds a value as it is, or the value is named as a misfit; none is bent.

Columns are made one at a time over all events of a schema; structs child by child, and open things as JSON text.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson
import pyarrow as pa

from tailrace.nouns import Reason
from tailrace.schema.contract import LookAll, Path, json_path, look_all, shown
from tailrace.schema.kinds import BOOLEAN, INTEGER, JSON, NUMBER, TEXT, Field, Kind, Leaf, List, Struct, arrow

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
EXACT_MAX: Final = 2**53  # whole numbers up to it are exact in a float

# What pyarrow raises for values a column cannot hold. `misfits` then names them.
Unfit: Final = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError)


def reader(paths: Sequence[Path], certain: frozenset[str]) -> LookAll:
    """Return a function that reads one field of many events: the first candidate that is there and not null."""
    if paths and len(paths[0]) == 1 and paths[0][0] in certain:
        return member_reader(paths[0][0], certain=True)
    return look_all(paths)


def member_reader(key: str, *, certain: bool) -> LookAll:
    """Return a function that reads one member of many events."""
    if certain:
        return lambda events: [event[key] for event in events]
    return lambda events: [event.get(key) for event in events]


def build(kind: Kind, values: list[Any]) -> pa.Array:
    """Return the column of valid values (None: null). Raises one of `Unfit`."""
    if kind is TEXT:
        return pa.array(values, pa.string())
    if kind is INTEGER:
        return _integers(values)
    if kind is JSON:
        return json_texts(values)
    if isinstance(kind, Leaf):
        return pa.array(values, kind.type)
    if isinstance(kind, List):
        return _lists(kind, values)
    return _structs(kind, values)


def int64s(values: list[int]) -> pa.Array:
    """Return whole numbers as a column, five times as fast as pyarrow does. TypeError for any other value."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(array("q", values))])


def _integers(values: list[Any]) -> pa.Array:
    try:
        return int64s(values)
    except TypeError:
        pass
    if float in set(map(type, values)):  # JSON Schema calls 1.0 an integer; pyarrow would cut 1.5 to 1
        values = [int(value) if type(value) is float and value.is_integer() else value for value in values]
    return pa.array(values, pa.int64())


def json_texts(values: list[Any]) -> pa.Array:
    """Return values as JSON text."""
    dumps = orjson.dumps
    return pa.array([None if value is None else dumps(value) for value in values], pa.string())


def texts(values: list[Any]) -> pa.Array:
    """Return values as text: text itself, JSON text for everything else."""
    try:
        return pa.array(values, pa.string())
    except pa.ArrowTypeError:
        return pa.array([text(value) for value in values], pa.string())


def text(value: Any) -> str | None:
    """Return one value as `texts` does."""
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


def _structs(kind: Struct, values: list[Any]) -> pa.Array:
    mask = None
    if None in values:
        mask = pa.array([value is None for value in values], pa.bool_())
        values = [_NO_MEMBERS if value is None else value for value in values]
    whole = mask is None
    children = []
    for field in kind.fields:
        name = field.name
        members = [v[name] for v in values] if whole and field.required else [v.get(name) for v in values]
        children.append(build(field.kind, members))
    return pa.StructArray.from_arrays(children, fields=list(arrow(kind)), mask=mask)


_NO_MEMBERS: Final[dict[str, Any]] = {}


def _lists(kind: List, values: list[Any]) -> pa.Array:
    offsets, end = [0], 0
    for value in values:
        end += len(value) if value is not None else 0
        offsets.append(end)
    mask = pa.array([value is None for value in values], pa.bool_()) if None in values else None
    items = build(kind.item, [item for value in values if value is not None for item in value])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items, type=arrow(kind), mask=mask)


def misfits(fields: Sequence[Field], event: dict[str, Any]) -> list[Reason]:
    """Return a reason for each value of a valid event that no column can hold."""
    return [reason for field in fields for reason in _misfits(field.kind, event.get(field.name), (field.name,))]


def _misfits(kind: Kind, value: Any, path: tuple[str | int, ...]) -> Iterator[Reason]:
    if value is None or kind is JSON:
        return
    if isinstance(kind, Struct) and isinstance(value, dict):
        for field in kind.fields:
            yield from _misfits(field.kind, value.get(field.name), (*path, field.name))
    elif isinstance(kind, List) and isinstance(value, list):
        for at, item in enumerate(value):
            yield from _misfits(kind.item, item, (*path, at))
    elif not _fits(kind, value):
        expected = kind.name if isinstance(kind, Leaf) else "an object" if isinstance(kind, Struct) else "an array"
        yield Reason("columns", "type", json_path(path), f"found {shown(value)}, expected {expected}")
    elif kind is INTEGER and not INT64_MIN <= value <= INT64_MAX:
        yield _range(path, value, f"{INT64_MIN} to {INT64_MAX}")
    elif kind is NUMBER and type(value) is int and abs(value) > EXACT_MAX:
        yield _range(path, value, f"{-EXACT_MAX} to {EXACT_MAX}, where a floating-point column is exact")


def _range(path: tuple[str | int, ...], value: object, expected: str) -> Reason:
    message = f"found {value}, expected a whole number from {expected}"
    return Reason("columns", "integer_range", json_path(path), message)


def _fits(kind: Kind, value: Any) -> bool:
    if kind is TEXT:
        return isinstance(value, str)
    if kind is BOOLEAN:
        return isinstance(value, bool)
    if kind is INTEGER and type(value) is float:
        return value.is_integer()
    return (kind is INTEGER or kind is NUMBER) and type(value) in {int, float}
