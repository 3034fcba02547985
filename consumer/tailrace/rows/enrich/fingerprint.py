"""A hash of chosen fields, by which equal events are found. Rule: no two lists of values are hashed as the same bytes.

Each value is written as its length and itself, null as a mark of its own; the names of the fields come first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

BYTES: Final = 16
_NULL: Final = "-"
_SORTED: Final = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


class Fingerprint:
    """The step `fingerprint`: 128 bits in hex; null where all fields are. One that a table lacks counts as null."""

    name = "fingerprint"
    outputs = pa.schema([("fingerprint", pa.string())])

    def __init__(self, fields: Sequence[str]) -> None:
        """Take columns of the row; a dotted path leads into one that is a struct or JSON text."""
        self.paths = [tuple(field.split(".")) for field in fields]
        self.inputs = tuple(dict.fromkeys(path[0] for path in self.paths))
        names = "".join(f"{len(field.encode())}:{field}" for field in fields)
        self._start = hashlib.blake2b(names.encode() + b"=", digest_size=BYTES)
        self._nothing = _NULL * len(fields)
        self.digest = f"1, {' '.join(fields)}"

    def __call__(self, columns: Mapping[str, pa.Array]) -> Mapping[str, pa.Array]:
        whole = [_measured(_texts(_below(columns[path[0]], path[1:]))) for path in self.paths]
        values = pc.binary_join_element_wise(*whole, pa.scalar("", pa.large_string()))
        texts = [None if value == self._nothing else self._hash(value) for value in values.to_pylist()]
        return {"fingerprint": pa.array(texts, pa.string())}

    def _hash(self, value: str) -> str:
        one = self._start.copy()
        one.update(value.encode())
        return one.hexdigest()


def _below(column: pa.Array, path: Sequence[str]) -> pa.Array:
    """Return what stands at a path in each value of a column; nulls where there is nothing."""
    for at, key in enumerate(path):
        if pa.types.is_string(column.type):  # an open object, as JSON text
            return _dumped([_found(text, path[at:]) for text in column.to_pylist()])
        if not pa.types.is_struct(column.type) or column.type.get_field_index(key) < 0:
            return pa.nulls(len(column), pa.string())
        column = pc.struct_field(column, key)
    return column


def _found(text: str | None, path: Sequence[str]) -> Any:
    try:
        value = orjson.loads(text) if text is not None else None
    except orjson.JSONDecodeError:
        return None
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _texts(column: pa.Array) -> pa.Array:
    """Return a column's values as text, each kind in one way."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.int64())
    elif pa.types.is_nested(kind):
        return _dumped(column.to_pylist())
    elif pa.types.is_binary(kind):
        return pa.array([value and value.hex() for value in column.to_pylist()], pa.large_string())
    return column.cast(pa.large_string())


def _dumped(values: list[Any]) -> pa.Array:
    """Return values as text: text itself, JSON text for everything else."""
    return pa.array(
        [
            value if value is None or isinstance(value, str) else orjson.dumps(value, default=str, option=_SORTED)
            for value in values
        ],
        pa.large_string(),
    )


def _measured(texts: pa.Array) -> pa.Array:
    sizes = pc.binary_length(texts).cast(pa.large_string())
    return pc.fill_null(pc.binary_join_element_wise(sizes, texts, pa.scalar(":", pa.large_string())), _NULL)
