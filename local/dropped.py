"""An act with files: two are dropped on a bucket, which announces each of them twice. Rule: each row is stored once.

All is its own: buckets, queue, lake and application, beside the stream's.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import boto3

from local import aws
from local.consumer import run_command
from local.screen import Screen
from tailrace.commit.ledger_dynamodb import DynamoLedger
from tailrace.drops.items import DONE, FILE

BUCKET, ARCHIVE, QUEUE, LAKE = "dropped", "stored", "announced", "dropped-lake"
SCORES, BROKEN = 1_000, 2
LINES = 500
DAY_MS = 1_759_881_600_000  # the day of the scores
SETTINGS = """
[csv]
columns = ["user=user_id", "when=timestamp:integer", "points=value:number"]
required = ["user"]
event_types = ["scores-*.csv=score"]
"""


def play(screen: Screen, world: aws.World, settings: Path) -> bool:
    """Drop the files, bring them in, show what became of them; say whether all is well."""
    screen.phase("Files dropped on a bucket: tailrace drops")
    s3 = world.s3()
    file = furnish(world, settings)
    files = {"scores-1.csv": scores(world.port), "day.jsonl": lines()}
    for key, data in [*files.items()] * 2:  # the same bytes again: S3 announces them again
        s3.put_object(Bucket=BUCKET, Key=f"in/{key}", Body=data)
    screen.say(f"Two files, each announced twice: {SCORES:,} rows of CSV, {BROKEN} of them broken, and {LINES} lines.")
    status, said = run_command(file, "drops", "--once")
    if status:
        screen.quote(said)
    items = stored(world)
    for item in items:
        counts = f"{item['received']:,} received = {item['stored']:,} stored + {item['rejected']:,} in quarantine"
        screen.say(f"{item['key']}: {item['status']}, {counts}; moved to {item['archived']}")
    audit, said = run_command(file, "audit", "--drops")
    screen.say(f"tailrace audit --drops: {said.splitlines()[-1] if said else ''}")
    left = s3.list_objects_v2(Bucket=BUCKET)["KeyCount"]
    received = {item["key"]: item["received"] for item in items if item["status"] == DONE}
    good = received == {"in/scores-1.csv": SCORES, "in/day.jsonl": LINES} and (status, audit, left) == (0, 0, 0)
    good = good and sum(item["rejected"] for item in items if item["key"].endswith(".csv")) == BROKEN
    if good:
        screen.good("Every row of both files is stored or in quarantine, once.")
    else:
        screen.bad(f"drops ended with {status}, audit with {audit}; {left} files are left in the bucket.")
    return good


def furnish(world: aws.World, settings: Path) -> Path:
    """Make buckets and queue, and have the one announce to the other; return settings beside those of the stream."""
    s3, sqs = world.s3(), queues(world)
    for bucket in (BUCKET, ARCHIVE, LAKE):
        s3.create_bucket(Bucket=bucket)
    queue = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    asked: Any = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=asked)
    file = settings.with_name("dropped.toml")
    text = settings.read_text().replace(f'"{world.lake}"', f'"s3://{LAKE}/events"')
    drops = f'[drops]\nqueue = "{queue}"\narchive = "s3://{ARCHIVE}/files"\nwait_s = 1\n'
    file.write_text(f'{text}{SETTINGS}\n{drops}\n[logs]\nlevel = "warning"\n')
    return file


def scores(seed: int) -> bytes:
    """Return a file of CSV, with a quote that does not end and a score that is no number."""
    rng = random.Random(seed)
    rows = [f'"u-{rng.randrange(16**8):08x}",{DAY_MS + n * 1000},{rng.randrange(10**5) / 1000}' for n in range(SCORES)]
    rows[SCORES // 3] = f'"u-00000001,{DAY_MS},1.5'
    rows[SCORES // 2] = f"u-00000002,{DAY_MS},many"
    return "\r\n".join(["user,when,points", *rows, ""]).encode()


def lines() -> bytes:
    """Return the beginning of the example's day."""
    with (aws.ROOT / "examples" / "day.jsonl").open("rb") as day:
        return b"".join(line for line, _ in zip(day, range(LINES), strict=False))


def queues(world: aws.World) -> Any:
    """Return a client of the queue's service."""
    return boto3.client("sqs", **aws.options(world.s3_url))


def stored(world: aws.World) -> list[dict[str, Any]]:
    """Return what the ledger says of the files."""
    ledger = DynamoLedger.connect(world.ledger, region=aws.REGION, endpoint=world.dynamodb_url)
    found = (ledger.read(key) for key in ledger.keys(FILE))
    return [one[1] for one in found if one is not None]
