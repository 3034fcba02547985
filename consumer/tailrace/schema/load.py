"""Reads the schema book. Rule: a book is loaded whole or not at all.

A schema stands at `<event type>/<version>.json`, one of Avro at `<event type>/<version>.avsc`, or as Iglu has it at
`<vendor>/<name>/jsonschema/<version>`. Folders whose name begins with `_`, at any level, hold definitions that schemas
refer to. Reading and understanding are apart: a source gives files as bytes by their path below it, and `load_files`
makes the book of them, wherever they came from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import pyarrow as pa

from tailrace import settings
from tailrace.schema.avro import AvroError, converted
from tailrace.schema.book import Book, BookError, Key
from tailrace.schema.contract import one_line, shown
from tailrace.schema.references import iglu_uri

_DEFAULT = settings.Contract()
_IGLU: Final = re.compile(r"([A-Za-z0-9_.-]+)/([A-Za-z0-9_-]+)/jsonschema/([0-9]+-[0-9]+-[0-9]+)(\.json)?")

_LIKELY: Final = re.compile(r"v?[0-9].*\.(json|avsc|ya?ml|jsonl)|(.*[._-])?(good|bad)\.jsonl?")


class Place(NamedTuple):
    """What a file of the book is."""

    key: Key | None  # event type and version; None: definitions for others
    iglu: bool = False


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
    sources: dict[Key, Mapping[str, Any]] = {}
    places: dict[Key, str] = {}
    shared: dict[str, Mapping[str, Any]] = {}
    try:
        for path, place in _placed(files).items():
            schema = _READERS[_ending(path)](path, files[path])
            if place.key is None:
                shared[path] = schema
                continue
            if place.key in places:
                raise BookError(f"{path}: {places[place.key]} is version {place.key[1]} of {place.key[0]} already")
            if place.iglu:
                _agree(path, place.key, schema)
            sources[place.key], places[place.key] = schema, path
        return Book(contract, sources, added, places=places, shared=shared)
    except BookError as error:
        raise BookError(f"{origin.rstrip('/')}/{error}") from None


def concerns(path: str) -> bool:
    """Say whether a file, by its path below the source, is part of the book: a source need not fetch the others."""
    return _place(path) is not None


def passed_over(path: str) -> bool:
    """Say whether a file looks like a schema or fixtures, but stands where none is read."""
    if _place(path) is not None or any(part.startswith((".", "_")) for part in path.split("/")):
        return False
    folder, _, name = path.lower().rpartition("/")
    return folder.endswith("jsonschema") or _LIKELY.fullmatch(name) is not None


def _place(path: str) -> Place | None:
    parts = path.split("/")
    if any(part.startswith(".") for part in parts):
        return None
    iglu = _IGLU.fullmatch(path)
    if any(part.startswith("_") for part in parts[:-1]):
        return Place(None) if iglu or _ending(path) == ".json" else None
    if iglu:
        return Place((f"{iglu[1]}.{iglu[2]}", iglu[3]), iglu=True)
    ending = _ending(path)
    return Place((parts[0], parts[1].removesuffix(ending))) if ending and len(parts) == 2 else None


def _placed(files: Mapping[str, bytes]) -> dict[str, Place]:
    for path in files:
        if path != one_line(path):
            raise BookError(f"{one_line(path)}: expected a name in UTF-8, on one line")
    placed = {path: place for path in sorted(files) if (place := _place(path)) is not None}
    layouts: dict[str, tuple[str, bool]] = {}
    for path, place in placed.items():
        if place.key is not None:
            other, iglu = layouts.setdefault(place.key[0], (path, place.iglu))
            if iglu != place.iglu:
                raise BookError(f"{path}: {other} is of the same event type, {place.key[0]}")
    return placed


def _ending(path: str) -> str:
    """Return how a file is read; an Iglu one has no ending of its own."""
    return next((ending for ending in _READERS if ending and path.endswith(ending)), "")


def _agree(path: str, key: Key, schema: Mapping[str, Any]) -> None:
    """Refuse a schema in an Iglu folder that says it is another one."""
    vendor, _, name = key[0].rpartition(".")
    said, expected = iglu_uri(schema), f"iglu:{vendor}/{name}/jsonschema/{key[1]}"
    if said not in {None, expected}:
        raise BookError(f"{path}: self: found {said}, expected {expected}")


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
        raise BookError(f"{path}: found {shown(schema)}, expected a JSON Schema, an object")
    return schema


def parsed_avro(path: str, data: bytes) -> dict[str, Any]:
    """Return the JSON Schema that an Avro file says. Raises BookError."""
    try:
        return converted(orjson.loads(data))
    except orjson.JSONDecodeError as error:
        raise BookError(f"{path}: no JSON: {error}") from None
    except AvroError as error:
        raise BookError(f"{path}: {error}") from None


_READERS: Final[Mapping[str, Callable[[str, bytes], dict[str, Any]]]] = {
    ".json": parsed, ".avsc": parsed_avro, "": parsed,
}  # fmt: skip
