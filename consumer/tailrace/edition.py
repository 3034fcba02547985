"""An edition: schemas, treatment and lookups, frozen together. Rule: a plan is made under one edition, and names it.

Its digests stand in every plan, so that what a file or a database said then can be told from what it says now.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import NamedTuple

from tailrace import __version__, enrichers
from tailrace.nouns import Destination
from tailrace.rows import route
from tailrace.rows.enrich.port import Enricher
from tailrace.rows.mask import masking
from tailrace.rows.treatment import Treatment, verdicts
from tailrace.schema.book import Book, BookError
from tailrace.schema.load import concerns, load_files
from tailrace.schema.source import Files
from tailrace.settings import Settings, SettingsError
from tailrace.sinks import destinations


class Edition(NamedTuple):
    """What decides which rows records become."""

    book: Book
    treatment: Treatment
    digests: tuple[tuple[str, str], ...]  # by name, sorted

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """Where events go besides the lake."""
        routes = self.treatment.routes
        return () if routes is None else tuple(one.destination for one in routes.elsewhere)


def load(settings: Settings, files: Files | None = None) -> Edition:
    """Read everything that the settings name. Raises BookError, SettingsError: one line; WorldError, WorldDenied."""
    files = files or Files.of(settings)
    steps = enrichers.built(settings.enrich, files.read)
    _check_dedup(settings, steps)
    path = settings.schemas.path
    book = load_files(files.folder(path, concerns), settings.contract, enrichers.added(steps), origin=path)
    enrichers.check(steps, book)
    digests = {"book": book.digest, "code": __version__}
    digests |= {f"enrich/{one.name}": one.digest for one in steps}
    routes = _routes(settings, files, book)
    digests |= {} if routes is None else {"routes": routes.digest}
    mask = masking(settings.privacy, book, files.read)
    digests |= {} if mask is None else {"privacy": mask.digest}
    treatment = Treatment(verdicts(settings.verdicts), steps, mask, routes)
    return Edition(book, treatment, tuple(sorted(digests.items())))


def _check_dedup(settings: Settings, steps: Sequence[Enricher]) -> None:
    """See that some step makes the column that events are told apart by."""
    by = settings.dedup.by
    if by == "fingerprint" and not any(by in one.outputs.names for one in steps):
        raise SettingsError(f'[dedup] by: found "{by}", expected the step "{by}" in [enrich] steps, which makes it')


def _routes(settings: Settings, files: Files, book: Book) -> route.Routes | None:
    """Return the routes that stand in the settings, or in the file they name. Raises RouteError."""
    section, lake = settings.routes, settings.lake.uri
    if not section.path and not section.json:
        return None
    origin = "[routes] json" if section.json else section.path
    try:
        text = section.json or files.read(section.path)
    except BookError as error:  # there is no such file
        raise route.RouteError(f"[routes] path: {error}") from None
    found = route.parsed(text, origin, book.envelope)
    bucket = route.bucket_of(found.lake)
    if bucket and lake and lake.removeprefix("s3://").partition("/")[0] != bucket:
        raise route.RouteError(f"{origin}: lake: destination_arn names the bucket {bucket}, but [lake] uri is {lake}")
    for one in found.elsewhere:
        try:
            destinations.check(one.destination, settings)
        except SettingsError as error:
            raise route.RouteError(f"{origin}: {error}") from None
        _check_partition(f"{origin}: route {one.destination_name}", one.options.get("partition", ()), book)
    return found


def _check_partition(where: str, columns: Sequence[str], book: Book) -> None:
    """See that some table has each column that messages are kept in order by: else none of them has an order."""
    known = {name for table in (book.envelope, *(one.schema for one in book.tables().values())) for name in table.names}
    for column in columns:
        if column not in known:
            near = difflib.get_close_matches(column, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "expected a column of some event type"
            raise route.RouteError(f"{where}: partition: no table has the column {column}, {hint}")
