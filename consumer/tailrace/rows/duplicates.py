"""Events that came before, found in rows. Rule: a key has one owner, and only its row stays.

A key speaks of the application's epoch, the tenant and the event's id (or fingerprint), hashed: who reads it where it
is kept learns nothing of a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tailrace.nouns import Outcome, Rows
from tailrace.schema.book import RESERVED

DUPLICATE: Final = "duplicate"
REDRIVEN: Final = "redriven"
KEY_BYTES: Final = 16
MARK_CHARS_MAX: Final = 128  # a store's keys have an end


class Keyed(NamedTuple):
    """One row that may be a repetition."""

    key: str
    position: str
    row_id: str  # the owner its key would have; of an event sent again, the reject it was sent from


def keys(rows: Sequence[Rows], by: str, epoch: str) -> list[Keyed]:
    """Return the rows that have a key: those whose `by` (event_id, fingerprint) is the client's, and no derived one.

    What is sent again is what was rejected: a key that was claimed for it, before new schemas rejected it, is its own.
    """
    start = blake2b(msgspec.json.encode([epoch, by]), digest_size=KEY_BYTES).copy
    encode = msgspec.json.encode
    out = []
    for batch in _stored(rows):
        column = batch.column(by)
        theirs = pc.fill_null(pc.not_equal(column, batch.column("row_id")), fill_value=False)
        some = batch.filter(theirs)
        for tenant, value, position, row_id, first in _texts(some, "tenant", by, "position", "row_id", "redrive_of"):
            digest = start()
            digest.update(encode((tenant, value)))
            out.append(Keyed(digest.hexdigest(), position, _plain(first) if first else row_id))
    return out


def redriven_keys(rows: Sequence[Rows], epoch: str) -> list[Keyed]:
    """Return the rows that were rejected once and sent again, by what they were sent again from."""
    out = []
    for batch in _stored(rows):
        column = batch.column("redrive_of")
        if column.null_count < len(column):
            some = batch.filter(column.is_valid())
            out += [
                Keyed(redriven_key(epoch, mark), position, row_id)
                for mark, position, row_id in _texts(some, "redrive_of", "position", "row_id")
            ]
    return out


def redriven_key(epoch: str, mark: str) -> str:
    """Return the key of a mark."""
    return f"redriven/{epoch}/{_plain(mark)}"


def _plain(mark: str) -> str:
    """Return a mark as it can be part of a key; one that was made up by somebody else may be anything."""
    if len(mark) <= MARK_CHARS_MAX and mark.isascii():
        return mark
    return blake2b(mark.encode(), digest_size=KEY_BYTES).hexdigest()


def wanted(found: Iterable[Keyed]) -> dict[str, str]:
    """Return for each key the row that comes first by its position: the owner it should have."""
    first: dict[str, Keyed] = {}
    for one in found:
        other = first.setdefault(one.key, one)
        if other is not one and _order(one.position) < _order(other.position):
            first[one.key] = one
    return {key: one.row_id for key, one in first.items()}


def lost(found: Iterable[Keyed], owners: Mapping[str, str]) -> Iterable[str]:
    """Yield the positions of rows whose key another row owns, be it one that is still to come."""
    return (one.position for one in found if owners[one.key] != one.row_id)


def without(outcome: Outcome, repeated: Mapping[str, str]) -> Outcome:
    """Return the outcome without the rows at some positions, which say why they go. Rejects stay."""
    if not repeated:
        return outcome
    rows: list[Rows] = []
    gone: dict[str, str] = {}
    filtered = Counter(dict(outcome.filtered_by))
    stored = outcome.stored_by_type.copy()
    elsewhere: dict[str, str] = {}
    for part in outcome.rows:
        if part.table.name in RESERVED:
            rows.append(part)
            continue
        batch, out = _parted(part.batch, repeated)
        sent = {lane: _parted(some, repeated) for lane, some in part.sent.items()}
        for place, event_type in out:
            label = event_type if event_type in stored else ""
            gone[place] = repeated[place]
            filtered[label, repeated[place]] += 1
            stored[label] -= 1
        elsewhere |= {place: repeated[place] for _, went in sent.values() for place, _ in went}
        left = Rows(part.table, batch, {lane: some for lane, (some, _) in sent.items() if some.num_rows})
        if batch.num_rows or left.sent:
            rows.append(left)
    return outcome._replace(
        rows=rows,
        stored=outcome.stored - len(gone),
        filtered=outcome.filtered + len(gone),
        stored_by_type=+stored,
        filtered_by=filtered,
        repeated={**outcome.repeated, **elsewhere, **gone},
    )


def _parted(batch: pa.RecordBatch, repeated: Mapping[str, str]) -> tuple[pa.RecordBatch, list[tuple[str, str]]]:
    """Return the rows that stay, and (position, event type) of those that go."""
    places = batch.column("position").to_pylist()
    stays = [place not in repeated for place in places]
    if all(stays):
        return batch, []
    types = batch.column("event_type").to_pylist()
    out = [(place, of) for place, of, keep in zip(places, types, stays, strict=True) if not keep]
    return batch.filter(pa.array(stays, pa.bool_())), out


def _stored(rows: Sequence[Rows]) -> Iterable[pa.RecordBatch]:
    for part in rows:
        if part.table.name not in RESERVED:
            yield part.batch
            yield from (some for some in part.sent.values() if some is not part.batch)


def _texts(batch: pa.RecordBatch, *names: str) -> Iterable[tuple[str, ...]]:
    return zip(*(batch.column(name).to_pylist() for name in names), strict=True)


def _order(position: str) -> tuple[int, ...]:
    return tuple(map(int, position.split("/")))
