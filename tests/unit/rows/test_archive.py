"""Records as rows of the archive: each once, its bytes unaltered, and the same record again when it is read."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.pipelines import IDENTITY, TREATMENT
from tailrace import settings
from tailrace.nouns import Reason, Record, Redriven
from tailrace.rows.archive import Archiving, archive_rows, identity_of, record_of
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.redriven import wrap
from tailrace.schema.book import ARCHIVE, Book, safe
from tailrace.sinks.lake.avro import AvroFile
from tailrace.sinks.lake.avro_read import Container
from tailrace.sinks.lake.formats import Format
from tailrace.sinks.lake.spool import Budget

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
records = st.builds(
    Record,
    st.binary(max_size=300),
    st.integers(0, 10**56 - 1).map(str),
    st.integers(0, 10**9),
    st.integers(0, 4_102_444_800_000),
    st.none() | texts,
    st.none() | st.builds(Reason, texts, texts, texts, texts),
)
ROW: dict[str, Any] = {
    "stream": "s",
    "epoch": "e",
    "shard": "h",
    "sequence": "12",
    "sub": 0,
    "received_at": 5000,
    "partition_key": None,
    "fault": None,
    "data": b"x",
}


def stored(made: list[Record], codec: str) -> list[dict[str, Any]]:
    """Return rows as they are read from a file of the archive."""
    file = AvroFile("raw/dt=2026-01-01/hh=00", ARCHIVE, Format(avro_codec=codec), Budget(10**9))
    file.write(pa.Table.from_batches([archive_rows(made, IDENTITY).batch]))
    with file.close({"epoch": "e"}).open() as body:
        source = io.BytesIO(body.read())
    return [row for block in Container(source).blocks() for row in block.values()]


@given(st.lists(records, min_size=1, max_size=20), st.sampled_from(["snappy", "deflate", "none"]))
def test_what_is_read_back_is_the_record(made: list[Record], codec: str) -> None:
    rows = stored(made, codec)
    assert [record_of(row) for row in rows] == made
    assert {identity_of(row) for row in rows} == {IDENTITY}


def pipeline() -> Archiving:
    contract = settings.Contract()
    return Archiving(Pipeline(contract, Book(contract, {}), settings.Limits(), IDENTITY, TREATMENT), IDENTITY)


@given(st.lists(records, min_size=1, max_size=9))
def test_every_record_is_archived_whatever_becomes_of_its_events(made: list[Record]) -> None:
    outcome = pipeline()(made)
    assert outcome.archived == len(made)
    assert outcome.received == outcome.stored + outcome.rejected + outcome.filtered
    (kept,) = [part for part in outcome.rows if part.table is ARCHIVE]
    assert kept.batch["data"].to_pylist() == [one.data for one in made]


def test_the_mark_of_what_was_sent_again_stays_in_the_bytes() -> None:
    data = wrap(Redriven("r" * 32, "id"), b"no JSON")
    outcome = pipeline()([Record(data, "1", 0, 7)])
    (reject, kept) = outcome.rows
    assert reject.batch["raw"].to_pylist() == [b"no JSON"]
    assert kept.batch["data"].to_pylist() == [data]


def test_a_record_that_our_own_code_cannot_process_is_archived_too() -> None:
    outcome = pipeline().internal(Record(b"{}", "1", 0, 7), Reason("internal", "died", "$", "it died"))
    assert (outcome.rejected, outcome.archived) == (1, 1)
    assert [part.table.name for part in outcome.rows] == ["quarantine", "raw"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sequence": None}, "without a position: None/0"),
        ({"sequence": "1x"}, "without a position: 1x/0"),
        ({"sub": -1}, "without a position: 12/-1"),
        ({"data": None}, "without bytes or arrival: 12/0"),
        ({"received_at": None}, "without bytes or arrival: 12/0"),
        ({"fault": "{"}, "whose fault cannot be read: 12/0"),
    ],
)
def test_a_row_that_is_no_record(change: dict[str, Any], message: str) -> None:
    assert record_of(ROW) == Record(b"x", "12", 0, 5)
    with pytest.raises(ValueError, match=message):
        record_of(ROW | change)


@pytest.mark.parametrize("column", ["stream", "epoch", "shard"])
def test_a_row_of_no_shard(column: str) -> None:
    with pytest.raises(ValueError, match="without stream, epoch or shard"):
        identity_of(ROW | {column: None})


def test_no_type_of_events_has_the_archives_folder() -> None:
    assert {safe(name).casefold() for name in ("raw", "RAW", "quarantine")} & {"raw", "quarantine"} == set()
