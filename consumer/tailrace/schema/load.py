"""Reads the schema book from a folder, `<event type>/<version>.json`. Rule: a book is loaded whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from tailrace import settings
from tailrace.schema.book import Book, BookError

_DEFAULT = settings.Contract()


def load(path: str, contract: settings.Contract = _DEFAULT, added: Sequence[pa.Field] = ()) -> Book:
    """Return the book of a folder. Raises BookError: one line, the file and what is wrong with it.

    The contract decides which members become envelope columns. Files that are hidden or do not end in `.json` are
    passed over.
    """
    root = Path(path)
    if not root.is_dir():
        raise BookError(f"{path}: no such folder")
    sources: dict[tuple[str, str], dict[str, Any]] = {}
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and not folder.name.startswith("."):
            for file in sorted(folder.glob("*.json")):
                sources[folder.name, file.stem] = _read(file)
    try:
        return Book(contract, sources, added)
    except BookError as error:
        raise BookError(f"{root / str(error)}") from None


def _read(file: Path) -> dict[str, Any]:
    try:
        schema = orjson.loads(file.read_bytes())
    except OSError as error:
        raise BookError(f"{file}: {(error.strerror or str(error)).lower()}") from None
    except orjson.JSONDecodeError as error:
        raise BookError(f"{file}: no JSON: {error}") from None
    if not isinstance(schema, dict):
        raise BookError(f"{file}: expected a JSON Schema, an object")
    return schema
