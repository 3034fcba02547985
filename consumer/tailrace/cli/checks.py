"""What can be wrong with schemas and settings before an event comes. Rule: everything is found in one go.

A file that cannot be used is set aside and named, and the rest is looked at as if it were not there.
"""

from __future__ import annotations

import fnmatch
import re
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgspec
import pyarrow as pa

from tailrace.cli.trial import REJECTED, STORED, Judged, Trial, told
from tailrace.edition import Edition, load
from tailrace.rows.mask import strays
from tailrace.rows.route import RouteError, unknown_events
from tailrace.rows.wildcard import wildcard
from tailrace.schema.book import Book, BookError
from tailrace.schema.compare import compare
from tailrace.schema.load import passed_over
from tailrace.schema.remarks import remarks
from tailrace.schema.source import Files
from tailrace.schema.steps import Change, Step, expected, found, said
from tailrace.settings import Dedup, Enrich, Privacy, Routes, Settings, SettingsError
from tailrace.sinks.forward.https import columns_of
from tailrace.sinks.hot import options as hot

GOOD: Final = ".good.jsonl"
BAD: Final = ".bad.jsonl"
REASONS_SHOWN: Final = 3


class Finding(NamedTuple):
    """One thing that is wrong."""

    kind: str  # schema, fixture, step, route, settings
    where: str  # a file with its line where there is one, or a setting
    message: str


class Taken(NamedTuple):
    """A step from one version to the next."""

    event_type: str
    old: str
    new: str
    found: Step
    said: Step
    changes: list[Change]


class Report(NamedTuple):
    """Everything that was looked at, and what is wrong with it."""

    schemas: list[str]  # `<type>/<version>`
    broken: list[str]  # files
    lines: dict[str, int]  # fixtures: good and bad lines
    fixtures: list[str]  # files
    steps: list[Taken]
    findings: list[Finding]
    notes: list[Finding]


class _Sound(Files):
    """The files of the settings without those that are set aside."""

    def __init__(self, client: Callable[[], Any]) -> None:
        super().__init__(client)
        self.aside: set[str] = set()
        self.known: set[str] = set()

    def folder(self, uri: str, wanted: Callable[[str], bool]) -> dict[str, bytes]:
        files = super().folder(uri, wanted)
        self.known |= files.keys()
        return {path: data for path, data in files.items() if path not in self.aside}

    def named(self, message: str, origin: str) -> tuple[str, str] | None:
        """Return the file that a message begins with, and the rest of the message."""
        for path in sorted(self.known - self.aside, key=len, reverse=True):
            start = f"{origin.rstrip('/')}/{path}: "
            if message.startswith(start):
                return path, message.removeprefix(start)
        return None


def examine(settings: Settings) -> Report:
    """Look at everything that the settings name. Raises WorldError, WorldDenied for what cannot be reached."""
    report = Report([], [], {"good": 0, "bad": 0}, [], [], [], [])
    files = _Sound.of(settings)
    assert isinstance(files, _Sound)
    edition = _edition(settings, files, report)
    report.findings.sort()
    if edition is None:
        return report
    book = edition.book
    if not book.types() and not report.broken and settings.contract.unknown_types != "store":
        message = "found no schema, expected one at <event type>/<version>.json"
        report.findings.append(Finding("schema", settings.schemas.path, message))
    report.schemas.extend(f"{kind}/{version}" for kind in book.types() for version in book.versions(kind))
    _Fixtures(settings, edition, report).look()
    for kind in book.types():
        _steps(book, kind, settings.schemas.path, report)
    _remarks(book, settings.schemas.path, report)
    _routes(settings, edition, report)
    _patterns(settings, book, report)
    return report


def _edition(settings: Settings, files: _Sound, report: Report) -> Edition | None:
    """Load what can be loaded; say of all else what is wrong with it."""
    origin, bare = settings.schemas.path, False
    while True:
        try:
            return load(settings, files)
        except (BookError, SettingsError) as error:
            named = files.named(str(error), origin) if isinstance(error, BookError) else None
            if named is not None:
                path, message = named
                files.aside.add(path)
                report.broken.append(path)
                report.findings.append(Finding("schema", f"{origin.rstrip('/')}/{path}", message))
                continue
            where, _, message = str(error).partition(": ")
            kind = "schema" if where.startswith(origin) else "settings"
            if isinstance(error, RouteError):
                report.findings.append(Finding("route", where, message))
                settings = msgspec.structs.replace(settings, routes=Routes())
                continue
            report.findings.append(Finding(kind, where, message))
            if bare or kind == "schema":
                return None
            bare = True  # go on with the schemas alone
            settings = msgspec.structs.replace(settings, enrich=Enrich(steps=()), privacy=Privacy(), dedup=Dedup())


