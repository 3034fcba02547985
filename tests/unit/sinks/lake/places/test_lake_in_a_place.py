"""A whole lake through the real lane, in each place: committed, taken over, audited, searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from support.ministack import ministack
from support.small_lake import AVRO_ALONE, BOTH, EPOCH, FORM, STREAM, commit, lane, outcome, records
from tailrace.commit.audit import audit
from tailrace.commit.batch import part_of
from tailrace.commit.committed import decode, shards_of
from tailrace.commit.ledger_dynamodb import DynamoLedger, create_table
from tailrace.commit.ledger_sqlite import SqliteLedger
from tailrace.commit.ports import Body, LedgerStore, Place
from tailrace.sinks.lake.formats import Format
from tailrace.sinks.lake.places.directory import DirectoryPlace
from tailrace.sinks.lake.places.s3 import S3Place
from tailrace.sinks.lake.read import LakeReader, Search

COMMIT = f"_commits/{EPOCH}/{STREAM}/shard-0/0000000001.json"
World = tuple[LedgerStore, Any]


@pytest.fixture(params=["directory", "s3"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "directory":
        store = SqliteLedger(tmp_path / "ledger.sqlite")
        yield store, DirectoryPlace(tmp_path / "lake")
        store.close()
        return
    with ministack(tmp_path) as running:
        boto3.client("s3", endpoint_url=running.url).create_bucket(Bucket="lake")
        create_table(boto3.client("dynamodb", endpoint_url=running.url), "ledger")
        yield (
            DynamoLedger.connect("ledger", region="us-east-1", endpoint=running.url),
            S3Place.connect("lake", "p", region="us-east-1", endpoint=running.url),
        )


class KilledError(Exception):
    """The child ends here."""


class Deadly:
    """A place in which a child dies when it creates its nth object."""

    def __init__(self, place: Place, nth: int) -> None:
        self._place = place
        self._left = nth

    def create(self, name: str, body: Body, meta: Mapping[str, str]) -> bool:
        self._left -= 1
        if self._left <= 0:
            raise KilledError
        return self._place.create(name, body, meta)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._place, name)


@pytest.mark.parametrize("form", [FORM, BOTH, AVRO_ALONE], ids=["parquet", "both", "avro"])
def test_a_lake_is_committed_audited_and_searched(world: World, form: Format) -> None:
    store, place = world
    commit("shard-0", store, place, [records(100, 120), records(220, 50)], form)
    report = audit(store, place, LakeReader(), EPOCH, STREAM)
    assert report.holds
    assert [shard.events for shard in report.shards] == [(170, 153, 17, 0)]
    search = Search(place, "shard-0-205")
    (found,) = search.run(list(shards_of(store, EPOCH, STREAM)))
    assert (found.facts.chain, found.values["path"]) == (1, "/p/205")
    assert search.missing == []


@pytest.mark.parametrize(
    ("nth", "form", "heirs"),
    [(1, FORM, FORM), (2, FORM, FORM), (3, FORM, FORM), (4, BOTH, BOTH), (3, AVRO_ALONE, BOTH), (5, BOTH, AVRO_ALONE)],
)
def test_a_plan_that_a_killed_child_left_is_taken_over(world: World, nth: int, form: Format, heirs: Format) -> None:
    store, place = world
    plan = records(100, 60)
    killed = lane("shard-0", store, Deadly(place, nth), form)
    killed.add(part_of(plan), outcome("shard-0", plan), 0)
    with pytest.raises(KilledError):
        killed.flush()
    killed.close()
    heir = lane("shard-0", store, place, heirs)
    assert heir.forced == part_of(plan).last
    heir.add(part_of(plan), outcome("shard-0", plan), 0)
    assert heir.flush()
    heir.close()
    report = audit(store, place, LakeReader(), EPOCH, STREAM)
    assert report.holds, report
    assert report.shards[0].events == (60, 54, 6, 0)
    facts, objects = decode(place.read(COMMIT))
    assert facts.generation == 2
    for entry in objects:
        head = place.head(entry.name)
        assert head is not None
        assert head.meta["generation"] == "2"


def test_names_that_the_heir_does_not_fill_get_files_without_rows(world: World) -> None:
    """As after a change of the code: the same records, other folders."""
    store, place = world
    plan = records(100, 60)
    killed = lane("shard-0", store, Deadly(place, 3))
    killed.add(part_of(plan), outcome("shard-0", plan), 0)
    with pytest.raises(KilledError):
        killed.flush()
    killed.close()
    heir = lane("shard-0", store, place)
    heir.add(part_of(plan), outcome("shard-0", plan, bad_every=10**9), 0)
    assert heir.flush()
    heir.close()
    report = audit(store, place, LakeReader(), EPOCH, STREAM)
    assert report.holds, report
    assert report.shards[0].events == (60, 60, 0, 0)
    rows = {entry.table: entry.rows for entry in decode(place.read(COMMIT)).objects}
    assert rows == {"page_view/v1": 60, "quarantine": 0}
