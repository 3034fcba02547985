"""Files as shards: the records of JSON-lines files. Rule: a record's position follows from the file alone.

The shard is the SHA-256 of the file's address and size, the sequence the byte offset of the line in the uncompressed
file, the arrival time the file's last change as it was when first seen. A line of nothing but white space is no record.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from tailrace.nouns import Record

SUFFIXES = (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz")
READ_BYTES = 1024 * 1024
CHUNK_RECORDS = 5000
CHUNK_BYTES = 4 * 1024 * 1024


class NoSuchFile(Exception):
    """A path that names nothing; one line for a person."""


class DamagedFile(Exception):
    """A file that cannot be read to its end; one line for a person."""


class Source(NamedTuple):
    """One file of records."""

    uri: str
    size: int  # bytes, as stored
    modified_ms: int
    open: Callable[[], BinaryIO]

    @property
    def shard(self) -> str:
        """The file's name as a shard: another size is another file."""
        digest = sha256(f"{self.uri}\n{self.size}".encode()).hexdigest()
        return f"file-{digest[:32]}"


def sources(paths: Sequence[str], s3: Callable[[], Any]) -> Iterator[Source]:
    """Yield, in name order, the files that paths name: files, directories (searched through), `s3://bucket/prefix`."""
    for path in paths:
        found = list(_of_s3(path, s3) if path.startswith("s3://") else _of_disk(Path(path)))
        if not found:
            raise NoSuchFile(f"{path}: no file that ends in {', '.join(SUFFIXES[:3])} (or those with .gz)")
        yield from found


def _of_disk(path: Path) -> Iterator[Source]:
    if not path.exists():
        raise NoSuchFile(f"{path}: no such file or directory")
    inside = (p for p in path.rglob("*") if p.is_file() and p.name.endswith(SUFFIXES)) if path.is_dir() else [path]
    for file in sorted(inside):
        whole = file.resolve()
        stat = whole.stat()
        yield Source(whole.as_uri(), stat.st_size, stat.st_mtime_ns // 1_000_000, lambda whole=whole: whole.open("rb"))  # type: ignore[misc]


def _of_s3(uri: str, s3: Callable[[], Any]) -> Iterator[Source]:
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    client = s3()
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", ()):
            key = entry["Key"]
            if key.endswith(SUFFIXES) or key == prefix:
                yield Source(
                    f"s3://{bucket}/{key}",
                    entry["Size"],
                    int(entry["LastModified"].timestamp() * 1000),
                    lambda key=key: client.get_object(Bucket=bucket, Key=key)["Body"],  # type: ignore[misc]
                )


class Chunk(NamedTuple):
    """Records of a file, and how far into the uncompressed file they reach."""

    records: list[Record]
    offset: int


def chunks(source: Source, modified_ms: int) -> Iterator[Chunk]:
    """Yield the file's records, bounded in number and bytes a chunk. DamagedFile where gzip ends too early."""
    with source.open() as raw:
        stream: Any = gzip.GzipFile(fileobj=raw) if source.uri.endswith(".gz") else raw
        records: list[Record] = []
        held = 0
        for offset, line in _whole(source.uri, _lines(stream)):
            if line.strip():
                records.append(Record(data=line, sequence=str(offset), sub=0, arrival_ms=modified_ms))
                held += len(line)
            if len(records) >= CHUNK_RECORDS or held >= CHUNK_BYTES:
                yield Chunk(records, offset + len(line))
                records, held = [], 0
        yield Chunk(records, source.size)


def _whole(uri: str, lines: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    try:
        yield from lines
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DamagedFile(f"{uri}: {error}") from error


def _lines(stream: io.RawIOBase) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, line without its line feed)."""
    offset, parts = 0, b""
    while block := stream.read(READ_BYTES):
        *whole, parts = (parts + block).split(b"\n") if b"\n" in block else [parts + block]
        for line in whole:
            yield offset, line
            offset += len(line) + 1
    if parts:
        yield offset, parts
