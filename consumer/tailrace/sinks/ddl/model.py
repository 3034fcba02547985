"""Tables as an engine has them. Rule: columns stand in the files' order, and no name can end what it stands in.

The names of types and members come from whoever wrote the schemas: each is quoted here, or not used at all.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import pyarrow as pa

from tailrace.nouns import Table
from tailrace.settings import SettingsError
from tailrace.sinks.lake.layout import Layout, keys

DATABASE: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
NAME_CHARS_MAX: Final = 110  # Redshift takes 127 bytes
_PLAIN: Final = re.compile(r"[a-z][a-z0-9_]*")
_OTHER: Final = re.compile(r"[^a-z0-9_]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class DdlError(SettingsError):
    """What an engine cannot have; one line."""


class Column(NamedTuple):
    """A column and its type, both as the engine's DDL has them but for the quotes."""

    name: str
    type: str


class Relation(NamedTuple):
    """One table as an engine has it."""

    table: str  # the lake's name: click/v1
    name: str
    columns: tuple[Column, ...]
    partitions: tuple[Column, ...] = ()
    left_out: tuple[str, ...] = ()  # columns that the engine has no names for


class Dialect(Protocol):
    """What an engine's module offers."""

    def relation(self, table: Table, name: str) -> Relation:
        """Return a table of the lake as the engine has it."""

    def create(self, relation: Relation) -> str:
        """Return the statements that make it."""

    def views(self, relations: Sequence[Relation]) -> str:
        """Return the statements that make the views over all tables of events, or nothing."""


def names(tables: Iterable[str]) -> dict[str, str]:
    """Return the name that each table of the lake has in an engine: click/v1 is click_v1. No two share one."""
    out: dict[str, str] = {}
    for table in sorted(tables, key=lambda one: (_PLAIN.fullmatch(one.replace("/", "_")) is None, one)):
        name = _OTHER.sub("_", table.lower())
        name = name if _PLAIN.match(name) else f"t_{name}"
        if len(name) > NAME_CHARS_MAX or name in out.values():
            name = f"{name[: NAME_CHARS_MAX - 9]}_{_digest(table)}"
        out[table] = name
    return out


def quoted(name: str) -> str:
    """Return a name between double quotes."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return a text between single quotes."""
    return "'" + value.replace("'", "''") + "'"


def remark(value: str) -> str:
    """Return a name as a comment can hold it: on one line, whatever is in it."""
    return json.dumps(value)


def short(name: str, bytes_max: int, reserved: frozenset[str] = frozenset()) -> str:
    """Return a name that is not reserved, has no control characters and no more than so many bytes.

    What is changed ends in a hash of the original.
    """
    data = name.encode()
    if len(data) <= bytes_max and not _CONTROL.search(name) and name.lower() not in reserved:
        return name
    return f"{_CONTROL.sub('_', data[: bytes_max - 9].decode(errors='ignore'))}_{_digest(name)}"


def free(wanted: str, taken: Sequence[str]) -> str:
    """Return the name of a partition key, another one where a column has it: stage is p_stage."""
    folded = {one.casefold() for one in taken}
    name, number = wanted, 1
    while name in folded:
        name = f"p_{wanted}" if number == 1 else f"p_{wanted}_{number}"
        number += 1
    return name


def partition_names(table: Table, layout: Layout) -> dict[str, str]:
    """Return the keys in the table's folders, the outermost first, and the column that stands for each."""
    return {key: free(key, table.schema.names) for key in keys(table.name, layout)}


def unknown(table: Table, name: str, kind: pa.DataType, engine: str) -> DdlError:
    """Return what to say of a type that an engine has no column for."""
    return DdlError(f"{table.name}: the column {remark(name)} holds {kind}: {engine} has no type for that")


def plain(engine: str, database: str, relations: Sequence[Relation]) -> Mapping[str, object]:
    """Return the tables as plain values, for JSON: what a later run compares with."""
    return {
        "engine": engine,
        "database": database,
        "tables": [
            {
                "table": one.table,
                "name": one.name,
                "columns": [column._asdict() for column in one.columns],
                "partitions": [column._asdict() for column in one.partitions],
                "left_out": list(one.left_out),
            }
            for one in relations
        ],
    }


def _digest(value: str) -> str:
    return hashlib.blake2b(value.encode(), digest_size=4).hexdigest()
