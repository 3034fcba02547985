"""`tailrace backfill`: files of records, and archives, through the same pipeline. Rule: run twice, it stores once.

The ledger is a local file that belongs to one lake. A run that was cut off goes on where its last plan was committed.
A file is known by its address and size: one that was stored with another size needs `--again`.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from tailrace.archived import ShardArchive, parted
from tailrace.cli.progress import Progress
from tailrace.commit.patience import Patience
from tailrace.files import NoSuchFile, RefusedFile, Source, UnfinishedFile, sources
from tailrace.filing import Begun, Filing, epoch_of_files
from tailrace.settings import Settings, SettingsError
from tailrace.world import WorldError

NAME = "backfill"
HELP = "Feed files of JSON lines or CSV, or an archive of records, through the same pipeline."
GROUP = "run"
STREAM = "files"
GAPS_SHOWN = 5
REASONS_SHOWN = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a file, a directory, or s3://bucket/prefix; a lake's raw/ for its archive",
    )
    parser.add_argument(
        "--again", action="store_true", help="store a file whole although it was stored with another size"
    )
    parser.add_argument("--epoch", help="of archives this epoch alone, which their objects' names begin with")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the sums")


def run(args: argparse.Namespace) -> int:
    """Store every record of the files; return the exit status."""
    settings: Settings = args.settings
    if not settings.lake.uri:
        raise SettingsError(
            "[lake] uri is not set: where should the rows go? (TAILRACE_LAKE_URI, or the settings file)"
        )
    try:
        found = list(sources(args.paths, lambda: _s3(settings), lambda: _Waits(settings)))
        plain, archives = parted(found)
        _refuse_own(archives, settings.lake.uri)
        if args.epoch:
            archives = _of_epoch(archives, args.epoch)
            found = [*plain, *(source for one in archives for source in one.sources)]
    except (NoSuchFile, RefusedFile) as error:
        print(f"tailrace: {error}", file=sys.stderr)
        return 2
    work = _Work(settings, Progress(sum(s.size for s in found), quiet=args.quiet), again=args.again)
    unfinished = []
    for source in plain:
        try:
            work.file(source)
        except UnfinishedFile as error:
            work.say(f"tailrace: {error}")
            unfinished.append(source.uri)
    for archive in archives:
        unfinished += work.archive(archive)
    work.sums(len(found) - len(unfinished))
    if unfinished:
        print("not finished:", *unfinished, sep="\n  ", file=sys.stderr)
    return 1 if unfinished else 0


def _refuse_own(archives: Iterable[ShardArchive], lake: str) -> None:
    """Raises RefusedFile where a lake would be made anew in itself: each row would be there twice."""
    own = (lake if "://" in lake else Path(lake).resolve().as_uri()).rstrip("/") + "/raw/"
    for source in (source for archive in archives for source in archive.sources):
        if source.uri.startswith(own):
            raise RefusedFile(f"{source.uri}: found the archive of {lake} itself, expected another [lake] uri to fill")


def _of_epoch(archives: Sequence[ShardArchive], epoch: str) -> list[ShardArchive]:
    """Return the archives of an epoch: a lake has more than one after a rewind, and with drops beside a stream."""
    found = [one for one in archives if one.name.startswith(f"{epoch}-")]
    if not found:
        there = ", ".join(sorted({one.name.partition("-")[0] for one in archives})) or "no archive"
        raise NoSuchFile(f"--epoch {epoch}: found {there}, expected objects of that epoch")
    return found


def _s3(settings: Settings) -> Any:
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    from tailrace.ops import aws  # noqa: PLC0415

    try:
        return aws.client("s3", region=settings.stream.region, endpoint=settings.aws.s3_endpoint)
    except BotoCoreError as error:
        aws.raise_world(error, "reach S3")


class _Waits(Patience):
    """The patience with S3; says what it waits for."""

    def __init__(self, settings: Settings) -> None:
        from tailrace.ops.clock import SystemClock  # noqa: PLC0415

        super().__init__(SystemClock(), settings.world.patience_s, random.Random().random)  # noqa: S311  jitter
        self._told = False

    def wait(self, error: WorldError) -> None:
        if not self._told:
            print(f"waiting: {error}", file=sys.stderr, flush=True)
            self._told = True
        super().wait(error)


class _Work:
    """The parts all files share, and the sums."""

    def __init__(self, settings: Settings, progress: Progress, *, again: bool) -> None:
        from tailrace.commit.stores import claims_of, ledger_of  # noqa: PLC0415
        from tailrace.edition import load  # noqa: PLC0415
        from tailrace.ops.clock import SystemClock  # noqa: PLC0415
        from tailrace.sinks.lake.places import place_of  # noqa: PLC0415
        from tailrace.wiring import tune  # noqa: PLC0415

        tune()
        self._settings = settings
        self._progress = progress
        self._again = again
        self._clock = SystemClock()
        edition = load(settings)
        self._store = ledger_of(settings, file_run=True)
        told = f"the ledger {settings.ledger.path}", "set another [ledger] path for this lake (TAILRACE_LEDGER_PATH)"
        application = settings.kcl.application
        self._epoch = epoch_of_files(self._store, application, settings.lake.uri, self._clock.now_ms(), told)
        self._filing = Filing(
            settings,
            edition,
            stream=STREAM,
            epoch=self._epoch,
            store=self._store,
            place=place_of(settings),
            clock=self._clock,
            claims=claims_of(settings),
            say=self._say,
        )
        self._counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._filtered: Counter[str] = Counter()
        self._tables: Counter[str] = Counter()

    def _first_seen(self, source: Source) -> Begun:
        """Return the file's last change as it was when it was first seen: a copy of a file brings the same rows."""
        sizes = self._sizes(source)
        if source.size not in sizes:
            if sizes and not self._again:
                raise UnfinishedFile(
                    f"{source.uri}: it has {source.size:,} bytes now and had {sizes[-1]:,} when it was stored: lines"
                    " that are in both would be stored twice; say --again to store it whole all the same"
                )
            self._change_sizes(source, known=True)
        key = f"file/{source.shard}"
        new: dict[str, Any] = {"uri": source.uri, "size": source.size, "modified_ms": source.modified_ms}
        new["positions"] = self._filing.positions(source)
        revision, item = self._store.read(key) or self._store.swap(key, 0, new) or (1, new)
        positions = item.get("positions", "")
        if positions != new["positions"] and not self._filing.begun(source.shard):
            positions = new["positions"]
            self._store.swap(key, revision, {**item, "positions": positions})
        return Begun(int(item["modified_ms"]), positions)

    def _uri_key(self, source: Source) -> str:
        return f"uri/{self._epoch}/{sha256(source.uri.encode()).hexdigest()}"

    def _sizes(self, source: Source) -> list[int]:
        """Return the sizes with which the file was stored, the last one last."""
        found = self._store.read(self._uri_key(source))
        return [] if found is None else list(found[1]["sizes"])

    def _change_sizes(self, source: Source, *, known: bool) -> None:
        key = self._uri_key(source)
        stands = self._store.read(key)
        while True:
            revision, item = stands or (0, {"uri": source.uri, "sizes": []})
            sizes = [size for size in item["sizes"] if size != source.size] + [source.size] * known
            stands = self._store.swap(key, revision, {**item, "sizes": sizes})
            if stands is None:
                return

    def _say(self, what: str, /, **facts: Any) -> None:
        if what == "processed":
            outcome = facts["outcome"]
            for (kind, stage, keyword), count in outcome.reasons.items():
                self._reasons[f"{kind or '(unknown)'}: {stage} {keyword}"] += count
            self._tables.update(outcome.stored_by_type)
            for (kind, why), count in outcome.filtered_by.items():
                self._filtered[f"{kind or '(unknown)'}: {why}"] += count
        elif what == "committed":
            self._counts.update({k: facts[k] for k in ("received", "stored", "rejected", "filtered")})
        elif what == "replayed":
            self._counts["skipped"] += facts["records"]
        elif what in {"trouble", "stopped", "lost", "poison"}:
            self._progress.say(f"{what}: {facts}")

    def say(self, text: str) -> None:
        """Print a line beside the progress."""
        self._progress.say(text)

    def file(self, source: Source) -> None:
        """Bring one file in. UnfinishedFile when that cannot be done to its end."""
        self._progress.file(source.uri)
        begun = self._first_seen(source)
        done = 0

        def step(now: int) -> None:
            nonlocal done
            self._progress.step(now - done, self._line())
            done = now

        try:
            self._filing.bring(source, source.shard, begun, step)
        except UnfinishedFile:
            if self._filing.untouched:  # a mended copy is no other size
                self._change_sizes(source, known=False)
            raise
        finally:
            step(source.size)

    def archive(self, archive: ShardArchive) -> list[str]:
        """Bring the archive of one shard in; return the addresses of files that could not be, to their end."""
        uris = [source.uri for source in archive.sources]
        self._progress.file(uris[0])
        if gaps := archive.gaps():
            plans = ", ".join(gaps[:GAPS_SHOWN])
            more = f" and {len(gaps) - GAPS_SHOWN} more gaps" if len(gaps) > GAPS_SHOWN else ""
            self.say(f"{archive.name}: no file of plan {plans}{more}: were they made without an archive?")
        done = 0

        def step(now: int) -> None:
            nonlocal done
            self._progress.step(now - done, self._line())
            done = now

        unfinished = ""
        try:
            self._filing.bring_archive(archive, step)
        except UnfinishedFile as error:
            unfinished = str(error)
        finally:
            step(sum(source.size for source in archive.sources))
        for text in filter(None, (*archive.refused.values(), unfinished)):
            self.say(f"tailrace: {text}")
        return uris if unfinished else list(archive.refused)

    def _line(self) -> str:
        counts = self._counts
        return f"{counts['stored']:,} stored, {counts['rejected']:,} rejected"

    def sums(self, files: int) -> None:
        """Print what became of everything."""
        self._progress.end()
        counts = self._counts
        took = time.monotonic() - self._progress.since
        print(f"{files} file{'s' * (files != 1)} in {took:.1f} s: {counts['received']:,} events received")
        for what, by, most in (
            ("stored", self._tables, None),
            ("rejected", self._reasons, REASONS_SHOWN),
            ("filtered", self._filtered, REASONS_SHOWN),
        ):
            each = ", ".join(f"{name} {count:,}" for name, count in by.most_common(most))
            print(f"  {counts[what]:>9,} {what:<8}  {each}".rstrip())
        if counts["skipped"]:
            print(f"  {counts['skipped']:>9,} records were stored by an earlier run and skipped")
        print(f"  lake {self._settings.lake.uri}, ledger {self._settings.ledger.path}")
