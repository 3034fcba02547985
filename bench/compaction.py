"""Small files into large ones. Rule: the lake is made by one process and compacted by another, which measures itself.

A plan holds 2,000 events of six types, so most files have some hundreds of rows: what a quiet stream leaves.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench import lanes
from bench.events import RECORDS_A_LINE, events
from bench.measure import Meter, read
from bench.ours import IDENTITY, SCHEMAS
from bench.variants import record
from tailrace import settings
from tailrace.cli.compact import Compacting
from tailrace.commit.batch import part_of
from tailrace.commit.committed import shards_of
from tailrace.commit.ledger_sqlite import SqliteLedger
from tailrace.commit.plan import app_key
from tailrace.ops.clock import SystemClock
from tailrace.rows.enrich import user_agent
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.treatment import Treatment
from tailrace.schema.load import load
from tailrace.settings import MIB
from tailrace.sinks.lake.candidates import Limits
from tailrace.sinks.lake.places.directory import DirectoryPlace
from tailrace.wiring import tune

EVENTS, PLAN_EVENTS = 200_000, 2_000
FORMATS = {"Parquet": settings.Lake(), "Parquet and Avro": settings.Lake(avro=("*",))}
EVERY_HOUR = datetime(2100, 1, 1, tzinfo=UTC)
GOAL_BYTES = 80  # a row of Parquet, in large files


def make(folder: Path, lake: settings.Lake, count: int) -> None:
    """Bring events into a lake, many small plans of them."""
    contract = settings.Contract()
    book = load(str(SCHEMAS), contract)
    pipeline = Pipeline(contract, book, settings.Limits(), IDENTITY, Treatment(enrichers=(user_agent.UserAgent(),)))
    store, place = SqliteLedger(folder / "ledger.sqlite"), DirectoryPlace(folder / "lake")
    store.swap(app_key("tailrace"), 0, {"epoch": IDENTITY.epoch})
    lane = lanes.opened(store, place, lake, book)
    records = [record(body, at) for at, body in enumerate(events(count))]
    for start in range(0, count, RECORDS_A_LINE):
        chunk = records[start : start + RECORDS_A_LINE]
        lane.add(part_of(chunk), pipeline(chunk), 0)
        if (start + RECORDS_A_LINE) % PLAN_EVENTS == 0:
            lane.flush()
    lanes.closed(lane)
    store.close()


def child(folder: Path, formats: str) -> None:
    """Compact the lake; say what it took and how long."""
    tune()
    store, place = SqliteLedger(folder / "ledger.sqlite"), DirectoryPlace(folder / "lake")
    asked, shards = settings.Settings(lake=FORMATS[formats]), list(shards_of(store, IDENTITY.epoch, ""))
    meter, started = Meter(), time.monotonic()
    work = Compacting(asked, IDENTITY.epoch, store, place, shards, SystemClock(), Limits())
    done = work.run(EVERY_HOUR, None)
    seconds = time.monotonic() - started
    meter.write(folder / "figures.json", done.rows, 0)
    taken, files = read(folder / "figures.json"), [size for name, size in place.names("") if "-compacted-" in name]
    print(
        f"  {formats}: {done.inputs:,} files of {done.read / MIB:.1f} MiB, {done.rows:,} rows, became {done.outputs} of"
        f" {sum(files) / MIB:.1f} MiB: {done.read / MIB / seconds:.1f} MiB/s, {taken.cpu_s * 1e6 / done.rows:.1f} CPU-s"
        f" per million rows, {taken.peak_mb:.0f} MB at its peak; {done.read / done.rows:.0f} bytes a row before,"
        f" {sum(files) / done.rows:.1f} after"
    )
    if formats == "Parquet":
        answer = "yes" if sum(files) <= GOAL_BYTES * done.rows else "NO"
        print(f"  goal: at most {GOAL_BYTES} bytes a row in large files of Parquet: {answer}")
    store.close()


def main(count: int = EVENTS) -> None:
    """Compact a lake of each format."""
    print(f"compaction: {count:,} events of six types, {PLAN_EVENTS:,} a plan")
    for formats, lake in FORMATS.items():
        with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder:
            make(Path(folder), lake, count)
            subprocess.run([sys.executable, "-m", "bench.compaction", folder, formats], check=True)


if __name__ == "__main__":
    child(Path(sys.argv[1]), sys.argv[2])
