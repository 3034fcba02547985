"""The archive beside none, and late events with and without a file each. Rule: one run, one set of events, in turn.

Records in memory, to files in memory, as in `bench.variants`.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Sequence

from bench.events import RECORDS_A_LINE, START_MS, events
from bench.ours import FLUSH_ROWS, IDENTITY, SCHEMAS
from bench.variants import record
from tailrace import settings
from tailrace.commit.plan import CommitFacts
from tailrace.nouns import Outcome, Record
from tailrace.rows.archive import Archiving
from tailrace.rows.enrich import user_agent
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.treatment import Treatment
from tailrace.schema.book import ARCHIVE
from tailrace.schema.load import load
from tailrace.sinks.lake.filling import LakeFilling, LakeSink
from tailrace.wiring import tune

COUNT, RUNS = 100_000, 3
LATE_SHARE, LATE_DAYS = 0.02, 30
PLAN_EVENTS = 10_000
SECTIONS = {
    "no archive": settings.Lake(),
    "archive, snappy": settings.Lake(raw="avro"),
    "archive, deflate": settings.Lake(raw="avro", avro_codec="deflate"),
}


def wired(lake: settings.Lake) -> tuple[Callable[[Sequence[Record]], Outcome], LakeSink]:
    """Return the pipeline and the sink that the settings describe."""
    contract = settings.Contract()
    book = load(str(SCHEMAS), contract)
    plain = Pipeline(contract, book, settings.Limits(), IDENTITY, Treatment(enrichers=(user_agent.UserAgent(),)))
    sink = LakeSink.of(lake, {**book.tables(), ARCHIVE.name: ARCHIVE}, book.envelope)
    return (Archiving(plain, IDENTITY) if lake.raw else plain), sink


def sealed(filling: LakeFilling, chain: int) -> dict[str, int]:
    """Return the bytes of each object of a plan."""
    facts = CommitFacts(
        IDENTITY.epoch, IDENTITY.stream, IDENTITY.shard, "lake", chain, 1, "", "", 0, "", 0, 0, 0, 0, digests={}
    )
    bodies = filling.seal(filling.names(f"{chain:010d}"), facts)
    found = {name: body.length for name, body in bodies.items()}
    filling.drop()
    return found


def run(lake: settings.Lake, records: Sequence[Record], plan_rows: int) -> tuple[float, list[dict[str, int]]]:
    """Return the CPU-seconds of all records, and the bytes of each plan's objects."""
    pipeline, sink = wired(lake)
    gc.collect()
    gc.disable()  # as the child does
    started = time.process_time()
    filling, plans = sink.start(), list[dict[str, int]]()
    held = 0
    for start in range(0, len(records), RECORDS_A_LINE):
        chunk = records[start : start + RECORDS_A_LINE]
        filling.add(pipeline(chunk).rows)
        held += len(chunk)
        if held >= plan_rows:
            plans.append(sealed(filling, len(plans)))
            filling, held = sink.start(), 0
    if held:
        plans.append(sealed(filling, len(plans)))
    taken = time.process_time() - started
    gc.enable()
    return taken, plans


def archives(count: int, runs: int) -> None:
    """Print what the archive costs."""
    records = [record(body, at) for at, body in enumerate(events(count))]
    taken: dict[str, list[float]] = {name: [] for name in SECTIONS}
    sizes: dict[str, tuple[float, float]] = {}
    for round_ in range(runs + 1):
        for name, lake in SECTIONS.items():
            cpu_s, plans = run(lake, records, FLUSH_ROWS)
            if round_:  # the first warms up
                taken[name].append(cpu_s)
            of_archive = sum(size for plan in plans for file, size in plan.items() if file.startswith("raw/"))
            whole = sum(size for plan in plans for size in plan.values())
            sizes[name] = ((whole - of_archive) / count, of_archive / count)
    first = next(iter(taken.values()))
    print("| the archive of records | CPU-s per million events | ratio | bytes an event: rows | archive |")
    print("|---|---|---|---|---|")
    for name, list_ in taken.items():
        ratio = statistics.median(ours / plain for ours, plain in zip(list_, first, strict=True))
        rows, archive = sizes[name]
        print(f"| {name} | {statistics.median(list_) * 1e6 / count:.1f} | {ratio:.2f} | {rows:.0f} | {archive:.0f} |")
    print(f"  a record has {sum(len(one.data) for one in records) / count:.0f} bytes")


def late(count: int) -> None:
    """Print how many objects a plan has where some events come late."""
    rng = random.Random(3)
    records = [record(body, at) for at, body in enumerate(events(count))]
    for one in records:  # what comes late was sent in its time: the arrival moves, the event stays
        one.arrival_ms = START_MS + LATE_DAYS * 86_400_000
        if rng.random() >= LATE_SHARE:
            one.data = one.data.replace(b'"timestamp":"2025-10-09T', b'"timestamp":"2025-11-08T')
        else:
            day = time.gmtime((START_MS / 1000) + rng.randrange(LATE_DAYS * 86_400))
            moved = time.strftime("%Y-%m-%dT%H:%M", day).encode()
            at = one.data.find(b'"timestamp":"') + len(b'"timestamp":"')
            one.data = one.data[:at] + moved + one.data[at + len(moved) :]
    print(f"| {LATE_SHARE:.0%} of the events late, over {LATE_DAYS} days | objects a plan | bytes an event |")
    print("|---|---|---|")
    for name, lake in {
        "`late_hours` = 0": settings.Lake(past_days=40),
        "`late_hours` = 2": settings.Lake(past_days=40, late_hours=2),
    }.items():
        _, plans = run(lake, records, PLAN_EVENTS)
        objects = statistics.median(len(plan) - 1 for plan in plans)  # without the commit file
        whole = sum(size for plan in plans for size in plan.values())
        print(f"| {name} | {objects:.0f} | {whole / count:.0f} |")


def main(count: int = COUNT, runs: int = RUNS) -> None:
    """Print two tables."""
    tune()
    archives(count, runs)
    late(count)


if __name__ == "__main__":
    main()
