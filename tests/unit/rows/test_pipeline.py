"""Bad input: each its own reason, and neighbours unharmed."""

from __future__ import annotations

import gc
import hashlib
import json
import tracemalloc
from typing import Any

import orjson
import pytest

from support.pipelines import ARRIVAL_MS, Schemas, holds, pipeline, record, records, rejected, stored, why
from tailrace.nouns import Reason, Record
from tailrace.rows import columns, shape
from tailrace.rows.raw import KPL_MAGIC

GOOD = {"eventType": "click", "eventId": "good", "target": {"id": "el"}}
AGGREGATE_BODY = b"\x0a\x01k\x1a\x06\x08\x00\x1a\x02{}" * 3


def click(**members: Any) -> dict[str, Any]:
    return {"eventType": "click", **members}


def aggregate(body: bytes) -> bytes:
    return KPL_MAGIC + body + hashlib.md5(body, usedforsecurity=False).digest()


BAD: dict[str, tuple[bytes | object, tuple[str, str, str], str]] = {
    "not JSON": (b"hello", ("parse", "json", "$"), "found no JSON: "),
    "cut off": (b'{"eventType":"cl', ("parse", "json", "$"), "found no JSON: unexpected end of data"),
    "invalid UTF-8": (
        b'{"eventType":"cl\xe9ck"}',
        ("parse", "utf8", "$"),
        "found byte 0xe9 at offset 16, expected UTF-8",
    ),
    "NaN": (b'{"eventType":"click","target":{"x":NaN}}', ("parse", "nan", "$.target.x"), "found NaN, expected a JSON"),
    "200 levels deep": (
        b'{"eventType":"click","data":' + b'{"a":' * 199 + b"1" + b"}" * 200,
        ("parse", "depth", "$"),
        "found 200 levels, expected at most 64",
    ),
    "too long": (click(path="x" * 2000), ("parse", "size", "$"), "found 2031 bytes, expected at most 2000"),
    "too many members": (
        click(data={f"{at}": 0 for at in range(101)}),
        ("parse", "properties", "$"),
        "found 103 members, expected at most 100",
    ),
    "wrong type": (
        click(target={"id": "el", "x": "12"}),
        ("schema", "type", "$.target.x"),
        'found the text "12", expected a whole number',
    ),
    "missing": (
        click(target={}),
        ("schema", "required", "$.target.id"),
        'found no member "id", expected one: text',
    ),
    "integer beyond 64 bits": (
        b'{"eventType":"click","data":{"a":[123456789012345678901]}}',
        ("parse", "integer_range", "$.data.a[0]"),
        "found 123456789012345678901, expected a whole number from",
    ),
    "integer beyond its column": (
        click(target={"id": "el", "x": 2**63}),
        ("columns", "integer_range", "$.target.x"),
        "found 9223372036854775808, expected a whole number from -9223372036854775808 to 9223372036854775807",
    ),
    "integer a float cannot hold": (
        click(target={"id": "el", "ratio": 2**53 + 1}),
        ("columns", "integer_range", "$.target.ratio"),
        "found 9007199254740993, expected a whole number from -9007199254740992",
    ),
    "integer in a list": (
        click(items=[{"sku": "s", "qty": 1}, {"qty": 2**63}]),
        ("columns", "integer_range", "$.items[1].qty"),
        "found 9223372036854775808",
    ),
    "unparsable time": (
        click(timestamp="yesterday"),
        ("contract", "time", "$.timestamp"),
        'found "yesterday", expected ISO 8601, or seconds, milliseconds or microseconds since 1970',
    ),
    "a time past all calendars": (
        click(timestamp=10**18),
        ("contract", "time", "$.timestamp"),
        "found 1000000000000000000",
    ),
    "a tenant that is a number": (click(tenant=7), ("contract", "tenant", "$.tenant"), "found 7, expected text"),
    "a tenant too long": (
        click(tenant="t" * 129),
        ("contract", "tenant", "$.tenant"),
        "found 129 characters, expected at most 128",
    ),
    "no type": (
        {"target": {"id": "el"}},
        ("contract", "event_type", "$"),
        "found no event type, expected text at one of",
    ),
    "a type that is no text": ({"type": [1]}, ("contract", "event_type", "$.type"), "found an array, expected text"),
    "unknown type": ({"name": "nope"}, ("contract", "unknown_type", "$.name"), 'found "nope", expected an event type'),
    "unknown version": (
        click(version="9-0-0"),
        ("contract", "version", "$.version"),
        'found version "9-0-0" of click, expected one of: 1-0-0',
    ),
    "a version that is no text": (
        click(version=[]),
        ("contract", "version", "$.version"),
        "found an array, expected text",
    ),
    "no payload": (
        {"schema": "iglu:com.acme/order/jsonschema/1-0-0"},
        ("contract", "payload", "$"),
        "found null, expected an object at one of: data: the payload",
    ),
    "a payload that breaks its schema": (
        {"schema": "iglu:com.acme/order/jsonschema/1-0-0", "data": {"total": 1}},
        ("schema", "required", "$.data.order_id"),
        'found no member "order_id", expected one: text',
    ),
    "empty": (b"", ("decode", "empty", "$"), "found 0 bytes and no event, expected JSON"),
    "blank": (b" \n", ("decode", "empty", "$"), "found 2 bytes and no event, expected JSON"),
    "no object": (b"42", ("contract", "event", "$"), "found 42, expected an object: an event"),
    "an aggregate with a bad MD5": (
        aggregate(AGGREGATE_BODY)[:-1] + b"\x00",
        ("decode", "kpl_aggregate", "$"),
        "found a KPL aggregate of 53 bytes: bad MD5",
    ),
    "an aggregate of bad protobuf": (
        aggregate(b"\x0b" + AGGREGATE_BODY),
        ("decode", "kpl_aggregate", "$"),
        "found a KPL aggregate of 54 bytes: bad protobuf",
    ),
    "an aggregate cut short": (
        aggregate(AGGREGATE_BODY)[:-18],
        ("decode", "kpl_aggregate", "$"),
        "found a KPL aggregate of 35 bytes: cut short",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_quarantined_with_its_reason_and_spoils_no_neighbour(what: str) -> None:
    body, reason, message = BAD[what]
    three = records(GOOD, body, GOOD)
    outcome = pipeline(limits={"event_bytes_max": 2000, "properties_max": 100})(three)
    holds(outcome)
    assert (outcome.received, outcome.stored, outcome.rejected) == (3, 2, 1)
    assert why(outcome) == [reason]
    row = rejected(outcome)[0]
    assert row["message"].startswith(message)
    assert row["raw"] == three[1].data
    assert row["position"] == f"{three[1].sequence}/0/0"
    assert row["received_at"].timestamp() * 1000 == ARRIVAL_MS + 1
    assert [row["event_id"] for row in stored(outcome)] == ["good", "good"]


def test_all_bad_input_at_once() -> None:
    bodies = [part for body, _, _ in BAD.values() for part in (GOOD, body)]
    outcome = pipeline(limits={"event_bytes_max": 2000, "properties_max": 100})(records(*bodies, GOOD))
    holds(outcome)
    assert why(outcome) == [reason for _, reason, _ in BAD.values()]
    assert outcome.stored == len(BAD) + 1


def test_wrong_base64_is_the_lines_fault_and_its_text_is_kept() -> None:
    fault = Reason("decode", "base64", "$", "Invalid base64 encoded string")
    bad = Record(b"@@@", "7", 0, 5, None, fault)
    outcome = pipeline()([record(GOOD), bad, record(GOOD, 1)])
    holds(outcome)
    assert (why(outcome), rejected(outcome)[0]["raw"]) == ([("decode", "base64", "$")], b"@@@")


def test_an_array_with_one_bad_member_loses_that_member_alone() -> None:
    members = [json.dumps(GOOD), '{"eventType":"click", "target":{"id":7}}', json.dumps(GOOD)]
    outcome = pipeline()(records(("[" + " , ".join(members) + "]").encode()))
    holds(outcome)
    assert (outcome.stored, why(outcome)) == (2, [("schema", "type", "$.target.id")])
    row = rejected(outcome)[0]
    assert row["raw"] == members[1].encode()
    assert row["position"].endswith("/0/1")


@pytest.mark.parametrize("tenant", ["../../etc", "a/b", "..", "t=1&x", "\x00", "ü", "t" * 128])
def test_path_characters_in_a_tenant_stay_as_they_are(tenant: str) -> None:
    outcome = pipeline()(records(click(tenant=tenant)))
    assert [row["tenant"] for row in stored(outcome)] == [tenant]


def test_one_record_brings_a_bounded_number_of_unknown_types() -> None:
    """Each is a table, so a file of its own; and other records do not change which ones are kept."""
    crowd = [{"type": f"t{at % 150}", "n": at} for at in range(300)] + [click()]
    other = [{"type": f"t{at}"} for at in range(149, 100, -1)]
    outcome = pipeline(unknown_types="store")(records(other, crowd))
    holds(outcome)
    assert outcome.stored == 49 + 200 + 1
    kept = {row["event_type"] for row in stored(outcome) if row["position"].split("/")[0] == records(0, 0)[1].sequence}
    assert kept == {f"t{at}" for at in range(100)} | {"click"}
    refused = rejected(outcome)
    assert [orjson.loads(row["raw"])["n"] for row in refused] == [*range(100, 150), *range(250, 300)]
    assert refused[0]["message"] == 'found "t100" after 100 other unknown types in a record, expected no more'
    assert pipeline()(records(crowd)).rejected == 300


def test_far_back_in_a_record_an_event_has_one_reason_of_its_schema() -> None:
    bad = click(tenant=7, path=3, target={})
    rows = rejected(pipeline()(records([bad] * 101)))
    assert [len(row["reasons"]) for row in rows] == [3] * 100 + [2]
    assert rows[100]["reasons"] == rows[0]["reasons"][:2]


def test_no_tenant_is_the_default_one() -> None:
    outcome = pipeline(default_tenant="house")(records(click(), click(tenant=""), {"type": "open", "tenant": None}))
    assert [row["tenant"] for row in stored(outcome)] == ["house"] * 3


def test_a_reject_has_every_reason_and_says_whose_it_is() -> None:
    event = click(eventId="e-1", tenant=7, timestamp="never", target={"x": "1"}, path=3)
    outcome = pipeline()(records(event))
    row = rejected(outcome)[0]
    reasons = [(r["stage"], r["keyword"], r["path"]) for r in row["reasons"]]
    assert reasons[:2] == [("contract", "tenant", "$.tenant"), ("contract", "time", "$.timestamp")]
    assert set(reasons[2:]) == {
        ("schema", "type", "$.path"),
        ("schema", "type", "$.target.x"),
        ("schema", "required", "$.target.id"),
    }
    assert (row["event_type"], row["schema"], row["event_id"], row["tenant"]) == ("click", "click/1-0-0", "e-1", "7")
    assert outcome.reasons == {("click", "contract", "tenant"): 1}


def test_a_reject_says_what_can_be_known_of_unsound_numbers() -> None:
    outcome = pipeline()(records(b'{"eventType":"click","eventId":"e","tenant":"t","data":{"a":99999999999999999999}}'))
    row = rejected(outcome)[0]
    assert (row["event_type"], row["event_id"], row["tenant"]) == ("click", "e", "t")


def test_labels_are_few_whatever_clients_send() -> None:
    outcome = pipeline()(records(*({"type": f"t{at}"} for at in range(5)), b"?"))
    assert outcome.reasons == {("", "contract", "unknown_type"): 5, ("", "parse", "json"): 1}


def test_versions_that_compare_equal_are_not_the_same() -> None:
    schemas: Schemas = {("a", "1"): {"properties": {"version": {}}}}
    outcome = pipeline(schemas)(
        records(*({"type": "a", "version": version} for version in (1, True, "1", 1.0)), {"type": "a"})
    )
    holds(outcome)
    assert [row["position"][-6:] for row in stored(outcome)] == ["8898/0/0"[-6:], "8900/0/0"[-6:], "8902/0/0"[-6:]]
    assert why(outcome) == [("contract", "version", "$.version")] * 2


def test_a_row_id_is_its_positions() -> None:
    both = [GOOD, GOOD]
    outcome = pipeline()([record(both, 0), record(both, 0, sub=1), record(both, 1), record(b"?", 2)])
    ids = [row["row_id"] for row in stored(outcome) + rejected(outcome)]
    assert len(set(ids)) == 7


def test_nothing_in_is_nothing_out() -> None:
    outcome = pipeline()([])
    holds(outcome)
    assert (outcome.received, outcome.rows) == (0, [])


def test_our_own_mistake_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(shape, "row_ids", broken)
    with pytest.raises(ZeroDivisionError):
        pipeline()(records(GOOD))


def test_a_column_that_fails_without_a_guilty_value_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OverflowError("no value is to blame")

    monkeypatch.setattr(columns, "build", broken)
    with pytest.raises(OverflowError, match="no value is to blame"):
        pipeline()(records(GOOD))


def test_a_record_of_our_own_failure_is_one_reject() -> None:
    reason = Reason("internal", "ZeroDivisionError", "$", "traceback")
    outcome = pipeline().internal(record([GOOD, GOOD]), reason)
    holds(outcome)
    assert why(outcome) == [("internal", "ZeroDivisionError", "$")]
    assert rejected(outcome)[0]["raw"] == record([GOOD, GOOD]).data


@pytest.mark.parametrize("name", ["type", "uri", "thing"])
def test_long_names_of_unknown_types_are_not_kept(name: str) -> None:
    made, length = pipeline({}, unknown_types="store"), 100_000

    def event(at: int) -> Any:
        long = f"{at}{'x' * length}"
        uri = {"schema": f"iglu:com.acme/{long}/jsonschema/1-0-0", "data": {}}
        return {"type": {"type": long}, "uri": uri, "thing": {"type": "a", "contexts": [uri]}}[name]

    made(records(event(0)))
    tracemalloc.start()
    try:
        for at in range(50):
            made(records(event(at)))
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 10 * length
    finally:
        tracemalloc.stop()
