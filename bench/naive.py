"""The same work as many would write it. Rule: the usual tools, used as their pages show; and the same rows at the end.

kclpy's own loop, json, base64, fastjsonschema, a dict a row, `Table.from_pylist`, `write_table`, fastavro's `writer`.
It does less than the pipeline beside it: one event a record, one shape, the first reason only, no limits.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from datetime import UTC, datetime
from hashlib import blake2b
from io import StringIO
from pathlib import Path
from typing import Any

import fastavro
import fastjsonschema
import pyarrow as pa
import pyarrow.parquet as pq
from amazon_kclpy import kcl
from amazon_kclpy.v3 import processor
from ua_parser import parse

from bench.measure import Meter
from bench.ours import FLUSH_ROWS, IDENTITY, SCHEMAS
from tailrace.schema.book import ENVELOPE, QUARANTINE
from tailrace.schema.load import load
from tailrace.sinks.lake.avro_schema import avro_schema

LIFTED = ("event_id", "tenant", "eventType", "timestamp", "user_id", "session_id")
AVRO_CODEC = "snappy"
Row = dict[str, Any]


class Refused(Exception):
    """The first thing that is wrong with an event."""

    def __init__(self, stage: str, keyword: str, message: str) -> None:
        super().__init__(message)
        self.reason = {"stage": stage, "keyword": keyword, "path": "$", "message": message}


class Processor(processor.RecordProcessorBase):  # type: ignore[misc]
    """kclpy calls it with lists of records."""

    def __init__(self, folder: Path, formats: str) -> None:
        self.folder = folder
        self.formats = formats
        self.validators = {
            file.parent.name: fastjsonschema.compile(json.loads(file.read_text())) for file in SCHEMAS.glob("*/*.json")
        }
        self.tables = load(str(SCHEMAS)).tables()
        self.waiting: dict[str, list[Row]] = defaultdict(list)
        self.rows = self.rejects = self.unsaved = self.files = 0

    def initialize(self, initialize_input: Any) -> None:
        pass

    def process_records(self, process_records_input: Any) -> None:
        for record in process_records_input.records:
            data = record.binary_data
            position = f"{record.sequence_number}/{record.sub_sequence_number}/0"
            received = record.approximate_arrival_timestamp.astimezone(UTC)
            try:
                event = self.checked(data)
            except Refused as refused:
                self.keep("quarantine", received, quarantine_row(refused, data, position, received))
                self.rejects += 1
            else:
                row = event_row(event, position, received)
                self.keep(f"{event['eventType']}/v1", row["event_time"], row)
                self.rows += 1
        if self.unsaved >= FLUSH_ROWS:
            self.flush()

    def checked(self, data: bytes) -> dict[str, Any]:
        """Return a valid event. Raises Refused."""
        try:
            event: dict[str, Any] = json.loads(data)
        except ValueError as error:
            raise Refused("parse", "json", str(error)) from None
        event_type = event.get("eventType")
        if event_type not in self.validators:
            raise Refused("contract", "unknown_type", f"unknown type {event_type}")
        try:
            self.validators[event_type](event)
        except fastjsonschema.JsonSchemaValueException as error:
            raise Refused("schema", str(error.rule), error.message) from None
        return event

    def keep(self, table: str, time: datetime, row: Row) -> None:
        """Note a row under its folder."""
        last = f"stage={row['stage']}" if table == "quarantine" else f"hh={time:%H}"
        self.waiting[f"{table}/dt={time:%Y-%m-%d}/{last}"].append(row)
        self.unsaved += 1

    def flush(self) -> None:
        """Write a file a folder."""
        for folder, rows in self.waiting.items():
            schema = self.tables[folder.partition("/dt=")[0]].schema
            path = self.folder / folder / f"{self.files:010d}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            table = pa.Table.from_pylist(rows, schema=schema)
            pq.write_table(table, path, compression="zstd", compression_level=1)
            if self.formats == "both":
                with path.with_suffix(".avro").open("wb") as file:
                    fastavro.writer(file, avro_schema(folder.partition("/dt=")[0], schema), rows, codec=AVRO_CODEC)
        self.files += 1
        self.waiting.clear()
        self.unsaved = 0

    def lease_lost(self, lease_lost_input: Any) -> None:
        pass

    def shard_ended(self, shard_ended_input: Any) -> None:
        pass


def row_id(position: str) -> str:
    """Return the hash of a position."""
    identity = json.dumps(IDENTITY, separators=(",", ":"))
    return blake2b((identity + position).encode(), digest_size=16).hexdigest()


def event_row(event: dict[str, Any], position: str, received: datetime) -> Row:
    """Return an event's row."""
    agent = parse(event["browser"])
    row = dict.fromkeys(ENVELOPE.names) | {
        "row_id": row_id(position),
        "event_id": event["event_id"],
        "tenant": event["tenant"],
        "event_type": event["eventType"],
        "schema_version": "1-0-0",
        "event_time": datetime.fromisoformat(event["timestamp"]),
        "time_source": "event",
        "received_at": received,
        "user_id": event["user_id"],
        "session_id": event["session_id"],
        "shard": IDENTITY.shard,
        "position": position,
        "ua_family": agent.user_agent.family if agent.user_agent else "Other",
        "os_family": agent.os.family if agent.os else "Other",
        "device_family": agent.device.family if agent.device else "Other",
    }
    row |= {key: value for key, value in event.items() if key not in LIFTED}
    row["data"] = json.dumps(event["data"], separators=(",", ":"), ensure_ascii=False)
    return row


def quarantine_row(refused: Refused, data: bytes, position: str, received: datetime) -> Row:
    """Return a reject's row."""
    return dict.fromkeys(QUARANTINE.schema.names) | refused.reason | {
        "row_id": row_id(position),
        "received_at": received,
        "reasons": json.dumps([refused.reason]),
        "shard": IDENTITY.shard,
        "position": position,
        "raw": data,
    }  # fmt: skip


def main(folder: Path, figures: Path, formats: str) -> None:
    """Consume stdin; `formats` is parquet or both."""
    work = Processor(folder, formats)
    work.version = 3
    parse("")  # its tables are read once
    process = kcl.KCLProcess(work, output_file=StringIO())
    meter = Meter()
    process.run()
    work.flush()
    meter.write(figures, work.rows, work.rejects)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