# ---- fixtures


class _Fixtures:
    """The files of good and bad events beside schemas."""

    def __init__(self, settings: Settings, edition: Edition, report: Report) -> None:
        self._settings, self._edition, self._report = settings, edition, report
        self._origin = settings.schemas.path.rstrip("/")
        self._now = time.time_ns() // 1_000_000
        self._whole = Trial(settings, edition, arrival_ms=self._now, book=edition.book)

    def look(self) -> None:
        """Judge every line."""
        book, report = self._edition.book, self._report
        places = {
            stem(book.place(kind, version)): (kind, version) for kind in book.types() for version in book.versions(kind)
        }
        aside = {stem(path) for path in report.broken}
        found = Files.of(self._settings).folder(
            self._settings.schemas.path, lambda path: path.endswith((GOOD, BAD)) or passed_over(path)
        )
        for path, data in sorted(found.items()):
            if not path.endswith((GOOD, BAD)):
                self._passed_over(path)
                continue
            report.fixtures.append(path)
            good = path.endswith(GOOD)
            beside = path.removesuffix(GOOD if good else BAD)
            if beside in places:
                self._file(path, data, *places[beside], good=good)
            elif beside not in aside:
                ending = "" if "/jsonschema/" in beside else ".json"
                self._find(path, None, f"found fixtures of no schema, expected {beside}{ending} beside them")
        with_some = {path.removesuffix(GOOD).removesuffix(BAD) for path in found if path.endswith((GOOD, BAD))}
        for place, (kind, version) in places.items():
            if place not in with_some:
                where = f"{self._origin}/{book.place(kind, version)}"
                report.notes.append(Finding("fixture", where, f"no fixtures: {place.rpartition('/')[2]}{GOOD}, {BAD}"))

    def _passed_over(self, path: str) -> None:
        """Note a file that nobody reads, and whoever put it there thinks otherwise."""
        if path.lower().endswith(".jsonl"):
            kind, expected = "fixture", f"fixtures at <version>{GOOD} or <version>{BAD} beside their schema"
        else:
            kind, expected = "schema", "a schema at <event type>/<version>.json or <vendor>/<name>/jsonschema/<M-R-A>"
        self._report.notes.append(Finding(kind, f"{self._origin}/{path}", f"passed over, expected {expected}"))

    def _find(self, path: str, line: int | None, message: str) -> None:
        where = f"{self._origin}/{path}" + (f":{line}" if line else "")
        self._report.findings.append(Finding("fixture", where, message))

    def _file(self, path: str, data: bytes, kind: str, version: str, *, good: bool) -> None:
        alone = Trial(self._settings, self._edition, arrival_ms=self._now, book=self._edition.book.only(kind, version))
        name, count = f"{kind}/{version}", 0
        for number, line in enumerate(data.split(b"\n"), start=1):
            if not line.strip():
                continue
            count += 1
            judged = alone(line)
            wrong = _not_good(judged, name) if good else _not_bad(judged, name)
            if good and not wrong:
                others = [one for one in self._whole(line) if one.verdict != STORED]
                wrong = f"beside the other versions it is {_became(others[0])}" if others else ""
            if wrong:
                self._find(path, number, f"{wrong}, expected it to be {'stored' if good else 'rejected'} by {name}")
        self._report.lines["good" if good else "bad"] += count
        if not count:
            self._find(path, None, "found no line, expected one event a line")


def _not_good(judged: list[Judged], name: str) -> str:
    others = [one for one in judged if one.verdict != STORED or one.schema != name]
    return f"found it {_became(others[0])}" if others else ""


def _not_bad(judged: list[Judged], name: str) -> str:
    if len(judged) != 1:
        return f"found {len(judged)} events in one line"
    (one,) = judged
    return "" if one.verdict == REJECTED and one.schema == name else f"found it {_became(one)}"


def _became(one: Judged) -> str:
    by = f" by {one.schema}" if one.schema else ", before a schema was asked"
    if one.verdict == STORED:
        return f"stored in {one.table}{by if one.schema else ''}"
    reasons = "; ".join(told(reason) for reason in one.reasons[:REASONS_SHOWN])
    more = f"; and {len(one.reasons) - REASONS_SHOWN} more" if len(one.reasons) > REASONS_SHOWN else ""
    return f"{one.verdict}{by}: {reasons or one.why}{more}"


