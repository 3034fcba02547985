"""What becomes of records, tried without storing them. Rule: the pipeline that stores is the one that is asked.

Used by `check` and `explain`: they say of every event where it would stand, and why it would not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tailrace.edition import Edition
from tailrace.nouns import Identity, Outcome, Reason, Record
from tailrace.rows.pipeline import SCHEMA, UNKNOWN_TYPE, Pipeline
from tailrace.rows.treatment import Treatment, Verdict
from tailrace.schema.book import QUARANTINE, Book
from tailrace.settings import Settings

STORED: Final = "stored"
LENIENT: Final = "lenient"
FILTERED: Final = "filtered"
REJECTED: Final = "rejected"
# What only the stream can say of an event.
OF_THE_STREAM: Final = ("row_id", "received_at", "shard", "position")
_IDENTITY: Final = Identity("trial", "trial", "trial")


class Judged(NamedTuple):
    """What becomes of one event of a record."""

    at: int  # its index in the record
    verdict: str
    table: str | None = None
    event_type: str | None = None
    schema: str | None = None  # `<type>/<version>` it was judged by
    why: str | None = None  # it was filtered
    reasons: tuple[Mapping[str, str], ...] = ()  # stage, keyword, path, message
    row: Mapping[str, Any] | None = None


class Trial:
    """Judges records one by one."""

    def __init__(self, settings: Settings, edition: Edition, *, arrival_ms: int, book: Book | None = None) -> None:
        """`book`: in place of the edition's; then schemas alone decide, whatever verdicts and routes say."""
        alone = edition.treatment._replace(verdict=Treatment().verdict, routes=None)
        self._treatment = edition.treatment if book is None else alone
        self._arrival_ms, self._book = arrival_ms, book or edition.book

        def made(treatment: Treatment) -> Pipeline:
            return Pipeline(settings.contract, self._book, settings.limits, _IDENTITY, treatment)

        self._pipeline, self._strict = made(self._treatment), made(alone)

    def __call__(self, data: bytes, fault: Reason | None = None) -> list[Judged]:
        """Return what becomes of the events of one record, in their order. `fault`: why it is none."""
        record = Record(data, "1", 0, self._arrival_ms, fault=fault)
        outcome = self._pipeline([record])
        found = dict(_stored(outcome, self._book)) | dict(_rejected(outcome, self._book))
        missing = [index for index in range(outcome.received) if index not in found]
        if missing:
            strict = self._strict([record])
            otherwise = dict(_stored(strict, self._book)) | dict(_rejected(strict, self._book))
            whys = {why for _, why in outcome.filtered_by}
            for index in missing:
                found[index] = self._filtered(otherwise.get(index, Judged(index, FILTERED)), whys)
        return [found[index] for index in sorted(found)]

    def _filtered(self, one: Judged, whys: set[str]) -> Judged:
        """Return an event as filtered. The outcome counts whys and names no places: what else it would be tells."""
        if one.verdict == STORED:
            possible = whys - {SCHEMA, UNKNOWN_TYPE}
        elif one.verdict == REJECTED:
            dropped = self._treatment.verdict(one.event_type or "") is Verdict.DROP
            possible = whys & {SCHEMA} if dropped else whys - {SCHEMA}
        else:
            possible = whys & {UNKNOWN_TYPE}
        return one._replace(verdict=FILTERED, why=" or ".join(sorted(possible or whys)), table=None, row=None)


def _stored(outcome: Outcome, book: Book) -> list[tuple[int, Judged]]:
    out = []
    for part in outcome.rows:
        if part.table.name == QUARANTINE.name:
            continue
        for row in part.batch.to_pylist():
            findings = row.get("findings")
            kind, version = row["event_type"], row["schema_version"]
            index = _index(row)
            if row["event_id"] == row["row_id"]:  # derived: the stream's own would be another
                row["event_id"] = None
            judged = Judged(
                index,
                STORED if findings is None else LENIENT,
                part.table.name,
                kind,
                f"{kind}/{version}" if kind in book else None,
                reasons=tuple(json.loads(findings)) if findings else (),
                row={name: value for name, value in row.items() if name not in OF_THE_STREAM},
            )
            out.append((index, judged))
    return out


def _rejected(outcome: Outcome, book: Book) -> list[tuple[int, Judged]]:
    out = []
    for part in outcome.rows:
        if part.table.name == QUARANTINE.name:
            for row in part.batch.to_pylist():
                reasons = tuple(json.loads(row["reasons"]))
                kind, _, version = (row["schema"] or "").rpartition("/")  # as the event names it
                schema = row["schema"] if version in book.versions(kind) else None
                judged = Judged(_index(row), REJECTED, part.table.name, row["event_type"], schema, None, reasons)
                out.append((_index(row), judged))
    return out


def _index(row: Mapping[str, Any]) -> int:
    return int(row["position"].rpartition("/")[2])


def told(reason: Mapping[str, str]) -> str:
    """Return a reason as one line."""
    return printable(f"{reason['path']}: {reason['message']} ({reason['stage']}/{reason['keyword']})")


def printable(text: str) -> str:
    """Return a text that stays on its line and does nothing to a terminal."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
