"""Rows of CSV as records of JSON. Rule: a cell that does not fit its kind stays text, for the schema to judge.

What no schema could judge is a fault of the record: a broken row, another number of cells than columns, bytes that are
not of the encoding, nothing where something is required. Its data are the row's own bytes, but for the last: its JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from hashlib import sha256
from itertools import chain
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from tailrace.csv_rows import AtOnce, Dialect, Line, Row, Rows
from tailrace.nouns import Reason, Record
from tailrace.settings import Csv, SettingsError

BOM: Final = b"\xef\xbb\xbf"
UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
SHOWN_MAX: Final = 20  # columns that a message names
_INTEGER: Final = re.compile(r"([+-]?)0*([0-9]+)")
_JSON_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
DROP: Final = "drop"
_BOOLEAN: Final = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


class Refused(Exception):
    """A file that cannot be read as CSV at all; one line for a person."""


class _Column(NamedTuple):
    name: str
    path: tuple[str, ...]
    value: Callable[[str], Any] | None  # None: text as it is
    required: bool


def _integer(text: str) -> Any:
    if text.isdigit() and text.isascii() and text[0] != "0":
        return orjson.Fragment(text)
    found = _INTEGER.fullmatch(text.strip())
    if found is None:
        return text
    return orjson.Fragment(("-" if found[1] == "-" and found[2] != "0" else "") + found[2])  # of any size: judged later


def _number(text: str) -> Any:
    bare = text.strip()
    if _JSON_NUMBER.fullmatch(bare):
        return orjson.Fragment(bare)
    if _NUMBER.fullmatch(bare) is None:
        return text
    value = float(bare)
    return text if value in (float("inf"), float("-inf")) else value


def _json(text: str) -> Any:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return orjson.Fragment(text)


KINDS: Final[dict[str, Callable[[str], Any]]] = {
    "integer": _integer,
    "number": _number,
    "boolean": lambda text: _BOOLEAN.get(text.strip().lower(), text),
    "json": _json,
}


class Table:
    """How files of CSV become records, as the settings say. Raises SettingsError where they contradict themselves."""

    def __init__(self, csv: Csv, event_type: str) -> None:
        """`event_type`: the dotted path of the member that a file's own event type fills."""
        self._csv = csv
        self._type_path = tuple(event_type.split("."))
        self._mapped = dict(map(_mapping, csv.columns))
        self._types = [tuple(one.split("=", 1)) for one in csv.event_types]
        if len(self._mapped) < len(csv.columns):
            raise SettingsError("[csv] columns: a column is named twice")
        if not csv.header and not csv.columns:
            raise SettingsError("[csv] header = false: expected every column, in order, in [csv] columns")
        marks = [mark for mark in (self._delimiter(""), csv.quote, csv.escape) if mark]
        if len(set(marks)) < len(marks) or "\t" in (csv.quote, csv.escape):  # which parts the cells of a .tsv file
            raise SettingsError("[csv]: expected three different characters for delimiter, quote and escape")
        try:
            "".join(marks).encode(csv.encoding)
        except UnicodeEncodeError:
            raise SettingsError(f"[csv]: expected a delimiter, quote and escape that {csv.encoding} has") from None
        try:
            self._bound([*self._mapped], set(csv.required) & self._mapped.keys())
        except Refused as error:
            raise SettingsError(f"[csv] columns: {error}") from None

    @property
    def digest(self) -> str:
        """A digest of all that decides what rows become."""
        return sha256(msgspec.json.encode(self._csv)).hexdigest()[:32]

    def positions(self, line_bytes_max: int) -> str:
        """Return a digest of what decides where records begin and end."""
        csv = self._csv
        said = [csv.delimiter, csv.quote, csv.escape, csv.encoding, csv.header, line_bytes_max]
        return sha256(orjson.dumps(said)).hexdigest()[:32]

    def records(self, uri: str, lines: Iterator[Line], arrival_ms: int, line_bytes_max: int) -> Iterator[Record]:
        """Yield a record a row. Raises Refused before the first where the file is none of these columns."""
        encoding = self._csv.encoding
        dialect = Dialect(
            *(text.encode(encoding) for text in (self._delimiter(uri), self._csv.quote, self._csv.escape))
        )
        rows = iter(Rows(_unmarked(lines), dialect, line_bytes_max, AtOnce(dialect, encoding)))
        names = [*self._mapped]
        if self._csv.header:
            head = next(rows, None)
            if head is None:
                return
            names = self._names(head)
        columns = self._bound(names, set(self._csv.required))
        yield from map(_Made(self._csv, columns, self._type_path, self._event_type(uri), arrival_ms), rows)

    def _delimiter(self, uri: str) -> str:
        tab = uri.endswith((".tsv", ".tsv.gz")) or self._csv.delimiter == "tab"
        return "\t" if tab else self._csv.delimiter

    def _event_type(self, uri: str) -> str:
        """Return the event type of a file's events, "" where its name says nothing."""
        name = uri.rpartition("/")[2]
        for pattern, event_type in self._types:
            if fnmatchcase(uri if "/" in pattern else name, f"*{pattern}" if "/" in pattern else pattern):
                return event_type
        return ""

    def _names(self, head: Row) -> list[str]:
        if head.fault is not None:
            raise Refused(f"its header cannot be read: {head.fault.message}")
        try:
            names = [text.strip() for text in _texts(head, self._csv.encoding)]
        except UnicodeDecodeError:
            raise Refused(f"its header is not {self._csv.encoding}") from None
        if any("\0" in name for name in names):
            raise Refused(f"its header has a NUL byte in it, as UTF-16 has: expected it as {self._csv.encoding}")
        if any("\r" in name for name in names):
            raise Refused("its header has a carriage return in it: expected lines that end with a line feed")
        return [name or f"column_{at}" for at, name in enumerate(names, 1)]

    def _bound(self, names: Sequence[str], required: set[str]) -> list[_Column]:
        """Return the columns of a file. Raises Refused for those that lack, are twice, or fill one member together."""
        lacking = sorted(required - set(names))
        if lacking:
            raise Refused(f"it lacks the required column {_told(lacking)}; found {_told(names)}")
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise Refused(f"its header names {_told(twice)} twice")
        columns = []
        for name in names:
            path, kind = self._mapped.get(name, ((name,), "text" if self._csv.others == "keep" else DROP))
            dropped = kind == DROP
            columns.append(_Column(name, () if dropped else path, KINDS.get(kind), name in required))
        paths: dict[tuple[str, ...], str] = {}
        for column in columns:
            if column.path and column.path in paths:
                raise Refused(f"the columns {_told([paths[column.path], column.name])} both fill {column.path[-1]}")
            paths |= {column.path: column.name} if column.path else {}
        for path, name in paths.items():
            if any(path[:depth] in paths for depth in range(1, len(path))):
                raise Refused(f"the column {_told([name])} would stand inside another column's value")
        return columns


