"""`tailrace load`: what is committed goes into Redshift. Rule: run twice, at once, or killed anywhere, it loads once.

Exit status: 0 all of it is there, 1 something could not be loaded, 2 wrong usage, 75 another loader is at work.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import sys
from collections.abc import Mapping
from typing import Any

from tailrace.commit.committed import QUARANTINE, epoch_of, shards_of
from tailrace.commit.patience import Patience
from tailrace.commit.stores import ledger_of
from tailrace.edition import load
from tailrace.ops import aws, logs, metrics
from tailrace.ops.clock import SystemClock
from tailrace.settings import Settings, SettingsError
from tailrace.sinks.ddl.model import names
from tailrace.sinks.lake.places import S3, place_of
from tailrace.sinks.redshift import plan
from tailrace.sinks.redshift.data_api import CONNECTIONS, Failed, Warehouse
from tailrace.sinks.redshift.files import Files
from tailrace.sinks.redshift.ledger import LoadLedger
from tailrace.sinks.redshift.loader import Aim, Loader, Summary

NAME = "load"
HELP = "Bring what is committed in the lake into Redshift, each row once."
GROUP = "run"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--files", action="store_true", help="load what `backfill` stored, by its local ledger")
    parser.add_argument(
        "--take-over", action="store_true", help="do not wait for the lease of a loader that was killed; always safe"
    )
    parser.add_argument("--json", action="store_true", help="print what was done as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Load; return the exit status."""
    settings: Settings = args.settings
    logs.configure(settings.logs.format, settings.logs.level)
    target = target_of(settings)
    if not settings.lake.uri.startswith(S3):
        raise SettingsError(f"[lake] uri: found {settings.lake.uri!r}, expected s3://bucket/prefix: COPY reads from S3")
    ledger = ledger_of(settings, file_run=args.files)
    epoch = epoch_of(ledger, settings.kcl.application)
    if epoch is None:
        print(f"tailrace: the ledger knows no application `{settings.kcl.application}`", file=sys.stderr)
        return 2
    loader = loader_of(settings, epoch, ledger, target, takes_over=args.take_over)
    try:
        done = loader.run(shards_of(ledger, epoch, "" if args.files else settings.stream.name))
    except Failed as error:
        print(f"tailrace: Redshift: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    print(json.dumps(_plain(done)) if args.json else _text(done))
    for problem in done.problems:
        print(f"tailrace: {problem}", file=sys.stderr)
    return 1 if done.problems else 0


def target_of(settings: Settings) -> dict[str, str]:
    """Return what names the warehouse in every request. Raises SettingsError."""
    chosen = settings.redshift
    if bool(chosen.workgroup) == bool(chosen.cluster):
        raise SettingsError(
            f"[redshift] workgroup: found {chosen.workgroup!r} and cluster {chosen.cluster!r}, expected one of them"
        )
    found = {
        "WorkgroupName": chosen.workgroup,
        "ClusterIdentifier": chosen.cluster,
        "Database": chosen.database,
        "DbUser": chosen.db_user if chosen.cluster else "",
        "SecretArn": chosen.secret_arn,
    }
    return {name: value for name, value in found.items() if value}


def loader_of(settings: Settings, epoch: str, store: Any, target: Mapping[str, str], *, takes_over: bool) -> Loader:
    """Build a loader and all its parts."""
    chosen, clock, book = settings.redshift, SystemClock(), load(settings).book
    place, rng = place_of(settings), random.Random()  # noqa: S311 - jitter between retries

    def patience() -> Patience:
        return Patience(clock, settings.world.patience_s, rng.random)

    client = aws.client(
        "redshift-data",
        region=settings.stream.region,
        endpoint=settings.aws.redshift_endpoint,
        connections=CONNECTIONS,
    )
    where = f"{chosen.workgroup or chosen.cluster}/{chosen.database}/{chosen.schema}"
    aim = Aim(
        epoch=epoch,
        target=where,
        schema=chosen.schema,
        role=chosen.iam_role,
        tables=chosen.tables,
        called=names(book.tables()),
        load_bytes=chosen.load_bytes,
        lease_ms=int(chosen.lease_s * 1000),
        holder=f"{socket.gethostname()}-{os.getpid()}-{clock.now_ms()}",
        takes_over=takes_over,
    )
    return Loader(
        aim,
        ledger=LoadLedger(store, plan.key(epoch, where), patience),
        place=place,
        files=Files(place, settings.lake.uri, epoch, book.tables()[QUARANTINE]),
        warehouse=Warehouse(client, target, clock, patience, chosen.timeout_s),
        clock=clock,
        say=Told(),
    )


class Told:
    """Told of everything: one log line each, and the metrics."""

    def __init__(self) -> None:
        self._log = logs.get("load")

    def __call__(self, what: str, /, **facts: object) -> None:
        self._log.info(what, **facts)
        if what == "loaded":
            metrics.LOADS.labels("landed").inc()
            metrics.LOAD_ROWS.inc(int(str(facts["rows"])))
            rejected: Any = facts["rejected"]
            for keyword, rows in rejected.items():
                metrics.LOAD_REJECTS.labels(keyword).inc(rows)
        elif what == "load failed":
            metrics.LOADS.labels("failed").inc()
        if "seconds" in facts:
            metrics.LOAD_SECONDS.observe(float(str(facts["seconds"])))


def _plain(done: Summary) -> dict[str, object]:
    return {
        "loads": done.loads,
        "rows": dict(done.rows),
        "rejected": dict(done.rejected),
        "left_out": dict(done.left_out),
        "found": done.found,
        "problems": done.problems,
    }


def _text(done: Summary) -> str:
    lines = [done.found] if done.found else []
    lines += [f"{table:<40}{rows:>12,}" for table, rows in sorted(done.rows.items())]
    lines += [f"left out: {n:,} objects of {table}: no schema makes that table" for table, n in done.left_out.items()]
    if done.rejected:
        why = ", ".join(f"{n:,} {keyword}" for keyword, n in done.rejected.most_common())
        lines.append(f"to the warehouse's quarantine, since its columns do not hold them: {why}")
    total = f"{done.rows.total():,} rows in {done.loads:,} transactions"
    return "\n".join([*lines, total if done.loads else "Nothing to load."])
