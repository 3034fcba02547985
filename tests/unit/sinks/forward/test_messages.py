"""Rows as messages: whole, stable, and readable without knowing Arrow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa

from support.pipelines import ARRIVAL_MS, IDENTITY, pipeline
from tailrace.nouns import Record, Table
from tailrace.rows.rejects import row_ids
from tailrace.sinks.forward.messages import Message, in_order, messages_of

CLICK = {
    "eventType": "click",
    "timestamp": "2026-01-31T08:00:00.25Z",
    "tenant": "north",
    "target": {"id": "b1", "x": 4},
    "items": [{"sku": "a", "qty": 2}, {"sku": "b"}],
    "data": {"deep": [1, {"a": None}], "text": "\u2028\uffff"},
}


def sent(*events: dict[str, Any]) -> list[Message]:
    records = [Record(orjson.dumps(one), str(at), 0, ARRIVAL_MS) for at, one in enumerate(events, start=7)]
    outcome = pipeline()(records)
    return in_order(one for rows in outcome.rows for one in messages_of(rows.table, rows.batch))


def test_a_message_is_the_row_as_one_object_without_what_is_null() -> None:
    (one,) = sent(CLICK)
    found = orjson.loads(one.data)
    (row_id,) = row_ids(IDENTITY, ["7/0/0"])
    assert (one.row_id, one.position, one.key) == (row_id, "7/0/0", "north")
    assert found["row_id"] == row_id
    assert found["event_type"] == "click"
    assert found["event_time"] == "2026-01-31T08:00:00.250000Z"
    assert found["received_at"] == "2025-10-09T08:53:20.123000Z"
    assert found["data"] == CLICK["data"], "JSON text stands as JSON"
    assert found["target"] == {"id": "b1", "x": 4}
    assert found["items"] == CLICK["items"]
    assert None not in found.values()
    assert "user_id" not in found


def test_what_no_column_holds_comes_as_json_too() -> None:
    (one,) = sent({"type": "open", "n": 1, "more": {"a": [1]}})
    assert orjson.loads(one.data)["extra"] == {"more": {"a": [1]}}


def test_the_same_row_gives_the_same_bytes_alone_or_among_others() -> None:
    other = {"name": "signup", "data": {"plan": "x"}}
    assert sent(CLICK, other, CLICK)[0] == sent(CLICK)[0]


def test_messages_of_several_tables_come_in_the_order_of_the_stream() -> None:
    reading = {"event_type": "reading", "value": 1.5, "user_id": "u", "timestamp": 1_760_000_000}
    found = sent(CLICK, reading, CLICK, reading)
    assert [one.position for one in found] == ["7/0/0", "8/0/0", "9/0/0", "10/0/0"]
    assert [one.key for one in found] == ["north", "u", "north", "u"]


SCHEMA = pa.schema([("row_id", pa.string()), ("position", pa.string()), ("n", pa.int64()), ("b", pa.bool_())])


def keys(*columns: str) -> list[str]:
    arrays = [["r1", "r2", "r3"], ["1/0/0", "2/0/0", "3/0/0"], [None, 5, None], [True, True, None]]
    made = pa.RecordBatch.from_arrays([pa.array(a, f.type) for a, f in zip(arrays, SCHEMA, strict=True)], schema=SCHEMA)
    return [one.key for one in messages_of(Table("t/v1", SCHEMA, ()), made, columns)]


def test_the_key_is_the_first_column_that_holds_something_else_the_row_id() -> None:
    assert keys("n", "b") == ["true", "5", "r3"]
    assert keys("no_such_column", "n") == ["r1", "5", "r3"]
    assert keys() == ["r1", "r2", "r3"]


def test_every_kind_of_column_has_json() -> None:
    time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    inner = pa.struct([("t", pa.timestamp("us", "UTC")), ("j", pa.string()), ("n", pa.null())])
    columns: dict[str, tuple[pa.DataType, list[Any]]] = {
        "row_id": (pa.string(), ["r1", "r2"]),
        "position": (pa.string(), ["1/0/0", "2/0/0"]),
        "raw": (pa.binary(), [b"\xff{", None]),
        "day": (pa.date32(), [time.date(), None]),
        "deep": (pa.list_(inner), [[{"t": time, "j": '{"a":1}'}, None], []]),
        "one": (inner, [None, {"t": None, "j": "2"}]),
        "wide": (pa.float64(), [float("nan"), 1e300]),
        "big": (pa.int64(), [2**63 - 1, None]),
        "none": (pa.string(), [None, None]),
    }
    schema = pa.schema([(name, kind) for name, (kind, _) in columns.items()])
    made = pa.RecordBatch.from_arrays([pa.array(v, kind) for kind, v in columns.values()], schema=schema)
    first, second = messages_of(Table("t/v1", schema, (), None, ("deep.j", "one.j")), made)
    assert orjson.loads(first.data) == {
        "row_id": "r1", "position": "1/0/0", "raw": "\ufffd{", "day": "2026-01-02",
        "deep": [{"t": "2026-01-02T03:04:05.000000Z", "j": {"a": 1}}, None], "wide": None, "big": 2**63 - 1,
    }  # fmt: skip
    assert orjson.loads(second.data) == {
        "row_id": "r2",
        "position": "2/0/0",
        "deep": [],
        "one": {"j": 2},
        "wide": 1e300,
    }
