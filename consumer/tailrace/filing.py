"""One file through a shard of its own. Rule: whatever ends the work, the next try goes on where a plan was committed.

What `backfill` and `drops` share. The file's first sight, its name as a shard and what is told of it are theirs. The
archive of a shard goes through that very shard, by all of its files.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from tailrace.archived import Known, ShardArchive
from tailrace.commit.plan import Counts, Item, app_key, item_from_dict, lane_key
from tailrace.commit.ports import Claims, LedgerStore, Place, Say
from tailrace.csv_events import Table
from tailrace.edition import Edition
from tailrace.files import CSV_SUFFIXES, DamagedFile, Source, UnfinishedFile, chunks
from tailrace.kcl.preflight import EPOCH_LETTERS, EPOCH_LETTERS_COUNT, epoch
from tailrace.nouns import LAKE, START, Identity
from tailrace.ops.clock import Clock
from tailrace.settings import Settings, SettingsError
from tailrace.shard import Shard
from tailrace.wiring import shard_of

KINESIS: Final = "shardId-"  # what its shards' names begin with: their events' times were held against their arrival


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

    def bring_archive(self, archive: ShardArchive, step: Callable[[int], None]) -> None:
        """Bring the archive of one shard in: its rows are those that the shard's own records became, row ids too.

        UnfinishedFile when that cannot be done to its end; files that come too late are in `archive.refused`.
        """
        origin = archive.origin()
        if origin is None:
            return
        self._only(origin)
        shard = self._opened(Identity(origin.stream, self._epoch, origin.shard), self.edition, origin)
        try:
            shard.open()
            planned = shard.planned
            known = self._noted(origin.shard, archive.sources, (shard.generation, planned))
            try:
                for chunk in archive.chunks(lambda source: known[source.shard]):
                    shard.add(chunk.records)
                    shard.flush_due()
                    if shard.state != "fill":
                        break
                    step(chunk.done)
            except UnfinishedFile:
                if archive.broken is not None:
                    self._appended(self._broken_key(origin.shard, archive.broken), "runs", shard.generation)
                self._rest(shard)
                raise
            self._rest(shard)
            if shard.state != "fill":
                raise UnfinishedFile(f"{origin.shard}: {shard.state}: {shard.why}")
            if shard.watermark < planned:
                raise UnfinishedFile(f"{origin.shard}: a plan is open whose files are not all here: name them again")
        finally:
            shard.drop()
            shard.close()

    @staticmethod
    def _rest(shard: Shard) -> None:
        """Commit what was read: it is whole up to there. A plan that waits for the rest of its records waits on."""
        shard.flush()
        if shard.state == "fill":
            shard.leave()

    def _only(self, origin: Identity) -> None:
        """See that one ledger has the archive of one epoch alone: shards of several would have one name."""
        new = {"stream": origin.stream, "epoch": origin.epoch}
        _, item = self._store.read(key := f"archive/{self._epoch}") or self._store.swap(key, 0, new) or (1, new)
        if item != new:
            raise UnfinishedFile(
                f"{origin.shard}: found an archive of {origin.stream}, epoch {origin.epoch}; this ledger has brought in"
                f" that of {item['stream']}, epoch {item['epoch']}: choose one by --epoch,"
                " and set another [ledger] path for the other"
            )

    def _noted(self, shard: str, sources: Sequence[Source], run: tuple[int, str]) -> dict[str, Known]:
        """Note which files a run has and where the shard stands, before it takes a record; return what others had.

        A run is known by its generation: what the shard went past until the next one began, it went past with these.
        """
        prefix = f"archive/{self._epoch}/{shard}"
        found = sorted((int(number), str(bound)) for number, bound in self._appended(prefix, "bounds", run))
        bounds = [one for one in found if one <= run]  # who opened later is none of our business: it has the shard
        runs = {one.shard: self._appended(f"{prefix}/{one.shard}", "runs", run[0], uri=one.uri) for one in sources}
        broken = {one.shard: self._store.read(self._broken_key(shard, one)) for one in sources}
        ended = {name: found[1]["runs"] for name, found in broken.items() if found is not None}
        return {name: Known(bounds, frozenset([*had, *ended.get(name, ())])) for name, had in runs.items()}

    def _broken_key(self, shard: str, source: Source) -> str:
        """Return the key of the runs that ended in a file: its sound copy has, where it was cut, another size."""
        return f"archive/{self._epoch}/{shard}/broken-{sha256(source.uri.encode()).hexdigest()[:32]}"

    def _appended(self, key: str, field: str, value: Any, **more: str) -> list[Any]:
        stands = self._store.read(key)
        while True:
            revision, item = stands or (0, {field: [], **more})
            values = [*item[field], value]
            stands = self._store.swap(key, revision, {**item, field: values})
            if stands is None:
                return values

    def _shard(self, source: Source, name: str) -> Shard:
        edition = self.edition
        if source.uri.endswith(CSV_SUFFIXES):
            edition = edition._replace(digests=tuple(sorted({*edition.digests, ("csv", self.table.digest)})))
        return self._opened(Identity(self._stream, self._epoch, name), edition)

    def _opened(self, identity: Identity, edition: Edition, origin: Identity | None = None) -> Shard:
        return shard_of(
            self._settings,
            identity,
            edition=edition,
            store=self._store,
            place=self._place,
            clock=self._clock,
            say=self._say,
            alive=lambda: None,
            event_time_window=origin is not None and origin.shard.startswith(KINESIS),
            claims=self._claims,
            origin=origin,
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
