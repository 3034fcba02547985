"""The act of the hot tier: profiles, sums, an alert and a queue of orders. Rule: all of it is held against the lake.

The same events go to the lake, to a table of DynamoDB and, purchases alone, to a queue; each by a lane of its own.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3

from local import aws
from local.consumer import run_command
from local.process import NotComeTogetherError
from local.readback import Lake
from local.screen import Screen
from tailrace import settings_load

TABLE, ORDERS, ALERTS = "tailrace-hot", "orders", "alerts"
ACCOUNT = "000000000000"
SUMS = "TENANT"  # the aggregate that is held against the lake
SHARE = 0.15  # of the events, that one tenant has when the alert fires
USERS_SHOWN, EVENTS_SHOWN = 3, 3


def routes(folder: Path, events: int) -> str:
    """Write the routes; return what names them in the settings."""
    file = folder / "routes.json"
    at = f"{aws.REGION}:{ACCOUNT}"
    sums = {"name": SUMS, "key": ["tenant"], "window": "all", "measures": {"events": {"op": "count"}}}
    alert = {
        "name": "BUSY",
        "aggregate": SUMS,
        "measure": "events",
        "threshold": threshold(events),
        "publish": f"arn:aws:sqs:{at}:{ALERTS}",
    }
    # Days long gone are kept: with less time to live, the sums of a very late event have expired when they are made.
    options = {
        "value": "data.total",
        "daily_ttl_days": 3650,
        "aggregates": [sums],
        "alerts": [alert],
        "profile": {"score": ["value"]},
    }
    listed = [
        {"destination_name": "lake", "destination_arn": "", "enabled_events": ["*"]},
        {
            "destination_name": "hot",
            "destination_arn": f"arn:aws:dynamodb:{at}:table/{TABLE}",
            "enabled_events": ["*"],
            "options": options,
        },
        {
            "destination_name": "orders",
            "destination_arn": f"arn:aws:sqs:{at}:{ORDERS}",
            "enabled_events": ["purchase"],
        },
    ]
    file.write_text(json.dumps(listed, indent=2))
    return f"\n[routes]\npath = {json.dumps(str(file))}\n"


def furnish(screen: Screen, world: aws.World, file: Path) -> None:
    """Make the queues and the table, as an operator would before the first start."""
    furnish_queues(world)
    status, said = run_command(file, "hot", "init")
    screen.say(f"tailrace hot init: {said}")
    if status:
        raise NotComeTogetherError(f"tailrace hot init ended with status {status}: {said}")


def furnish_queues(world: aws.World) -> None:
    """Make the queues that the routes name."""
    for queue in (ORDERS, ALERTS):
        _sqs(world).create_queue(QueueName=queue)


def play(screen: Screen, world: aws.World, file: Path, folder: Path, events: int) -> bool:
    """Show what the hot tier says, and hold it against the lake; say whether all agrees. The consumer has ended."""
    screen.phase("The hot tier: tailrace hot")
    lake = Lake.fetch(settings_load.load(str(file), {}), folder / "hot-read")
    totals: Counter[str] = Counter()
    for _, tenant, count in lake.totals():
        totals[tenant] += count
    shown = _shown(screen, file, totals.most_common(1)[0][0])
    sums = {tenant: _sum(file, tenant) for tenant in totals}
    orders, alerts = list(taken(world, ORDERS)), list(taken(world, ALERTS))
    screen.say(f"Alerts that fired, as they came on the queue `{ALERTS}`:")
    for alert in sorted(alerts, key=lambda one: -one["value"]):
        where = ", ".join(map(str, alert["key"].values()))
        screen.quote(
            f"{alert['alert']}: {where} had {alert['value']:,} events, {alert['threshold']:,} was the threshold"
        )
    wrong = [
        f"{tenant}: the lake has {totals[tenant]:,} events, the hot tier {count:,}"
        for tenant, count in sums.items()
        if count != totals[tenant]
    ]
    stored, sent = set(lake.row_ids_of("purchase")), {order["row_id"] for order in orders}
    if sent != stored:
        wrong.append(
            f"the queue has {len(sent - stored):,} orders that the lake has not, and lacks {len(stored - sent):,}"
        )
    due = sum(count >= threshold(events) for count in sums.values())
    if len({alert["id"] for alert in alerts}) != due:
        wrong.append(f"{len(alerts)} alerts came, {due} were due")
    for text in wrong:
        screen.bad(text)
    if shown and not wrong:
        screen.good(
            f"Held against the lake: {totals.total():,} events, tenant by tenant, as the lake has them;"
            f" {due} alerts were due, and came."
        )
        screen.good(f"The lane to the queue `{ORDERS}` brought the lake's {len(stored):,} purchases, row by row.")
    return shown and not wrong


def threshold(events: int) -> int:
    """Return how many events a tenant has when the alert fires."""
    return int(events * SHARE)


def _shown(screen: Screen, file: Path, tenant: str) -> bool:
    """Show a tenant's top users of the day, and what is known of the first."""
    status, said = run_command(file, "hot", "--json", "top", tenant, "--by", "total_value", "--most", str(USERS_SHOWN))
    screen.say(f"Who of {tenant} spent most today: tailrace hot top {tenant} --by total_value")
    top = [json.loads(line) for line in said.splitlines()] if status == 0 else []
    rows = [(one["user"], f"{one['event_count']:,}", f"{one['total_value']:,.2f}") for one in top]
    screen.table(("user", "events", "value"), rows, right=frozenset({1, 2}))
    if not top:
        screen.bad(f"tailrace hot top ended with status {status}: {said}")
        return False
    screen.say(f"And the first of them: tailrace hot user {tenant} {top[0]['user']}")
    status, said = run_command(file, "hot", "user", tenant, top[0]["user"], "--last", str(EVENTS_SHOWN))
    screen.quote(said)
    return status == 0


def _sum(file: Path, tenant: str) -> int:
    """Return a tenant's events, as the hot tier counts them."""
    status, said = run_command(file, "hot", "--json", "aggregate", SUMS, tenant)
    if status:
        raise NotComeTogetherError(f"tailrace hot aggregate ended with status {status}: {said}")
    return sum(int(one["events"]) for one in map(json.loads, said.splitlines()))


def taken(world: aws.World, queue: str) -> Iterator[dict[str, Any]]:
    """Yield what a queue holds, and take it out."""
    sqs = _sqs(world)
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in found:
            yield json.loads(message["Body"])
        entries: Any = [{"Id": str(at), "ReceiptHandle": one["ReceiptHandle"]} for at, one in enumerate(found)]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)


def _sqs(world: aws.World) -> Any:
    return boto3.client("sqs", **aws.options(world.s3_url))
