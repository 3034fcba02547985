"""Messages in, files through their shards. Rule: a message is deleted only when nothing is left to do.

Exactly once although a message comes again, late, or to two at a time: a drop is a shard of its own, named by bucket,
key, size and ETag, and what is committed of it is skipped. Whatever ends the work, the message comes again. One file's
fault is not the queue's: whatever cannot be brought in waits for the queue's redrive policy, and the next one is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from tailrace.drops.archive import Archive, refusal
from tailrace.drops.calls import ARCHIVE, FILE, LEDGER, QUEUE, Calls
from tailrace.drops.items import DONE, GONE, KEPT_S, NOBODY, REFUSED, FileItems
from tailrace.drops.messages import Announced, told
from tailrace.drops.queue import EXTENSIONS, Message, Queue, kept
from tailrace.drops.watch import Watch
from tailrace.files import (
    ENDINGS,
    SUFFIXES,
    DamagedFile,
    GoneFile,
    Patient,
    RefusedFile,
    S3Object,
    Source,
    UnfinishedFile,
)
from tailrace.filing import Begun, Filing, Stopped
from tailrace.ops import failures
from tailrace.ops.clock import Clock
from tailrace.world import WorldDenied, WorldError

COUNTS: Final = ("received", "stored", "rejected", "filtered")  # of events, in a file's item
BUSY_SOON: Final = 2  # so many times a message whose file another works on comes again as soon as it may be free
BUSY_DOUBLINGS_MAX: Final = 5  # then it waits twice as long each time
BUSY_S_MAX: Final = 3600
WHOLE_BUCKET: Final = 3  # slashes of such an address
LEASE: Final = 0.9  # of the time that a message is kept from others: the file is free before it comes again


class Drops:
    """The work on one queue."""

    def __init__(
        self,
        queue: Queue,
        filing: Filing,
        items: FileItems,
        s3: Any,
        archive: Archive | None,
        *,
        own: Sequence[str],
        holder: str,
        visibility_s: int,
        calls: Calls,
        clock: Clock,
        say: Watch,
    ) -> None:
        """`own`: addresses below which tailrace itself keeps files, none of which is brought in."""
        self._queue, self._filing, self._items, self._s3, self._archive = queue, filing, items, s3, archive
        folders = [uri.rstrip("/") + "/" for uri in own]
        self._own = tuple(uri for uri in folders if uri.count("/") > WHOLE_BUCKET)
        self._buckets = tuple(uri for uri in folders if uri.count("/") == WHOLE_BUCKET)
        self._holder, self._visibility_s = holder, visibility_s
        self._calls, self._clock, self._say = calls, clock, say
        self._kept_at = 0.0
        self.idle = False  # waiting for a message

    def step(self) -> bool:
        """Take one message and do all it says; False where none came. Raises WorldError, WorldDenied."""
        message = self._receive()
        if message is None:
            return False
        try:
            every_s = self._visibility_s / EXTENSIONS
            not_kept = partial(self._calls.trouble, QUEUE)  # at worst somebody else takes the file over
            with kept(self._queue, message.receipt, self._visibility_s, every_s, not_kept):
                whole = self._message(message)
            if whole:
                self._calls.asked(QUEUE, lambda: self._queue.delete(message.receipt))
        except Stopped:
            self._hide(message, 0)  # another may go on with it at once
            return False
        self._say("deleted" if whole else "kept")
        return True

    def _receive(self) -> Message | None:
        def receive() -> Message | None:
            self.idle = True
            try:
                return None if self._calls.stopping.is_set() else self._queue.receive()
            finally:
                self.idle = False

        try:
            message = self._calls.asked(QUEUE, receive)
        except Stopped:
            return None
        self._calls.answered = True
        self._calls.lives()
        if message is None:
            self._say("nothing")
            return None
        sent_ms = message.sent_ms or self._clock.now_ms()
        self._say("received", age_s=max(0, self._clock.now_ms() - sent_ms) / 1000, times=message.times)
        return message

    def _message(self, message: Message) -> bool:
        """Do what a message says; True when nothing of it is left."""
        said = told(message.body)
        if said.test:
            self._say("test", said="S3 will send event messages here")
        for name in said.ignored:
            self._say("ignored", event=name)
        if said.wrong:  # its text may be anybody's, and stays on the queue
            self._say("unknown", why=said.wrong, bytes=len(message.body), times=message.times)
        whole = not said.wrong
        for file in said.files:
            if self._calls.stopping.is_set():
                raise Stopped
            whole &= self._file(file, message)
        return whole

    def _file(self, file: Announced, message: Message) -> bool:
        """Bring one file in; True when its message is not needed any more."""
        if file.uri.startswith(self._own):
            self._say("ignored", event="a file of tailrace's own", uri=file.uri)
            return True
        try:
            return self._brought(file, message)
        except (RefusedFile, DamagedFile) as error:
            return self._end(file, REFUSED, str(error))
        except GoneFile as error:
            return self._end(file, GONE, str(error))
        except UnfinishedFile as error:
            return self._left(file, "unfinished", str(error))
        except (WorldError, WorldDenied, Stopped, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - our own mistake with one file must not stop the queue
            return self._left(file, "failed", failures.words(error), trace=failures.trace(error))

    def _brought(self, file: Announced, message: Message) -> bool:
        source = self._source(file)
        item = self._calls.asked(LEDGER, lambda: self._items.read(file) or self._first_seen(file, source))
        if item["status"] == DONE:
            self._say("repeated", uri=file.uri, shard=file.shard)
            return self._moved(file, item)
        if not file.key.endswith(SUFFIXES):
            raise RefusedFile(f"its name ends in none of {', '.join(ENDINGS)} (or those with .gz)")
        if file.uri.startswith(self._buckets):  # ignored, a real file would be lost; read, each would make another
            raise RefusedFile("tailrace keeps its own files in this bucket: expected them, or this one, below a prefix")
        item = self._calls.asked(
            LEDGER, lambda: self._items.take(file, self._holder, self._clock.now_ms(), self._until())
        )
        if item["holder"] != self._holder:  # another has it, or has just ended it
            return self._busy(file, item, message)
        self._kept_at = self._clock.monotonic()
        positions = self._filing.positions(source)
        if item["positions"] != positions and not self._calls.asked(LEDGER, lambda: self._filing.begun(file.shard)):
            item = self._calls.asked(LEDGER, lambda: self._items.change(file, positions=positions))
        begun = Begun(int(item["modified_ms"]), item["positions"])
        try:
            self._filing.bring(source, file.shard, begun, lambda _: self._goes_on(file), keep=True)
        except Stopped:
            self._free(file)
            raise
        return self._end(file, DONE, "")

    def _first_seen(self, file: Announced, source: Source) -> dict[str, Any]:
        first = {"modified_ms": file.event_ms or self._clock.now_ms(), "positions": self._filing.positions(source)}
        if self._filing.begun(file.shard):  # it was done, so long ago that its item has gone
            first |= self._found(file, DONE, "")
        return self._items.first_seen(file, first)

    def _found(self, file: Announced, status: str, why: str) -> dict[str, Any]:
        """Return what an item says at the end of a try."""
        totals = self._filing.totals(file.shard)
        counts = {name: getattr(totals, name) for name in COUNTS}
        found = {**counts, **NOBODY, "status": status, "why": why}
        if status == DONE or not self._filing.begun(file.shard):
            found["expires"] = self._clock.now_ms() // 1000 + KEPT_S
        return found

    def _busy(self, file: Announced, item: dict[str, Any], message: Message) -> bool:
        """Leave a file to who has it. Who has died has it no more in a moment; else the message waits ever longer."""
        left_s = (item["until_ms"] - self._clock.now_ms()) // 1000 + 1
        long_s = min(self._visibility_s * 2 ** min(message.times, BUSY_DOUBLINGS_MAX), BUSY_S_MAX)
        wait_s = long_s if message.times > BUSY_SOON else max(1, left_s)
        self._say("busy", uri=file.uri, holder=item["holder"], again_s=wait_s)
        self._hide(message, wait_s)
        return False

    def _goes_on(self, file: Announced) -> None:
        """Hear that a chunk of a file was read."""
        now = self._calls.lives()
        if self._calls.stopping.is_set():
            raise Stopped
        if now - self._kept_at > self._visibility_s / EXTENSIONS:
            self._kept_at = now
            self._calls.asked(LEDGER, lambda: self._items.keep(file, self._holder, self._until()))

    def _until(self) -> int:
        return self._clock.now_ms() + int(LEASE * 1000 * self._visibility_s)

    def _free(self, file: Announced) -> None:
        """Let another go on with a file at once."""
        try:
            self._items.keep(file, self._holder, 0)
        except (WorldError, WorldDenied) as error:
            self._calls.trouble(LEDGER, error)

    def _source(self, file: Announced) -> Source:
        def waits() -> Patient:
            return _OneFile(self._calls.waits(FILE))

        def opened() -> S3Object:
            return S3Object(self._s3, file.bucket, file.key, f'"{file.etag}"', waits, file.version)

        return Source(file.uri, file.size, file.event_ms, opened)

    def _end(self, file: Announced, status: str, why: str) -> bool:
        item = self._calls.asked(LEDGER, lambda: self._items.change(file, **self._found(file, status, why)))
        counts = {name: item.get(name, 0) for name in COUNTS}
        self._say(item["status"], uri=file.uri, shard=file.shard, **counts, **({"why": why} if why else {}))
        return self._moved(file, item) if item["status"] == DONE else True

    def _left(self, file: Announced, what: Any, why: str, **more: str) -> bool:
        """Leave a file, and its message: it comes again, until the queue's own policy takes it away."""
        item = self._calls.asked(LEDGER, lambda: self._items.read(file))
        if item is not None and item["holder"] == self._holder:
            self._calls.asked(LEDGER, lambda: self._items.change(file, why=why, until_ms=0))
        self._say(what, uri=file.uri, shard=file.shard, why=why, **more)
        return False

    def _moved(self, file: Announced, item: dict[str, Any]) -> bool:
        """Archive a file that is done, unless that is done too."""
        archive = self._archive
        if archive is None or item["archived"]:
            return True
        try:
            where = self._calls.asked(ARCHIVE, lambda: archive.move(file))
        except WorldError as error:  # the file is done: what is left comes again with its message
            self._say("unfinished", uri=file.uri, shard=file.shard, why=str(error))
            return False
        except WorldDenied as error:
            where = refusal(error)
        self._calls.asked(LEDGER, lambda: self._items.change(file, archived=where))
        self._say("archived", uri=file.uri, where=where)
        return True

    def _hide(self, message: Message, seconds: int) -> None:
        try:
            self._queue.hide(message.receipt, seconds)
        except (WorldError, WorldDenied) as error:
            self._calls.trouble(QUEUE, error)


class _OneFile:
    """The patience with one file, which others are not to wait for."""

    def __init__(self, waits: Patient) -> None:
        self._waits = waits

    def wait(self, error: WorldError) -> None:
        try:
            self._waits.wait(error)
        except WorldError as last:
            raise UnfinishedFile(str(last)) from last
