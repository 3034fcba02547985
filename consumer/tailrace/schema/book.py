"""The schema book: every event type's versions and the tables they fill. Rule: later versions only append columns."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec
import pyarrow as pa

from tailrace import settings
from tailrace.nouns import Table
from tailrace.schema.avro import AvroError, Writers, writers
from tailrace.schema.contract import LIFTED, Contract, Path, shown
from tailrace.schema.kinds import (
    ColumnError,
    Field,
    KindError,
    arrow,
    dictionary_paths,
    fields,
    is_closed,
    json_paths,
    merged_fields,
)
from tailrace.schema.references import IGLU_FOLDERS, Library, SchemaError, Scope
from tailrace.schema.validate import Judge, compiled

TIME: Final = pa.timestamp("us", "UTC")
ENVELOPE: Final = pa.schema([
    ("row_id", pa.string()),  # 128-bit hash of stream, epoch, shard and position, in hex
    ("event_id", pa.string()),  # the client's; derived from the position where it sent none
    ("tenant", pa.string()),
    ("event_type", pa.string()),
    ("schema_version", pa.string()),
    ("event_time", TIME),
    ("time_source", pa.string()),  # event, absent (it is the arrival time); too_old, future: see the lake
    ("received_at", TIME),
    ("user_id", pa.string()),
    ("session_id", pa.string()),
    ("shard", pa.string()),
    ("position", pa.string()),  # <sequence>/<sub>/<index>
    ("redrive_of", pa.string()),  # row_id of the reject that was mended and sent again
    ("findings", pa.string()),  # JSON text: what is wrong with an event that was stored leniently
    ("ua_family", pa.string()),
    ("os_family", pa.string()),
    ("device_family", pa.string()),
    ("bot", pa.bool_()),
    ("url_host", pa.string()),
    ("url_path", pa.string()),
    ("utm_source", pa.string()),
    ("utm_medium", pa.string()),
    ("utm_campaign", pa.string()),
    ("utm_term", pa.string()),
    ("utm_content", pa.string()),
    ("referer_host", pa.string()),
    ("referer_class", pa.string()),  # internal, search, social, email, paid, other
    ("referer_source", pa.string()),  # Google, Facebook, ...
    ("geo_country", pa.string()),  # ISO 3166-1, two letters
    ("geo_region", pa.string()),  # ISO 3166-2, without the country
    ("geo_city", pa.string()),
    ("tenant_attributes", pa.string()),  # JSON text
    ("fingerprint", pa.string()),  # 128-bit hash of the settings' fields, in hex
    ("entities", pa.string()),  # JSON text: the self-describing things around an event
    ("extra", pa.string()),  # JSON text of what no column holds
])  # fmt: skip
ENVELOPE_DICTIONARY: Final = (
    "tenant", "event_type", "schema_version", "time_source", "shard", "ua_family", "os_family", "device_family",
    "url_host", "url_path", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "referer_host",
    "referer_class", "referer_source", "geo_country", "geo_region", "geo_city", "tenant_attributes",
)  # fmt: skip
ENVELOPE_JSON: Final = ("findings", "tenant_attributes", "entities", "extra")
SORT: Final = "tenant"

QUARANTINE: Final = Table(
    name="quarantine",
    schema=pa.schema([
        ("row_id", pa.string()),
        ("received_at", TIME),
        ("stage", pa.string()),  # of the first reason, like keyword, path and message
        ("keyword", pa.string()),
        ("path", pa.string()),
        ("message", pa.string()),
        ("reasons", pa.string()),  # JSON text: all of them
        ("event_type", pa.string()),
        ("schema", pa.string()),
        ("tenant", pa.string()),
        ("event_id", pa.string()),
        ("shard", pa.string()),
        ("position", pa.string()),
        ("redrive_of", pa.string()),
        ("raw", pa.binary()),
    ]),
    dictionary=("stage", "keyword", "path", "message", "reasons", "event_type", "schema", "tenant", "shard"),
)  # fmt: skip

ARCHIVE: Final = Table(
    name="raw",
    schema=pa.schema([
        ("stream", pa.string()),
        ("epoch", pa.string()),
        ("shard", pa.string()),
        ("sequence", pa.string()),
        ("sub", pa.int64()),
        ("received_at", TIME),
        ("partition_key", pa.string()),
        ("fault", pa.string()),  # JSON text: why the record could not be read, where that was found before its bytes
        ("data", pa.binary()),  # last, so that what is known to nobody outside stands before it
    ]),
    dictionary=(),
)  # fmt: skip
RESERVED: Final = frozenset((QUARANTINE.name, ARCHIVE.name))  # what no event type's table may be called

Key = tuple[str, str]  # event type, version
_VERSION: Final = re.compile(r"[0-9]+(-[0-9]+)*")
_SAFE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]")


class BookError(Exception):
    """A schema that cannot stand in the book; one line: its file, and what is wrong."""


class Page(NamedTuple):
    """One version of one event type. `fields` and `columns` are its table's, and align."""

    event_type: str
    version: str
    judge: Judge | None  # None: an unknown type, nothing is checked
    table: Table
    fields: tuple[Field, ...]  # members that are columns
    declared: frozenset[str]  # members the schema knows
    closed: bool  # there are no others
    lifted: Mapping[str, str]  # envelope field -> the member it holds
    certain: frozenset[str]  # members every valid event has, and not null

    @property
    def name(self) -> str:
        return f"{self.event_type}/{self.version}"


