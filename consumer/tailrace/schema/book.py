"""The schema book: every event type's versions and the tables they fill. Rule: later versions only append columns."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import pyarrow as pa

from tailrace import settings
from tailrace.nouns import Table
from tailrace.schema.contract import LIFTED, Contract, Path
from tailrace.schema.kinds import (
    Field,
    KindError,
    arrow,
    dictionary_paths,
    fields,
    is_closed,
    merged_fields,
    resolved,
)
from tailrace.schema.validate import Judge, SchemaError, compiled

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
        sources: Mapping[tuple[str, str], Mapping[str, Any]],
        added: Sequence[pa.Field] = (),
    ) -> None:
        """Take parsed schemas by (event type, version). Raises BookError naming `<type>/<version>.json`.

        `added` are columns that plug-ins fill: they stand after the envelope in every table of events.
        """
        self.contract = contract
        self.envelope = pa.schema([*ENVELOPE, *added])
        self._pages: dict[str, dict[str, Page]] = {}
        self._tables: dict[str, Table] = {QUARANTINE.name: QUARANTINE}
        paths = Contract(contract).paths
        majors: dict[tuple[str, int], list[str]] = {}
        for event_type, version in sorted(sources, key=lambda key: (key[0], _order(*key))):
            majors.setdefault((event_type, _order(event_type, version)[0]), []).append(version)
        for (event_type, major), versions in majors.items():
            self._add(event_type, major, {version: sources[event_type, version] for version in versions}, paths)
        self.digest = _digest(contract, sources)

    def _add(
        self,
        event_type: str,
        major: int,
        versions: Mapping[str, Mapping[str, Any]],
        paths: Mapping[str, tuple[Path, ...]],
    ) -> None:
        lifted: dict[str, dict[str, str]] = {}
        declared: dict[str, tuple[Field, ...]] = {}
        columns: tuple[Field, ...] = ()
        for version, schema in versions.items():
            where = f"{event_type}/{version}.json"
            try:
                whole = resolved(schema, schema)
                declared[version] = fields(whole, schema)
                lifted[version] = _lifted(schema, whole, paths)
                kept = tuple(field for field in declared[version] if field.name not in lifted[version].values())
                columns = merged_fields(columns, kept) if len(lifted) > 1 else kept
            except KindError as error:
                raise BookError(f"{where}: {error}") from None
            except (TypeError, AttributeError, KeyError, RecursionError) as error:
                raise BookError(f"{where}: no usable schema: {error}") from None
        table = _table(f"{safe(event_type)}/v{major}", columns, self.envelope)
        if any(name.casefold() == table.name.casefold() for name in self._tables):
            where = f"{event_type}/{next(iter(versions))}.json"
            raise BookError(f"{where}: another type has the table {table.name} already")
        self._tables[table.name] = table
        for version, schema in versions.items():
            try:
                judge = compiled(schema)
            except SchemaError as error:
                raise BookError(f"{event_type}/{version}.json: {error}") from None
            self._pages.setdefault(event_type, {})[version] = Page(
                event_type=event_type,
                version=version,
                judge=judge,
                table=table,
                fields=columns,
                declared=frozenset(field.name for field in declared[version]),
                closed=is_closed(resolved(schema, schema)),
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
    if _SAFE.fullmatch(event_type) and event_type.casefold() != QUARANTINE.name:
        return event_type
    digest = hashlib.blake2b(event_type.encode(), digest_size=6).hexdigest()
    return f"t-{_UNSAFE.sub('_', event_type)[:80]}-{digest}"


def _order(event_type: str, version: str) -> tuple[int, ...]:
    if not _VERSION.fullmatch(version):
        raise BookError(f"{event_type}/{version}.json: expected a version as its name, like 1-0-0.json")
    return tuple(int(part) for part in version.split("-"))


def _lifted(
    schema: Mapping[str, Any], whole: Mapping[str, Any], paths: Mapping[str, tuple[Path, ...]]
) -> dict[str, str]:
    """Return the members that an envelope column holds whole: of each field the first candidate the schema knows.

    A self-describing schema judges the payload, whose type and version stand outside it. An earlier candidate
    inside another member may be the one that counts, so then nothing is lifted.
    """
    declared = whole.get("properties") or {}
    out: dict[str, str] = {}
    for field in LIFTED:
        if "self" in schema and field in {"event_type", "schema_version"}:
            continue
        first = next((path for path in paths[field] if path[0] in declared), None)
        if first is not None and len(first) == 1 and first[0] not in out.values():
            out[field] = first[0]
    return out


def _table(name: str, columns: Iterable[Field], envelope: pa.Schema) -> Table:
    """Return the table of a major: the envelope, then the members. A name that is taken gets a number."""
    taken = {column.casefold() for column in envelope.names}
    added: list[pa.Field] = []
    dictionary = list(ENVELOPE_DICTIONARY)
    for field in columns:
        base = field.name or "unnamed"
        column, number = base, 1
        while column.casefold() in taken:
            number += 1
            column = f"{base}_{number}"
        taken.add(column.casefold())
        added.append(pa.field(column, arrow(field.kind)))
        dictionary += dictionary_paths(column, field)
    return Table(name, pa.schema([*envelope, *added]), tuple(dictionary), sort=SORT)


def _digest(contract: settings.Contract, sources: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    digest = hashlib.sha256(msgspec.json.encode(contract))
    for key in sorted(sources):
        digest.update(msgspec.json.encode([*key, sources[key]]) + b"\n")
    return digest.hexdigest()
