"""Bytes on their way into an object. Rule: memory within the filling's budget, beyond it an unnamed temporary file."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from typing import IO, BinaryIO, Final

HASHED_AT_ONCE: Final = 1024 * 1024


class Budget:
    """Bytes of memory that the spools of one filling share."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.used = 0

    def take(self, size: int) -> bool:
        """Reserve memory; False when there is too little left."""
        if self.used + size > self.bytes_max:
            return False
        self.used += size
        return True

    def give(self, size: int) -> None:
        self.used -= size


class _Readable(io.RawIOBase):
    """Bytes of a known length, read from a place of its own."""

    def __init__(self, length: int) -> None:
        self._length, self._at = length, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._length)[whence]
        return self._at

    def tell(self) -> int:
        return self._at


class _Window(_Readable):
    """Reads a file through its descriptor without moving anyone else's place in it."""

    def __init__(self, fd: int, length: int) -> None:
        super().__init__(length)
        self._fd = fd

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = os.preadv(self._fd, [buffer], self._at)
        self._at += count
        return count


class Spool(io.RawIOBase):
    """Bytes written once, front to back, then read as often as needed. Also the body of an object."""

    def __init__(self, budget: Budget, *, hashed: bool = True) -> None:
        self._budget = budget
        self._hash = hashlib.sha256() if hashed else None
        self._memory: IO[bytes] | None = io.BytesIO()
        self._file: IO[bytes] | None = None
        self.length = 0
        self.rows = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        view = memoryview(data).cast("B")
        if self._hash is not None:
            self._hash.update(view)
        if self._file is None and not self._budget.take(view.nbytes):
            self._spill()
        target = self._file or self._memory
        assert target is not None, "written after close"
        target.write(view)
        self.length += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self.length

    def _spill(self) -> None:
        assert isinstance(self._memory, io.BytesIO)
        self._file = tempfile.TemporaryFile(prefix="tailrace-")  # noqa: SIM115  lives as long as the spool
        self._file.write(self._memory.getbuffer())
        self._memory = None
        self._budget.give(self.length)

    @property
    def sha256(self) -> str:
        assert self._hash is not None, "made without a digest"
        return self._hash.hexdigest()

    def open(self) -> BinaryIO:
        """Return a fresh reader from the first byte; several may read at once."""
        if self._file is not None:
            self._file.flush()
            return io.BufferedReader(_Window(self._file.fileno(), self.length))
        assert isinstance(self._memory, io.BytesIO)
        return io.BytesIO(self._memory.getvalue())  # shares the bytes until someone writes

    def close(self) -> None:
        """Free memory or disk."""
        if self._file is not None:
            self._file.close()
        elif self._memory is not None:
            self._budget.give(self.length)
        self._file = self._memory = None
        super().close()


class _Joined(_Readable):
    """Reads some bytes, then a reader's."""

    def __init__(self, head: bytes, rest: BinaryIO, length: int) -> None:
        super().__init__(length)
        self._head, self._rest = head, rest

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._at < len(self._head):
            data = self._head[self._at : self._at + len(buffer)]
        else:
            self._rest.seek(self._at - len(self._head))
            data = self._rest.read(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def readall(self) -> bytes:
        head = self._head[self._at :]
        self._rest.seek(max(0, self._at - len(self._head)))
        self._at = self._length
        return head + self._rest.read()

    def close(self) -> None:
        self._rest.close()
        super().close()


class Headed:
    """A body whose first bytes are known only when all others are there."""

    def __init__(self, head: bytes, spool: Spool) -> None:
        self._head, self._spool = head, spool
        self.length = len(head) + spool.length
        self.rows = spool.rows
        digest = hashlib.sha256(head)
        with spool.open() as source:
            while piece := source.read(HASHED_AT_ONCE):
                digest.update(piece)
        self.sha256 = digest.hexdigest()

    def open(self) -> BinaryIO:
        """Return a fresh reader from the first byte; several may read at once."""
        return io.BufferedReader(_Joined(self._head, self._spool.open(), self.length))

    def close(self) -> None:
        """Free memory or disk."""
        self._spool.close()
