"""`tailrace load`: what is committed goes into Redshift. Rule: run twice, at once, or killed anywhere, it loads once.

What the stream brought and what `drops` brought are two epochs, each with a ledger item and a lease of its own.

Exit status: 0 all of it is there, 1 something could not be loaded, 2 wrong usage, 75 another loader is at work, or a
service stayed away.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from tailrace.cli.once import add_metrics, told
from tailrace.cli.selection import OR_FILES, add_origins
from tailrace.commit.committed import QUARANTINE, shards_of
from tailrace.commit.patience import Patience
from tailrace.commit.plan import app_key
from tailrace.commit.ports import LedgerStore
from tailrace.commit.stores import Origin, ledger_of, origin_of
from tailrace.edition import load
from tailrace.kcl.preflight import lake_name
from tailrace.ops import aws, logs
from tailrace.ops.clock import SystemClock
from tailrace.settings import Settings, SettingsError
from tailrace.sinks.ddl.model import names
from tailrace.sinks.lake.places import S3, place_of
from tailrace.sinks.redshift import plan
from tailrace.sinks.redshift.data_api import CONNECTIONS, Failed, Warehouse
from tailrace.sinks.redshift.files import Files
from tailrace.sinks.redshift.filling import Views
from tailrace.sinks.redshift.ledger import LoadLedger, Occupied
from tailrace.sinks.redshift.loader import Aim, Loader, Summary

NAME = "load"
HELP = "Bring what is committed in the lake into Redshift, each row once."
GROUP = "run"
OCCUPIED: Final = 75


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_origins(parser, "load only what `{}` stored")
    parser.add_argument(
        "--take-over", action="store_true", help="do not wait for the lease of a loader that was killed; always safe"
    )
    parser.add_argument(
        "--accept-missing", action="store_true", help="pass over objects that are gone for good; what was is noted"
    )
    parser.add_argument("--json", action="store_true", help="print what was done as one JSON object")
    add_metrics(parser)


def run(args: argparse.Namespace) -> int:
    """Load; return the exit status."""
    done = Summary()
    with told(NAME, args.metrics) as report:
        try:
            report.status = _run(args, done)
        finally:
            report.problems = len(done.problems)
            counts = {"landed": done.rows, "rejected": done.rejected, "missing": done.missing}
            report.rows = {kind: rows.total() for kind, rows in counts.items()}
    return report.status


def _run(args: argparse.Namespace, done: Summary) -> int:
    settings: Settings = args.settings
    logs.configure(settings.logs.format, settings.logs.level)
    target = target_of(settings)
    if not settings.lake.uri.startswith(S3):
        raise SettingsError(f"[lake] uri: found {settings.lake.uri!r}, expected s3://bucket/prefix: COPY reads from S3")
    found = list(_epochs(args, settings))
    if not found:
        known = origin_of(settings, files=args.files, drops=args.drops).application
        raise SettingsError(f"the ledger knows no application `{known}`{'' if args.files or args.drops else OR_FILES}")
    occupied = []
    for origin, ledger, epoch in found:
        loader = loader_of(args, epoch, ledger, target, done)
        try:
            loader.run(shards_of(ledger, epoch, origin.stream))
        except Occupied as error:
            occupied.append(error)
        except Failed as error:
            done.problems.append(f"Redshift: {' '.join(str(error).split())}")
    print(json.dumps(_plain(done)) if args.json else _text(done))
    for problem in (*done.problems, *occupied):
        print(f"tailrace: {problem}", file=sys.stderr)
    return 1 if done.problems else OCCUPIED if occupied else 0


def _epochs(args: argparse.Namespace, settings: Settings) -> Iterator[tuple[Origin, LedgerStore, str]]:
    """Yield whose rows are loaded: what the stream and the drops brought, unless one of them is asked for."""
    asked = [(args.files, args.drops)] if args.files or args.drops else [(False, False), (False, True)]
    ledger = ledger_of(settings, file_run=args.files)
    for files, drops in asked:
        origin = origin_of(settings, files=files, drops=drops)
        found = ledger.read(app_key(origin.application))
        if found is None:
            continue
        here = lake_name(settings.lake.uri)
        if (lake := found[1].get("lake", here)) == here:
            yield origin, ledger, str(found[1]["epoch"])
        elif len(asked) == 1 or not drops:
            raise SettingsError(f"[lake] uri: found {here}, expected {lake}, where `{origin.application}` stores")
        else:
            print(f"tailrace: left out: what `drops` stored in {lake}, another lake", file=sys.stderr)


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


def loader_of(
    args: argparse.Namespace, epoch: str, store: LedgerStore, target: Mapping[str, str], done: Summary
) -> Loader:
    """Build a loader and all its parts."""
    settings: Settings = args.settings
    chosen, clock, book = settings.redshift, SystemClock(), load(settings).book
    place, rng = place_of(settings), random.Random()  # noqa: S311 - jitter between retries

    def patience() -> Patience:
        return Patience(clock, settings.world.patience_s, rng.random)

    def say(what: str, /, **facts: object) -> None:
        logs.get(NAME).info(what, **facts)

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
        takes_over=args.take_over,
        accepts_missing=args.accept_missing,
    )
    return Loader(
        aim,
        ledger=LoadLedger(store, plan.key(epoch, where), patience),
        place=place,
        files=Files(place, settings.lake.uri, epoch, book.tables()[QUARANTINE]),
        warehouse=Warehouse(client, target, clock, patience, chosen.timeout_s),
        view=Views(store, place, epoch).of,
        clock=clock,
        say=say,
        summary=done,
    )


def _plain(done: Summary) -> dict[str, object]:
    return {
        "loads": done.loads,
        "rows": dict(done.rows),
        "rejected": dict(done.rejected),
        "missing": dict(+done.missing),
        "left_out": dict(done.left_out),
        "found": done.found,
        "problems": done.problems,
    }


def _text(done: Summary) -> str:
    lines = [*done.found]
    lines += [f"{table:<40}{rows:>12,}" for table, rows in sorted(done.rows.items())]
    lines += [f"left out: {n:,} objects of {table}: no schema makes that table" for table, n in done.left_out.items()]
    if done.rejected:
        why = ", ".join(f"{n:,} {keyword}" for keyword, n in done.rejected.most_common())
        lines.append(f"to the warehouse's quarantine, since its columns do not hold them: {why}")
    lines += [f"passed over, gone for good: {rows:,} rows of {table}" for table, rows in (+done.missing).items()]
    total = f"{done.rows.total():,} rows in {done.loads:,} transaction{'s' * (done.loads != 1)}"
    nothing = "Nothing was loaded." if done.problems else "Nothing to load."
    return "\n".join([*lines, total if done.loads else nothing])
