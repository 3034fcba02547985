"""Lake, hot table, sums and a queue, through the real daemon. Rule: each is held against the lake, after kills."""

from __future__ import annotations

import math
from collections import Counter
from itertools import count
from pathlib import Path

import duckdb

from local import hot
from local.readback import Lake
from support.beside import items, killed_in_the_middle, received
from support.engine import Stage, stage
from tailrace import settings_load
from tailrace.edition import load
from tailrace.sinks.hot.dynamodb import DynamoTable
from tailrace.sinks.hot.options import DAILY, Options, options_of
from tailrace.sinks.hot.read import Reader

EVENTS, MORE = 1500, 40
LANES = ("hot", "orders", "lake")


def test_lake_hot_table_sums_and_queue_agree_though_children_die_in_the_middle_of_each(tmp_path: Path) -> None:
    with stage(tmp_path) as world:
        hot.routes(tmp_path, EVENTS)
        environment = {
            "TAILRACE_ROUTES_PATH": str(tmp_path / "routes.json"),
            "TAILRACE_AWS_SQS_ENDPOINT": world.world.dynamodb_url,
            "TAILRACE_LANES_IDLE_AGE_S": "1",
            "TAILRACE_KCL_TURN_TIMEOUT_S": "600",
        }
        hot.furnish_queues(world.world)
        world.set(flush_age_s=1)
        options, table = furnished(world, environment)
        world.send(EVENTS, seed=1)
        seeds = count(2)
        with world.engine(**environment) as engine:
            for lane in LANES:
                killed_in_the_middle(world, engine, lane, lambda: world.send(MORE, seed=next(seeds)))
            everything = world.events_sent()
            engine.until("all lanes to have all", lambda: [received(world, lane) for lane in LANES] == [everything] * 3)
            assert {one["lane"] for one in engine.lines("plan taken over")} == set(LANES)
            assert engine.drain() == 0

        lake = world.assert_each_event_once()
        reader = Reader(table, options, 0)  # nothing has expired then
        events = {(kind, tenant): len(list(reader.newest(tenant, kind))) for kind, tenant, _ in lake.totals()}
        assert events == {(kind, tenant): number for kind, tenant, number in lake.totals()}
        assert sums(reader, lake) == []
        orders = Counter(order["row_id"] for order in hot.taken(world.world, hot.ORDERS))
        assert orders.keys() == set(lake.row_ids_of("purchase"))
        alerts = Counter(alert["id"] for alert in hot.taken(world.world, hot.ALERTS))
        tenants: Counter[str] = Counter()
        for _, tenant, number in lake.totals():
            tenants[tenant] += number
        assert len(alerts) == sum(number >= hot.threshold(EVENTS) for number in tenants.values()) > 0
        assert all(item.plan is None for lane in LANES for item in items(world, lane).values())


def furnished(world: Stage, environment: dict[str, str]) -> tuple[Options, DynamoTable]:
    settings = settings_load.load(str(world.looking()), environment)
    options = options_of(load(settings).destinations[0])
    table = DynamoTable.connect(options.table, region=options.region, endpoint=settings.aws.dynamodb_endpoint)
    table.create(None)
    return options, table


def sums(reader: Reader, lake: Lake) -> list[str]:
    """Return users whose events or whose orders' total the hot table counts otherwise than the lake."""
    db = duckdb.connect()
    files = [name for table, names in lake.files.items() if table != "quarantine" for name in names]
    seen = db.execute(
        "SELECT tenant, user_id, count(*) FROM read_parquet(?, union_by_name = true) WHERE user_id != '' GROUP BY ALL",
        [files],
    ).fetchall()
    spent = db.execute(
        "SELECT tenant, user_id, sum(CAST(json_extract_string(data, '$.total') AS DOUBLE))"
        " FROM read_parquet(?, union_by_name = true) GROUP BY ALL",
        [lake.files["purchase/v1"]],
    ).fetchall()
    totals = {(tenant, user): total for tenant, user, total in spent}
    wrong = []
    for tenant, user, number in seen:
        days = reader.aggregate(DAILY, [tenant, user])
        found = sum(int(str(day.values["event_count"])) for day in days)
        total = sum(float(str(day.values.get("total_value", 0))) for day in days)
        if found != number or not math.isclose(total, totals.get((tenant, user), 0.0), abs_tol=1e-6):
            wrong.append(f"{tenant} {user}: {found} of {number} events, {total} of {totals.get((tenant, user), 0.0)}")
    assert len(seen) > 50, "so few users show nothing"
    return wrong
