"""`tailrace drops`: files dropped on S3, announced by SQS. Rule: whenever it ends, the next start goes on.

SIGTERM and SIGINT drain: what is read is committed, and the message goes back to the queue. The ledger's application
item is its own, beside the consumer's. Until then /metrics, /livez and /readyz are served, but not with --once.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
from collections.abc import Callable, Mapping
from types import FrameType

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from tailrace.commit.patience import Patience
from tailrace.commit.stores import DROPS, claims_of, ledger_of, origin_of
from tailrace.drops import health
from tailrace.drops.archive import Archive
from tailrace.drops.calls import Calls
from tailrace.drops.items import FileItems
from tailrace.drops.queue import SqsQueue
from tailrace.drops.watch import Watch
from tailrace.drops.work import Drops
from tailrace.edition import load
from tailrace.filing import Filing, epoch_of_files
from tailrace.kcl import watch
from tailrace.ops import aws, logs
from tailrace.ops.clock import SystemClock
from tailrace.ops.metrics_server import Page, serving, verdict_page
from tailrace.schema.book import BookError
from tailrace.settings import Settings, SettingsError
from tailrace.world import WorldDenied, WorldError

NAME = "drops"
HELP = "Bring in the files that a queue of S3 event messages announces, until stopped."
GROUP = "run"


class _Drained(Exception):
    """A signal came while nothing was in hand."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--once", action="store_true", help="end when the queue has no message within one wait")


def run(args: argparse.Namespace) -> int:
    """Work until a signal comes; return the exit status."""
    settings: Settings = args.settings
    for key, value in (("[lake] uri", settings.lake.uri), ("[drops] queue", settings.drops.queue)):
        if not value:
            raise SettingsError(f"{key} is not set (TAILRACE_{key.strip('[').replace('] ', '_').upper()})")
    logs.configure(settings.logs.format, settings.logs.level)
    work = _Work(settings)
    before = [(number, signal.signal(number, work.stop)) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        work.run(once=args.once)
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    return 0


class _Work:
    """The parts, and the edition that may change between two messages."""

    def __init__(self, settings: Settings) -> None:
        from tailrace.sinks.lake.places import S3, place_of  # noqa: PLC0415
        from tailrace.wiring import tune  # noqa: PLC0415

        tune()
        self._settings = settings
        self._log = logs.get("drops")
        self._clock = clock = SystemClock()
        store = ledger_of(settings, file_run=False)
        told = f"the ledger {settings.ledger.table}", "set another [kcl] application for it (TAILRACE_KCL_APPLICATION)"
        application = origin_of(settings, drops=True).application
        minted = epoch_of_files(store, application, settings.lake.uri, clock.now_ms(), told)
        self._watch = watch.Watch(DROPS, self._log, clock)  # one shard to who counts: a file's name is no label
        edition = load(settings)
        self._watch.edition(edition, from_copy=False)
        self._filing = Filing(
            settings,
            edition,
            stream=DROPS,
            epoch=minted,
            store=store,
            place=place_of(settings),
            clock=clock,
            claims=claims_of(settings),
            say=self._watch,
        )
        self._loaded = clock.monotonic()
        say, patience_s = Watch(self._log), settings.world.patience_s
        self._calls = Calls(lambda: Patience(clock, patience_s, random.Random().random), clock, say)  # noqa: S311  jitter
        region, drops = settings.stream.region, settings.drops
        s3 = aws.client("s3", region=region, endpoint=settings.aws.s3_endpoint)
        self._drops = Drops(
            SqsQueue(
                aws.client("sqs", region=region, endpoint=settings.aws.sqs_endpoint),
                drops.queue,
                visibility_s=drops.visibility_s,
                wait_s=drops.wait_s,
            ),
            self._filing,
            FileItems(store, minted),
            s3,
            Archive(s3, drops.archive) if drops.archive else None,
            own=[uri for uri in (settings.lake.uri, drops.archive, settings.schemas.path) if uri.startswith(S3)],
            holder=f"{socket.gethostname()}-{os.getpid()}-{clock.now_ms()}",
            visibility_s=drops.visibility_s,
            calls=self._calls,
            clock=clock,
            say=say,
        )

    def run(self, *, once: bool) -> None:
        self._log.info("started", queue=self._settings.drops.queue, lake=self._settings.lake.uri)
        server = None if once else serving(self._settings.serve, self._pages(), SettingsError)
        try:
            while not self._calls.stopping.is_set():
                self._refresh()
                if not self._drops.step() and once:
                    break
        except _Drained:
            pass
        finally:
            if server is not None:
                server.close()
        self._log.info("stopped")

    def _pages(self) -> Mapping[str, Callable[[], Page]]:
        patience_s = self._settings.world.patience_s
        return {
            "/metrics": lambda: Page(200, generate_latest(), CONTENT_TYPE_LATEST),
            "/livez": lambda: verdict_page(health.live(self._calls.snapshot(), patience_s)),
            "/readyz": lambda: verdict_page(health.ready(self._calls.snapshot(), patience_s)),
        }

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Take a signal: nothing new is begun."""
        self._calls.stopping.set()
        if self._drops.idle:  # a message that comes at this moment comes again
            raise _Drained

    def _refresh(self) -> None:
        """Take up what schemas, routes and lookup files say now. What is broken or away changes nothing."""
        every_s, now = self._settings.refresh.every_s, self._clock.monotonic()
        if not every_s or now - self._loaded < every_s:
            return
        self._loaded = now
        try:
            found = load(self._settings)
        except (BookError, SettingsError, WorldError, WorldDenied) as error:
            self._watch("edition_looked", result="failed")
            self._watch("edition_refused", error=str(error))
            return
        if found.digests == self._filing.edition.digests:
            self._watch("edition_looked", result="unchanged")
        else:
            self._filing.edition = found
            self._watch.edition(found)
