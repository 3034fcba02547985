"""A lake in a directory. Rule: an object is whole or absent, and a taken name is never lost by a race.

New objects are written under a temporary name, flushed to disk and linked; `link` fails on a taken name, in any number
of processes. Replacing takes one lock for the whole lake, looks again and renames. One host only: locks and links of
network file systems are not to be trusted. Nor are file systems that take `A` and `a` for one name.

What S3 keeps as metadata stands in the bytes here: in the Parquet footer, or as members of a JSON object.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import BinaryIO, NoReturn

import pyarrow as pa

from tailrace.commit.committed import SUFFIXES
from tailrace.commit.ports import Body, Head
from tailrace.sinks.lake.groups import said
from tailrace.world import WorldDenied, WorldError

OWN = ".tailrace"  # temporary files and the lock; no part of the lake
SWEEP_AGE_S = 24 * 3600  # a temporary file so old belongs to no one who lives
COPY_BYTES = 1024 * 1024
META_KEYS = ("epoch", "chain", "generation")
FINAL = (PermissionError, IsADirectoryError, NotADirectoryError)


class DirectoryPlace:
    """Objects as files below one root."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).absolute()
        self._own = self.root / OWN
        self._touched: set[Path] = set()
        self._guard = Lock()
        with _world(str(self.root)):
            self._own.mkdir(parents=True, exist_ok=True)
            self._sweep()

    def create(self, name: str, body: Body, meta: Mapping[str, str]) -> bool:
        """Store a new object; False when the name is taken. `meta` must stand in the bytes already."""
        target = self._path(name)
        with _world(name):
            if target.exists():  # spares the copy; `link` decides
                return False
        with _world(name), self._written(body) as temporary:
            self._folder(target.parent)
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
            return True

    def head(self, name: str) -> Head | None:
        """Say what stands under the name; None when nothing does. The tag changes with every replacement."""
        with _world(name):
            try:
                with self._path(name).open("rb") as file:
                    state = os.fstat(file.fileno())
                    meta = _meta(name, file)
            except FileNotFoundError:
                return None
        # An inode may be used again and clocks are coarse, but generations only rise.
        etag = f"{state.st_ino:x}-{state.st_mtime_ns:x}-{state.st_size:x}-{meta.get('generation', '')}"
        return Head(etag, meta, state.st_size)

    def replace(self, name: str, body: Body, etag: str, meta: Mapping[str, str]) -> bool:
        """Store over the object that has this etag; False when another stands there by now."""
        target = self._path(name)
        with _world(name), self._written(body) as temporary, self._lock():
            now = self.head(name)
            if now is None or now.etag != etag:
                return False
            self._folder(target.parent)
            temporary.replace(target)
            return True

    def read(self, name: str) -> bytes:
        """Return the object's bytes. FileNotFoundError when there is none."""
        with _world(name, FileNotFoundError):
            return self._path(name).read_bytes()

    def open(self, name: str) -> BinaryIO:
        """Open the object for random reads. FileNotFoundError when there is none."""
        with _world(name, FileNotFoundError):
            return self._path(name).open("rb")

    def names(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield (name, length) of every object below the prefix, in name order."""
        with _world(prefix):
            yield from self._walk("", prefix)

    def sync(self) -> None:
        """Return when all that was stored would survive a power cut."""
        with self._guard:
            touched, self._touched = self._touched, set()
        try:
            with _world("sync"):
                for folder in sorted(touched):
                    _fsync(folder)
        except BaseException:
            with self._guard:
                self._touched |= touched
            raise

    def _path(self, name: str) -> Path:
        parts = name.split("/")
        if not all(parts) or {".", "..", OWN} & set(parts):
            message = f"{name}: no name of an object"
            raise WorldDenied(message)
        return self.root.joinpath(*parts)

    def _folder(self, folder: Path) -> None:
        """Make the folder and remember every one whose entries change."""
        changed = {folder}
        above = folder
        while above != self.root and not above.exists():
            above = above.parent
            changed.add(above)
        folder.mkdir(parents=True, exist_ok=True)
        with self._guard:
            self._touched |= changed

    @contextmanager
    def _written(self, body: Body) -> Iterator[Path]:
        """Write the body to disk under a name that no one else sees."""
        fd, text = tempfile.mkstemp(dir=self._own)
        temporary = Path(text)
        try:
            with os.fdopen(fd, "wb") as file, body.open() as source:
                while piece := source.read(COPY_BYTES):
                    file.write(piece)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with (self._own / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _sweep(self) -> None:
        """Remove what a crash left under temporary names."""
        limit = time.time() - SWEEP_AGE_S
        for path in self._own.glob("tmp*"):
            try:
                if path.stat().st_mtime < limit:
                    path.unlink()
            except FileNotFoundError:
                continue

    def _walk(self, folder: str, prefix: str) -> Iterator[tuple[str, int]]:
        with os.scandir(self.root / folder) as entries:
            found = [(entry.name + "/" if entry.is_dir() else entry.name, entry) for entry in entries]
        for text, entry in sorted(found, key=lambda pair: pair[0].encode()):  # as S3 orders them
            name = folder + text
            if name == OWN + "/":
                continue
            if name.endswith("/"):
                if name.startswith(prefix) or prefix.startswith(name):
                    yield from self._walk(name, prefix)
            elif name.startswith(prefix):
                yield name, entry.stat().st_size


def _meta(name: str, file: BinaryIO) -> dict[str, str]:
    try:
        if name.endswith(SUFFIXES):
            return said(name, file)
        raw = json.load(file)
        return {key: str(raw[key]) for key in META_KEYS if key in raw}
    except (ValueError, TypeError, pa.ArrowException) as error:
        message = f"{name}: not written by tailrace, or damaged: {error}"
        raise WorldDenied(message) from error


def _fsync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _world(what: str, *through: type[OSError]) -> Iterator[None]:
    try:
        yield
    except through:
        raise
    except OSError as error:
        _raise(error, what)


def _raise(error: OSError, what: str) -> NoReturn:
    message = f"{what}: {error}"
    raise (WorldDenied if isinstance(error, FINAL) else WorldError)(message) from error
