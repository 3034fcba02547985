"""Rows as messages. Rule: a message is the row as one JSON object, and the same row gives the same bytes.

Columns that are null are left out, JSON text stands as the JSON it is, and times are ISO 8601 in UTC with microseconds.
Made column by column; only the last step looks at single rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tailrace.nouns import Table

KEYS: Final = ("user_id", "tenant")  # what messages are kept in order by, where nothing else is said
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"  # seconds with all digits that the column has
_BINARY: Final = (pa.types.is_binary, pa.types.is_large_binary)


class Message(NamedTuple):
    """One event on its way."""

    position: str  # `<sequence>/<sub>/<index>`
    row_id: str  # stable: the same however often it is sent
    key: str  # messages with one key belong in their order
    data: bytes  # JSON


def messages_of(table: Table, batch: pa.RecordBatch, keys: Sequence[str] = KEYS) -> list[Message]:
    """Return the rows of a table as messages. The key is the first of the columns `keys` that holds something."""
    names: list[str] = []
    columns: list[list[Any]] = []
    json = frozenset(table.json)
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if column.null_count < len(column):
            names.append(name)
            columns.append(_values(column, name, json))
    dumps = orjson.dumps
    data = [
        dumps({name: value for name, value in zip(names, row, strict=True) if value is not None}, default=str)
        for row in zip(*columns, strict=True)
    ]
    row_ids = batch.column("row_id").to_pylist()
    held = _keys(batch, keys, row_ids)
    positions = batch.column("position").to_pylist()
    return [Message(*parts) for parts in zip(positions, row_ids, held, data, strict=True)]


def in_order(messages: Iterable[Message]) -> list[Message]:
    """Return messages in the order of the stream."""
    return sorted(messages, key=lambda one: order(one.position))


def order(position: str) -> tuple[int, ...]:
    """Return what positions are ordered by."""
    return tuple(map(int, position.split("/")))


def _keys(batch: pa.RecordBatch, keys: Sequence[str], row_ids: list[str]) -> list[str]:
    found = [batch.column(name) for name in keys if name in batch.schema.names]
    if not found:
        return row_ids
    rows = zip(*(column.to_pylist() for column in found), row_ids, strict=True)
    return [next(str(value) for value in row if value not in {None, ""}) for row in map(_plain, rows)]


def _plain(row: tuple[Any, ...]) -> list[Any]:
    return [
        value if value is None or isinstance(value, str) else orjson.dumps(value, default=str).decode() for value in row
    ]


def _values(column: pa.Array, path: str, json: frozenset[str]) -> list[Any]:
    kind = column.type
    if path in json:
        return [None if text is None else orjson.Fragment(text) for text in column.to_pylist()]
    if pa.types.is_timestamp(kind):
        texts: list[Any] = pc.strftime(column, format=_TIME).to_pylist()
        return texts
    if pa.types.is_struct(kind):
        return _structs(column, path, json)
    if pa.types.is_list(kind):
        return _lists(column, path, json)
    if any(is_kind(kind) for is_kind in _BINARY):
        texts = pc.cast(column, pa.binary()).to_pylist()
        return [None if one is None else one.decode("utf-8", "replace") for one in texts]
    values: list[Any] = column.to_pylist()
    return values


def _structs(column: pa.Array, path: str, json: frozenset[str]) -> list[Any]:
    """Return objects without the members that are null."""
    names = [column.type.field(at).name for at in range(column.type.num_fields)]
    members = [_values(child, f"{path}.{name}", json) for name, child in zip(names, column.flatten(), strict=True)]
    rows = zip(*members, strict=True) if members else iter([()] * len(column))
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None} if there else None
        for there, row in zip(column.is_valid().to_pylist(), rows, strict=True)
    ]


def _lists(column: pa.Array, path: str, json: frozenset[str]) -> list[Any]:
    items = _values(column.flatten(), path, json)  # those of null lists are left out
    lengths, at, out = pc.list_value_length(column).to_pylist(), 0, list[Any]()
    for length in lengths:
        out.append(None if length is None else items[at : at + length])
        at += length or 0
    return out
