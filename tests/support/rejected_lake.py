"""A lake with rejects in it. Rule: the real pipeline rejects them, the real lane, sink and ledger store them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.pipelines import SCHEMAS, Schemas, pipeline
from support.small_lake import EPOCH, STREAM, Still, silent
from tailrace.commit.batch import FlushLimits, part_of
from tailrace.commit.lane import Lane
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.ledger_sqlite import SqliteLedger
from tailrace.commit.patience import Patience
from tailrace.commit.plan import app_key
from tailrace.nouns import Identity, Record
from tailrace.rows.pipeline import Pipeline
from tailrace.schema.book import ENVELOPE, QUARANTINE
from tailrace.settings import Lake, Ledger, Settings, Stream
from tailrace.settings import Schemas as SchemaFolder
from tailrace.sinks.lake.filling import LakeSink
from tailrace.sinks.lake.formats import Format
from tailrace.sinks.lake.layout import Layout
from tailrace.sinks.lake.places.directory import DirectoryPlace

DAY_MS = 86_400_000
MONDAY_MS = 1_760_313_600_000  # 2025-10-13 00:00 UTC


class RejectedLake:
    """An empty lake in a directory, with a SQLite ledger; `take` commits records as one plan."""

    def __init__(self, folder: Path, form: Format = Format()) -> None:  # noqa: B008
        self._form = form._replace(row_group_rows=2)
        self.root, self.ledger_path = folder / "lake", folder / "ledger.sqlite"
        self.place, self.store = DirectoryPlace(self.root), SqliteLedger(self.ledger_path)
        assert self.store.swap(app_key("tailrace"), 0, {"epoch": EPOCH}) is None

    def take(self, shard: str, *records: Record, schemas: Schemas = SCHEMAS, **contract: Any) -> None:
        """Commit what the pipeline makes of the records."""
        identity = Identity(STREAM, EPOCH, shard)
        made = pipeline(schemas, **contract)
        made = Pipeline(made._book.contract, made._book, made._limits, identity, made._treatment)
        sink = LakeSink(Layout(), self._form, {QUARANTINE.name: QUARANTINE}, ENVELOPE)
        lane = Lane(
            "lake",
            identity,
            LaneLedger(self.store, self.place, identity, "lake"),
            self.place,
            sink,
            FlushLimits(10**9, 10**9, 10**9, 10**9),
            digests=(),
            patience=lambda: Patience(Still(), 0.0, lambda: 0.0),
            say=silent,
            alive=lambda: None,
            uploads=1,
        )
        try:
            lane.open()
            lane.add(part_of(list(records)), made(list(records)), 0)
            assert lane.flush()
            lane.leave()
        finally:
            lane.close()

    def settings(self, schemas: Path | None = None, stream: str = "") -> Settings:
        """Return settings that name this lake and its ledger."""
        return Settings(
            stream=Stream(name=stream),
            lake=Lake(uri=str(self.root)),
            ledger=Ledger(path=str(self.ledger_path)),
            schemas=SchemaFolder(path=str(schemas or "properties/schemas")),
        )

    def close(self) -> None:
        self.store.close()
