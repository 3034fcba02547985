"""All lanes on: what the hot table and forwards add to the lake. Rule: the engine's own shard, real clients.

The same records go through a shard that the engine puts together by its routes; destinations are cut as often as they
are where a shard brings `RATE` events a second. The lake's bucket and the ledger are in memory and count. The CPU is
this process's: clients with their requests, signatures and answers, not the stand-in that answers them.
"""

from __future__ import annotations

import gc
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import boto3

from bench.billed import Bucket, Ledger
from bench.events import RECORDS_A_LINE, events
from bench.hot import PER_TYPE
from bench.ours import IDENTITY, SCHEMAS
from bench.variants import record
from local.standins import start_ministack
from tailrace import settings
from tailrace.edition import load
from tailrace.ops.aws import client
from tailrace.ops.clock import SystemClock
from tailrace.sinks.hot.dynamodb import DynamoTable
from tailrace.wiring import shard_of, tune

RATE, SECONDS = 1000, 6
NAIVE = 400  # events that are written one by one
MILLION = 1_000_000
NEVER_S = 1e9
ARN = "arn:aws:{}:us-east-1:000000000000:{}"
SUMS: dict[str, Any] = {"events": [], "daily": False, "profiles": False, "aggregates": [PER_TYPE]}


def _route(name: str, service: str, resource: str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    arn = ARN.format(service, resource)
    return {"destination_name": name, "destination_arn": arn, "enabled_events": ["*"], "options": options or {}}


LAKE = {"destination_name": "lake", "destination_arn": "", "enabled_events": ["*"]}
SQS, KINESIS = _route("queue", "sqs", "bench"), _route("stream", "kinesis", "stream/bench")
WAYS: Mapping[str, Sequence[dict[str, Any]]] = {
    "the lake alone": (),
    "the lake, sums in the hot table": (_route("hot", "dynamodb", "table/sums", SUMS),),
    "the lake, every event to Kinesis in order": (KINESIS,),
    "the lake, every event to SQS": (SQS,),
    "all lanes: sums, purchases to SQS and Kinesis": (
        _route("hot", "dynamodb", "table/some", SUMS),
        {**SQS, "enabled_events": ["purchase"]},
        {**KINESIS, "enabled_events": ["purchase"]},
    ),
    "all lanes, every event: item, profile, day, SQS, Kinesis": (
        _route("hot", "dynamodb", "table/all", {"aggregates": [PER_TYPE]}),
        SQS,
        KINESIS,
    ),
}
TABLES = ("sums", "some", "all")


class Taken(NamedTuple):
    """What so many events took."""

    cpu_s: float
    delivered: Mapping[str, int]  # rows, by lane
    calls: Mapping[str, int]  # by service
    units: float  # of writes, as DynamoDB counts them
    puts: int
    writes: int  # units of the ledger


class Calls:
    """Counts what clients ask for. It is told by boto, of every client that is made from now on."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        boto3.setup_default_session()
        assert boto3.DEFAULT_SESSION is not None
        boto3.DEFAULT_SESSION.events.register("before-send", self._count)

    def _count(self, event_name: str, **_: Any) -> None:
        self.counts[event_name.split(".")[1]] += 1


def run(routes: Sequence[dict[str, Any]], url: str, bodies: Sequence[bytes], calls: Counter[str]) -> Taken:
    """Bring events through a shard with a lane for each route, and return what it took."""
    asked = settings.Settings(
        aws=settings.Aws(sqs_endpoint=url, kinesis_endpoint=url, dynamodb_endpoint=url),
        schemas=settings.Schemas(path=str(SCHEMAS)),
        lake=settings.Lake(past_days=0),
        flush=settings.Flush(rows=MILLION, age_s=NEVER_S),
        lanes=settings.Lanes(rows=RATE, age_s=NEVER_S, idle_age_s=NEVER_S, patience_s=NEVER_S),
        routes=settings.Routes(json=json.dumps([LAKE, *routes])),
    )
    edition, bucket, ledger = load(asked), Bucket(), Ledger()
    delivered: Counter[str] = Counter()
    units = 0.0

    def say(what: str, /, **facts: Any) -> None:
        nonlocal units
        if what == "committed":
            delivered[facts["lane"]] += facts["stored"]
        units += facts.get("units", 0) if what == "hot" else 0

    shard = shard_of(
        asked,
        IDENTITY,
        edition=edition,
        store=ledger,
        place=bucket,
        clock=SystemClock(),
        say=say,
        alive=lambda: None,
        destinations=edition.destinations,
    )
    records = [record(body, at) for at, body in enumerate(bodies)]
    shard.open()
    gc.collect()
    calls.clear()
    started = time.process_time()
    for at in range(0, len(records), RECORDS_A_LINE):
        shard.add(records[at : at + RECORDS_A_LINE])
        shard.flush_due()
    shard.flush()
    cpu_s = time.process_time() - started
    assert not shard.waiting, f"not all was delivered: {shard.waiting}"
    shard.leave()
    shard.close()
    return Taken(cpu_s, delivered, dict(calls), units, bucket.puts, ledger.writes)


def one_by_one(url: str, bodies: Sequence[bytes]) -> dict[str, float]:
    """Return the CPU-seconds of writing each event by a call of its own, by the call's name."""
    keys: dict[str, Any] = {"region": "us-east-1", "endpoint": url}
    dynamodb, sqs, kinesis = (client(service, **keys) for service in ("dynamodb", "sqs", "kinesis"))
    queue = sqs.get_queue_url(QueueName="bench")["QueueUrl"]

    def item(at: int, body: bytes) -> dict[str, Any]:
        names = {
            "PK": f"USER#{at}",
            "SK": f"EVENT#{at}",
            "GSI1PK": "TYPE",
            "GSI1SK": f"{at}",
            "body": body.decode(errors="replace"),
        }
        return {name: {"S": text} for name, text in names.items()}

    ways: dict[str, Callable[[int, bytes], Any]] = {
        "PutItem": lambda at, body: dynamodb.put_item(TableName=TABLES[0], Item=item(at, body)),
        "SendMessage": lambda _, body: sqs.send_message(QueueUrl=queue, MessageBody=body.decode(errors="replace")),
        "PutRecord": lambda at, body: kinesis.put_record(StreamName="bench", PartitionKey=f"{at}", Data=body),
    }
    taken: dict[str, float] = {}
    for name, write in ways.items():
        started = time.process_time()
        for at, body in enumerate(bodies):
            write(at, body)
        taken[name] = time.process_time() - started
    return taken


def furnish(url: str) -> None:
    """Make the queue, the stream and the tables."""
    keys: dict[str, Any] = {"region_name": "us-east-1", "endpoint_url": url}
    boto3.client("sqs", **keys).create_queue(QueueName="bench")
    kinesis = boto3.client("kinesis", **keys)
    kinesis.create_stream(StreamName="bench", ShardCount=4)
    kinesis.get_waiter("stream_exists").wait(StreamName="bench", WaiterConfig={"Delay": 1})
    for name in TABLES:
        DynamoTable.connect(name, region="us-east-1", endpoint=url).create()


def main(seconds: int = SECONDS) -> None:
    """Print what each way takes for a million events, beside one write for each event."""
    tune()
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")
    bodies = events(RATE * seconds)
    per, calls = MILLION / len(bodies), Calls()
    print(f"all lanes on: {len(bodies):,} events, {RATE:,} a second; of a million of them, with all that makes rows:")
    heads = ("CPU-s", "ratio", "write units", "DynamoDB calls", "SQS calls", "Kinesis calls", "S3 PUT", "ledger units")
    print(f"\n| | {' | '.join(heads)} |\n|{'---|' * (len(heads) + 1)}")
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder, start_ministack(Path(folder)) as standin:
        furnish(standin.url)
        run((), standin.url, bodies, calls.counts)  # warms caches up
        lake = 0.0
        for name, routes in WAYS.items():
            taken = run(routes, standin.url, bodies, calls.counts)
            lake = lake or taken.cpu_s
            asked = (taken.calls.get(one, 0) for one in ("dynamodb", "sqs", "kinesis"))
            numbers = " | ".join(f"{one * per:,.0f}" for one in (taken.units, *asked, taken.puts, taken.writes))
            print(f"| {name} | {taken.cpu_s * per:,.1f} | {taken.cpu_s / lake:.1f} | {numbers} |", flush=True)
        for name, cpu_s in one_by_one(standin.url, bodies[:NAIVE]).items():
            print(f"one {name} an event, nothing else: {cpu_s * MILLION / NAIVE:,.0f} CPU-s, 1,000,000 calls")


if __name__ == "__main__":
    main()