class _Made:
    """The records of one file's rows."""

    def __init__(
        self, csv: Csv, columns: Sequence[_Column], type_path: tuple[str, ...], event_type: str, arrival_ms: int
    ) -> None:
        self._encoding, self._nulls = csv.encoding, csv.nulls
        self._columns, self._count = columns, len(columns)
        plain = all(len(one.path) == 1 and one.value is None and not one.required for one in columns)
        self._members = [one.path[0] for one in columns] if plain else None
        self._type_path, self._event_type, self._arrival_ms = type_path, event_type, arrival_ms

    def __call__(self, row: Row) -> Record:
        fault, data = row.fault, row.raw
        if fault is None:
            try:
                texts = _texts(row, self._encoding)
            except UnicodeDecodeError:
                texts, fault = [], self._undecoded(row)
            else:
                if len(texts) != self._count:
                    fault = self._miscounted(len(texts))
                else:
                    data, fault = self._event(texts)
        return Record(data, str(row.offset), 0, self._arrival_ms, fault=fault)

    def _event(self, texts: Sequence[str]) -> tuple[bytes, Reason | None]:
        """Return the event of a row, and what lacks in it."""
        nulls = self._nulls
        fault: Reason | None = None
        if self._members is not None:
            members = zip(self._members, texts, strict=True)
            event: dict[str, Any] = {name: text for name, text in members if text and text not in nulls}
        else:
            event = {}
            for (name, path, value, required), text in zip(self._columns, texts, strict=True):
                if text and text not in nulls:
                    if len(path) == 1:
                        event[path[0]] = text if value is None else value(text)
                    elif path:
                        _put(event, path, text if value is None else value(text))
                elif required and fault is None:
                    message = f'found nothing in the column "{name}", expected a value: it is required'
                    fault = Reason("contract", "required", "$." + ".".join(path or (name,)), message)
        if self._event_type and not _holds(event, self._type_path):
            _put(event, self._type_path, self._event_type)
        return orjson.dumps(event), fault

    def _miscounted(self, count: int) -> Reason:
        return Reason("decode", "cells", "$", f"found {count} cells, expected {self._count}: one a column")

    def _undecoded(self, row: Row) -> Reason:
        """Return what is wrong with a row that is no text of the encoding."""
        if len(row.cells) != self._count:
            return self._miscounted(len(row.cells))
        for column, cell in zip(self._columns, row.cells, strict=True):
            try:
                cell.decode(self._encoding)
            except UnicodeDecodeError as error:
                message = f'found bytes in the column "{column.name}" that are not {self._encoding} ({error.reason})'
                return Reason("decode", "encoding", "$", message)
        raise AssertionError("one of them could not be decoded")


def _texts(row: Row, encoding: str) -> list[str]:
    """Return a row's cells. Raises UnicodeDecodeError."""
    return row.texts if row.texts is not None else [cell.decode(encoding) for cell in row.cells]


def _mapping(text: str) -> tuple[str, tuple[tuple[str, ...], str]]:
    """Return (column, (path, kind)) of `column=member:kind`, where member and kind may lack."""
    name, _, target = text.partition("=")
    member, _, kind = target.partition(":")
    return name, (tuple(member.split(".")) if member else (name,), kind or "text")


def _unmarked(lines: Iterator[Line]) -> Iterator[Line]:
    """Return the lines without a byte order mark. Raises Refused for UTF-16."""
    first = next(lines, None)
    if first is None:
        return lines
    offset, length, line = first
    if line.startswith(UTF_16):
        raise Refused("it is UTF-16: expected it as UTF-8")
    if line.startswith(BOM):
        first = (offset + len(BOM), length - len(BOM), line[len(BOM) :])
    return chain([first], lines)


def _put(event: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    if not path:
        return
    for name in path[:-1]:
        below = event.setdefault(name, {})
        if type(below) is not dict:  # a column's own value: it goes before a file's event type
            return
        event = below
    event[path[-1]] = value


def _holds(event: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if type(event) is not dict or name not in event:
            return False
        event = event[name]
    return True


def _told(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - SHOWN_MAX} more" if len(names) > SHOWN_MAX else ""
    return ", ".join(f'"{name[:64]}"' for name in names[:SHOWN_MAX]) + more
