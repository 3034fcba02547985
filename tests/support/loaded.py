"""A lake in S3, a ledger in DynamoDB, a warehouse. Rule: all of AWS is a stand-in, `tailrace load` a real process.

Run as a program it commits two plans and loads them, again and again, each time until it is killed before its next
call of AWS, one call later each time; it prints at how many calls a run came through. After each one is spared, so that
the next is killed at the very next call; now and then what was loaded, and what was not, is compacted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from local.aws import REGION, options
from local.redshift import Server, Service
from support.ministack import ministack
from support.small_lake import EPOCH, PAGE_VIEW, STREAM, commit, records
from support.struck import forked, program
from support.warehouse import ddl
from tailrace.cli import main
from tailrace.commit.ledger_dynamodb import DynamoLedger, create_table
from tailrace.commit.plan import app_key
from tailrace.schema.book import QUARANTINE
from tailrace.sinks.lake.places.s3 import S3Place

BUCKET, TABLE, LAKE = "lake", "ledger", "s3://lake/events"
SCHEMA = {"type": "object", "properties": {"path": {}}}
LAST_YEAR_MS = 1_736_942_400_000  # 2025-01-15 12:00 UTC: hours that are over
WIDTH = 6  # of a path: shard-1's are wider
GOOD, WIDE = 3, 2  # rows a run
RUNS_MAX = 150
COMPACT_EVERY = 10


class Loaded:
    """A lake and its warehouse."""

    def __init__(self, folder: Path, url: str) -> None:
        self.s3: Any = boto3.client("s3", **options(url))
        self.s3.create_bucket(Bucket=BUCKET)
        create_table(boto3.client("dynamodb", **options(url)), TABLE)
        self.ledger = DynamoLedger.connect(TABLE, region=REGION, endpoint=url)
        assert self.ledger.swap(app_key("tailrace"), 0, {"epoch": EPOCH}) is None
        self.service = Service(self._read)
        self.service.engine.transaction(
            ddl({"page_view/v1": PAGE_VIEW, "quarantine": QUARANTINE}, widths={"path": WIDTH})
        )
        self.server = Server(self.service)
        (folder / "schemas" / "page_view").mkdir(parents=True)
        (folder / "schemas" / "page_view" / "1-0-0.json").write_text(json.dumps(SCHEMA))
        self.environ = {
            "TAILRACE_LAKE_URI": LAKE,
            "TAILRACE_SCHEMAS_PATH": str(folder / "schemas"),
            "TAILRACE_STREAM_NAME": STREAM,
            "TAILRACE_LEDGER_TABLE": TABLE,
            "TAILRACE_AWS_DYNAMODB_ENDPOINT": url,
            "TAILRACE_AWS_S3_ENDPOINT": url,
            "TAILRACE_AWS_REDSHIFT_ENDPOINT": self.server.url,
            "TAILRACE_REDSHIFT_WORKGROUP": "local",
            "TAILRACE_LOGS_LEVEL": "warning",
        }

    def _read(self, url: str) -> bytes:
        name = url.removeprefix(f"s3://{BUCKET}/")
        try:
            return bytes(self.s3.get_object(Bucket=BUCKET, Key=name)["Body"].read())
        except self.s3.exceptions.NoSuchKey:
            raise FileNotFoundError(url) from None

    def swept(self) -> int:
        """Commit and load with one more call of AWS each time before a SIGKILL; return how many runs that were."""
        return int(program(__file__, self.environ).splitlines()[-1])

    def load(self, *runs: tuple[str, ...]) -> list[tuple[int, str, str]]:
        """Run `tailrace load` with these options, all at once; return each one's exit status and what it said."""
        command = [sys.executable, "-m", "tailrace", "load"]
        environ = {**os.environ, **self.environ}
        pipe = subprocess.PIPE
        started = [
            subprocess.Popen([*command, *options], env=environ, stdout=pipe, stderr=pipe, text=True) for options in runs
        ]
        said = [one.communicate(timeout=60) for one in started]
        return [(one.returncode, *texts) for one, texts in zip(started, said, strict=True)]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        return self.service.engine.db.cursor().execute(sql).fetchall()


@contextmanager
def loaded(folder: Path) -> Iterator[Loaded]:
    """Run the stand-ins for the block."""
    with ministack(folder) as running:
        made = Loaded(folder, running.url)
        with made.server:
            yield made


def committed(environ: dict[str, str], run: int) -> None:
    """Commit a plan of each shard: what fits, and what does not."""
    url = environ["TAILRACE_AWS_S3_ENDPOINT"]
    place = S3Place.connect(BUCKET, "events", region=REGION, endpoint=url)
    ledger = DynamoLedger.connect(TABLE, region=REGION, endpoint=url)
    commit("shard-0", ledger, place, [records(run * 10 + 1, GOOD, begin_ms=LAST_YEAR_MS)])
    commit("shard-1", ledger, place, [records(10_000 + run * 10 + 1, WIDE, begin_ms=LAST_YEAR_MS)])


def _sweep() -> int:
    from tailrace.cli import compact, load  # noqa: F401  what they need is loaded once, before the children

    environ = json.load(sys.stdin)
    for run in range(RUNS_MAX):
        committed(environ, run)
        if run % COMPACT_EVERY == COMPACT_EVERY - 1:
            status = forked(lambda: main(["compact", "--after", "0", "--least", "2"], environ))
            assert status == 0, status
        status = forked(lambda: main(["load"], environ), run + 1)
        if status is not None:
            sys.stdout.write(f"\n{run + 1}")
            return status
        status = forked(lambda: main(["load", "--take-over"], environ))
        assert status == 0, status
    return 1


if __name__ == "__main__":
    sys.exit(_sweep())
