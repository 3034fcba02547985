"""Messages in, files through their shards. Rule: a message is deleted only when nothing is left to do.

Exactly once although a message comes again, late, or to two at a time: a drop is a shard of its own, named by bucket,
key, size and ETag, and what is committed of it is skipped. Whatever ends the work, the message comes again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from tailrace.commit.ports import WorldDenied, WorldError
from tailrace.drops.archive import Archive, refusal
from tailrace.drops.items import DONE, GONE, PROCESSING, REFUSED, FileItems
from tailrace.drops.messages import Announced, Told, told
from tailrace.drops.queue import EXTENSIONS, Message, Queue, kept
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
from tailrace.ops.clock import Clock
from tailrace.ops.logs import Log


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
        visibility_s: int,
        patience: Callable[[], Patient],
        clock: Clock,
        log: Log,
    ) -> None:
        self._queue, self._filing, self._items, self._s3, self._archive = queue, filing, items, s3, archive
        self._visibility_s, self._patience, self._clock, self._log = visibility_s, patience, clock, log
        self.stopping = threading.Event()
        self.idle = False  # waiting for a message

    def step(self) -> bool:
        """Take one message and do all it says; False where none came. Raises WorldError, WorldDenied."""
        message = self._receive()
        if message is None:
            return False
        try:
            every_s = self._visibility_s / EXTENSIONS
            with kept(self._queue, message.receipt, self._visibility_s, every_s, self._trouble):
                whole = self._message(message)
        except Stopped:
            self._hide(message, 0)  # another may go on with it at once
            return False
        if whole:
            self._queue.delete(message.receipt)
        return True

    def _receive(self) -> Message | None:
        patient: Patient | None = None
        while not self.stopping.is_set():
            self.idle = True
            try:
                return self._queue.receive()
            except WorldError as error:
                self._trouble(str(error))
                patient = patient or self._patience()
                patient.wait(error)
            finally:
                self.idle = False
        return None

    def _message(self, message: Message) -> bool:
        """Do what a message says; True when nothing of it is left."""
        said = told(message.body)
        self._note(message, said)
        whole = True
        for file in said.files:
            if self.stopping.is_set():
                raise Stopped
            whole &= self._file(file)
        return whole

    def _note(self, message: Message, said: Told) -> None:
        if said.test:
            self._log.info("test", what="S3 says that it will send event messages here")
        for name in said.ignored:
            self._log.info("ignored", event=name)
        if said.wrong:
            self._items.poison(message.body, said.wrong)
            self._log.warning("poison", why=said.wrong, bytes=len(message.body))

    def _file(self, file: Announced) -> bool:
        """Bring one file in; True when its message is not needed any more."""
        if self._archive is not None and self._archive.holds(file):
            self._log.info("ignored", event="an archived file", uri=file.uri)
            return True
        source = self._source(file)
        positions = self._filing.positions(source)
        first = {"modified_ms": file.event_ms or self._clock.now_ms(), "positions": positions}
        item = self._items.first_seen(file, first)
        if item["status"] == DONE:
            self._log.info("repeated", uri=file.uri, shard=file.shard)
            return self._moved(file, item)
        if item["positions"] != positions and not self._filing.begun(file.shard):
            item = self._items.change(file, positions=positions)
        if not file.key.endswith(SUFFIXES):
            return self._end(file, REFUSED, f"its name ends in none of {', '.join(ENDINGS)} (or those with .gz)")
        self._items.change(file, status=PROCESSING, why="")
        try:
            begun = Begun(int(item["modified_ms"]), item["positions"])
            self._filing.bring(source, file.shard, begun, self._look_up, keep=True)
        except (RefusedFile, DamagedFile) as error:
            return self._end(file, REFUSED, str(error))
        except GoneFile as error:
            return self._end(file, GONE, str(error))
        except UnfinishedFile as error:
            self._items.change(file, why=str(error))
            self._log.error("unfinished", uri=file.uri, shard=file.shard, why=str(error))
            return False  # it comes again, until the queue's own policy takes it away
        return self._end(file, DONE, "")

    def _look_up(self, done: int) -> None:
        if self.stopping.is_set():
            raise Stopped

    def _source(self, file: Announced) -> Source:
        def opened() -> S3Object:
            return S3Object(self._s3, file.bucket, file.key, f'"{file.etag}"', self._patience, file.version)

        return Source(file.uri, file.size, file.event_ms, opened)

    def _end(self, file: Announced, status: str, why: str) -> bool:
        counts = self._filing.totals(file.shard)._asdict()
        item = self._items.change(file, status=status, why=why, **counts)
        say = self._log.info if status == DONE else self._log.warning
        say(status, uri=file.uri, shard=file.shard, **counts, **({"why": why} if why else {}))
        return self._moved(file, item) if item["status"] == DONE else True

    def _moved(self, file: Announced, item: dict[str, Any]) -> bool:
        """Archive a file that is done, unless that is done too."""
        if self._archive is None or item["archived"]:
            return True
        try:
            where = self._archive.move(file)
        except WorldDenied as error:
            where = refusal(error)
        self._items.change(file, archived=where)
        self._log.info("archived", uri=file.uri, where=where)
        return True

    def _hide(self, message: Message, seconds: int) -> None:
        try:
            self._queue.hide(message.receipt, seconds)
        except (WorldError, WorldDenied) as error:
            self._trouble(str(error))

    def _trouble(self, said: str) -> None:
        self._log.warning("trouble", error=said)
