"""The pure pipeline as a child runs it: daemon lines on stdin, files in a folder. Rule: nothing but the work."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from bench.measure import Meter
from tailrace import settings
from tailrace.commit.plan import CommitFacts
from tailrace.kcl import lines
from tailrace.kcl.protocol import DaemonGone, Records
from tailrace.nouns import Identity
from tailrace.rows.enrich import user_agent
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.treatment import Treatment
from tailrace.schema.load import load
from tailrace.sinks.lake.filling import LakeFilling, LakeSink
from tailrace.wiring import tune

FLUSH_ROWS = 50_000
IDENTITY = Identity("bench", "0", "shardId-000000000000")
SCHEMAS = Path(__file__).resolve().parents[1] / "properties" / "schemas"


def store(filling: LakeFilling, folder: Path, chain: int) -> None:
    """Write the files of a batch."""
    stem = f"{chain:010d}"
    facts = CommitFacts(
        IDENTITY.epoch, IDENTITY.stream, IDENTITY.shard, "lake", chain, 1, "", "", 0, "", 0, 0, 0, 0, digests={}
    )
    for name, body in filling.seal(filling.names(stem), facts).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with body.open() as source:
            path.write_bytes(source.read())
    filling.drop()


def main(folder: Path, figures: Path, formats: str) -> None:
    """Consume stdin; `formats` is parquet or both."""
    tune()
    contract = settings.Contract()
    book = load(str(SCHEMAS), contract)
    pipeline = Pipeline(contract, book, settings.Limits(), IDENTITY, Treatment(enrichers=(user_agent.UserAgent(),)))
    sink = LakeSink.of(settings.Lake(avro=("*",) if formats == "both" else ()), book.tables(), book.envelope)
    user_agent.families("")  # its tables are read once
    stdin = lines.Stdin()
    gc.collect()
    gc.freeze()
    gc.disable()  # as the child does
    meter = Meter()
    rows = rejects = chain = 0
    filling = sink.start()
    try:
        while True:
            turn = lines.read(stdin.line())
            if not isinstance(turn, Records):
                continue
            for records in turn.chunks:
                outcome = pipeline(records)
                filling.add(outcome.rows)
                rows += outcome.stored
                rejects += outcome.rejected
            if filling.rows >= FLUSH_ROWS:
                store(filling, folder, chain)
                chain += 1
                filling = sink.start()
    except DaemonGone:
        pass
    store(filling, folder, chain)
    meter.write(figures, rows, rejects)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
