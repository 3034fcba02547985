"""An edition: schemas, treatment and lookups, frozen together. Rule: a plan is made under one edition, and names it.

Its digests stand in every plan, so that what a file or a database said then can be told from what it says now.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tailrace import __version__
from tailrace.rows.enrich.port import Enricher
from tailrace.rows.enrich.user_agent import UserAgent
from tailrace.rows.treatment import Treatment, verdicts
from tailrace.schema.book import ENVELOPE, Book
from tailrace.schema.load import concerns, load_files
from tailrace.schema.source import Files
from tailrace.settings import Settings, SettingsError

# What makes a step. Files are read through `Files` alone: what it read takes part in the edition's stamp.
BUILT_IN: dict[str, Callable[[Settings, Files], Enricher]] = {"user_agent": lambda _settings, _files: UserAgent()}


class Edition(NamedTuple):
    """What decides which rows records become."""

    book: Book
    treatment: Treatment
    digests: tuple[tuple[str, str], ...]  # by name, sorted


def load(settings: Settings, files: Files | None = None) -> Edition:
    """Read everything that the settings name. Raises BookError, SettingsError: one line; WorldError, WorldDenied."""
    files = files or Files.of(settings)
    enrichers = tuple(_enricher(settings, files, step) for step in settings.enrich.steps)
    added = [field for one in enrichers for field in one.outputs if field.name not in ENVELOPE.names]
    path = settings.schemas.path
    book = load_files(files.folder(path, concerns), settings.contract, added, origin=path)
    digests = {"book": book.digest, "code": __version__}
    digests |= {f"enrich/{one.name}": one.digest for one in enrichers}
    treatment = Treatment(verdicts(settings.verdicts), enrichers)
    return Edition(book, treatment, tuple(sorted(digests.items())))


def _enricher(settings: Settings, files: Files, step: str) -> Enricher:
    if step not in BUILT_IN:
        raise SettingsError(f"[enrich] steps: found {step!r}, expected one of: {', '.join(sorted(BUILT_IN))}")
    return BUILT_IN[step](settings, files)
