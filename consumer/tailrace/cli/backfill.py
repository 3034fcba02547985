"""`tailrace backfill`: files of JSON lines through the same pipeline, without the JVM. Rule: run twice, it stores once.

The ledger is a local file. A run that was cut off goes on where its last plan was committed.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections import Counter
from typing import Any

from tailrace.cli.progress import Progress
from tailrace.settings import Settings, SettingsError

NAME = "backfill"
HELP = "Feed files of JSON lines through the same pipeline."
GROUP = "run"
STREAM = "files"
EPOCH_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="a file, a directory, or s3://bucket/prefix; plain or gzip"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, only the sums")


def run(args: argparse.Namespace) -> int:
    """Store every record of the files; return the exit status."""
    from tailrace.files import DamagedFile, NoSuchFile, sources  # noqa: PLC0415  heavy imports after the arguments are right

    settings: Settings = args.settings
    if not settings.lake.uri:
        raise SettingsError(
            "[lake] uri is not set: where should the rows go? (TAILRACE_LAKE_URI, or the settings file)"
        )
    try:
        found = list(sources(args.paths, lambda: _s3(settings)))
    except NoSuchFile as error:
        print(f"tailrace: {error}", file=sys.stderr)
        return 2
    work = _Work(settings, Progress(sum(s.size for s in found), quiet=args.quiet))
    try:
        for source in found:
            work.file(source)
    except DamagedFile as error:
        print(f"tailrace: {error}", file=sys.stderr)
        return 2
    work.sums(len(found))
    return 0


def _s3(settings: Settings) -> Any:
    import boto3  # noqa: PLC0415

    from tailrace.ops import aws  # noqa: PLC0415

    endpoint = settings.aws.s3_endpoint
    return boto3.client(
        "s3",
        region_name=settings.stream.region,
        endpoint_url=endpoint or None,
        config=aws.config(s3_path_style=bool(endpoint)),
    )


class _Work:
    """The parts all files share, and the sums."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        from tailrace.commit.stores import ledger_of  # noqa: PLC0415
        from tailrace.ops.clock import SystemClock  # noqa: PLC0415
        from tailrace.schema.load import load  # noqa: PLC0415
        from tailrace.sinks.lake.places import place_of  # noqa: PLC0415
        from tailrace.wiring import tune  # noqa: PLC0415

        tune()
        self._settings = settings
        self._progress = progress
        self._clock = SystemClock()
        self._book = load(settings.schemas.path, settings.contract)
        self._store = ledger_of(settings, file_run=True)
        self._place = place_of(settings)
        self._epoch = self._mint()
        self._counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._tables: Counter[str] = Counter()

    def _mint(self) -> str:
        """Return the epoch of this ledger's file runs; made with the first."""
        from tailrace.commit.plan import app_key  # noqa: PLC0415
        from tailrace.kcl.preflight import epoch  # noqa: PLC0415

        key, now_ms = app_key(self._settings.kcl.application), self._clock.now_ms()
        new = {"epoch": epoch(now_ms, "".join(secrets.choice(EPOCH_LETTERS) for _ in range(4))), "first_start": now_ms}
        stands = self._store.read(key) or self._store.swap(key, 0, new) or (1, new)
        return str(stands[1]["epoch"])

    def _first_seen(self, source: Any) -> int:
        """Return the file's last change as it was when it was first seen: a copy of a file brings the same rows."""
        key = f"file/{source.shard}"
        new = {"uri": source.uri, "size": source.size, "modified_ms": source.modified_ms}
        stands = self._store.read(key) or self._store.swap(key, 0, new) or (1, new)
        return int(stands[1]["modified_ms"])

    def _say(self, what: str, /, **facts: Any) -> None:
        if what == "processed":
            outcome = facts["outcome"]
            for (kind, stage, keyword), count in outcome.reasons.items():
                self._reasons[f"{kind or '(unknown)'}: {stage} {keyword}"] += count
            self._tables.update(outcome.stored_by_type)
        elif what == "committed":
            self._counts.update({k: facts[k] for k in ("received", "stored", "rejected", "filtered")})
        elif what == "replayed":
            self._counts["skipped"] += facts["records"]
        elif what in {"trouble", "stopped", "lost", "poison"}:
            self._progress.say(f"{what}: {facts}")

    def file(self, source: Any) -> None:
        """Bring one file in."""
        from tailrace.commit.ports import WorldDenied  # noqa: PLC0415
        from tailrace.files import chunks  # noqa: PLC0415
        from tailrace.nouns import Identity  # noqa: PLC0415
        from tailrace.wiring import shard_of  # noqa: PLC0415

        self._progress.file(source.uri)
        shard = shard_of(
            self._settings,
            Identity(STREAM, self._epoch, source.shard),
            book=self._book,
            store=self._store,
            place=self._place,
            clock=self._clock,
            say=self._say,
            alive=lambda: None,
            event_time_window=False,
        )
        try:
            shard.open()
            done = 0
            for chunk in chunks(source, self._first_seen(source)):
                shard.add(chunk.records)
                shard.flush_due()
                self._progress.step(min(chunk.offset, source.size) - done, self._line())
                done = max(done, min(chunk.offset, source.size))
            shard.end()
            if shard.state != "fill":
                raise WorldDenied(f"{source.uri}: {shard.state}: {shard.why}")
            shard.leave()
        finally:
            shard.close()

    def _line(self) -> str:
        counts = self._counts
        return f"{counts['stored']:,} stored, {counts['rejected']:,} rejected"

    def sums(self, files: int) -> None:
        """Print what became of everything."""
        self._progress.end()
        counts = self._counts
        took = time.monotonic() - self._progress.since
        print(f"{files} file{'s' * (files != 1)} in {took:.1f} s: {counts['received']:,} events received")
        print(f"  {counts['stored']:>9,} stored    " + ", ".join(f"{n} {c:,}" for n, c in self._tables.most_common()))
        print(
            f"  {counts['rejected']:>9,} rejected  " + ", ".join(f"{n} {c:,}" for n, c in self._reasons.most_common(5))
        )
        print(f"  {counts['filtered']:>9,} filtered")
        if counts["skipped"]:
            print(f"  {counts['skipped']:>9,} records were stored by an earlier run and skipped")
        print(f"  lake {self._settings.lake.uri}, ledger {self._settings.ledger.path}")
