"""Rows for the hot tier, and the tier over a table. Rule: a row is a dict, and says what matters of it alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from tailrace.commit.patience import Patience
from tailrace.commit.plan import Counts, Plan
from tailrace.nouns import Destination, Identity, Rows, Table
from tailrace.ops.clock import Clock, SystemClock
from tailrace.sinks.hot.alerts import Alerts
from tailrace.sinks.hot.crew import Crew
from tailrace.sinks.hot.options import Options, options_of
from tailrace.sinks.hot.sink import HotFilling, HotSink
from tailrace.sinks.hot.table import Table as HotTable

ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/hot-events"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:alerts"
DAY = datetime(2026, 1, 31, tzinfo=UTC)
START_S = int(DAY.timestamp())
TIME = pa.timestamp("us", "UTC")
ENVELOPE: Mapping[str, pa.DataType] = {
    "row_id": pa.string(),
    "tenant": pa.string(),
    "event_type": pa.string(),
    "event_time": TIME,
    "received_at": TIME,
    "user_id": pa.string(),
    "position": pa.string(),
    "url_path": pa.string(),
}


def row(number: int, *, shard: int = 0, **more: Any) -> dict[str, Any]:
    """Return one row: event `number` of a shard, a second after the one before."""
    at = datetime.fromtimestamp(START_S + number, UTC)
    return {
        "row_id": f"{shard:04x}{number:028x}",
        "tenant": "north",
        "event_type": "view",
        "event_time": at,
        "received_at": at,
        "user_id": "ann",
        "position": f"{1000 + number}/0/0",
        "url_path": None,
        **more,
    }


def rows_of(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, pa.DataType] | None = None) -> list[Rows]:
    """Return rows as the pipeline hands them on: a batch a type. `columns`: those besides the envelope."""
    schema = pa.schema([*ENVELOPE.items(), *(columns or {}).items()])
    names = list(dict.fromkeys(one["event_type"] for one in rows))
    return [
        Rows(
            Table(f"{name}/v1", schema, ()),
            pa.RecordBatch.from_pylist([dict(one) for one in rows if one["event_type"] == name], schema),
        )
        for name in names
    ]


def options(**given: Any) -> Options:
    return options_of(Destination("hot", "dynamodb", ARN, given))


class Published:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, str]] = []
        self.trouble: Exception | None = None

    def __call__(self, arn: str, identity: str, text: str) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.messages.append((arn, identity, text))


class Tier:
    """The real sink of one shard over a table."""

    def __init__(
        self,
        table: HotTable,
        given: Options,
        *,
        shard: int = 0,
        publish: Callable[[str, str, str], None] | None = None,
        clock: Clock | None = None,
        threads: int = 1,
        patience_s: float = 5.0,
    ) -> None:
        self.said: list[tuple[str, dict[str, object]]] = []
        self.clock = clock or SystemClock()
        crew = Crew(self.say, "hot", threads)
        alerts = Alerts(table, given, publish or Published(), self.clock, self.say, crew)
        identity = Identity("stream", "epoch", f"shard-{shard}")
        self.sink = HotSink("hot", identity, given, table, alerts, crew, self.say)
        self.patience_s = patience_s

    def say(self, what: str, /, **facts: object) -> None:
        self.said.append((what, facts))

    def filling(self, rows: Sequence[Rows]) -> HotFilling:
        filling = self.sink.start()
        filling.add(rows)
        return filling

    def deliver(self, chain: int, rows: Sequence[Rows], deltas: str | None = None) -> str:
        """Carry one plan out; return its deltas, `deltas` where they stand already."""
        filling = self.filling(rows)
        planned = filling.deltas() if deltas is None else deltas
        done = filling.deliver(plan(chain, planned), Patience(self.clock, self.patience_s, lambda: 0.5))
        assert done == ""
        return planned


def plan(chain: int, deltas: str) -> Plan:
    return Plan(chain, 1, "", "", 1, "", Counts(), (), deltas=deltas)
