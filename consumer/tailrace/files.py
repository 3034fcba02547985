"""Files as shards: the records of JSON lines and of CSV. Rule: a record's position follows from the file alone.

The shard is the SHA-256 of the file's address and size, the sequence the byte offset of the line in the uncompressed
file, the arrival time the file's last change as it was when first seen. Exactly `size` stored bytes are read: what a
file grows by meanwhile is not of it. A line of nothing but white space is no record of JSON lines, an empty one none of
CSV.
"""

from __future__ import annotations

import gzip
import os
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from tailrace.csv_events import Refused, Table
from tailrace.csv_rows import Line
from tailrace.nouns import Reason, Record
from tailrace.world import WorldDenied, WorldError

CSV_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
SUFFIXES = (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz", *CSV_SUFFIXES)
ENDINGS = tuple(ending for ending in SUFFIXES if not ending.endswith(".gz"))
ARCHIVED = re.compile(r"(^|.*/)raw/dt=\d{4}-\d\d-\d\d/hh=\d\d/[^/]+\.avro")  # of a lake's archive of records
OWN = re.compile(r"(^|.*/)_(commits|compactions|loads)/[^/]+/.+")  # what a lake says of itself: no records
READ_BYTES = 1024 * 1024
KEPT_BYTES_MAX = 8 * 1024 * 1024  # of a copied file, in memory
CHUNK_RECORDS = 5000
CHUNK_BYTES = 4 * 1024 * 1024
STATUS_CHANGED = 412
MISSING = frozenset({"NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed"})


class NoSuchFile(Exception):
    """A path that names nothing; one line for a person."""


class UnfinishedFile(Exception):
    """A file that cannot be brought in to its end; one line for a person."""


class RefusedFile(UnfinishedFile):
    """A file of which no record can be made."""


class DamagedFile(UnfinishedFile):
    """A file whose records end before it does, for good."""


class GoneFile(UnfinishedFile):
    """A file that is not there any more, or another by now."""


class Stored(Protocol):
    """Stored bytes, read from front to end."""

    def read(self, count: int, /) -> bytes: ...
    def close(self) -> None: ...


class Patient(Protocol):
    """Waits before the next try, or raises the error. Made anew for each stretch of trouble."""

    def wait(self, error: WorldError) -> None: ...


class Source(NamedTuple):
    """One file of records."""

    uri: str
    size: int  # bytes, as stored
    modified_ms: int
    open: Callable[[], Stored]

    @property
    def shard(self) -> str:
        """The file's name as a shard: another size is another file."""
        digest = sha256(f"{self.uri}\n{self.size}".encode()).hexdigest()
        return f"file-{digest[:32]}"


def sources(paths: Sequence[str], s3: Callable[[], Any], patience: Callable[[], Patient]) -> Iterator[Source]:
    """Yield, in name order, the files that paths name: files, directories (searched through), `s3://bucket/prefix`."""
    for path in paths:
        if not path:  # of a shell's variable that is not set; as a folder it would be the one in use
            raise NoSuchFile("found an empty path, expected a file, a folder or s3://bucket/prefix")
        found = _of_s3(path, s3(), patience) if path.startswith("s3://") else _of_disk(Path(path))
        if not found:
            endings = f"{', '.join(ENDINGS)} (or those with .gz)"
            raise NoSuchFile(f"{path}: no file that ends in {endings}, nor of an archive: raw/dt=/hh=/*.avro")
        yield from found


def _of_disk(path: Path) -> list[Source]:
    def refuse(error: OSError) -> None:
        raise error

    try:
        if not path.exists():
            raise NoSuchFile(f"{path}: no such file or directory")
        if not path.is_dir():
            return [_source(path)]
        walked = (Path(folder, name) for folder, _, names in os.walk(path, onerror=refuse) for name in names)
        return [_source(file) for file in sorted(walked) if _holds_records(str(file.absolute())) and file.is_file()]
    except OSError as error:
        raise NoSuchFile(f"{error.filename or path}: {error.strerror or error}") from error


def _holds_records(name: str) -> bool:
    held = name.endswith(SUFFIXES) and OWN.fullmatch(name) is None
    return held or ARCHIVED.fullmatch(name) is not None


def _source(file: Path) -> Source:
    def opened() -> BinaryIO:
        return whole.open("rb")

    whole = file.resolve()
    stat = whole.stat()
    return Source(whole.as_uri(), stat.st_size, stat.st_mtime_ns // 1_000_000, opened)


def _of_s3(uri: str, client: Any, patience: Callable[[], Patient]) -> list[Source]:
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    pages = client.get_paginator("list_objects_v2")
    patient: Patient | None = None
    while True:
        try:
            listed = _asked(lambda: list(pages.paginate(Bucket=bucket, Prefix=prefix)), f"list {uri}")
            break
        except WorldError as error:
            patient = patient or patience()
            patient.wait(error)
    return [
        Source(
            f"s3://{bucket}/{entry['Key']}",
            entry["Size"],
            int(entry["LastModified"].timestamp() * 1000),
            lambda entry=entry: S3Object(client, bucket, entry["Key"], entry["ETag"], patience),  # type: ignore[misc]
        )
        for page in listed
        for entry in page.get("Contents", ())
        if _holds_records(entry["Key"]) or entry["Key"] == prefix
    ]


def _asked(call: Callable[[], Any], what: str) -> Any:
    """Ask S3; its errors leave as WorldError or WorldDenied."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  slow to load

    from tailrace.ops import aws  # noqa: PLC0415

    try:
        return call()
    except ClientError as error:
        if aws.status(error) == STATUS_CHANGED:
            raise GoneFile(f"{what}: found another object there than was listed or announced") from error
        if aws.code(error) in MISSING:
            raise GoneFile(f"{what}: there is no such object") from error
        aws.raise_world(error, what)
    except BotoCoreError as error:
        aws.raise_world(error, what)


class S3Object:
    """An object of S3, as it was listed. A stream that breaks is taken up where it broke."""

    def __init__(
        self, client: Any, bucket: str, key: str, etag: str, patience: Callable[[], Patient], version: str = ""
    ) -> None:
        self._client = client
        self._where = {"Bucket": bucket, "Key": key, "IfMatch": etag} | ({"VersionId": version} if version else {})
        self._what = f"read s3://{bucket}/{key}"
        self._patience = patience
        self._at = 0
        self._body: Any = None

    def read(self, count: int, /) -> bytes:
        patient: Patient | None = None
        while True:
            try:
                data: bytes = _asked(lambda: self._read(count), self._what)
            except WorldError as error:
                self.close()
                patient = patient or self._patience()
                patient.wait(error)
            except WorldDenied as error:
                raise UnfinishedFile(str(error)) from error
            else:
                self._at += len(data)
                return data

    def _read(self, count: int) -> bytes:
        if self._body is None:
            rest = {"Range": f"bytes={self._at}-"} if self._at else {}
            self._body = self._client.get_object(**self._where, **rest)["Body"]
        return bytes(self._body.read(count))

    def close(self) -> None:
        if self._body is not None:
            self._body.close()
        self._body = None


class Chunk(NamedTuple):
    """Records of a file, and how many of its stored bytes are read by now."""

    records: list[Record]
    done: int


def chunks(source: Source, modified_ms: int, line_bytes_max: int, table: Table | None = None) -> Iterator[Chunk]:
    """Yield the file's records, bounded in number and bytes a chunk. UnfinishedFile where it cannot be read on.

    `table` says how rows of CSV become records; only a file that ends like one needs it.
    """
    try:
        with closing(source.open()) as raw:
            stored = _Exactly(raw, source)
            lines = _lines(_Unpacked(stored) if source.uri.endswith(".gz") else stored, line_bytes_max)
            if source.uri.endswith(CSV_SUFFIXES):
                assert table is not None, "whoever reads files of any kind has the settings of CSV"
                found = table.records(source.uri, lines, modified_ms, line_bytes_max)
            else:
                found = _json_records(lines, modified_ms, line_bytes_max)
            yield from _in_chunks(found, stored)
    except Refused as error:
        raise RefusedFile(f"{source.uri}: {error}") from error
    except (EOFError, OSError, zlib.error) as error:
        raise UnfinishedFile(f"{source.uri}: {error}") from error


@contextmanager
def copied(source: Source) -> Iterator[BinaryIO]:
    """Open a copy of a file that can be read at any place. UnfinishedFile where it cannot be read to its end."""
    with tempfile.SpooledTemporaryFile(max_size=KEPT_BYTES_MAX, prefix="tailrace-") as whole:
        try:
            with closing(source.open()) as raw:
                stored = _Exactly(raw, source)
                while piece := stored.read(READ_BYTES):
                    whole.write(piece)
        except OSError as error:
            raise UnfinishedFile(f"{source.uri}: {error}") from error
        whole.seek(0)
        yield whole  # type: ignore[misc]  # it has all of BinaryIO's methods


def _in_chunks(found: Iterator[Record], stored: _Exactly) -> Iterator[Chunk]:
    """Yield records in chunks, also those before the place where a packed file is damaged, which is then raised."""
    records: list[Record] = []
    held = 0
    try:
        for record in found:
            records.append(record)
            held += len(record.data)
            if len(records) >= CHUNK_RECORDS or held >= CHUNK_BYTES:
                yield Chunk(records, stored.done)
                records, held = [], 0
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        yield Chunk(records, stored.done)
        raise DamagedFile(f"{stored.uri}: {error}") from error
    yield Chunk(records, stored.size)


def _json_records(lines: Iterator[Line], modified_ms: int, line_bytes_max: int) -> Iterator[Record]:
    for offset, length, line in lines:
        if length > line_bytes_max or line.strip():
            yield _record(offset, length, line, modified_ms, line_bytes_max)


def _record(offset: int, length: int, line: bytes, modified_ms: int, line_bytes_max: int) -> Record:
    record = Record(data=line, sequence=str(offset), sub=0, arrival_ms=modified_ms)
    if length > line_bytes_max:
        record.data = line[:line_bytes_max]
        message = f"found a line of {length} bytes, expected at most {line_bytes_max}; only its head is kept"
        record.fault = Reason("decode", "size", "$", message)
    return record


class _Unpacked:
    """What is packed in a stream. All before a damage comes before the error does."""

    def __init__(self, stored: _Exactly) -> None:
        self._stream = gzip.GzipFile(fileobj=stored, mode="rb")  # type: ignore[call-overload]

    def read(self, count: int, /) -> bytes:
        data: bytes = self._stream.read1(count)
        return data

    def close(self) -> None:
        self._stream.close()


class _Exactly:
    """The first `size` stored bytes of a file. UnfinishedFile where there are fewer."""

    def __init__(self, raw: Stored, source: Source) -> None:
        self._raw = raw
        self._source = source
        self.uri, self.size = source.uri, source.size
        self.done = 0

    def read(self, count: int, /) -> bytes:
        left = self._source.size - self.done
        data = self._raw.read(min(count, left)) if left else b""
        if left and count and not data:
            uri, size = self._source.uri, self._source.size
            raise UnfinishedFile(f"{uri}: it ends after {self.done} of {size} bytes: it was cut while it was read")
        self.done += len(data)
        return data

    def close(self) -> None:
        self._raw.close()


def _lines(stream: Stored, bytes_max: int) -> Iterator[Line]:
    """Yield (offset, length, the line without its line feed); of a line longer than bytes_max not less than its head.

    A long line is joined once, so that its cost grows with its length alone; never much more than its head is held.
    """
    offset = length = 0
    parts: list[bytes] = []
    while block := stream.read(READ_BYTES):
        *ends, rest = block.split(b"\n")
        for end in ends:
            line = end
            if parts:
                line = b"".join([*parts, end] if length <= bytes_max else parts)
                parts = []
            length += len(end)
            yield offset, length, line
            offset += length + 1
            length = 0
        if rest and length <= bytes_max:
            parts.append(rest)
        length += len(rest)
    if length:
        yield offset, length, b"".join(parts)
