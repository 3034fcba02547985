"""Editions that follow each other. Rule: a source that is away or holds nonsense changes nothing; it is only told.

A thread looks at everything an edition was made of, every `refresh.every_s`. What has changed is loaded there, off the
way of records; the main thread takes it up between plans. The last edition that was sound is kept as a copy in a file,
for a child that starts while its source is away.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from tailrace import edition as editions
from tailrace.commit.ports import Say
from tailrace.edition import Edition
from tailrace.schema.book import BookError
from tailrace.schema.source import Files, Stamp
from tailrace.settings import Settings, SettingsError
from tailrace.world import WorldDenied, WorldError

NOT_KEPT: Final = "no copy of schemas and lookups could be kept: an older one stays"
QUIET_S: Final = 2.0  # for so long nothing may have changed: half a change would be an edition that lacks types
TROUBLE: Final = (WorldError, WorldDenied, BookError, SettingsError)

Judge = Callable[[Edition], None]  # raises as `edition.load` does, where an edition is sound and still not to be had


class Read(NamedTuple):
    """An edition, what it was read from, and whether that was only a copy."""

    edition: Edition
    files: Files
    from_copy: bool = False


def read(settings: Settings) -> Read:
    """Return what the settings name now. Raises as `edition.load`."""
    files = Files.of(settings)
    return Read(editions.load(settings, files), files)


def first(
    settings: Settings,
    copy: Path,
    bear: Callable[[Callable[[], Read]], Read],
    warn: Callable[..., None],
    judge: Judge = lambda _: None,
) -> Read:
    """Return the edition of a start: what stands now, else the copy; without a copy, what `bear` waits for."""

    def judged() -> Read:
        now = read(settings)
        judge(now.edition)
        return now

    try:
        now = judged()
    except TROUBLE as error:
        if copy.exists():
            warn("schemas, routes or lookups cannot be read: the copy of the last sound ones is used", error=str(error))
            files = Files.of(settings).of_copy(copy.read_bytes())
            return Read(editions.load(settings, files), files, from_copy=True)
        if not isinstance(error, WorldError):
            raise
        now = bear(judged)
    try:
        now.files.keep(copy)
    except OSError as error:
        warn(NOT_KEPT, error=str(error))
    return now


class Editions:
    """Looks for new editions. `look` belongs to its thread, `ready` to the main one."""

    def __init__(
        self, settings: Settings, now: Read, say: Say, copy: Path | None = None, judge: Judge = lambda _: None
    ) -> None:
        self._settings = settings
        self._copy, self._judge = copy, judge
        self._say = say
        self._files = now.files
        self._files.forget()
        self._digests = now.edition.digests
        self._stamp: Stamp = now.files.stamp
        self._refused: Stamp | None = None  # what stood there when it was found to be no edition
        self._trouble = ""  # what was told last
        self._ready: Edition | None = None
        self._lock = threading.Lock()
        self._over = threading.Event()

    def start(self) -> None:
        """Look from now on, every `refresh.every_s`; 0: never."""
        if self._settings.refresh.every_s:
            threading.Thread(target=self._run, name="editions", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._over.set()

    def ready(self) -> Edition | None:
        """Return a new edition, once."""
        with self._lock:
            new, self._ready = self._ready, None
        return new

    def _run(self) -> None:
        while not self._over.wait(self._settings.refresh.every_s):
            self.look()
            gc.collect()  # the collector is off in a child; a shard without records would gather what looks leave

    def look(self) -> None:
        """See whether anything has changed, and load what has."""
        try:
            stamp = self._files.stamp_now()
            if stamp == self._stamp:
                self._say("edition_looked", result="unchanged")
            elif stamp == self._refused:
                self._say("edition_looked", result="failed")
                return
            elif self._over.wait(min(QUIET_S, self._settings.refresh.every_s)) or self._files.stamp_now() != stamp:
                self._say("edition_looked", result="changing")  # somebody is still at it: the next look sees the rest
            else:
                self._load(stamp)
        except TROUBLE as error:
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001 - a mistake of ours, or of a plug-in: the last edition stays
            self._fail(repr(error))
        else:
            self._trouble = ""
            self._refused = None

    def _load(self, stamp: Stamp) -> None:
        files = self._files.anew()
        try:
            new = editions.load(self._settings, files)
            self._judge(new)
        except (BookError, SettingsError):
            self._refused = stamp
            raise
        if not stamp == files.stamp == files.stamp_now():
            self._say("edition_looked", result="changing")
            return
        self._keep(files)
        files.forget()
        self._files, self._stamp = files, files.stamp
        if new.digests == self._digests:
            self._say("edition_looked", result="unchanged")
            return
        self._digests = new.digests
        with self._lock:
            self._ready = new
        self._say("edition_looked", result="loaded")

    def _keep(self, files: Files) -> None:
        try:
            if self._copy is not None:
                files.keep(self._copy)
        except OSError as error:  # the older copy stays
            self._say("edition_not_copied", error=str(error))

    def _fail(self, error: str) -> None:
        self._say("edition_looked", result="failed")
        if error != self._trouble:
            self._trouble = error
            self._say("edition_refused", error=error)
