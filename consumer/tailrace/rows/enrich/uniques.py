"""Columns made from texts. Rule: in a chunk each different text is looked at once, and only short ones are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar

import pyarrow as pa

REMEMBERED_CHARS_MAX: Final = 512  # a cache of long texts is what a hostile client fills memory with
Found = TypeVar("Found")


def remembered(entries: int) -> Callable[[Callable[[str], Found]], Callable[[str], Found]]:
    """Return what has a function remember its results for short texts, the last ones."""

    def wrap(look: Callable[[str], Found]) -> Callable[[str], Found]:
        short = lru_cache(entries)(look)
        return lambda text: short(text) if len(text) <= REMEMBERED_CHARS_MAX else look(text)

    return wrap


def mapped(texts: pa.Array, look: Callable[[str], Sequence[Any]], outputs: pa.Schema) -> Mapping[str, pa.Array]:
    """Return a column for each output, of what `look` says of each text; null where there is no text."""
    encoded = texts.dictionary_encode()
    found = [look(text) for text in encoded.dictionary.to_pylist()]
    return {
        field.name: pa.array([one[at] for one in found], field.type).take(encoded.indices)
        for at, field in enumerate(outputs)
    }
