"""The pure pipeline under several settings. Rule: all in one process, in turn; the ratio to the first one counts.

Records in memory, to Parquet in memory: reading lines and writing files is not in it. A first round warms caches up and
is not counted.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bench.events import FIRST_SEQUENCE, RECORDS_A_LINE, START_MS
from bench.ours import FLUSH_ROWS, IDENTITY
from tailrace import enrichers, settings
from tailrace.commit.plan import CommitFacts
from tailrace.nouns import Record
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.treatment import Treatment
from tailrace.schema.book import Book
from tailrace.sinks.lake.filling import LakeFilling, LakeSink
from tailrace.wiring import tune

Schemas = Mapping[tuple[str, str], Mapping[str, Any]]
COUNT, RUNS = 50_000, 3


class Variant(NamedTuple):
    """One row of a table."""

    name: str
    schemas: Schemas
    bodies: Sequence[bytes]
    steps: tuple[str, ...] = ()
    contract: settings.Contract = settings.Contract()


class Bench:
    """A variant, wired."""

    def __init__(self, variant: Variant) -> None:
        section = settings.Enrich(steps=variant.steps, internal_hosts=("shop.example",))
        steps = enrichers.built(section, _no_file)
        book = Book(variant.contract, variant.schemas)
        self._pipeline = Pipeline(variant.contract, book, settings.Limits(), IDENTITY, Treatment(enrichers=steps))
        self._sink = LakeSink.of(settings.Lake(), book.tables(), book.envelope)
        self._chunks = [
            [record(body, at) for at, body in enumerate(variant.bodies[start : start + RECORDS_A_LINE], start)]
            for start in range(0, len(variant.bodies), RECORDS_A_LINE)
        ]
        self.name, self.count = variant.name, len(variant.bodies)
        self.stored = 0

    def run(self) -> float:
        """Return the CPU-seconds of all records."""
        gc.collect()
        gc.disable()  # as the child does
        started = time.process_time()
        filling, self.stored, chain = self._sink.start(), 0, 0
        for chunk in self._chunks:
            outcome = self._pipeline(chunk)
            filling.add(outcome.rows)
            self.stored += outcome.stored
            if filling.rows >= FLUSH_ROWS:
                _sealed(filling, chain)
                filling, chain = self._sink.start(), chain + 1
        _sealed(filling, chain)
        taken = time.process_time() - started
        gc.enable()
        return taken


def _no_file(uri: str) -> bytes:
    raise FileNotFoundError(uri)


def record(body: bytes, at: int) -> Record:
    return Record(body, str(FIRST_SEQUENCE + 17 * at), 0, START_MS + at * 20)


def _sealed(filling: LakeFilling, chain: int) -> None:
    facts = CommitFacts(
        IDENTITY.epoch, IDENTITY.stream, IDENTITY.shard, "lake", chain, 1, "", "", 0, "", 0, 0, 0, 0, digests={}
    )
    filling.seal(filling.names(f"{chain:010d}"), facts)
    filling.drop()


def table(title: str, variants: Sequence[Variant], runs: int = RUNS) -> list[float]:
    """Run variants in turn; print medians as a table, and return their ratios to the first."""
    tune()
    benches = [Bench(variant) for variant in variants]
    for bench in benches:
        bench.run()
    taken = [[bench.run() for bench in benches] for _ in range(runs)]
    ratios = [statistics.median(row[at] / row[0] for row in taken) for at in range(len(benches))]
    print(f"\n| {title} | CPU-s per million events | ratio | bytes an event |\n|---|---|---|---|")
    for at, (bench, variant) in enumerate(zip(benches, variants, strict=True)):
        cost = statistics.median(row[at] for row in taken) * 1e6 / bench.count
        size = sum(map(len, variant.bodies)) / bench.count
        print(f"| {bench.name} | {cost:.1f} | {ratios[at]:.2f} | {size:.0f} |")
        assert bench.stored == bench.count, f"{bench.name}: {bench.count - bench.stored} events were not stored"
    return ratios
