"""What the ledger table says of dropped files. Rule: `done` is final; every other status is what the last try found.

`FILE#<epoch>#<bucket>/<key>#<size>#<etag>`: one a drop. That of a file which is done, or of which nothing is stored,
may go when it `expires`. What is committed stays in the item of the file's shard, and a file with that and without one
of these was done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tailrace.commit.ports import LedgerStore
from tailrace.drops.messages import Announced

RECEIVED: Final = "received"
PROCESSING: Final = "processing"
NOBODY: Final[Mapping[str, Any]] = {"holder": "", "until_ms": 0}
DONE: Final = "done"  # every record is committed
REFUSED: Final = "refused"  # it cannot be read, or not to its end; the counts say what is committed of it
GONE: Final = "gone"  # it was deleted or replaced before it could be read
FILE: Final = "FILE#"
KEPT_S: Final = 30 * 86_400  # an item that may go; a queue keeps messages for 14 days at most


def file_key(epoch: str, file: Announced) -> str:
    """Return the key of a file's item. A key of S3 has 1,024 bytes at most, one of DynamoDB 2,048."""
    return f"{FILE}{epoch}#{file.bucket}/{file.key}#{file.size}#{file.etag}"


class FileItems:
    """The items of one epoch."""

    def __init__(self, store: LedgerStore, epoch: str) -> None:
        self._store, self._epoch = store, epoch

    def read(self, file: Announced) -> dict[str, Any] | None:
        """Return a file's item."""
        found = self._store.read(file_key(self._epoch, file))
        return None if found is None else found[1]

    def first_seen(self, file: Announced, more: Mapping[str, Any]) -> dict[str, Any]:
        """Make a file's item; return it, or what another has made meanwhile."""
        new = {**file._asdict(), "shard": file.shard, "status": RECEIVED, "why": "", "archived": "", **NOBODY, **more}
        found = self._store.swap(file_key(self._epoch, file), 0, new)
        return new if found is None else found[1]

    def take(self, file: Announced, holder: str, now_ms: int, until_ms: int) -> dict[str, Any]:
        """Begin or go on with a file, unless it is done or another works on it; the item says who has it now.

        That is for peace alone: two at one file would take it from each other for ever. The ledger of its shard holds.
        """

        def taken(item: dict[str, Any]) -> dict[str, Any]:
            if item["status"] == DONE or (item["holder"] != holder and item["until_ms"] > now_ms):
                return item
            lasting = {name: value for name, value in item.items() if name != "expires"}
            return {**lasting, "status": PROCESSING, "why": "", "holder": holder, "until_ms": until_ms}

        return self._change(file, taken)

    def keep(self, file: Announced, holder: str, until_ms: int) -> None:
        """Have a file for longer."""
        self._change(file, lambda item: {**item, "until_ms": until_ms} if item["holder"] == holder else item)

    def change(self, file: Announced, **changes: Any) -> dict[str, Any]:
        """Lay changes over a file's item, unless it is done: then only where it was archived may change."""

        def changed(item: dict[str, Any]) -> dict[str, Any]:
            done = item["status"] == DONE
            return {**item, **{name: value for name, value in changes.items() if not done or name == "archived"}}

        return self._change(file, changed)

    def _change(self, file: Announced, law: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        key = file_key(self._epoch, file)
        stands = self._store.read(key)
        assert stands is not None, "it was made when the file was first seen"
        while stands is not None:
            revision, item = stands
            new = law(item)
            stands = None if new == item else self._store.swap(key, revision, new)
        return new
