"""From records to the hot table, as a child is put together: the settings' routes, the real pipeline, a real table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from support.editions import schema
from support.hot_table import FOREVER, REGION, hot_tables
from support.memory_ports import MemoryLedger, MemoryPlace
from tailrace import settings as s
from tailrace.edition import load
from tailrace.nouns import Identity, Record
from tailrace.ops.clock import SystemClock
from tailrace.sinks.hot.options import options_of
from tailrace.sinks.hot.read import Reader
from tailrace.wiring import shard_of

IDENTITY = Identity("clicks", "epoch", "shard-0")
ARN = f"arn:aws:dynamodb:{REGION}:123456789012:table/"
OPTIONS: dict[str, Any] = FOREVER | {
    "value": "data.amount",
    "events": ["buy"],
    "profile": {"buy": ["note"]},
    "aggregates": [{"name": "types", "key": ["type"], "window": "all", "measures": {"n": {"op": "count"}}}],
}


def settings_of(folder: Path, table: str, endpoint: str = "", **more: Any) -> s.Settings:
    lake = {"destination_name": "lake", "destination_arn": "", "enabled_events": ["*"]}
    hot = {"destination_name": "hot", "destination_arn": ARN + table, "enabled_events": ["*"], "tenants": ["north"]}
    return s.Settings(
        schemas=s.Schemas(path=str(folder)),
        routes=s.Routes(json=json.dumps([lake, hot | {"options": OPTIONS | more}])),
        aws=s.Aws(dynamodb_endpoint=endpoint),
        world=s.World(patience_s=5.0),
    )


def record(number: int) -> Record:
    event = {
        "type": "buy" if number % 4 == 0 else "view",
        "user_id": f"u{number % 3}",
        "tenant": "north" if number % 5 else "south",
        "note": f"note {number}",
        "data": {"amount": number / 4},
    }
    return Record(orjson.dumps(event), str(number), 0, 1_760_000_000_000 + number)


def test_events_come_to_the_table_as_the_route_says(tmp_path: Path) -> None:
    amount = {"type": "object", "properties": {"amount": {"type": "number"}}, "additionalProperties": False}
    for kind in ("buy", "view"):
        schema(tmp_path / "schemas", kind, "1", user_id={"type": "string"}, note={"type": "string"}, data=amount)
    said: list[tuple[str, dict[str, object]]] = []
    with hot_tables(tmp_path) as made:
        table = made()
        settings = settings_of(tmp_path / "schemas", table.name, table._client.meta.endpoint_url)
        edition = load(settings)
        shard = shard_of(
            settings,
            IDENTITY,
            edition=edition,
            store=MemoryLedger(),
            place=MemoryPlace(),
            clock=SystemClock(),
            say=lambda what, /, **facts: said.append((what, facts)),
            alive=lambda: None,
            destinations=edition.destinations,
        )
        try:
            shard.open()
            shard.add([record(n) for n in range(1, 61)])
            shard.end()
            assert shard.waiting == {}
        finally:
            shard.close()
        reader = Reader(table, options_of(edition.destinations[0]), 1_760_000_000)
        user = reader.user("north", "u1", last=100)
        top = reader.top("north", "2025-10-09", "total_value")
        (types,) = reader.aggregate("types", ["view"])
        nobody = reader.user("south", "u1")
    own = [n for n in range(1, 61) if n % 5 and n % 3 == 1]
    assert user.profile is not None
    assert user.profile.attributes == {"note": f"note {max(n for n in own if n % 4 == 0)}"}
    assert [event.body["data"]["amount"] for event in user.events if event.body] == [
        n / 4 for n in reversed(own) if n % 4 == 0
    ]
    values = {one.key["user"]: (one.values["event_count"], float(str(one.values["total_value"]))) for one in top}
    assert values["u1"] == (len(own), sum(own) / 4)
    assert types.values == {"n": sum(1 for n in range(1, 61) if n % 5 and n % 4)}
    assert nobody.profile is None
    stored = {facts["lane"]: facts["stored"] for what, facts in said if what == "committed"}
    assert stored == {"lake": 60, "hot": 48}


def test_options_that_are_not_understood_are_no_edition(tmp_path: Path) -> None:
    schema(tmp_path, "buy", "1")
    with pytest.raises(s.SettingsError, match=r"route hot: options: colour is no key here"):
        load(settings_of(tmp_path, "hot", colour="red"))
