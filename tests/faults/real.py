"""Stories over the real pipeline and the real lake sink, as `wiring` puts them together."""

from __future__ import annotations

from typing import Any

from faults.simulation import PATIENCE_S, Kind, Scenery
from support.pipelines import SCHEMAS
from support.simulated_world import IDENTITY, Process
from tailrace.commit.committed import ARCHIVE
from tailrace.commit.ports import Place
from tailrace.edition import Edition
from tailrace.rows.treatment import Treatment
from tailrace.schema.book import Book
from tailrace.settings import Contract, Dedup, Flush, Lake, Limits, Settings, World
from tailrace.shard import Shard
from tailrace.sinks.lake.layout import table_of
from tailrace.sinks.lake.read import LakeReader
from tailrace.wiring import shard_of

CONTRACT = Contract()
BOOK = Book(CONTRACT, SCHEMAS)
READER = LakeReader()
DATAS = (
    b'{"eventType":"click","eventId":"a","tenant":"north","timestamp":"2025-10-09T08:53:20Z","path":"/"}',
    b'{"eventType":"click","eventId":"a","tenant":"south","target":{"id":"x","x":1}}',
    b'{"event_type":"reading","user_id":"u","timestamp":1760000000,"value":1.5}',
    b'{"event_type":"reading","value":"high"}',
    b'[{"event_type":"reading","value":2},{"name":"signup","data":{"a":[1]}},{"event_type":"nobody"}]',
    b'{"eventType":"click","timestamp":"2035-01-01T00:00:00Z"}\n{"eventType":"click","tenant":"north"}',
    b"no JSON",
    b"",
)


EDITION = Edition(BOOK, Treatment(), (("book", BOOK.digest),))


def real_shard(process: Process, scenery: Scenery, edition: Edition = EDITION) -> Shard:
    """Return a shard whose version of the code files tenants apart, or does not."""
    formats = scenery.formats[process.number % len(scenery.formats)]
    archive: Any = scenery.archive[process.number % len(scenery.archive)]
    settings = Settings(
        contract=CONTRACT,
        limits=Limits(),
        lake=Lake(
            parquet=() if formats == "avro" else ("*",),
            avro=() if formats == "parquet" else ("*",),
            raw=archive,
            tenant_partition=scenery.partitions[process.number % len(scenery.partitions)] > 1,
            row_group_rows=3,
            upload_threads=scenery.uploads,
        ),
        flush=Flush(rows=scenery.rows, age_s=scenery.age_ms / 1000),
        world=World(patience_s=PATIENCE_S),
        dedup=Dedup(by="event_id" if scenery.dedup else "", ttl_h=scenery.ttl_s / 3600),
    )
    return shard_of(
        settings,
        IDENTITY,
        edition=edition,
        store=process.ledger,
        place=process.place,
        clock=process.clock,
        say=process.say,
        alive=lambda: None,
        claims=process.claims if scenery.dedup == "table" else None,
    )


def rows(place: Place, name: str) -> list[str]:
    """Return the rows of an object: table or stage, row id and position. The archive's are none of these."""
    if table_of(name) == ARCHIVE or READER.rows(place, name) == 0:
        return []
    contents = READER.contents(place, name)
    stage = name.partition("/stage=")[2].partition("/")[0] or table_of(name)
    return [f"{stage}:{i}:{p}" for i, p in zip(contents.row_ids, contents.positions, strict=True)]


REAL = Kind(real_shard, READER, rows)
