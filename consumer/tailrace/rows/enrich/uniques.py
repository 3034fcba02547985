"""Columns made from texts. Rule: in a chunk each different text is looked at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa


def mapped(texts: pa.Array, look: Callable[[str], Sequence[Any]], outputs: pa.Schema) -> Mapping[str, pa.Array]:
    """Return a column for each output, of what `look` says of each text; null where there is no text."""
    encoded = texts.dictionary_encode()
    found = [look(text) for text in encoded.dictionary.to_pylist()]
    return {
        field.name: pa.array([one[at] for one in found], field.type).take(encoded.indices)
        for at, field in enumerate(outputs)
    }
