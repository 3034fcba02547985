"""The archive read back: once, in order, resumed where it ended, and never past a file that was not there."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from support.rebuilt import AGAIN, EPOCH, STREAM, Lakes, settings_of
from tailrace import archived
from tailrace.archived import Known, parted
from tailrace.commit.plan import Item, item_from_dict, lane_key
from tailrace.files import DamagedFile, RefusedFile, Source, UnfinishedFile
from tailrace.nouns import START, Identity, Record, mark
from tailrace.sinks.lake.avro import SYNC_BYTES
from tailrace.sinks.lake.avro_read import Container

SHARD = "shardId-000000000000"
HOUR_MS = 3_600_000
NOON_MS = 1_760_011_200_000
SETTINGS = settings_of(raw="")


def plan(first: int, count: int = 4, *, hours: int = 1) -> list[Record]:
    """Return records whose arrivals take turns in some hours."""
    return [
        Record(b'{"eventType":"click","path":"/%d"}' % n, str(n), 0, NOON_MS + n % hours * HOUR_MS)
        for n in range(first, first + count)
    ]


@pytest.fixture
def lake() -> Lakes:
    """Return a lake of three plans; the second lies in two hours."""
    made = Lakes()
    made.stream(SHARD, [plan(100), plan(200, hours=2), plan(300)], settings_of())
    return made


def bring(target: Lakes, *files: Source, of: Lakes, settings: Any = SETTINGS) -> dict[str, str]:
    """Bring an archive in; return what was refused."""
    (archive,) = of.archives(*files)
    target.filing(settings).bring_archive(archive, lambda _done: None)
    return archive.refused


def item(lake: Lakes) -> Item:
    found = lake.store.read(lane_key(Identity(STREAM, AGAIN, SHARD), "lake"))
    assert found is not None
    return item_from_dict(found[1])


def test_the_files_of_a_plan_are_merged_by_position(lake: Lakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archived, "CHUNK_RECORDS", 3)
    (archive,) = lake.archives()
    assert archive.origin() == Identity(STREAM, EPOCH, SHARD)
    chunks = list(archive.chunks(lambda _source: Known([(1, START)], frozenset())))
    assert [one.sequence for chunk in chunks for one in chunk.records] == [
        *map(str, range(100, 104)),
        *map(str, range(200, 204)),
        *map(str, range(300, 304)),
    ]
    assert [len(chunk.records) for chunk in chunks] == [3, 3, 3, 3, 0]
    assert chunks[-1].done == sum(source.size for source in archive.sources)


def test_twice_is_once(lake: Lakes) -> None:
    target = Lakes()
    assert bring(target, of=lake) == bring(target, of=lake) == {}
    assert target.rows(AGAIN) == lake.rows(EPOCH)
    assert item(target).totals.stored == 12
    assert target.findings(AGAIN) == []


def test_plans_are_as_large_as_the_settings_want_them(lake: Lakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archived, "CHUNK_RECORDS", 3)
    target = Lakes()
    bring(target, of=lake)
    assert item(target).chain == 1
    other = Lakes()
    bring(other, of=lake, settings=settings_of(raw="", rows=1))
    assert item(other).chain == 4
    assert other.rows(AGAIN) == lake.rows(EPOCH)


def test_an_archive_that_grows_is_gone_on_with(lake: Lakes) -> None:
    target = Lakes()
    files = lake.files()
    first = [one for one in files if "-0000000001" in one.uri]
    bring(target, *first, of=lake)
    assert item(target).totals.stored == 4
    assert bring(target, *files, of=lake) == {}
    assert target.rows(AGAIN) == lake.rows(EPOCH)


def test_a_file_that_comes_too_late_is_told_and_not_passed_over(lake: Lakes) -> None:
    target = Lakes()
    files = lake.files()
    late = [one for one in files if "-0000000001" in one.uri]
    others = [one for one in files if one not in late]
    bring(target, *others, of=lake)
    refused = bring(target, *files, of=lake)
    assert list(refused) == [late[0].uri]
    assert "its records lie before 303/0, where its shard stands" in refused[late[0].uri]
    assert item(target).totals.stored == 8
    assert list(bring(target, *files, of=lake)) == [late[0].uri], "it was there this time, but the shard had passed it"


def test_an_hour_that_was_left_out_of_a_plan_comes_too_late(lake: Lakes) -> None:
    target = Lakes()
    files = lake.files()
    hour = next(one for one in files if "-0000000002" in one.uri)
    bring(target, *[one for one in files if one is not hour], of=lake)
    assert list(bring(target, *files, of=lake)) == [hour.uri]


def test_a_file_that_only_an_idle_run_had_comes_too_late(lake: Lakes, monkeypatch: pytest.MonkeyPatch) -> None:
    target = Lakes()
    files = lake.files()
    with monkeypatch.context() as patch:
        patch.setattr(archived, "record_of", _fails)  # noted, and then nothing of it is stored
        with pytest.raises(DamagedFile):
            bring(target, *files, of=lake)
    bring(target, *files[1:], of=lake)
    assert list(bring(target, *files, of=lake)) == [files[0].uri]


def _fails(_row: Any) -> Record:
    raise ValueError("no record")


def test_the_same_objects_at_two_addresses_in_one_run_are_stored_once(lake: Lakes) -> None:
    target = Lakes()
    copies = [one._replace(uri=one.uri.replace("s3://lake", "file:///copy")) for one in lake.files()]
    assert bring(target, *lake.files(), *copies, of=lake) == {}
    assert target.rows(AGAIN) == lake.rows(EPOCH)


def test_another_record_at_the_same_place_is_told(lake: Lakes) -> None:
    other = Lakes()
    changed = [Record(b'{"eventType":"click","path":"/other"}', "100", 0, NOON_MS + HOUR_MS)]
    other.stream(SHARD, [changed], settings_of())
    with pytest.raises(DamagedFile, match="another record at 100/0 than"):
        bring(Lakes(), *lake.files(), *other.files(), of=lake)


def damaged(source: Source, change: Callable[[bytes], bytes]) -> Source:
    data = change(source.open().read(source.size))
    return source._replace(size=len(data), open=lambda: io.BytesIO(data))


def test_what_comes_before_a_damage_is_stored_and_a_mended_file_goes_on(lake: Lakes) -> None:
    target = Lakes()
    files = lake.files()
    files.sort(key=lambda one: one.uri.rpartition("-")[2])
    bad = damaged(files[-1], lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DamagedFile, match=r"-0000000003\.avro: "):
        bring(target, *files[:-1], bad, of=lake)
    assert item(target).totals.stored == 8
    assert bring(target, *files, of=lake) == {}
    assert target.rows(AGAIN) == lake.rows(EPOCH)


def test_a_file_that_was_cut_is_gone_on_with_when_it_is_whole() -> None:
    lake, target = Lakes(), Lakes()
    lake.stream(SHARD, [plan(100, 10), plan(200)], settings_of())
    first, last = sorted(lake.files(), key=lambda one: one.uri.rpartition("-")[2])
    cut = damaged(first, lambda data: data[:-1])
    with pytest.raises(DamagedFile, match=r"-0000000001\.avro: it ends too early"):
        bring(target, cut, last, of=lake)
    assert item(target).totals.stored == 8, "what was whole of it"
    assert bring(target, first, last, of=lake) == {}
    assert target.rows(AGAIN) == lake.rows(EPOCH)
    assert bring(target, first, last, of=lake) == {}


def test_a_file_that_was_cut_between_two_blocks_is_told_when_it_is_whole() -> None:
    lake, target = Lakes(), Lakes()
    lake.stream(SHARD, [plan(100, 10), plan(200)], settings_of())
    first, last = sorted(lake.files(), key=lambda one: one.uri.rpartition("-")[2])
    whole = [block.start + block.length for block in Container(first.open()).blocks()]  # type: ignore[arg-type]
    cut = damaged(first, lambda data: data[: whole[-2] + SYNC_BYTES])
    bring(target, cut, last, of=lake)
    assert item(target).totals.stored == 12, "nothing shows that two are not there"
    assert list(bring(target, first, last, of=lake)) == [first.uri]


def test_a_plan_that_is_open_waits_for_its_files(lake: Lakes, monkeypatch: pytest.MonkeyPatch) -> None:
    target = Lakes()
    files = lake.files()
    with monkeypatch.context() as patch:
        patch.setattr(target.place, "create", _full)
        with pytest.raises(OSError, match="full"):
            bring(target, of=lake)
    assert item(target).plan is not None
    first = [one for one in files if "-0000000001" in one.uri]
    with pytest.raises(UnfinishedFile, match="a plan is open whose files are not all here"):
        bring(target, *first, of=lake)
    assert not item(target).stopped
    assert bring(target, *files, of=lake) == {}
    assert target.rows(AGAIN) == lake.rows(EPOCH)
    assert target.findings(AGAIN) == []


def _full(*_args: object) -> bool:
    raise OSError("full")


def test_one_ledger_has_the_archive_of_one_epoch(lake: Lakes) -> None:
    target, other = Lakes(), Lakes()
    other.stream(SHARD, [plan(100)], settings_of(), epoch="later")
    bring(target, of=lake)
    with pytest.raises(UnfinishedFile, match="an archive of clicks, epoch later; this ledger has brought in that of"):
        bring(target, of=other)


def test_shards_are_apart(lake: Lakes) -> None:
    other = "shardId-000000000001"
    lake.stream(other, [plan(100)], settings_of())
    target = Lakes()
    for archive in lake.archives():
        target.filing(SETTINGS).bring_archive(archive, lambda _done: None)
    assert target.rows(AGAIN) == lake.rows(EPOCH)
    assert {row["shard"] for _, row in target.rows(AGAIN).values()} == {SHARD, other}


def test_files_whose_records_are_of_another_shard_than_their_names_say(lake: Lakes) -> None:
    other = Lakes()
    other.stream("shardId-000000000001", [plan(400)], settings_of())
    (stray,) = other.files()
    renamed = stray._replace(uri=lake.files()[0].uri.replace("0000000001.avro", "0000000009.avro"))
    with pytest.raises(DamagedFile, match="found a record of clicks/0a1b2c3d/shardId-000000000001 among those of"):
        bring(Lakes(), *lake.files(), renamed, of=lake)


def test_objects_without_rows_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """An heir whose settings want no archive puts such ones at names that were planned."""
    first, target = Lakes(), Lakes()
    with monkeypatch.context() as patch:
        patch.setattr(first.place, "create", _full)
        with pytest.raises(OSError, match="full"):
            first.stream(SHARD, [plan(100)], settings_of())
    first.stream(SHARD, [plan(100)], SETTINGS)
    assert first.files()
    assert first.findings(EPOCH) == []
    bring(target, of=first)
    assert target.rows(AGAIN) == {}
    first.stream(SHARD, [plan(200)], settings_of())
    bring(target, of=first)
    assert len(target.rows(AGAIN)) == 4


def test_other_files_are_refused(lake: Lakes) -> None:
    file = lake.files()[0]
    with pytest.raises(RefusedFile, match="expected an archive's object"):
        parted([file._replace(uri="s3://lake/raw/mine.avro")])
    avro = Lakes()
    avro.stream(SHARD, [plan(1)], settings_of(raw="", parquet=(), avro=("*",)))
    (rows,) = avro.files("click/")
    with pytest.raises(RefusedFile, match=r"found the columns row_id, .*, expected an archive of records: stream, "):
        bring(Lakes(), rows, of=avro)
    with pytest.raises(RefusedFile, match="expected an archive of records: no Avro object container file"):
        bring(Lakes(), damaged(file, lambda _data: b"{} and more"), of=lake)


def test_a_file_that_is_shorter_than_it_was_listed(lake: Lakes) -> None:
    files = lake.files()
    files[0] = files[0]._replace(size=files[0].size + 1)
    with pytest.raises(UnfinishedFile, match="it was cut while it was read"):
        bring(Lakes(), *files, of=lake)


@pytest.mark.parametrize(
    ("at", "runs", "missed"),
    [
        (5, {1}, False),
        (5, {2}, True),
        (10, {1}, False),
        (11, {2}, False),
        (11, {1}, True),
        (20, {2}, False),
        (21, set(), False),  # nobody has come so far
    ],
)
def test_what_was_missed(at: int, runs: set[int], missed: bool) -> None:
    bounds = [(1, START), (2, mark("10", 0)), (4, mark("20", 0))]
    assert Known(bounds, frozenset(runs)).missed(mark(str(at), 0)) is missed


def test_what_lies_before_the_first_run_was_missed() -> None:
    assert Known([(7, mark("10", 0))], frozenset({7})).missed(mark("9", 0))
