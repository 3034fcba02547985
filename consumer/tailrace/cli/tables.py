"""How a sample of CSV is read. Rule: a column has a kind only where every value in it is of that kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Final

import msgspec
import orjson

from tailrace.cli.documents import Document, rows
from tailrace.settings import Contract, Csv, Settings

TYPE_COLUMNS: Final = ("event_type", "eventType")
ROW: Final = "row"  # the type, where a file's name has no word
_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")  # a leading zero makes it a code
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NAME: Final = re.compile(r"[^=:.]+")  # of a column that can be mapped, to a member of that name
_KINDS: Final[Mapping[str, Callable[[str], bool]]] = {
    "integer": lambda text: _INTEGER.fullmatch(text) is not None,
    "number": lambda text: _NUMBER.fullmatch(text) is not None,
    "boolean": lambda text: text.lower() in {"true", "false"},
}


def table(path: str, data: bytes, settings: Settings, event_type: str | None) -> tuple[Csv, list[Document]]:
    """Return how a file of CSV is read, and its rows. `event_type`: the member that tells it; None: its name does.

    Raises SettingsError for a file that is refused whole.
    """
    settings = msgspec.structs.replace(settings, contract=Contract())
    csv, found = settings.csv, rows(path, data, settings)
    values = _values(found)
    if not csv.columns:
        kinds = {name: kind for name, texts in values.items() if (kind := _kind(texts)) and _NAME.fullmatch(name)}
        csv = msgspec.structs.replace(csv, columns=tuple(f"{name}={name}:{kind}" for name, kind in kinds.items()))
    if event_type is None and not csv.event_types and not values.keys() & set(TYPE_COLUMNS):
        csv = msgspec.structs.replace(csv, event_types=(_by_name(path),))
    return csv, rows(path, data, msgspec.structs.replace(settings, csv=csv))


def _values(found: Sequence[Document]) -> dict[str, list[str]]:
    """Return what stands in each column; in one that is mapped, in each member."""
    values: dict[str, list[str]] = {}
    for one in found:
        for name, text in orjson.loads(one.data).items() if one.fault is None else ():
            values.setdefault(name, []).append(text)
    return values


def _kind(values: Sequence[str]) -> str:
    return next((kind for kind, fits in _KINDS.items() if all(map(fits, values))), "")


def _by_name(path: str) -> str:
    found = re.match(r"[A-Za-z][A-Za-z_]*", PurePath(path).name.partition(".")[0])
    word = found[0].rstrip("_") if found else ""
    return f"{word}*={word.lower()}" if word else f"*={ROW}"
