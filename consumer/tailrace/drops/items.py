"""What the ledger table says of dropped files. Rule: `done` is final; every other status is what the last try found.

`FILE#<bucket>/<key>#<size>#<etag>`: one a drop. `MESSAGE#<digest>`: one a message that could not be understood.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from tailrace.commit.ports import LedgerStore
from tailrace.drops.messages import Announced

RECEIVED: Final = "received"
PROCESSING: Final = "processing"
DONE: Final = "done"  # every record is committed
REFUSED: Final = "refused"  # it cannot be read, or not to its end; the counts say what is committed of it
GONE: Final = "gone"  # it was deleted or replaced before it could be read
FILE, MESSAGE = "FILE#", "MESSAGE#"


def file_key(epoch: str, file: Announced) -> str:
    """Return the key of a file's item. A key of S3 has 1,024 bytes at most, one of DynamoDB 2,048."""
    return f"{FILE}{epoch}#{file.bucket}/{file.key}#{file.size}#{file.etag}"


class FileItems:
    """The items of one epoch."""

    def __init__(self, store: LedgerStore, epoch: str) -> None:
        self._store, self._epoch = store, epoch

    def first_seen(self, file: Announced, more: Mapping[str, Any]) -> dict[str, Any]:
        """Return a file's item, made now if it is the first time; `more` is kept as it was then."""
        key = file_key(self._epoch, file)
        new = {**file._asdict(), "shard": file.shard, "status": RECEIVED, "why": "", "archived": "", **more}
        found = self._store.read(key) or self._store.swap(key, 0, new)
        return new if found is None else found[1]

    def change(self, file: Announced, **changes: Any) -> dict[str, Any]:
        """Lay changes over a file's item, unless it is done: then only where it was archived may change."""
        key = file_key(self._epoch, file)
        stands = self._store.read(key)
        assert stands is not None, "it was made when the file was first seen"
        while stands is not None:
            revision, item = stands
            if item["status"] == DONE:
                changes = {name: value for name, value in changes.items() if name == "archived"}
            new = {**item, **changes}
            stands = None if new == item else self._store.swap(key, revision, new)
        return new

    def poison(self, body: str, why: str) -> None:
        """Note a message that could not be understood: not its text, which may be anybody's."""
        data = body.encode(errors="surrogatepass")
        key = f"{MESSAGE}{self._epoch}#{sha256(data).hexdigest()[:32]}"
        new = {"status": REFUSED, "why": why, "bytes": len(data)}
        if self._store.read(key) is None:
            self._store.swap(key, 0, new)