class Book:
    """All schemas, by event type and version."""

    def __init__(
        self,
        contract: settings.Contract,
        sources: Mapping[Key, Mapping[str, Any]],
        added: Sequence[pa.Field] = (),
        *,
        places: Mapping[Key, str] = MappingProxyType({}),
        shared: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> None:
        """Take parsed schemas by (event type, version). Raises BookError, its first word the file.

        `added` are columns that plug-ins fill: they stand after the envelope in every table of events. `places` are the
        paths of files that are not at `<type>/<version>.json`, `shared` those with definitions only, by their path.
        """
        self.contract = contract
        self.envelope = pa.schema([*ENVELOPE, *added])
        self._pages: dict[str, dict[str, Page]] = {}
        self._tables: dict[str, Table] = {QUARANTINE.name: QUARANTINE}
        self._sources = sources
        self._places = {key: places.get(key) or "/".join(key) + ".json" for key in sources}
        majors: dict[tuple[str, int], list[str]] = {}
        for key in sorted(sources, key=lambda key: (key[0], self._order(key))):
            majors.setdefault((key[0], self._order(key)[0]), []).append(key[1])
        try:
            self._library = Library({self._places[key]: sources[key] for key in sources} | dict(shared))
        except SchemaError as error:
            raise BookError(str(error)) from None
        self._shared = tuple(shared)
        for path in shared:
            self._judge(path)
        lifting = Contract(contract).paths
        for (event_type, major), versions in majors.items():
            self._add(event_type, major, versions, lifting)
        self._vendors = {name: self._said_vendors(name) for name in self._pages}
        self.writers = self._writers()
        self.digest = _digest(contract, {"/".join(key): schema for key, schema in sources.items()} | dict(shared))

    def _order(self, key: Key) -> tuple[int, ...]:
        if not _VERSION.fullmatch(key[1]):
            raise BookError(f"{self._places[key]}: found the version {shown(key[1])}, expected one like 1-0-0")
        return tuple(int(part) for part in key[1].split("-"))

    def _judge(self, path: str) -> Judge:
        try:
            return compiled(self._library.schemas[path], self._library, path)
        except SchemaError as error:
            raise BookError(f"{path}: {error}") from None

    def _writers(self) -> Writers:
        keys = [(event_type, version) for event_type, pages in self._pages.items() for version in pages]
        try:
            return writers([(*key, self._sources[key]) for key in keys])
        except AvroError as error:
            raise BookError(str(error)) from None

    def _said_vendors(self, event_type: str) -> set[object]:
        said = [self._sources[event_type, version].get("self") for version in self._pages[event_type]]
        return {one.get("vendor") for one in said if isinstance(one, dict)} - {None}

    def _add(
        self, event_type: str, major: int, versions: Sequence[str], lifting: Mapping[str, tuple[Path, ...]]
    ) -> None:
        lifted: dict[str, dict[str, str]] = {}
        declared: dict[str, tuple[Field, ...]] = {}
        closed: dict[str, bool] = {}
        columns: tuple[Field, ...] = ()
        judges = {version: self._judge(self._places[event_type, version]) for version in versions}
        for version in versions:
            schema, where = self._sources[event_type, version], self._places[event_type, version]
            try:
                whole, scope = self._library.scope(where).entered(self._library.schemas[where])
                declared[version], closed[version] = fields(whole, scope), is_closed(whole)
                described = "self" in schema or where.count("/") == IGLU_FOLDERS - 1
                lifted[version] = _lifted(whole, lifting, described=described)
                kept = tuple(field for field in declared[version] if field.name not in lifted[version].values())
                columns = merged_fields(columns, kept) if len(lifted) > 1 else kept
            except ColumnError as error:
                newer = f"another column needs another major, like {major + 1}-0-0"
                raise BookError(f"{where}: the column {error}: {newer}") from None
            except KindError as error:
                raise BookError(f"{where}: {error}") from None
            except (TypeError, AttributeError, KeyError, RecursionError) as error:
                raise BookError(f"{where}: no usable schema: {error}") from None
        table = _table(f"{safe(event_type)}/v{major}", columns, self.envelope)
        other = next((name for name in self._tables if name.casefold() == table.name.casefold()), None)
        if other is not None:
            where = self._places[event_type, versions[0]]
            raise BookError(f"{where}: {other} is a table already, expected types that differ by more than case")
        self._tables[table.name] = table
        for version, judge in judges.items():
            self._pages.setdefault(event_type, {})[version] = Page(
                event_type=event_type,
                version=version,
                judge=judge,
                table=table,
                fields=columns,
                declared=frozenset(field.name for field in declared[version]),
                closed=closed[version],
                lifted=lifted[version],
                certain=frozenset(field.name for field in declared[version] if field.required and not field.null),
            )

    def tables(self) -> Mapping[str, Table]:
        """Return every table that is known beforehand, the quarantine among them, by name."""
        return dict(self._tables)

    def types(self) -> list[str]:
        """Return every event type that has a schema."""
        return list(self._pages)

    def __contains__(self, event_type: object) -> bool:
        return event_type in self._pages

    def versions(self, event_type: str) -> list[str]:
        """Return the versions of a type, oldest first."""
        return list(self._pages.get(event_type, ()))

    def page(self, event_type: str, version: str | None) -> Page | None:
        """Return a version of a type, the newest when none is named; None when the book has no such version."""
        pages = self._pages.get(event_type)
        if not pages:
            return None
        return next(reversed(pages.values())) if version is None else pages.get(version)

    def only(self, event_type: str, version: str) -> Book:
        """Return the book as if a type had one version alone: what its fixtures are judged by."""
        other = copy(self)
        other._pages = {**self._pages, event_type: {version: self._pages[event_type][version]}}  # noqa: SLF001
        return other

    def place(self, event_type: str, version: str) -> str:
        """Return the path of a schema's file below the book's source."""
        return self._places[event_type, version]

    def type_of(self, vendor: str, name: str) -> str:
        """Return the event type that a vendor's name stands for: `<vendor>.<name>`, or `name` where that is his.

        A type without a vendor in its path is anyone's, unless its schemas say whose it is.
        """
        full = f"{vendor}.{name}"
        own = self._vendors.get(name)
        return name if full not in self._pages and own is not None and (not own or vendor in own) else full

    def vendors(self, name: str) -> list[str]:
        """Return whose types of that name are in the book."""
        own = {full.rpartition(".")[0] for full in self._pages if full.endswith(f".{name}")}
        return sorted(own | set(map(str, self._vendors.get(name, ()))))

    def shared(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the files with definitions for others, their dialect said, by their path."""
        return {path: self._library.schemas[path] for path in self._shared}

    def schema(self, event_type: str, version: str) -> tuple[Mapping[str, Any], Scope]:
        """Return a schema of the book, its dialect said and without `self`, and what its references mean."""
        where = self._places[event_type, version]
        return self._library.schemas[where], self._library.scope(where)


def unknown_page(event_type: str, version: str | None, envelope: pa.Schema = ENVELOPE) -> Page:
    """Return the page of a type without a schema: envelope columns, everything else in `extra`."""
    return Page(
        event_type=event_type,
        version=version or "",
        judge=None,
        table=_table(f"{safe(event_type)}/v0", (), envelope),
        fields=(),
        declared=frozenset(),
        closed=False,
        lifted={},
        certain=frozenset(),
    )


def safe(event_type: str) -> str:
    """Return a type as a folder's name; two types never share one.

    What is changed ends in a hash of the original. Names that other things below the lake have are changed too.
    """
    if _SAFE.fullmatch(event_type) and event_type.casefold() not in RESERVED:
        return event_type
    digest = hashlib.blake2b(event_type.encode(), digest_size=6).hexdigest()
    return f"t-{_UNSAFE.sub('_', event_type)[:80]}-{digest}"


def _lifted(whole: Mapping[str, Any], paths: Mapping[str, tuple[Path, ...]], *, described: bool) -> dict[str, str]:
    """Return the members that an envelope column holds whole: of each field the first candidate the schema knows.

    A schema that describes itself judges the payload, whose type and version stand outside it. An earlier candidate
    inside another member may be the one that counts, so then nothing is lifted.
    """
    declared = whole.get("properties") or {}
    out: dict[str, str] = {}
    for field in LIFTED:
        if described and field in {"event_type", "schema_version"}:
            continue
        first = next((path for path in paths[field] if path[0] in declared), None)
        if first is not None and len(first) == 1 and first[0] not in out.values():
            out[field] = first[0]
    return out


def _table(name: str, columns: Iterable[Field], envelope: pa.Schema) -> Table:
    """Return the table of a major: the envelope, then the members. A name that is taken gets a number."""
    taken = {column.casefold() for column in envelope.names}
    added: list[pa.Field] = []
    dictionary, json = list(ENVELOPE_DICTIONARY), list(ENVELOPE_JSON)
    for field in columns:
        base = field.name or "unnamed"
        column, number = base, 1
        while column.casefold() in taken:
            number += 1
            column = f"{base}_{number}"
        taken.add(column.casefold())
        added.append(pa.field(column, arrow(field.kind)))
        dictionary += dictionary_paths(column, field)
        json += json_paths(column, field.kind)
    return Table(name, pa.schema([*envelope, *added]), tuple(dictionary), SORT, tuple(json))


def _digest(contract: settings.Contract, files: Mapping[str, Mapping[str, Any]]) -> str:
    digest = hashlib.sha256(msgspec.json.encode(contract))
    for path in sorted(files):
        digest.update(msgspec.json.encode([path, files[path]]) + b"\n")
    return digest.hexdigest()
