"""Rejects, read back. Rule: every filter finds what it names and nothing else, and opens no more than it must."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from support.rejected_lake import DAY_MS, MONDAY_MS, RejectedLake
from support.small_lake import EPOCH, STREAM
from tailrace.commit.committed import shards_of
from tailrace.nouns import Record
from tailrace.sinks.lake.formats import Format
from tailrace.sinks.lake.rejects import Reject, Rejects, Wanted

MONDAY, TUESDAY = datetime(2025, 10, 13, tzinfo=UTC), datetime(2025, 10, 14, tzinfo=UTC)


@pytest.fixture(
    params=[Format(), Format(avro=("*",)), Format(parquet=(), avro=("*",))], ids=["parquet", "both", "avro"]
)
def lake(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RejectedLake]:
    made = RejectedLake(tmp_path, request.param)
    made.take(
        "s-0",
        Record(b'{"eventType":"click","tenant":"acme","target":{"x":1},"eventId":"e1"}', "1", 0, MONDAY_MS),
        Record(b'{"eventType":"click","tenant":"b\\"q","path":7,"eventId":"e2"}', "2", 0, MONDAY_MS + 1),
        Record(b'{"eventType":"click","tenant":"acme","eventId":"good"}', "3", 0, MONDAY_MS + 2),
        Record(b"{", "4", 0, MONDAY_MS + 3),
        Record(b'{"event_type":"reading","value":"high"}', "5", 0, MONDAY_MS + 4),
        Record(b'{"event_type":"reading","value":"low"}', "6", 0, MONDAY_MS + 5),
    )
    made.take("s-0", Record(b"[1]", "8", 0, MONDAY_MS + DAY_MS))
    made.take("s-1", Record(b'{"event_type":"never"}', "9", 0, MONDAY_MS + DAY_MS + 3_600_000))
    yield made
    made.close()


def found(lake: RejectedLake, wanted: Wanted, **options: Any) -> tuple[list[Reject], Rejects]:
    rejects = Rejects(lake.place, wanted, **options)
    return list(rejects.run(shards_of(lake.store, EPOCH, STREAM))), rejects


@pytest.mark.parametrize(
    ("wanted", "sequences", "objects"),
    [
        (Wanted(), "1 2 4 5 6 8 9", 4),
        (Wanted(stage="schema"), "1 2 5 6", 1),
        (Wanted(stage="parse"), "4", 1),
        (Wanted(keyword="required"), "1", 4),
        (Wanted(keyword="type"), "2 5 6", 4),
        (Wanted(stage="schema", keyword="type"), "2 5 6", 1),
        (Wanted(event_type="click"), "1 2", 4),
        (Wanted(event_type="clic"), "", 4),
        (Wanted(tenant="acme"), "1", 4),
        (Wanted(tenant='b"q'), "2", 4),
        (Wanted(shard="s-1"), "9", 1),
        (Wanted(text="$.path"), "2", 4),
        (Wanted(text="schema"), "9", 4),
        (Wanted(id="e1"), "1", 4),
        (Wanted(since=TUESDAY), "8 9", 2),
        (Wanted(until=TUESDAY), "1 2 4 5 6", 2),
        (Wanted(since=MONDAY + timedelta(milliseconds=1), until=MONDAY + timedelta(milliseconds=4)), "2 4", 2),
        (Wanted(since=TUESDAY + timedelta(minutes=1), until=TUESDAY + timedelta(hours=2)), "9", 2),
    ],
)
def test_what_is_wanted_is_found(lake: RejectedLake, wanted: Wanted, sequences: str, objects: int) -> None:
    rows, rejects = found(lake, wanted)
    assert sorted(row.position.split("/")[0].lstrip("0") for row in rows) == sequences.split()
    assert (rejects.objects, rejects.missing) == (objects, [])


def test_a_reject_is_whole(lake: RejectedLake) -> None:
    (row,), _ = found(lake, Wanted(id="e2"))
    assert row.raw == b'{"eventType":"click","tenant":"b\\"q","path":7,"eventId":"e2"}'
    assert (row.event_type, row.schema, row.tenant, row.event_id) == ("click", "click/1-0-0", 'b"q', "e2")
    assert row.received_at == MONDAY + timedelta(milliseconds=1)
    assert next((reason.stage, reason.keyword, reason.path) for reason in row.reasons) == ("schema", "type", "$.path")
    assert row.object.startswith("quarantine/dt=2025-10-13/stage=schema/")


def test_a_reject_is_found_by_its_row_id(lake: RejectedLake) -> None:
    everything, _ = found(lake, Wanted())
    for row in everything:
        assert [one.position for one in found(lake, Wanted(id=row.row_id))[0]] == [row.position]


def test_bytes_are_read_only_where_they_are_asked_for(lake: RejectedLake) -> None:
    assert {row.raw for row in found(lake, Wanted(), raw=False)[0]} == {b""}


@pytest.mark.parametrize("lake", [Format()], indirect=True)
def test_a_row_group_that_cannot_hold_it_is_not_read(lake: RejectedLake, monkeypatch: pytest.MonkeyPatch) -> None:
    read = list[int]()
    plain = pq.ParquetFile.read_row_group

    def counted(self: pq.ParquetFile, group: int, *args: Any, **options: Any) -> Any:
        read.append(group)
        return plain(self, group, *args, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    found(lake, Wanted(stage="schema", since=MONDAY + timedelta(milliseconds=4)))
    assert read == [1]


def test_only_what_is_committed_counts(lake: RejectedLake) -> None:
    known = max(lake.root.glob("quarantine/*/stage=parse/*"))
    known.with_name("other.parquet").write_bytes(known.read_bytes())
    assert len(found(lake, Wanted(stage="parse"))[0]) == 1


def test_what_could_not_be_looked_at_is_named(lake: RejectedLake) -> None:
    gone = max(lake.root.glob("quarantine/*/stage=schema/*"))  # of two formats, the one that is read
    gone.write_bytes(b"no Parquet")
    rows, rejects = found(lake, Wanted())
    assert len(rows) == 3
    assert rejects.missing == [str(gone.relative_to(lake.root))]
    next(lake.root.glob("_commits/**/*s-1*/*"), next(lake.root.glob("_commits/**/s-1/*"))).unlink()
    assert "the commit file of s-1, chain 1" in found(lake, Wanted())[1].missing


def test_what_has_expired_is_counted(lake: RejectedLake) -> None:
    max(lake.root.glob("quarantine/*/stage=schema/*")).unlink()
    rows, rejects = found(lake, Wanted())
    assert (len(rows), rejects.gone, rejects.missing) == (3, 1, [])


@pytest.mark.parametrize("lake", [Format()], indirect=True)
def test_older_files_lack_columns(lake: RejectedLake) -> None:
    file = next(lake.root.glob("quarantine/*/stage=parse/*"))
    table = pq.read_table(file, partitioning=None).drop_columns(["redrive_of", "event_id"])
    pq.write_table(table, file)
    (row,), _ = found(lake, Wanted(stage="parse"))
    assert (row.redrive_of, row.event_id) == (None, None)
    assert len(found(lake, Wanted(id=row.row_id))[0]) == 1
