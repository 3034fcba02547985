"""Files as shards: a record's position follows from the file alone."""

from __future__ import annotations

import gzip
import os
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from tailrace import files
from tailrace.commit.patience import Patience
from tailrace.csv_events import Table
from tailrace.files import Chunk, NoSuchFile, Source, UnfinishedFile, sources
from tailrace.nouns import Reason, Record
from tailrace.settings import Csv
from tailrace.world import WorldDenied, WorldError

LINE_MAX = 100


def no_s3() -> None:
    raise AssertionError("no path here is on S3")


class Time:
    """Nothing waits here."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def patience() -> Patience:
    return Patience(Time(), 30.0, lambda: 0.0)


def chunks(source: Source, line_max: int = LINE_MAX) -> Iterator[Chunk]:
    return files.chunks(source, 5, line_max)


def source(data: bytes, uri: str = "file:///a.jsonl") -> Source:
    return Source(uri, len(data), 5, lambda: BytesIO(data))


def read(data: bytes, uri: str = "file:///a.jsonl") -> list[Record]:
    return [record for chunk in chunks(source(data, uri)) for record in chunk.records]


def told(records: list[Record]) -> list[tuple[str, bytes]]:
    return [(record.sequence, record.data) for record in records]


def test_a_line_stands_at_its_offset_and_came_when_the_file_was_changed() -> None:
    (first, second) = read(b'{"a":1}\n{"b":2}\n')
    assert told([first, second]) == [("0", b'{"a":1}'), ("8", b'{"b":2}')]
    assert (second.sub, second.arrival_ms) == (0, 5)


def test_the_last_line_needs_no_line_feed() -> None:
    assert told(read(b"1\n2")) == [("0", b"1"), ("2", b"2")]


def test_blank_lines_are_no_records_but_keep_their_bytes() -> None:
    assert told(read(b"\n1\n \t\n\r\n2\n\n")) == [("1", b"1"), ("8", b"2")]


def test_a_carriage_return_stays_in_the_record_where_json_ignores_it() -> None:
    assert told(read(b"1\r\n2\r\n")) == [("0", b"1\r"), ("3", b"2\r")]


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n  \n"])
def test_a_file_without_records(data: bytes) -> None:
    assert read(data) == []


def test_gzip_counts_bytes_of_the_uncompressed_file() -> None:
    data = b"1\n22\n333"
    packed = gzip.compress(data[:4]) + gzip.compress(data[4:])  # two members, as `cat a.gz b.gz` leaves them
    assert told(read(packed, "file:///a.jsonl.gz")) == told(read(data))


def test_a_line_may_be_longer_than_a_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "READ_BYTES", 3)
    assert told(read(b"1234567\n89\n\nab")) == [("0", b"1234567"), ("8", b"89"), ("12", b"ab")]


@given(lines=st.lists(st.binary(max_size=9).map(lambda b: b.replace(b"\n", b"."))), block=st.integers(1, 12))
def test_every_record_is_found_again_at_its_offset(lines: list[bytes], block: int) -> None:
    data = b"\n".join(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "READ_BYTES", block)
        found = read(data)
    assert [record.data for record in found] == [line for line in lines if line.strip()]
    assert all(data[int(r.sequence) : int(r.sequence) + len(r.data)] == r.data for r in found)


def test_chunks_are_bounded_and_end_with_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHUNK_RECORDS", 2)
    data = b"1\n2\n3\n4\n5\n"
    monkeypatch.setattr(files, "READ_BYTES", 4)
    found = list(chunks(source(data)))
    assert [len(chunk.records) for chunk in found] == [2, 2, 1]
    assert [chunk.done for chunk in found] == [4, 8, 10]
    monkeypatch.setattr(files, "CHUNK_BYTES", 1)
    assert [len(chunk.records) for chunk in chunks(source(data))] == [1, 1, 1, 1, 1, 0]


def test_another_size_or_address_is_another_shard() -> None:
    one = source(b"1\n")
    assert one.shard == source(b"2\n").shard
    assert len({one.shard, source(b"11\n").shard, source(b"1\n", "file:///b.jsonl").shard}) == 3
    assert one.shard.startswith("file-")


def test_a_directory_is_searched_through_in_name_order(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a/z.ndjson.gz", "a.json", "c.txt", "a/b.jsonl.bak", "B.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"1\n")
    found = [one.uri.rpartition(f"{tmp_path}/")[2] for one in sources([str(tmp_path)], no_s3, patience)]
    assert found == ["B.jsonl", "a/z.ndjson.gz", "a.json", "b.jsonl"]


def test_of_a_lake_that_is_searched_through_only_the_archive_is_taken(tmp_path: Path) -> None:
    archived = "raw/dt=2026-01-31/hh=08/e-files-s-0000000001.avro"
    own = ("_commits/e/files/s/0000000001.json", "_compactions/e/click/v1/upto-0000000001.json.gz", "_loads/e/m.json")
    for name in (archived, "click/v1/dt=2026-01-31/hh=08/a.avro", *own):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"1\n")
    found = [one.uri.rpartition("/")[2] for one in sources([str(tmp_path)], no_s3, patience)]
    assert found == ["e-files-s-0000000001.avro"]


def test_paths_keep_their_order_and_a_named_file_needs_no_suffix(tmp_path: Path) -> None:
    (tmp_path / "z").write_bytes(b"1\n")
    (tmp_path / "a.jsonl").write_bytes(b"22\n")
    os.utime(tmp_path / "z", ns=(0, 7_000_000))
    z, a = sources([str(tmp_path / "z"), str(tmp_path / "a.jsonl")], no_s3, patience)
    assert (z.size, z.modified_ms, a.size) == (2, 7, 3)
    assert told([r for chunk in chunks(z) for r in chunk.records]) == [("0", b"1")]


def test_a_link_is_the_file_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"1\n")
    (tmp_path / "b.jsonl").symlink_to("a.jsonl")
    first, second = sources([str(tmp_path)], no_s3, patience)
    assert first.shard == second.shard


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_path_that_names_nothing_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoSuchFile, match=name):
        list(sources([str(tmp_path / name)], no_s3, patience))


def test_an_empty_path_is_not_the_folder_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"1\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoSuchFile, match="found an empty path, expected a file, a folder or s3://bucket/prefix"):
        list(sources([""], no_s3, patience))


def test_a_line_as_long_as_allowed_is_whole_and_a_longer_one_is_a_fault_with_its_head(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "READ_BYTES", 3)
    data = b"12345678\n" + b"abcdefghi" * 5 + b"\n9\n" + b"z" * 9
    records = [record for chunk in chunks(source(data), 8) for record in chunk.records]
    assert told(records) == [("0", b"12345678"), ("9", b"abcdefgh"), ("55", b"9"), ("57", b"zzzzzzzz")]
    message = "found a line of {} bytes, expected at most 8; only its head is kept"
    long, last = (Reason("decode", "size", "$", message.format(length)) for length in (45, 9))
    assert [record.fault for record in records] == [None, long, None, last]


def test_of_a_huge_line_no_more_than_its_head_is_held() -> None:
    size, block = 64 * files.READ_BYTES, b"x" * files.READ_BYTES

    class Endless:
        def read(self, count: int, /) -> bytes:
            return block[:count]

        def close(self) -> None: ...

    tracemalloc.start()
    (record,) = [r for chunk in chunks(Source("file:///a", size, 5, Endless)) for r in chunk.records]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert record.data == block[:LINE_MAX]
    assert peak < 8 * files.READ_BYTES


def test_what_a_file_grows_by_while_it_is_read_is_not_of_it() -> None:
    grown = Source("file:///a.jsonl", 4, 5, lambda: BytesIO(b"1\n22\n333\n"))
    assert told([r for chunk in chunks(grown) for r in chunk.records]) == [("0", b"1"), ("2", b"22")]


def test_a_file_that_was_cut_since_it_was_listed_is_said() -> None:
    cut = Source("file:///a.jsonl", 9, 5, lambda: BytesIO(b"1\n22\n"))
    with pytest.raises(UnfinishedFile, match=r"^file:///a.jsonl: it ends after 5 of 9 bytes"):
        list(chunks(cut))


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(b"1\n" * 99)[:-9], b"\x1f\x8b no gzip", gzip.compress(b"1")[:12] + b"?" * 9],
    ids=["cut off", "a head alone", "no block"],  # what is packed holds the time
)
def test_a_damaged_gzip_is_said(packed: bytes) -> None:
    with pytest.raises(UnfinishedFile, match=r"^file:///a.jsonl.gz: "):
        read(packed, "file:///a.jsonl.gz")


def test_a_file_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"1\n")
    (one,) = sources([str(tmp_path)], no_s3, patience)
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(UnfinishedFile, match=r"a.jsonl: .*No such file"):
        list(chunks(one))


def test_progress_through_gzip_is_told_in_stored_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHUNK_RECORDS", 1000)
    monkeypatch.setattr(files, "READ_BYTES", 4096)
    packed = gzip.compress(b"".join(b"%d\n" % (n * 7919) for n in range(100_000)))
    done = [chunk.done for chunk in chunks(source(packed, "file:///a.jsonl.gz"))]
    assert done == sorted(done)
    assert done[-1] == len(packed)
    assert done[len(done) // 10] < len(packed) / 4


class Body(BytesIO):
    """A stream that breaks after so many bytes."""

    def __init__(self, data: bytes, breaks_after: int) -> None:
        super().__init__(data)
        self._left = breaks_after

    def read(self, count: int | None = -1, /) -> bytes:
        if self._left <= 0:
            raise ReadTimeoutError(endpoint_url="http://here")
        data = super().read(min(count or 0, self._left))
        self._left -= len(data)
        return data


class Bucket:
    """Two pages of a bucket."""

    def __init__(self, data: bytes = b"1\n", *, breaks_after: int = 99, trouble: tuple[Exception, ...] = ()) -> None:
        self._data, self._breaks_after, self._trouble = data, breaks_after, list(trouble)
        self.asked: list[dict[str, str]] = []

    def get_paginator(self, operation: str) -> Bucket:
        assert operation == "list_objects_v2"
        return self

    def paginate(self, **where: str) -> list[dict[str, object]]:
        assert where == {"Bucket": "bucket", "Prefix": "in/"}
        self._fail()
        entry = {"Size": len(self._data), "LastModified": datetime(2026, 1, 1, tzinfo=UTC), "ETag": '"e"'}
        return [{"Contents": [{"Key": "in/a.jsonl", **entry}, {"Key": "in/a.txt", **entry}]}, {}]

    def get_object(self, **what: str) -> dict[str, object]:
        self._fail()
        self.asked.append(what)
        start = int(what.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        return {"Body": Body(self._data[start:], self._breaks_after)}

    def _fail(self) -> None:
        if self._trouble:
            raise self._trouble.pop(0)


WHERE = {"Bucket": "bucket", "Key": "in/a.jsonl", "IfMatch": '"e"'}
AWAY = EndpointConnectionError(endpoint_url="http://here")


def no(code: str, status: int) -> ClientError:
    about = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(about, "GetObject")  # type: ignore[arg-type]


def test_a_prefix_of_a_bucket() -> None:
    bucket = Bucket()
    (one,) = sources(["s3://bucket/in/"], lambda: bucket, patience)
    assert one.uri == "s3://bucket/in/a.jsonl"
    assert one.modified_ms == 1_767_225_600_000
    assert told([r for chunk in chunks(one) for r in chunk.records]) == [("0", b"1")]
    assert bucket.asked == [WHERE]


def test_a_stream_that_breaks_is_taken_up_where_it_broke() -> None:
    bucket = Bucket(b"1\n22\n333\n", breaks_after=4)
    (one,) = sources(["s3://bucket/in/"], lambda: bucket, patience)
    assert told([r for chunk in chunks(one) for r in chunk.records]) == [("0", b"1"), ("2", b"22"), ("5", b"333")]
    assert bucket.asked == [WHERE, {**WHERE, "Range": "bytes=4-"}, {**WHERE, "Range": "bytes=8-"}]


def test_trouble_of_s3_that_passes_is_borne() -> None:
    bucket = Bucket(trouble=(AWAY, no("SlowDown", 503)))
    (one,) = sources(["s3://bucket/in/"], lambda: bucket, patience)
    bucket._trouble = [no("InternalError", 500), AWAY]
    assert told([r for chunk in chunks(one) for r in chunk.records]) == [("0", b"1")]


def test_an_s3_that_stays_away_ends_the_patience() -> None:
    with pytest.raises(WorldError, match="list s3://bucket/in/: EndpointConnectionError"):
        list(sources(["s3://bucket/in/"], lambda: Bucket(trouble=(AWAY,) * 99), patience))
    bucket = Bucket()
    (one,) = sources(["s3://bucket/in/"], lambda: bucket, patience)
    bucket._trouble = [AWAY] * 99
    with pytest.raises(WorldError, match=r"read s3://bucket/in/a.jsonl: EndpointConnectionError"):
        list(chunks(one))


def test_a_bucket_that_says_no_ends_all_and_an_object_that_does_only_itself() -> None:
    with pytest.raises(WorldDenied, match="NoSuchBucket"):
        list(sources(["s3://bucket/in/"], lambda: Bucket(trouble=(no("NoSuchBucket", 404),)), patience))
    bucket = Bucket()
    (one,) = sources(["s3://bucket/in/"], lambda: bucket, patience)
    for code, status, said in (
        ("AccessDenied", 403, "AccessDenied"),
        ("PreconditionFailed", 412, "found another object there than was listed"),
    ):
        bucket._trouble = [no(code, status)]
        with pytest.raises(UnfinishedFile, match=said):
            list(chunks(one))


def test_of_a_gzip_that_unpacks_to_a_thousand_times_as_much_little_is_held() -> None:
    packed = gzip.compress(b"n,t\n" + bytes(128 << 20), mtime=0)
    assert len(packed) < 200_000
    tracemalloc.start()
    found = files.chunks(source(packed, "file:///a.csv.gz"), 5, 1 << 20, Table(Csv(), "event_type"))
    (record,) = [record for chunk in found for record in chunk.records]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert record.fault is not None
    assert peak < 16 << 20
