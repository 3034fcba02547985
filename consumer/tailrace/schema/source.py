"""Where schemas, routes and lookups are read: a folder, a file, or S3. Rule: stamped first, then read.

The stamp (names, sizes and times of files; ETags of objects) is cheap to take again, so a change is seen without
reading. A change between stamp and reading is seen at the next look. A copy of all that was read can be kept for a
time at which the source cannot be reached.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from stat import S_ISREG
from typing import Any, Final, NamedTuple, NoReturn

import msgspec

from tailrace.schema.book import BookError
from tailrace.settings import Settings
from tailrace.world import WorldError

S3: Final = "s3://"
FILES_MAX: Final = 10_000  # looked at in one folder
FOLDER_BYTES_MAX: Final = 64 * 1024 * 1024  # of the files of a folder that are read
FILE_BYTES_MAX: Final = 256 * 1024 * 1024  # of one file, such as a database of places
STATUS_CHANGED: Final = 412

Wanted = Callable[[str], bool]
Stamp = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


class Entry(NamedTuple):
    """One file of a source."""

    path: str  # below the source; "" where the source is the file itself
    size: int
    tag: str  # another one when the file has changed
    read: Callable[[], bytes]


class Files:
    """Reads what settings name, and remembers what it read. One object a load."""

    def __init__(self, client: Callable[[], Any], kept: Mapping[str, Mapping[str, bytes]] | None = None) -> None:
        """`client`: makes a client of S3, asked for only when one is needed. `kept`: a copy to read in its place."""
        self._client = client
        self._kept = kept
        self._data: dict[str, dict[str, bytes]] = {}
        self._stamps: dict[str, tuple[tuple[str, str], ...]] = {}
        self._lists: dict[str, Callable[[], list[Entry]]] = {}

    @classmethod
    def of(cls, settings: Settings) -> Files:
        """Return the files as settings say they are reached."""

        @cache
        def client() -> Any:
            from tailrace.ops import aws  # noqa: PLC0415  slow to load

            return _asked(
                lambda: aws.client("s3", region=settings.stream.region, endpoint=settings.aws.s3_endpoint), "reach S3"
            )

        return cls(client)

    def read(self, uri: str) -> bytes:
        """Return a file, or the object of `s3://bucket/key`. Raises BookError (one line); WorldError, WorldDenied."""
        return self._take(uri, lambda: [_object(uri, self._client())] if uri.startswith(S3) else [_file(uri)])[""]

    def folder(self, uri: str, wanted: Wanted) -> dict[str, bytes]:
        """Return the wanted files of a folder, or of `s3://bucket/prefix`, by their path below it. Raises as `read`."""

        def listed() -> list[Entry]:
            remote = uri.startswith(S3)
            return _bounded(uri, _objects(uri, self._client(), wanted) if remote else _files(Path(uri), wanted))

        return dict(self._take(uri, listed))

    def _take(self, uri: str, listed: Callable[[], list[Entry]]) -> Mapping[str, bytes]:
        if uri in self._data:
            return self._data[uri]
        if self._kept is None:
            entries = listed()
            data = {entry.path: _read(uri, entry) for entry in entries}
            self._stamps[uri] = _stamp(entries)
        elif uri in self._kept:
            data = dict(self._kept[uri])
            self._stamps[uri] = ()
        else:
            raise BookError(f"{uri}: the copy does not hold it")
        self._lists[uri], self._data[uri] = listed, data
        return data

    @property
    def stamp(self) -> Stamp:
        """How everything that was read stood just before."""
        return tuple(sorted(self._stamps.items()))

    def stamp_now(self) -> Stamp:
        """Return how the same things stand now. Raises as `read`."""
        return tuple(sorted((uri, _stamp(listed())) for uri, listed in self._lists.items()))

    def anew(self) -> Files:
        """Return files that read everything again, where it stands."""
        return Files(self._client)

    def forget(self) -> None:
        """Let the bytes go; the stamps stay."""
        self._data.clear()

    def copy(self) -> bytes:
        """Return everything that was read, for `of_copy`. It holds secrets where the files do."""
        return msgspec.msgpack.encode(self._data)

    def keep(self, path: Path) -> None:
        """Leave the copy in a file, whole or not at all; its owner alone can read it."""
        new = path.with_name(f"{path.name}.{os.getpid()}")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(self.copy())
        new.replace(path)

    def of_copy(self, data: bytes) -> Files:
        """Return files that read from a copy, and stamp where the originals stand. Raises BookError."""
        try:
            return Files(self._client, msgspec.msgpack.decode(data, type=dict[str, dict[str, bytes]]))
        except msgspec.MsgspecError as error:
            raise BookError(f"the copy of schemas and lookups cannot be read: {error}") from None


def _stamp(entries: Iterable[Entry]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((entry.path, entry.tag) for entry in entries))


def _bounded(uri: str, found: Iterable[Entry | None]) -> list[Entry]:
    """Return what is wanted. Raises BookError where there are too many to look at, or too much to read."""
    entries: list[Entry] = []
    for count, entry in enumerate(found, start=1):
        if count > FILES_MAX:
            raise BookError(f"{uri}: found more than {FILES_MAX:,} files, expected a folder of schemas alone")
        if entry is not None:
            entries.append(entry)
    total = sum(entry.size for entry in entries)
    if total > FOLDER_BYTES_MAX:
        raise BookError(f"{uri}: found {total:,} bytes of schemas, expected at most {FOLDER_BYTES_MAX:,}")
    return entries


def _read(uri: str, entry: Entry) -> bytes:
    if entry.size > FILE_BYTES_MAX:
        raise BookError(f"{uri}: found {entry.size:,} bytes, expected at most {FILE_BYTES_MAX:,}")
    return entry.read()


# -- on disk


def _files(root: Path, wanted: Wanted) -> Iterator[Entry | None]:
    def refuse(error: OSError) -> NoReturn:  # a folder that cannot be read must not look as if it had gone
        raise BookError(f"{error.filename or root}: {(error.strerror or str(error)).lower()}") from None

    if not root.is_dir():
        raise BookError(f"{root}: no such folder")
    for folder, below, names in os.walk(root, onerror=refuse):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in names:
            file = Path(folder, name)
            path = file.relative_to(root).as_posix()
            yield _entry(file, path) if wanted(path) else None


def _file(uri: str) -> Entry:
    return _entry(Path(uri), "")


def _entry(file: Path, path: str) -> Entry:
    stat = _of_disk(file, file.stat)
    if not S_ISREG(stat.st_mode):
        raise BookError(f"{file}: found a folder or device, expected a file")
    return Entry(
        path,
        stat.st_size,
        f"{stat.st_size}/{stat.st_mtime_ns}/{stat.st_ino}",
        lambda: bytes(_of_disk(file, file.read_bytes)),
    )


def _of_disk(file: Path, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except OSError as error:
        raise BookError(f"{file}: {(error.strerror or str(error)).lower()}") from None


# -- in S3


def _objects(uri: str, client: Any, wanted: Wanted) -> Iterator[Entry | None]:
    bucket, _, prefix = uri.removeprefix(S3).partition("/")
    prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    pages = iter(client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix))
    empty = True
    while (page := _asked(lambda: next(pages, None), f"list {uri}")) is not None:
        for found in page.get("Contents", ()):
            empty = False
            path = found["Key"].removeprefix(prefix)
            yield _of_s3(client, (bucket, found["Key"]), path, found["Size"], found["ETag"]) if wanted(path) else None
    if empty:
        raise BookError(f"{uri}: nothing is there, expected schemas")


def _object(uri: str, client: Any) -> Entry:
    bucket, _, key = uri.removeprefix(S3).partition("/")
    head = _asked(lambda: client.head_object(Bucket=bucket, Key=key), f"read {uri}")
    return _of_s3(client, (bucket, key), "", head["ContentLength"], head["ETag"])


def _of_s3(client: Any, where: tuple[str, str], path: str, length: int, etag: str) -> Entry:
    bucket, key = where

    def read() -> bytes:
        return bytes(client.get_object(Bucket=bucket, Key=key, IfMatch=etag)["Body"].read())

    return Entry(path, length, etag, lambda: bytes(_asked(read, f"read {S3}{bucket}/{key}")))


def _asked(call: Callable[[], Any], what: str) -> Any:
    """Ask S3; its errors leave as WorldError or WorldDenied, what is not there as BookError."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  slow to load

    from tailrace.ops import aws  # noqa: PLC0415

    try:
        return call()
    except ClientError as error:
        if aws.status(error) == STATUS_CHANGED:
            raise WorldError(f"{what}: it changed while it was read") from error
        if aws.code(error) in {"404", "NoSuchKey", "NotFound", "NoSuchBucket"}:
            raise BookError(f"{what}: it is not there") from None
        aws.raise_world(error, what)
    except BotoCoreError as error:
        aws.raise_world(error, what)
