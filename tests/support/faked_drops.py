"""The drops' work with everything around it faked. Rule: what is asked of a fake is kept, in order."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from support.memory_ports import MemoryLedger
from tailrace.commit.patience import Patience
from tailrace.commit.plan import Counts
from tailrace.csv_events import Table
from tailrace.drops.archive import Archive
from tailrace.drops.calls import Calls
from tailrace.drops.items import FILE, FileItems
from tailrace.drops.messages import Announced
from tailrace.drops.queue import Message
from tailrace.drops.work import Drops
from tailrace.files import Source
from tailrace.filing import Begun, Filing
from tailrace.settings import Csv

FILE_A = Announced("b", "in/a.csv", 3, "e1", "", 1)


def record(key: str = "in/a.csv", size: int = 3, etag: str = "e1") -> dict[str, Any]:
    entry = {"key": key, "size": size, "eTag": etag}
    return {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": entry}}


class Queue:
    """Messages in memory."""

    def __init__(self) -> None:
        self.waiting: list[Message | Exception] = []
        self.did: list[tuple[str, str, int]] = []

    def say(self, *records: dict[str, Any]) -> None:
        self.waiting.append(Message(json.dumps({"Records": records}), f"r{len(self.waiting)}"))

    def receive(self) -> Message | None:
        found = self.waiting.pop(0) if self.waiting else None
        if isinstance(found, Exception):
            raise found
        return found

    def hide(self, receipt: str, seconds: int) -> None:
        self.did.append(("hide", receipt, seconds))

    def delete(self, receipt: str) -> None:
        self.did.append(("delete", receipt, 0))


class FakeFiling:
    """Says what it is told to."""

    def __init__(self) -> None:
        self.ends: dict[str, Exception] = {}
        self.brought: list[tuple[str, Begun]] = []
        self.during: Callable[[], None] = lambda: None
        self.begun_files: set[str] = set()
        self.table = Table(Csv(), "event_type")

    def positions(self, source: Source) -> str:
        return self.table.positions(1000)

    def begun(self, name: str) -> bool:
        return name in self.begun_files

    def totals(self, name: str) -> Counts:
        return Counts(4, 3, 1, 0, 4)

    def bring(self, source: Source, name: str, begun: Begun, step: Callable[[int], None], *, keep: bool) -> None:
        assert keep
        self.brought.append((source.uri, begun))
        self.during()
        step(source.size)
        if source.uri in self.ends:
            raise self.ends[source.uri]


class World:
    """The work with everything around it faked."""

    def __init__(
        self, s3: Any = None, archive: str = "", ledger: MemoryLedger | None = None, filing: Filing | None = None
    ) -> None:
        self.queue, self.filing, self.ledger, self.time = Queue(), FakeFiling(), ledger or MemoryLedger(), Time()
        self.said: list[tuple[str, dict[str, Any]]] = []
        say: Any = lambda what, **facts: self.said.append((what, facts))  # noqa: E731
        self.calls = Calls(lambda: Patience(self.time, 5.0, lambda: 0.0), self.time, say)
        self.work = Drops(
            self.queue,
            filing or self.filing,  # type: ignore[arg-type]
            FileItems(self.ledger, "e"),
            s3,
            Archive(s3, archive) if archive else None,
            own=["s3://b/lake", "s3://whole", *([archive] if archive else [])],
            holder="me",
            visibility_s=30,
            calls=self.calls,
            clock=self.time,
            say=say,
        )

    def words(self) -> list[str]:
        return [what for what, _ in self.said]

    def items(self, prefix: str = FILE) -> list[dict[str, Any]]:
        return [found[1] for key in self.ledger.keys(prefix) if (found := self.ledger.read(key))]


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def now_ms(self) -> int:
        return 1_800_000_000_000 + int(self.now * 1000)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Bucket:
    """Objects in memory, by (bucket, key): the ETag of each."""

    def __init__(self, **objects: str) -> None:
        self.objects = {("b", key): etag for key, etag in objects.items()}
        self.before_delete: Callable[[], None] = lambda: None

    def _check(self, where: tuple[str, str], etag: str) -> None:
        if where not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "x")
        if self.objects[where] != etag.strip('"'):
            response: Any = {"Error": {"Code": "x"}, "ResponseMetadata": {"HTTPStatusCode": 412}}
            raise ClientError(response, "x")

    def copy_object(self, **asked: Any) -> None:
        where = (asked["CopySource"]["Bucket"], asked["CopySource"]["Key"])
        self._check(where, asked["CopySourceIfMatch"])
        self.objects[asked["Bucket"], asked["Key"]] = self.objects[where]

    def delete_object(self, **asked: Any) -> None:
        self.before_delete()
        self._check((asked["Bucket"], asked["Key"]), asked["IfMatch"])
        del self.objects[asked["Bucket"], asked["Key"]]

    def head_object(self, **asked: Any) -> None:
        if (asked["Bucket"], asked["Key"]) not in self.objects:
            raise ClientError({"Error": {"Code": "404"}}, "x")
