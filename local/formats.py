"""Two formats, one content. Rule: rows are compared as other readers read them: fastavro's and pyarrow's own.

Both files of a folder hold the same rows in the same order; here each is held against its twin, row by row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import fastavro
import pyarrow.parquet as pq

from tailrace.commit.committed import ARCHIVE, CommitFile, StoredObject, commits_of, epoch_of, formats, shards_of
from tailrace.commit.ports import Place
from tailrace.commit.stores import ledger_of
from tailrace.settings import Settings
from tailrace.sinks.lake.avro_schema import originals
from tailrace.sinks.lake.places import place_of


class Twins(NamedTuple):
    """What was compared: pairs of files, rows in each of them, and where they differ."""

    pairs: int
    rows: int
    differing: list[str]


def compared(settings: Settings) -> Twins:
    """Hold every committed Avro file of a file run against the Parquet file of the same rows."""
    place = place_of(settings)
    pairs = rows = 0
    differing = []
    for first, second in _pairs(settings, place):
        with place.open(first.name) as parquet, place.open(second.name) as avro:
            wanted: list[dict[str, Any]] = pq.read_table(parquet).to_pylist()
            found = rows_of(avro)
        pairs += 1
        rows += len(wanted)
        if found != wanted:
            at = next((n for n, both in enumerate(zip(found, wanted, strict=False)) if both[0] != both[1]), len(wanted))
            differing.append(f"{second.name}: row {at} of {len(found)}")
    return Twins(pairs, rows, differing)


def _pairs(settings: Settings, place: Place) -> Iterator[tuple[StoredObject, StoredObject]]:
    ledger = ledger_of(settings, file_run=True)
    for shard in shards_of(ledger, epoch_of(ledger, settings.kcl.application) or "", ""):
        for _, commit in commits_of(place, shard):
            assert isinstance(commit, CommitFile), commit
            of_events = [one for one in commit.objects if one.table != ARCHIVE]
            yield from ((one[0], one[1]) for one in formats(of_events) if len(one) > 1)


def rows_of(source: BinaryIO) -> list[dict[str, Any]]:
    """Return the rows of an Avro file under the columns' own names."""
    reader: Any = fastavro.reader(source)
    names = originals(reader.writer_schema)
    return [dict(zip(names, row.values(), strict=True)) for row in reader]