def stem(path: str) -> str:
    """Return a schema's path without its ending."""
    return re.sub(r"\.(json|avsc)$", "", path)


# ---- remarks and steps


def _remarks(book: Book, origin: str, report: Report) -> None:
    found = {
        book.place(kind, version): book.schema(kind, version)[0]
        for kind in book.types()
        for version in book.versions(kind)
    }
    for place, schema in {**found, **book.shared()}.items():
        for remark in () if place.endswith(".avsc") else remarks(schema):
            report.notes.append(Finding("schema", f"{origin.rstrip('/')}/{place}", remark))


def _steps(book: Book, kind: str, origin: str, report: Report) -> None:
    versions = book.versions(kind)
    for old, new in pairwise(versions):
        (before, scope_before), (after, scope_after) = book.schema(kind, old), book.schema(kind, new)
        lifted = set(_lifted(book, kind, old)) & set(_lifted(book, kind, new))
        changes = compare(before, after, lifted, (scope_before, scope_after))
        step = Taken(kind, old, new, found(changes), said(old, new), changes)
        report.steps.append(step)
        where = f"{origin.rstrip('/')}/{book.place(kind, new)}"
        for one in changes:
            if one.step > step.said:
                number = expected(old, one.step)
                message = f"{one.path} {one.keyword} {one.direction}: {one.message}: {one.step.word} after {old}"
                report.findings.append(Finding("step", where, f"{message}, expected {number} or higher"))
        if step.said is Step.PATCH:
            report.findings.append(Finding("step", where, f"{new} is the same number as {old}, expected a higher one"))


def _lifted(book: Book, kind: str, version: str) -> Iterable[str]:
    page = book.page(kind, version)
    return page.lifted.values() if page else ()


# ---- settings that name types


def _columns(book: Book) -> Iterator[str]:
    """Yield the columns of all tables, `a.b` those inside structs; and `a.` where JSON text may have any inside."""

    def inside(fields: Iterable[pa.Field], start: str) -> Iterator[str]:
        for field in fields:
            yield start + field.name
            if pa.types.is_struct(field.type):
                yield from inside(field.type, f"{start}{field.name}.")
            elif pa.types.is_string(field.type) and not start:
                yield f"{field.name}."

    for schema in (book.envelope, *(table.schema for table in book.tables().values())):
        yield from inside(schema, "")


def _routes(settings: Settings, edition: Edition, report: Report) -> None:
    book, routes = edition.book, edition.treatment.routes
    where = "[routes] json" if settings.routes.json else settings.routes.path
    for name, pattern in unknown_events(routes, book.types()) if routes else ():
        message = f"{name}: enabled_events: found {pattern!r}, expected the name of an event type with a schema"
        report.findings.append(Finding("route", where, message))
    columns = set(_columns(book))
    for one in edition.destinations:
        if one.service == "dynamodb":
            for text in hot.strays(hot.options_of(one), columns, book.types()):
                report.notes.append(Finding("route", where, f"route {one.name}: options: {text}"))
        for name in columns_of(one.options.get("template")) if one.service == "https" else ():
            if name not in columns or "." in name:
                message = f"route {one.name}: options: template: no table has the column {name}"
                report.notes.append(Finding("route", where, message))


def _patterns(settings: Settings, book: Book, report: Report) -> None:
    for path in strays(settings.privacy, book):
        message = f"{path}: a member of no schema; where it stands in no event, nothing is altered"
        report.notes.append(Finding("settings", "[privacy] pseudonyms", message))
    for key in ("lenient", "drop"):
        for pattern in getattr(settings.verdicts, key):
            if not any(map(wildcard([pattern]), book.types())):
                message = f"found {pattern!r}, expected the name of an event type with a schema"
                report.findings.append(Finding("settings", f"[verdicts] {key}", message))
    for where, patterns in (
        ("[lake] parquet", settings.lake.parquet),
        ("[lake] avro", settings.lake.avro),
        ("[redshift] tables", settings.redshift.tables),
    ):
        for pattern in patterns:
            if not fnmatch.filter(book.tables(), pattern):
                report.notes.append(Finding("settings", where, f"{pattern!r} fits no table of the schemas"))
