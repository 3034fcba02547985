"""Files as shards: a record's position follows from the file alone."""

from __future__ import annotations

import gzip
import os
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import files
from tailrace.files import NoSuchFile, Source, chunks, sources
from tailrace.nouns import Record


def no_s3() -> None:
    raise AssertionError("no path here is on S3")


def source(data: bytes, uri: str = "file:///a.jsonl") -> Source:
    return Source(uri, len(data), 5, lambda: BytesIO(data))


def read(data: bytes, uri: str = "file:///a.jsonl") -> list[Record]:
    return [record for chunk in chunks(source(data, uri), 5) for record in chunk.records]


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
    found = list(chunks(source(data), 5))
    assert [len(chunk.records) for chunk in found] == [2, 2, 1]
    assert [chunk.offset for chunk in found] == [3, 7, 10]
    monkeypatch.setattr(files, "CHUNK_BYTES", 1)
    assert [len(chunk.records) for chunk in chunks(source(data), 5)] == [1, 1, 1, 1, 1, 0]


def test_another_size_or_address_is_another_shard() -> None:
    one = source(b"1\n")
    assert one.shard == source(b"2\n").shard
    assert len({one.shard, source(b"11\n").shard, source(b"1\n", "file:///b.jsonl").shard}) == 3
    assert one.shard.startswith("file-")


def test_a_directory_is_searched_through_in_name_order(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a/z.ndjson.gz", "a.json", "c.txt", "a/b.jsonl.bak", "B.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"1\n")
    found = [one.uri.rpartition(f"{tmp_path}/")[2] for one in sources([str(tmp_path)], no_s3)]
    assert found == ["B.jsonl", "a/z.ndjson.gz", "a.json", "b.jsonl"]


def test_paths_keep_their_order_and_a_named_file_needs_no_suffix(tmp_path: Path) -> None:
    (tmp_path / "z").write_bytes(b"1\n")
    (tmp_path / "a.jsonl").write_bytes(b"22\n")
    os.utime(tmp_path / "z", ns=(0, 7_000_000))
    z, a = sources([str(tmp_path / "z"), str(tmp_path / "a.jsonl")], no_s3)
    assert (z.size, z.modified_ms, a.size) == (2, 7, 3)
    assert told([r for chunk in chunks(z, 0) for r in chunk.records]) == [("0", b"1")]


def test_a_link_is_the_file_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"1\n")
    (tmp_path / "b.jsonl").symlink_to("a.jsonl")
    first, second = sources([str(tmp_path)], no_s3)
    assert first.shard == second.shard


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_path_that_names_nothing_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoSuchFile, match=name):
        list(sources([str(tmp_path / name)], no_s3))


class Listing:
    """Two pages of a bucket."""

    def get_paginator(self, operation: str) -> Listing:
        assert operation == "list_objects_v2"
        return self

    def paginate(self, **where: str) -> list[dict[str, object]]:
        assert where == {"Bucket": "bucket", "Prefix": "in/"}
        from datetime import UTC, datetime

        entry = {"Size": 2, "LastModified": datetime(2026, 1, 1, tzinfo=UTC)}
        return [{"Contents": [{"Key": "in/a.jsonl", **entry}, {"Key": "in/a.txt", **entry}]}, {}]

    def get_object(self, **what: str) -> dict[str, object]:
        assert what == {"Bucket": "bucket", "Key": "in/a.jsonl"}
        return {"Body": BytesIO(b"1\n")}


def test_a_prefix_of_a_bucket() -> None:
    (one,) = sources(["s3://bucket/in/"], Listing)
    assert one.uri == "s3://bucket/in/a.jsonl"
    assert one.modified_ms == 1_767_225_600_000
    assert told([r for chunk in chunks(one, 0) for r in chunk.records]) == [("0", b"1")]
