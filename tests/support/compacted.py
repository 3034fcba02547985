"""A lake on S3 with its ledger in DynamoDB, to be compacted. Rule: it is written to and read all the while.

Run as a program it runs `tailrace compact` again and again, each time until it kills itself before or after its first
call of AWS of some kind, until that has happened with every kind.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partialmethod
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from typing import Any

import boto3

from local.aws import options
from support.ministack import ministack
from support.small_lake import EPOCH, STREAM, lane, outcome, records
from support.struck import program
from tailrace.cli import main
from tailrace.commit.batch import part_of
from tailrace.commit.committed import CommitFile, StoredObject, commits_of, shards_of, told_once
from tailrace.commit.compacted import view_of
from tailrace.commit.ledger_dynamodb import DynamoLedger, create_table
from tailrace.commit.plan import app_key
from tailrace.nouns import unmark
from tailrace.sinks.lake.places.s3 import S3Place
from tailrace.sinks.lake.read import LakeReader
from tailrace.world import WorldError

BUCKET, TABLE, REGION = "lake", "ledger", "us-east-1"
FIRST, RECORDS = 100, 12  # sequence number of a shard's first record; records a plan
RUNS_MAX, PLANS_MAX = 150, 100
COMPACT = ("compact", "--also-open", "--least", "2")
PAUSE_S = 0.5  # of who writes on

KINDS = (  # of calls, with what they are about
    "Scan",
    "GetItem",
    "PutItem generation",
    "PutItem plan",
    "PutItem chain",
    "PutItem swept",
    "PutItem folded",
    "ListObjectsV2",
    "GetObject commit",
    "GetObject small",
    "GetObject large",
    "GetObject file",
    "GetObject fold",
    "HeadObject small",
    "HeadObject large",
    "PutObject large",
    "PutObject file",
    "PutObject small",
    "PutObject fold",
)

Row = tuple[str, int]  # shard, sequence number


class Compacted:
    """The lake, who writes to it and who reads it."""

    def __init__(self, url: str) -> None:
        boto3.client("s3", **options(url)).create_bucket(Bucket=BUCKET)
        create_table(boto3.client("dynamodb", **options(url)), TABLE)
        self.environ = {
            "TAILRACE_STREAM_NAME": STREAM,
            "TAILRACE_LAKE_URI": f"s3://{BUCKET}/rows",
            "TAILRACE_LEDGER_TABLE": TABLE,
            "TAILRACE_AWS_DYNAMODB_ENDPOINT": url,
            "TAILRACE_AWS_S3_ENDPOINT": url,
        }
        self._url = url
        assert self.ledger().swap(app_key("tailrace"), 0, {"epoch": EPOCH}) is None

    def ledger(self) -> DynamoLedger:
        return DynamoLedger.connect(TABLE, region=REGION, endpoint=self._url)

    def place(self) -> S3Place:
        return S3Place.connect(BUCKET, "rows", region=REGION, endpoint=self._url)

    def write(self, shard: str, stop: Event, plans: int) -> None:
        """Commit plans to a shard, as a consumer would, until told to stop."""
        made = lane(shard, self.ledger(), self.place())
        for number in range(plans):
            chunk = records(FIRST + number * RECORDS, RECORDS, step_ms=1)
            made.add(part_of(chunk), outcome(shard, chunk, bad_every=3), 0)
            made.flush()
            if stop.wait(PAUSE_S if plans == PLANS_MAX else 0):
                break
        made.leave()
        made.close()

    def killed(self) -> set[str]:
        """Run the command until it was killed before and after a call of each kind; return `<side> <kind>` of each."""
        return {line for line in program(__file__, self.environ).splitlines() if line.startswith(("before", "after"))}

    def compact(self) -> int:
        return main([*COMPACT], self.environ)

    def audit(self) -> int:
        return main(["audit"], self.environ)


class Reading:
    """Reads the committed view over and over; keeps what was wrong with it."""

    def __init__(self, world: Compacted) -> None:
        self._ledger, self._place, self._seen = world.ledger(), world.place(), dict[str, bytes]()
        self.views = self.again = 0
        self.wrong: list[str] = []

    def run(self, stop: Event) -> None:
        """Read until told to stop, or until something is wrong."""
        while not self.wrong:
            last = stop.is_set()
            self._look()
            if last:
                return

    def live(self) -> tuple[list[StoredObject], set[Row]]:
        """Return the objects of the committed view, and the rows that plans have committed."""
        view = view_of(self._ledger, self._place, EPOCH)  # before the shards
        objects = [entry for _, entry in view.outputs()]
        wanted: set[Row] = set()
        for shard in shards_of(self._ledger, EPOCH, STREAM):
            if shard.item.chain:
                last = int(unmark(shard.item.watermark)[0])
                wanted |= {(shard.identity.shard, sequence) for sequence in range(FIRST, last + 1)}
            for _, found in commits_of(self, shard):  # type: ignore[arg-type]
                assert isinstance(found, CommitFile)
                objects += view.live(found.objects)
        return list(told_once(objects)), wanted

    def read(self, name: str) -> bytes:
        """Return a commit file; they never change."""
        if name not in self._seen:
            self._seen[name] = self._place.read(name)
        return self._seen[name]

    def _look(self) -> None:
        objects, wanted = self.live()
        rows: Counter[Row] = Counter()
        for entry in objects:
            try:
                if sha256(self._place.read(entry.name)).hexdigest() != entry.sha256:
                    raise FileNotFoundError(entry.name)
                positions = LakeReader().origins(self._place, entry.name).table
            except (FileNotFoundError, ValueError, WorldError):  # replaced meanwhile: all is asked anew
                self.again += 1
                return
            found = zip(positions["shard"].to_pylist(), positions["position"].to_pylist(), strict=True)
            rows.update((shard, int(position.partition("/")[0])) for shard, position in found)
            if positions.num_rows != entry.rows:
                self.again += 1
                return
        self.views += 1
        twice, lost = [row for row, count in rows.items() if count > 1], sorted(wanted - set(rows))
        if twice or lost or len(rows) != len(wanted):
            self.wrong.append(f"view {self.views}: twice {twice[:3]}, not at all {lost[:3]}, {len(rows)} rows")


@contextmanager
def beside(*threads: Thread, stop: Event) -> Iterator[None]:
    """Run threads for the block, and see them end."""
    for one in threads:
        one.start()
    try:
        yield
    finally:
        stop.set()
        for one in threads:
            one.join(60)
            assert not one.is_alive()


@contextmanager
def compacted(folder: Path) -> Iterator[Compacted]:
    """Run the stand-in for the block."""
    with ministack(folder) as running:
        yield Compacted(running.url)


class _Deadly:
    """Kills this process before or after its first call of a kind."""

    def __init__(self, real: Any, kind: str, side: str) -> None:
        self._real, self._kind, self._side = real, kind, side
        self._item: dict[str, Any] = {}

    def call(self, client: Any, name: str, arguments: Any) -> Any:
        """Take the place of the real method."""
        kind = f"{name} {self._what(arguments)}".strip()
        if kind == self._kind and self._side == "before":
            self._die()
        reply = self._real(client, name, arguments)
        if kind == self._kind:
            self._die()
        return reply

    def _die(self) -> None:
        os.write(1, f"{self._side} {self._kind}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)

    def _what(self, arguments: Any) -> str:
        if item := arguments.get("Item"):
            before, self._item = self._item, item
            changed = [name for name in ("generation", "chain", "swept", "folded") if before.get(name) != item[name]]
            return "plan" if not changed and "M" in item["plan"] else changed[0]
        key = str(arguments.get("Key", ""))
        if not key.startswith("rows/"):
            return ""
        parts = {"upto-": "fold", "_compactions/": "file", "_commits/": "commit", "-compacted-": "large"}
        return next((kind for part, kind in parts.items() if part in key), "small")


def _passed(client: Any, deadly: _Deadly, name: str, arguments: Any) -> Any:
    return deadly.call(client, name, arguments)


def _sweep() -> int:
    from botocore.client import BaseClient

    from tailrace.cli import compact

    vars(compact)["FOLD_EVERY"] = 2
    client: Any = BaseClient
    real, environ = client._make_api_call, json.load(sys.stdin)
    waiting = [(kind, side) for kind in KINDS for side in ("before", "after")]
    for _ in range(RUNS_MAX):
        if not waiting:
            break
        kind, side = waiting.pop(0)
        child = os.fork()
        if not child:
            client._make_api_call = partialmethod(_passed, _Deadly(real, kind, side))
            os._exit(main([*COMPACT], environ))
        status = os.waitpid(child, 0)[1]
        if os.WIFEXITED(status):
            if os.WEXITSTATUS(status):
                return 1
            waiting.append((kind, side))  # there was no such call: later
    return 0


if __name__ == "__main__":
    sys.exit(_sweep())
