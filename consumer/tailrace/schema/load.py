"""Reads the schema book, `<event type>/<version>.json`. Rule: a book is loaded whole or not at all.

Reading and understanding are apart: a source gives files as bytes by their path below it, and `load_files` makes the
book of them, wherever they came from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from tailrace import settings
from tailrace.schema.book import Book, BookError

_DEFAULT = settings.Contract()


def load(path: str, contract: settings.Contract = _DEFAULT, added: Sequence[pa.Field] = ()) -> Book:
    """Return the book of a folder. Raises BookError: one line, the file and what is wrong with it."""
    root = Path(path)
    return load_files(read_folder(root), contract, added, origin=str(root))


def load_files(
    files: Mapping[str, bytes],
    contract: settings.Contract = _DEFAULT,
    added: Sequence[pa.Field] = (),
    *,
    origin: str,
) -> Book:
    """Return the book of files by their path below `origin`, folders set apart by `/`. Raises BookError.

    The contract decides which members become envelope columns. Files that do not concern schemas are passed over.
    """
    sources: dict[tuple[str, str], Mapping[str, Any]] = {}
    try:
        for path in sorted(filter(concerns, files)):
            event_type, _, file = path.partition("/")
            sources[event_type, file.removesuffix(".json")] = parsed(path, files[path])
        return Book(contract, sources, added)
    except BookError as error:
        raise BookError(f"{origin.rstrip('/')}/{error}") from None


def concerns(path: str) -> bool:
    """Say whether a file, by its path below the source, is part of the book: a source need not fetch the others."""
    parts = path.split("/")
    return len(parts) == 2 and not any(part.startswith(".") for part in parts) and path.endswith(".json")


def read_folder(root: Path) -> dict[str, bytes]:
    """Return the files of a folder that are part of the book. Raises BookError."""
    if not root.is_dir():
        raise BookError(f"{root}: no such folder")
    files = {}
    for file in sorted(root.rglob("*")):
        path = file.relative_to(root).as_posix()
        if concerns(path) and file.is_file():
            try:
                files[path] = file.read_bytes()
            except OSError as error:
                raise BookError(f"{file}: {(error.strerror or str(error)).lower()}") from None
    return files


def parsed(path: str, data: bytes) -> dict[str, Any]:
    """Return the JSON Schema that a file holds. Raises BookError."""
    try:
        schema = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BookError(f"{path}: no JSON: {error}") from None
    if not isinstance(schema, dict):
        raise BookError(f"{path}: expected a JSON Schema, an object")
    return schema
