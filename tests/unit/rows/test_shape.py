"""Events of every shape become rows; what no column holds is in `extra`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from support.pipelines import (
    ARRIVAL_MS,
    BIG_SEQUENCE,
    IDENTITY,
    closed,
    holds,
    pipeline,
    records,
    rejected,
    stored,
)
from tailrace.schema.book import ENVELOPE

ARRIVAL = datetime.fromtimestamp(ARRIVAL_MS / 1000, UTC)
STR, INT = {"type": "string"}, {"type": "integer"}


def one(event: Any, **keys: Any) -> dict[str, Any]:
    outcome = pipeline(**keys)(records(event))
    holds(outcome)
    rows = stored(outcome)
    assert len(rows) == 1, rejected(outcome)
    return rows[0]


def extra(row: dict[str, Any]) -> Any:
    return None if row["extra"] is None else json.loads(row["extra"])


def test_a_browser_event() -> None:
    row = one(
        {
            "eventType": "click",
            "browser": "curl/8.0.1",
            "timestamp": "2025-10-09 10:00:00+02:00",
            "path": "/a",
            "target": {"id": "el-1", "x": 12, "ratio": 1},
            "data": {"any": [1, {"k": None}]},
        }
    )
    assert (row["event_type"], row["schema_version"], row["tenant"]) == ("click", "1-0-0", "none")
    assert (row["event_time"], row["time_source"]) == (datetime(2025, 10, 9, 8, tzinfo=UTC), "event")
    assert (row["received_at"], row["shard"], row["position"]) == (ARRIVAL, IDENTITY.shard, f"{BIG_SEQUENCE}/0/0")
    assert (row["browser"], row["ua_family"], row["os_family"]) == ("curl/8.0.1", "curl", "Other")
    assert row["target"] == {"id": "el-1", "x": 12, "ratio": 1.0}
    assert (row["data"], row["items"], row["extra"]) == ('{"any":[1,{"k":null}]}', None, None)
    assert row["event_id"] == row["row_id"]
    assert list(row)[: len(ENVELOPE)] == ENVELOPE.names


def test_a_reading() -> None:
    row = one({"user_id": "u1", "event_type": "reading", "timestamp": 1_759_996_800, "value": 2})
    assert (row["user_id"], row["value"], row["ua_family"]) == ("u1", 2.0, None)
    assert row["event_time"] == datetime(2025, 10, 9, 8, tzinfo=UTC)


def test_a_named_event_without_a_time_has_its_arrivals() -> None:
    row = one({"name": "signup", "data": {"plan": "pro"}})
    assert (row["event_time"], row["time_source"]) == (ARRIVAL, "absent")
    assert row["data"] == '{"plan":"pro"}'


def test_times_and_no_times_side_by_side() -> None:
    rows = stored(pipeline()(records({"eventType": "click"}, {"eventType": "click", "timestamp": 1_759_996_800_000})))
    assert [row["time_source"] for row in rows] == ["absent", "event"]
    assert rows[1]["event_time"] == datetime(2025, 10, 9, 8, tzinfo=UTC)


def test_a_self_describing_event_is_judged_by_its_payload() -> None:
    uri = "iglu:com.acme/order/jsonschema/1-0-0"
    row = one({"schema": uri, "data": {"order_id": "o", "total": 5, "name": "gift"}, "tenant": "t", "trace": [1]})
    assert (row["event_type"], row["schema_version"], row["tenant"]) == ("order", "1-0-0", "t")
    assert (row["order_id"], row["total"], row["name"]) == ("o", 5.0, "gift")
    assert extra(row) == {"$event": {"schema": uri, "trace": [1]}}


def test_a_payload_may_hold_the_envelope_fields_and_comes_first() -> None:
    schemas = {("order", "1-0-0"): closed({"user_id": STR, "timestamp": INT, "$event": STR})}
    event = {
        "schema": "iglu:com.acme/order/jsonschema/1-0-0",
        "data": {"user_id": "inner", "timestamp": 0},
        "user_id": "outer",
        "tenant": "t",
    }
    row = one(event, schemas=schemas)
    assert (row["user_id"], row["tenant"], row["event_time"].year) == ("inner", "t", 1970)
    assert extra(row)["$event"] == {"schema": event["schema"], "user_id": "outer"}


def test_a_payload_that_stands_deeper_keeps_what_is_around_it() -> None:
    event = {"schema": "iglu:com.acme/order/jsonschema/1-0-0", "body": {"data": {"order_id": "o"}, "more": 1}}
    row = one(event, payload=("body.data",))
    assert row["order_id"] == "o"
    assert extra(row)["$event"] == event


def test_an_open_schema_loses_nothing() -> None:
    event = {"type": "open", "n": 3, "m": {"a": None}, "userId": "u", "user_id": None, "ts": 0, "time": 5, "nil": None}
    row = one(event)
    assert (row["n"], row["user_id"], row["event_time"].second) == (3, "u", 5)
    assert extra(row) == {"m": {"a": None}, "user_id": None, "ts": 0, "nil": None}


def test_what_is_around_a_batch_is_extra() -> None:
    outcome = pipeline()(records({"sent_at": 5, "events": [{"eventType": "click"}, {"type": "open", "$batch": 1}]}))
    first, second = stored(outcome)
    assert extra(first) == {"$batch": {"sent_at": 5}}
    assert extra(second) == {"$batch": 1, "$$batch": {"sent_at": 5}}


def test_an_unknown_type_is_stored_where_that_is_the_setting() -> None:
    event = {"type": "new/thing", "version": "3", "tenant": "t", "ts": 0, "browser": "curl/8", "x": {"y": 1}}
    outcome = pipeline(unknown_types="store")(records(event, {"type": "a/b", "id": ""}, {"type": "a_b"}))
    holds(outcome)
    row = stored(outcome)[0]
    assert (row["event_type"], row["schema_version"], row["tenant"]) == ("new/thing", "3", "t")
    assert (row["event_time"].year, row["ua_family"]) == (1970, "curl")
    assert extra(row) == {"browser": "curl/8", "x": {"y": 1}}
    assert len({part.table.name for part in outcome.rows}) == 3
    assert all(part.table.name.endswith("/v0") and part.batch.schema == ENVELOPE for part in outcome.rows)
    assert outcome.stored_by_type == {"": 3}


def test_an_unknown_self_describing_type_is_stored_too() -> None:
    uri = "iglu:com.acme/new/jsonschema/2-0-0"
    row = one({"schema": uri, "data": {"a": 1, "tenant": "t"}}, unknown_types="store")
    assert (row["event_type"], row["schema_version"], row["tenant"]) == ("com.acme.new", "2-0-0", "t")
    assert extra(row) == {"a": 1, "$event": {"schema": uri}}


def test_versions_named_and_not() -> None:
    schemas = {
        ("a", "1-0-0"): closed({"type": STR, "version": STR, "x": INT}, ["x"]),
        ("a", "1-1-0"): closed({"type": STR, "version": STR, "y": STR, "x": INT}),
        ("a", "2-0-0"): closed({"type": STR, "version": STR, "x": STR}),
    }
    outcome = pipeline(schemas)(
        records(
            {"type": "a", "version": "1-0-0", "x": 1},
            {"type": "a", "version": "1-1-0", "y": "new"},
            {"type": "a", "x": "newest"},
            {"type": "a", "version": "1-0-0"},
        )
    )
    holds(outcome)
    rows = stored(outcome)
    assert [(row["schema_version"], row["x"]) for row in rows] == [("1-0-0", 1), ("1-1-0", None), ("2-0-0", "newest")]
    assert (rows[0]["y"], rows[1]["y"]) == (None, "new")
    assert {part.table.name for part in outcome.rows} == {"a/v1", "a/v2", "quarantine"}
    assert [row["schema"] for row in rejected(outcome)] == ["a/1-0-0"]


def test_ids_are_text_whatever_the_client_sends() -> None:
    schemas = {("a", "1-0-0"): {"properties": {"type": STR}}}
    outcome = pipeline(schemas)(
        records(
            {"type": "a", "id": 12, "user_id": True, "session_id": {"s": 1}},
            {"type": "a", "id": "x", "user_id": 1.5, "session_id": None},
            {"type": "a", "id": ""},
        )
    )
    rows = stored(outcome)
    assert [(row["event_id"], row["user_id"], row["session_id"]) for row in rows[:2]] == [
        ("12", "true", '{"s":1}'),
        ("x", "1.5", None),
    ]
    assert rows[2]["event_id"] == rows[2]["row_id"]


def test_dotted_paths_lead_to_fields() -> None:
    schemas = {("a", "1-0-0"): closed({"type": STR, "meta": closed({"who": STR, "at": INT, "of": STR})})}
    event = {"type": "a", "meta": {"who": "u", "at": 0, "of": "t"}}
    row = one(event, schemas=schemas, user_id=("meta.who",), event_time=("meta.at",), tenant=("meta.of",))
    assert (row["user_id"], row["tenant"], row["event_time"].year) == ("u", "t", 1970)
    assert row["meta"] == event["meta"]


def test_a_book_of_another_contract_is_a_mistake() -> None:
    from tailrace import settings
    from tailrace.rows.pipeline import Pipeline
    from tailrace.schema.book import Book

    book = Book(settings.Contract(default_tenant="x"), {})
    with pytest.raises(ValueError, match="another contract"):
        Pipeline(settings.Contract(), book, settings.Limits(), IDENTITY)


@pytest.mark.parametrize("bad", [1, 16, 17, 60])
def test_the_guilty_are_taken_out_however_many_they_are(bad: int) -> None:
    order = "iglu:com.acme/order/jsonschema/1-0-0"
    outcome = pipeline()(
        records(*(
            {"schema": order, "data": {"order_id": at if at % 61 < bad else str(at)}, "tenant": str(at)}
            for at in range(122)
        ))
    )  # fmt: skip
    holds(outcome)
    good = [str(at) for at in range(122) if at % 61 >= bad]
    assert [(row["order_id"], row["tenant"], row["position"][-5:]) for row in stored(outcome)] == [
        (at, at, f"{int(BIG_SEQUENCE) + int(at)}/0/0"[-5:]) for at in good
    ]
    assert [row["tenant"] for row in rejected(outcome)] == [str(at) for at in range(122) if at % 61 < bad]
