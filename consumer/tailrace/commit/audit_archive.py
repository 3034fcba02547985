"""The archive of records, for the audit. Rule: where it is on, every record of a plan is in it, once.

The plan counted its records and digested their positions before anything was written, and every record is a row here,
whatever became of its events. So a plan's archive is held against its digest, also where events were filtered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tailrace.commit.audit_compacted import Reader
from tailrace.commit.committed import ARCHIVE, StoredObject
from tailrace.commit.plan import CommitFacts, PositionsDigest
from tailrace.commit.ports import Place
from tailrace.nouns import mark


class Compared(NamedTuple):
    """Two things that should be the same."""

    check: str
    what: str
    ours: object
    theirs: object


def parted(objects: Sequence[StoredObject]) -> tuple[list[StoredObject], list[StoredObject]]:
    """Return the objects of tables, and those of the archive."""
    return [one for one in objects if one.table != ARCHIVE], [one for one in objects if one.table == ARCHIVE]


def counted(facts: CommitFacts) -> Compared:
    """Hold the count of archived records against the plan's records; without an archive there are none."""
    expected = facts.records if facts.digests.get(ARCHIVE) else 0
    return Compared("sums", "archived records against its records", facts.archived, expected)


def compared(
    place: Place, reader: Reader, facts: CommitFacts, whole: Sequence[StoredObject], expired: int
) -> list[Compared]:
    """Compare what is archived of a plan with its facts; `expired` rows are gone. ValueError, FileNotFoundError."""
    out = list[Compared]()
    found = list[tuple[str, str]]()
    for entry in whole:
        positions = reader.records(place, entry.name)
        out.append(Compared("rows", f"rows of {entry.name}", len(positions), entry.rows))
        found += [(_mark(position), position) for position in positions]
    out.append(Compared("rows", "archived records that are there", len(found) + expired, facts.archived))
    outside = [position for at, position in found if not facts.after < at <= facts.last]
    out.append(Compared("positions", "archived records outside its range", outside[:5], []))
    if not expired and facts.archived:
        digest = PositionsDigest()
        digest.add([position for _, position in sorted(found)])
        out.append(Compared("positions", "digest of archived positions", digest.hexdigest(), facts.positions_digest))
    return out


def _mark(position: str) -> str:
    sequence, _, sub = position.partition("/")
    return mark(sequence, int(sub))
