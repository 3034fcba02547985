"""Bytes that a person gives, as records. Rule: nothing is left out; what is no JSON is a record too.

JSON lines, one document over many lines, or several in a row: each document is a record with the line it begins at. A
file whose name is one of CSV has its rows, as `backfill` reads them.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
import zlib
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from tailrace.csv_events import Table
from tailrace.files import Source, UnfinishedFile, chunks
from tailrace.nouns import Reason
from tailrace.settings import Settings, SettingsError

_BLANK: Final = re.compile(r"[ \t\r\n]*")
_GZIP: Final = b"\x1f\x8b"
_DECODER: Final = json.JSONDecoder()


class Document(NamedTuple):
    """The bytes of one record."""

    line: int  # where it begins, from 1
    data: bytes
    fault: Reason | None = None  # what is wrong with a row of CSV


def read(path: str, bytes_max: int, *, unpack: bool = True) -> bytes:
    """Return a file, `-` for standard input, up to one byte more than so many. Raises SettingsError.

    `unpack`: a gzip counts as what is in it.
    """
    try:
        if path == "-":
            data = sys.stdin.buffer.read(bytes_max + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(bytes_max + 1)
        if unpack and data.startswith(_GZIP):
            with gzip.open(io.BytesIO(data)) as packed:
                data = packed.read(bytes_max + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise SettingsError(f"{path}: {(getattr(error, 'strerror', None) or str(error)).lower()}") from None
    return data


def documents(data: bytes) -> list[Document]:
    """Take bytes apart. They are JSON lines where at least half of the lines are JSON."""
    lines = [Document(at, line.strip()) for at, line in enumerate(data.split(b"\n"), start=1) if line.strip()]
    if not lines:
        return []
    if _is_json(data):
        return [Document(lines[0].line, data.strip())]
    if len(lines) > 1 and sum(_is_json(line.data) for line in lines) * 2 >= len(lines):
        return lines
    return _in_a_row(data) or [Document(lines[0].line, data)]  # as it is: it may be Avro


def rows(path: str, data: bytes, settings: Settings) -> list[Document]:
    """Take the bytes of a CSV file apart, unpacked. Raises SettingsError for one that is refused whole."""
    uri = Path(path.removesuffix(".gz")).absolute().as_uri()
    source = Source(uri, len(data), 0, lambda: io.BytesIO(data))
    table = Table(settings.csv, settings.contract.event_type[0])
    found: list[Document] = []
    line, at = 1, 0
    try:
        for chunk in chunks(source, 0, settings.limits.event_bytes_max, table):
            for record in chunk.records:
                offset = int(record.sequence)
                line, at = line + data.count(b"\n", at, offset), offset
                found.append(Document(line, record.data, record.fault))
    except UnfinishedFile as error:
        raise SettingsError(str(error)) from None
    return found


def _is_json(data: bytes) -> bool:
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True


def _in_a_row(data: bytes) -> list[Document]:
    """Return the documents of a text that holds one after the other, none when it holds anything else."""
    out = []
    try:
        text = data.decode()
        at = _skipped(text, 0)
        while at < len(text):
            end = _DECODER.raw_decode(text, at)[1]
            out.append(Document(text.count("\n", 0, at) + 1, text[at:end].encode()))
            at = _skipped(text, end)
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        return []
    return out


def _skipped(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at
