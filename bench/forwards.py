"""Forwards: calls and CPU for a million events. Rule: real clients against a stand-in, whose own CPU is not counted.

A destination gets every event, plans as `[lanes] rows` has them. The notes in the ledger are counted, not made.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import boto3

from bench.events import RECORDS_A_LINE, events
from bench.ours import IDENTITY, SCHEMAS
from bench.variants import record
from local.standins import start_ministack
from tailrace import settings
from tailrace.nouns import Destination, Rows
from tailrace.ops.clock import SystemClock
from tailrace.rows.enrich import user_agent
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.treatment import Treatment
from tailrace.schema.load import load
from tailrace.sinks.forward import sink
from tailrace.sinks.forward.messages import Message, in_order, messages_of
from tailrace.wiring import tune

COUNT, PLAN_ROWS, MILLION = 20_000, settings.Lanes().rows, 1_000_000
ARN = "arn:aws:{}:us-east-1:000000000000:{}"
DESTINATIONS = {
    "SQS": Destination("bench", "sqs", ARN.format("sqs", "bench")),
    "SQS, FIFO": Destination("bench", "sqs", ARN.format("sqs", "bench.fifo")),
    "Kinesis, ordered": Destination("bench", "kinesis", ARN.format("kinesis", "stream/bench")),
    "Kinesis": Destination("bench", "kinesis", ARN.format("kinesis", "stream/bench"), {"ordered": False}),
}


class Cost(NamedTuple):
    """Of so many events."""

    calls: int
    cpu_s: float


def rows(count: int) -> list[Rows]:
    """Return the rows of the events, as the pipeline hands them to lanes."""
    contract = settings.Contract()
    book = load(str(SCHEMAS), contract)
    treatment = Treatment(enrichers=(user_agent.UserAgent(),))
    pipeline = Pipeline(contract, book, settings.Limits(), IDENTITY, treatment)
    records = [record(data, at) for at, data in enumerate(events(count))]
    out: list[Rows] = []
    for start in range(0, count, RECORDS_A_LINE):
        out += [one for one in pipeline(records[start : start + RECORDS_A_LINE]).rows if one.table.name != "quarantine"]
    return out


def encoded(parts: list[Rows]) -> tuple[list[Message], float]:
    """Return the messages and what making them took."""
    started = time.process_time()
    found = in_order(one for part in parts for one in messages_of(part.table, part.batch))
    return found, time.process_time() - started


def sent(destination: Destination, url: str, messages: list[Message]) -> Cost:
    """Send all to a stand-in."""
    options, target = sink.parts_of(destination, settings.Aws(sqs_endpoint=url, kinesis_endpoint=url))
    calls = 0

    def say(what: str, /, **facts: Any) -> None:
        nonlocal calls
        calls += facts.get("calls", 0)

    sender = sink.sender_of(destination, options, target, SystemClock(), say)
    started = time.process_time()
    for at in range(0, len(messages), options.note_every):
        letters = sender.send(messages[at : at + options.note_every])
        assert not letters, letters[0].failure
    cost = Cost(calls, time.process_time() - started)
    sender.close()
    return cost


def notes(count: int, note_every: int = 1000) -> int:
    """Return the ledger's writes for so many events: each plan's beginning and end, and what stands between."""
    plans, rest = divmod(count, PLAN_ROWS)
    sizes = [PLAN_ROWS] * plans + [rest] * bool(rest)
    return sum(2 + math.ceil(size / note_every) - 1 for size in sizes)


def main(count: int = COUNT) -> None:
    """Print what a million events cost."""
    tune()
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")
    messages, cpu_s = encoded(rows(count))
    per = MILLION / len(messages)
    print(f"Forwards: {len(messages):,} events of {sum(len(one.data) for one in messages) / len(messages):,.0f} bytes")
    print(f"  {'':18} {'calls':>10} {'CPU-s':>8}   for a million events")
    print(f"  {'one write each':18} {MILLION:>10,}")
    print(f"  {'messages made':18} {'':>10} {cpu_s * per:>8.1f}")
    with tempfile.TemporaryDirectory() as folder, start_ministack(Path(folder)) as stand_in:
        keys: dict[str, Any] = {"region_name": "us-east-1", "endpoint_url": stand_in.url}
        keys |= {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        sqs, kinesis = boto3.client("sqs", **keys), boto3.client("kinesis", **keys)
        sqs.create_queue(QueueName="bench")
        sqs.create_queue(QueueName="bench.fifo", Attributes={"FifoQueue": "true"})
        kinesis.create_stream(StreamName="bench", ShardCount=4)
        kinesis.get_waiter("stream_exists").wait(StreamName="bench", WaiterConfig={"Delay": 1})
        for name, destination in DESTINATIONS.items():
            cost = sent(destination, stand_in.url, messages)
            print(f"  {name:18} {cost.calls * per:>10,.0f} {cost.cpu_s * per:>8.1f}")
    print(f"  ledger writes: {notes(MILLION):,} for each destination")
