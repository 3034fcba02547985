"""Records as they came, as rows, and back. Rule: every record that is received is one row, its bytes unaltered.

A pipeline that also archives: what becomes of a record's events plays no part, nor whether it can be read at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import pyarrow as pa

from tailrace.nouns import Identity, Outcome, Reason, Record, Rows
from tailrace.schema.book import ARCHIVE

_FAULT = msgspec.json.Decoder(Reason)


class Pipeline(Protocol):
    """What makes rows of records."""

    def __call__(self, records: Sequence[Record]) -> Outcome: ...
    def internal(self, record: Record, reason: Reason) -> Outcome: ...


class Archiving:
    """A pipeline whose outcomes hold the records, too."""

    def __init__(self, pipeline: Pipeline, identity: Identity) -> None:
        self._pipeline, self._identity = pipeline, identity

    def __call__(self, records: Sequence[Record]) -> Outcome:
        """Return what records became, and the records. Raises TooMuch, as the pipeline does."""
        return self._with(self._pipeline(records), records)

    def internal(self, record: Record, reason: Reason) -> Outcome:
        """Return the outcome of a record that our own code cannot process, and the record."""
        return self._with(self._pipeline.internal(record, reason), [record])

    def _with(self, outcome: Outcome, records: Sequence[Record]) -> Outcome:
        rows = [*outcome.rows, archive_rows(records, self._identity)]
        return outcome._replace(rows=rows, archived=len(records))


def archive_rows(records: Sequence[Record], identity: Identity) -> Rows:
    """Return records as rows of the archive, in their order."""
    count = len(records)
    faults = [None if one.fault is None else msgspec.json.encode(one.fault).decode() for one in records]
    columns: dict[str, Callable[[pa.DataType], pa.Array]] = {
        "stream": lambda kind: pa.repeat(pa.scalar(identity.stream, kind), count),
        "epoch": lambda kind: pa.repeat(pa.scalar(identity.epoch, kind), count),
        "shard": lambda kind: pa.repeat(pa.scalar(identity.shard, kind), count),
        "sequence": lambda kind: pa.array([one.sequence for one in records], kind),
        "sub": lambda kind: pa.array([one.sub for one in records], kind),
        "received_at": lambda kind: pa.array([one.arrival_ms * 1000 for one in records], pa.int64()).cast(kind),
        "partition_key": lambda kind: pa.array([one.partition_key for one in records], kind),
        "fault": lambda kind: pa.array(faults, kind),
        "data": lambda kind: pa.array([one.data for one in records], kind),
    }
    arrays = [columns[field.name](field.type) for field in ARCHIVE.schema]
    return Rows(ARCHIVE, pa.RecordBatch.from_arrays(arrays, schema=ARCHIVE.schema))


def identity_of(row: Mapping[str, Any]) -> Identity:
    """Return the shard that a row of the archive came from. ValueError where it says none."""
    found = Identity(row["stream"], row["epoch"], row["shard"])
    if not all(found):
        raise ValueError("a record without stream, epoch or shard")
    return found


def record_of(row: Mapping[str, Any]) -> Record:
    """Return the record that a row of the archive is, times as microseconds. ValueError where it is none."""
    sequence, sub, arrival, data = row["sequence"], row["sub"], row["received_at"], row["data"]
    if not (sequence and sequence.isascii() and sequence.isdigit()) or sub is None or sub < 0:
        raise ValueError(f"a record without a position: {sequence}/{sub}")
    if arrival is None or data is None:
        raise ValueError(f"a record without bytes or arrival: {sequence}/{sub}")
    try:
        fault = None if row["fault"] is None else _FAULT.decode(row["fault"])
    except msgspec.MsgspecError as error:
        raise ValueError(f"a record whose fault cannot be read: {sequence}/{sub}: {error}") from None
    return Record(data, sequence, sub, arrival // 1000, row["partition_key"], fault)


def positions(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the place of each row's record, `<sequence>/<sub>`."""
    return [f"{row['sequence']}/{row['sub']}" for row in rows]
