"""An edition: schemas, treatment and lookups, frozen together. Rule: a plan is made under one edition, and names it.

Its digests stand in every plan, so that what a file or a database said then can be told from what it says now.
"""

from __future__ import annotations

from typing import NamedTuple

from tailrace import __version__, enrichers
from tailrace.rows.treatment import Treatment, verdicts
from tailrace.schema.book import Book
from tailrace.schema.load import concerns, load_files
from tailrace.schema.source import Files
from tailrace.settings import Settings


class Edition(NamedTuple):
    """What decides which rows records become."""

    book: Book
    treatment: Treatment
    digests: tuple[tuple[str, str], ...]  # by name, sorted


def load(settings: Settings, files: Files | None = None) -> Edition:
    """Read everything that the settings name. Raises BookError, SettingsError: one line; WorldError, WorldDenied."""
    files = files or Files.of(settings)
    steps = enrichers.built(settings.enrich, files.read)
    path = settings.schemas.path
    book = load_files(files.folder(path, concerns), settings.contract, enrichers.added(steps), origin=path)
    digests = {"book": book.digest, "code": __version__}
    digests |= {f"enrich/{one.name}": one.digest for one in steps}
    treatment = Treatment(verdicts(settings.verdicts), steps)
    return Edition(book, treatment, tuple(sorted(digests.items())))
