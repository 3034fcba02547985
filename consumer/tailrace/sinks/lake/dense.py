"""How the columns of a large file are packed. Rule: plain values and dictionaries, which every reader reads.

The rows decide, not the schema: what repeats gets a dictionary, members of structs too, and what does not gets the hard
work of zstd. Encodings that would save more (deltas of numbers and texts, split bytes) are in the format's second
version: what reads them all is not said of Redshift, and readers in use refuse them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

LOOKED_AT: Final = 50_000  # rows
REPEATS: Final = 0.5  # of values: as many different ones, at most, are worth a dictionary
UNIQUE: Final = 0.9  # of values: texts of which as many differ are ids
LEVEL, LEVEL_OF_IDS = 15, 17  # of zstd: below 17 it takes chance for matches, and hexadecimal grows by a tenth


class Packing(NamedTuple):
    """What a Parquet writer is told."""

    dictionary: list[str]
    levels: dict[str, int]  # of zstd


def packing(rows: pa.Table, level: int) -> Packing:
    """Look at some rows; `level` is the least of any column."""
    out = Packing([], {})
    for name, values in _leaves(rows.slice(0, LOOKED_AT)):
        share = _differ(values)
        if share <= REPEATS and not pa.types.is_boolean(values.type):
            out.dictionary.append(name)
        texts = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
        out.levels[name] = max(level, LEVEL_OF_IDS if texts and share > UNIQUE else LEVEL)
    return out


def _differ(values: pa.ChunkedArray) -> float:
    there = len(values) - values.null_count
    return pc.count_distinct(values).as_py() / there if there else 0.0


def _leaves(rows: pa.Table) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """Yield each column of values under the name that it has in the file."""
    waiting = list(zip(rows.column_names, rows.columns, strict=True))[::-1]
    while waiting:
        name, values = waiting.pop()
        if pa.types.is_struct(values.type):
            fields = [values.type.field(at).name for at in range(values.type.num_fields)]
            waiting += [(f"{name}.{field}", pc.struct_field(values, [at])) for at, field in enumerate(fields)][::-1]
        elif pa.types.is_list(values.type):
            waiting.append((f"{name}.list.element", pc.list_flatten(values)))
        elif not pa.types.is_nested(values.type):
            yield name, values
