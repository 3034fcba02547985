"""One file through a shard of its own. Rule: whatever ends the work, the next try goes on where a plan was committed.

What `backfill` and `drops` share. The file's first sight, its name as a shard and what is told of it are theirs.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tailrace.commit.committed import LAKE
from tailrace.commit.lane import Say
from tailrace.commit.plan import Counts, Item, app_key, item_from_dict, lane_key
from tailrace.commit.ports import Claims, LedgerStore, Place
from tailrace.csv_events import Table
from tailrace.edition import Edition
from tailrace.files import CSV_SUFFIXES, DamagedFile, Source, UnfinishedFile, chunks
from tailrace.kcl.preflight import EPOCH_LETTERS, EPOCH_LETTERS_COUNT, epoch
from tailrace.nouns import START, Identity
from tailrace.ops.clock import Clock
from tailrace.settings import Settings, SettingsError
from tailrace.shard import Shard
from tailrace.wiring import shard_of


class Stopped(Exception):
    """Whoever asked for the file wants no more of it now. What was read of it is committed."""


class Begun(NamedTuple):
    """What was kept of a file at its first sight."""

    modified_ms: int
    positions: str = ""  # digest of what decides where its records begin; of CSV only


def epoch_of_files(store: LedgerStore, application: str, uri: str, now_ms: int, told: tuple[str, str]) -> str:
    """Return the epoch of an application's files; made at its first start, for its lake alone.

    `told`: where that stands, and what to set for another lake.
    """
    key = app_key(application)
    lake = uri.rstrip("/") if uri.startswith("s3://") else str(Path(uri).resolve())
    letters = "".join(secrets.choice(EPOCH_LETTERS) for _ in range(EPOCH_LETTERS_COUNT))
    new = {"epoch": epoch(now_ms, letters), "first_start": now_ms, "lake": lake}
    item = (store.read(key) or store.swap(key, 0, new) or (1, new))[1]
    if item.get("lake", lake) != lake:
        raise SettingsError(f"{told[0]} says what is in the lake {item['lake']}, not in {lake}: {told[1]}")
    return str(item["epoch"])


class Filing:
    """Brings files in, one after another, under one epoch."""

    def __init__(
        self,
        settings: Settings,
        edition: Edition,
        *,
        stream: str,
        epoch: str,
        store: LedgerStore,
        place: Place,
        clock: Clock,
        claims: Claims | None,
        say: Say,
    ) -> None:
        self.edition = edition
        self.untouched = False  # was nothing of the last file committed, which could not be brought in?
        self.table = Table(settings.csv, settings.contract.event_type[0])
        self._settings, self._stream, self._epoch = settings, stream, epoch
        self._store, self._place, self._clock, self._claims, self._say = store, place, clock, claims, say

    def positions(self, source: Source) -> str:
        """Return the digest to keep of a file at its first sight."""
        csv = source.uri.endswith(CSV_SUFFIXES)
        return self.table.positions(self._settings.limits.event_bytes_max) if csv else ""

    def totals(self, name: str) -> Counts:
        """Return what is committed of a file."""
        found = self._store.read(lane_key(Identity(self._stream, self._epoch, name), LAKE))
        return Counts() if found is None else item_from_dict(found[1]).totals

    def begun(self, name: str) -> bool:
        """Say whether anything of a file is committed, or about to be."""
        found = self._store.read(lane_key(Identity(self._stream, self._epoch, name), LAKE))
        item = Item() if found is None else item_from_dict(found[1])
        return item.watermark != START or item.plan is not None

    def bring(
        self,
        source: Source,
        name: str,
        begun: Begun,
        step: Callable[[int], None],
        *,
        keep: bool = False,
    ) -> None:
        """Bring one file in under a shard's name. UnfinishedFile when that cannot be done to its end.

        `step` is told the stored bytes read by now, and may raise Stopped. `keep`: of a damaged file all that comes
        before the damage is committed; else only what was by then.
        """
        self.untouched = False
        shard = self._shard(source, name)
        try:
            shard.open()
            if begun.positions != self.positions(source) and shard.watermark != START:
                said = "delimiter, quote, escape, encoding, header or limits.event_bytes_max"
                raise UnfinishedFile(f"{source.uri}: it was begun under another [csv] {said}: set it back")
            try:
                self._feed(shard, source, begun.modified_ms, step)
            except Stopped:  # not the end of the file: a plan that waits for the rest of its records waits on
                shard.flush()
                shard.leave()
                raise
            except UnfinishedFile as error:
                if keep and isinstance(error, DamagedFile):
                    self._end(shard, source)
                else:
                    self._give_up(shard)
                raise
            self._end(shard, source)
        finally:
            shard.drop()
            shard.close()

    def _shard(self, source: Source, name: str) -> Shard:
        edition = self.edition
        if source.uri.endswith(CSV_SUFFIXES):
            edition = edition._replace(digests=tuple(sorted({*edition.digests, ("csv", self.table.digest)})))
        return shard_of(
            self._settings,
            Identity(self._stream, self._epoch, name),
            edition=edition,
            store=self._store,
            place=self._place,
            clock=self._clock,
            say=self._say,
            alive=lambda: None,
            event_time_window=False,
            claims=self._claims,
        )

    def _feed(self, shard: Shard, source: Source, modified_ms: int, step: Callable[[int], None]) -> None:
        for chunk in chunks(source, modified_ms, self._settings.limits.event_bytes_max, self.table):
            shard.add(chunk.records)
            shard.flush_due()
            if shard.state != "fill":
                return
            step(chunk.done)

    @staticmethod
    def _end(shard: Shard, source: Source) -> None:
        """Commit all that is in hand, as far as it is a plan's whole."""
        shard.end()
        if shard.state != "fill":
            raise UnfinishedFile(f"{source.uri}: {shard.state}: {shard.why}")
        shard.leave()

    def _give_up(self, shard: Shard) -> None:
        """Leave what is committed, drop the rest."""
        shard.drop()
        shard.flush()
        if shard.state == "fill":
            shard.leave()
            self.untouched = shard.watermark == START
