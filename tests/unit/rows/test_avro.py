"""Avro payloads: their headers, what is inside, and every way they can be wrong."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Callable
from decimal import Decimal
from time import process_time
from typing import Any

import pytest

from support.avro_schemas import ORDER, ORDERED, REGISTRY_ID, encoded, order, single_object
from support.pipelines import ARRIVAL_MS, closed, holds, pipeline, record, records, rejected, stored, why
from tailrace import settings
from tailrace.nouns import Redriven, TooMuch
from tailrace.rows.avro import INFLATED_MAX, Payload, Payloads
from tailrace.rows.redriven import wrap
from tailrace.schema.avro import converted, fingerprint_of, writers

ID = bytes.fromhex(REGISTRY_ID.replace("-", ""))
FINGERPRINT = fingerprint_of(ORDER)
BODY = order()[10:]
SCHEMAS = {("order", "1-0-0"): converted(ORDER)}
LIMITS = settings.Limits()


def opened(data: bytes, *avscs: dict[str, Any], limits: settings.Limits = LIMITS) -> Payload:
    schemas = [(f"t{at}", "1-0-0", converted(avsc)) for at, avsc in enumerate(avscs or [ORDER])]
    found = Payloads(writers(schemas), limits)(data)
    assert found is not None
    return found


def only(found: Payload) -> tuple[str, str, str, str]:
    (reason,) = found.reasons
    assert found.value is None
    return reason


@pytest.mark.parametrize(
    "data",
    [
        b"\xc3\x01" + FINGERPRINT + BODY,
        b"\x03\x00" + ID + BODY,
        b"\x03\x05" + ID + zlib.compress(BODY),
        b"\x03\x05" + ID + zlib.compress(BODY, 0),
    ],
    ids=["single object", "registry", "registry, zlib", "registry, zlib that packs nothing"],
)
def test_a_payload_is_an_event(data: bytes) -> None:
    found = opened(data)
    assert (found.value, found.reasons) == (ORDERED, ())
    assert found.writer is not None
    assert found.writer.name == "t0/1-0-0"


@pytest.mark.parametrize("data", [b"{}", b"\xc3", b"\xc3\x02", b"\xc3\xa9", b"\x00\x03", b"", b"\xf3\x89\x9a\xc2"])
def test_what_begins_otherwise_is_no_payload(data: bytes) -> None:
    assert Payloads(writers([("order", "1-0-0", converted(ORDER))]), LIMITS)(data) is None


UNKNOWN = bytes(range(8))
UUID = "00010203-0405-0607-0809-0a0b0c0d0e0f"
EXPECTED = f"expected one of the book's: t0/1-0-0 ({FINGERPRINT.hex()})"


@pytest.mark.parametrize(
    ("data", "keyword", "message"),
    [
        (b"\xc3\x01" + UNKNOWN + BODY, "avro_schema", f"found the fingerprint 0001020304050607, {EXPECTED}"),
        (
            b"\x03\x00" + bytes(range(16)),
            "avro_schema",
            f"found the schema version {UUID}, expected one of the book's: t0/1-0-0 ({REGISTRY_ID})",
        ),
        (b"\xc3\x01", "avro", "found 2 bytes, expected a header of 10 bytes and an Avro value"),
        (b"\xc3\x01" + FINGERPRINT[:7], "avro", "found 9 bytes, expected a header of 10 bytes and an Avro value"),
        (b"\x03", "avro", "found 1 bytes, expected a header of 18 bytes and an Avro value"),
        (b"\x03\x00" + ID[:15], "avro", "found 17 bytes, expected a header of 18 bytes and an Avro value"),
        (
            b"\x03\x07" + ID + BODY,
            "avro",
            "found the compression byte 0x07, expected 0x00 (none) or 0x05 (zlib)",
        ),
        (b"\x03\x05" + ID + BODY, "avro", "found no zlib: Error -3 while decompressing data: incorrect header check"),
        (b"\x03\x05" + ID, "avro", "found zlib that ends early, after 0 bytes of its content"),
        (
            b"\x03\x05" + ID + zlib.compress(BODY)[:-1],
            "avro",
            f"found zlib that ends early, after {len(BODY)} bytes of its content",
        ),
        (b"\x03\x05" + ID + zlib.compress(BODY) + b"xy", "avro", "found 2 bytes after the zlib, expected none"),
        (
            b"\xc3\x01" + FINGERPRINT + BODY + b"xyz",
            "avro",
            "found 3 bytes after the event, expected none: is it t0/1-0-0?",
        ),
    ],
)
def test_what_is_wrong_with_a_payload_is_told(data: bytes, keyword: str, message: str) -> None:
    assert only(opened(data)) == ("decode", keyword, "$", message)


def test_a_book_without_avro_says_so() -> None:
    outcome = pipeline()(records(order()))
    (row,) = rejected(outcome)
    assert row["message"] == f"found the fingerprint {FINGERPRINT.hex()}, expected a schema of the book, which has none"


def test_of_many_schemas_a_message_names_the_latest() -> None:
    others = [{**ORDER, "name": f"R{at}", "glue.schema.version.id": None} for at in range(5)]
    message = only(opened(b"\xc3\x01" + UNKNOWN, *others))[3]
    assert message.count("1-0-0") == 3
    assert message.endswith(f"t4/1-0-0 ({fingerprint_of(others[4]).hex()}), ...")


# ---- limits


def spent(work: Callable[[], Any]) -> tuple[Any, float, int]:
    """Return what work returns, its CPU seconds, and the most bytes that it held."""
    tracemalloc.start()
    try:
        start = process_time()
        found = work()
        return found, process_time() - start, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_what_inflates_without_end_is_cut_at_the_limit() -> None:
    limits = settings.Limits(event_bytes_max=10_000)
    bomb = b"\x03\x05" + ID + zlib.compress(bytes(50_000_000), 9)
    found, _, held = spent(lambda: opened(bomb, limits=limits))
    body = len(bomb) - 18
    message = f"found more than 10000 bytes after inflating {body}, expected at most 10000"
    assert only(found) == ("parse", "size", "$", message)
    assert held < 2_000_000


def test_many_that_inflate_are_too_much_at_once_and_never_one_alone() -> None:
    avsc = {**ORDER, "fields": [{"name": "text", "type": "string"}]}
    size = 1_000_000
    bomb = b"\x03\x05" + ID + zlib.compress(b"\x80\x89\x7a" + b"x" * size, 9)
    pipe = pipeline({("note", "1-0-0"): converted(avsc)})
    few = INFLATED_MAX // size
    with pytest.raises(TooMuch):
        pipe(records(*[bomb] * (few + 3)))
    assert pipe(records(*[bomb] * few)).stored == few  # what was counted before counts no more
    alone = pipeline({("note", "1-0-0"): converted(avsc)}, limits={"event_bytes_max": 10 * 1024 * 1024})
    huge = b"\x03\x05" + ID + zlib.compress(bytes(50_000_000), 9)
    assert alone(records(huge)).rejected == 1


@pytest.mark.parametrize("header", [b"\xc3\x01" + FINGERPRINT, b"\x03\x00" + ID])
def test_an_event_has_the_size_of_its_value(header: bytes) -> None:
    limits = settings.Limits(event_bytes_max=len(BODY))
    assert opened(header + BODY, limits=limits).value == ORDERED
    less = settings.Limits(event_bytes_max=len(BODY) - 1)
    assert only(opened(header + BODY, limits=less))[:2] == ("parse", "size")
    packed = b"\x03\x05" + ID + zlib.compress(BODY)
    assert opened(packed, limits=limits).value == ORDERED
    assert only(opened(packed, limits=less))[:2] == ("parse", "size")


# ---- through the pipeline


def test_type_and_version_come_from_the_schema_and_the_rest_from_the_event() -> None:
    outcome = pipeline(SCHEMAS)([record(order())])
    holds(outcome)
    (row,) = stored(outcome, "order/v1")
    assert (row["event_type"], row["schema_version"], row["event_id"]) == ("order", "1-0-0", "o-1")
    assert (row["event_time"].isoformat(), row["time_source"]) == ("2025-10-09T08:53:20.009000+00:00", "event")
    assert (row["amount"], row["name"], row["lines"]) == ("12.50", "Ada", ORDERED["lines"])
    assert row["extra"] is None


def test_payloads_and_json_of_one_schema_stand_in_one_table() -> None:
    named = {**ORDER, "fields": [*ORDER["fields"], {"name": "event_type", "type": "string"}]}
    pipe = pipeline({("order", "1-0-0"): converted(named)})
    event = {**ORDERED, "event_type": "order", "name": None}
    packed = {**ORDERED, "amount": Decimal("12.50"), "name": "Ada", "event_type": "other"}
    outcome = pipe(records(event, single_object(named, packed), event))
    holds(outcome)
    assert [row["event_type"] for row in stored(outcome, "order/v1")] == ["order"] * 3
    assert [row["event_type_2"] for row in stored(outcome)] == ["order", "other", "order"]
    assert [row["name"] for row in stored(outcome)] == [None, "Ada", None]


def test_an_exact_version_is_the_one_that_wrote_it() -> None:
    newer = {**ORDER, "fields": ORDER["fields"][:3], "glue.schema.version.id": None}
    pipe = pipeline({**SCHEMAS, ("order", "1-1-0"): converted(newer), ("order", "2-0-0"): closed({})})
    outcome = pipe(records(order(), order()))
    assert [row["schema_version"] for row in stored(outcome, "order/v1")] == ["1-0-0"] * 2


def test_rejects_say_which_schema_and_keep_the_bytes() -> None:
    cut, long, late = order()[:-2], order(id="x" * 50), order(timestamp=2**62)
    bodies = [cut, long, late, order(), b"\xc3\x01" + UNKNOWN, b"\x03\x01"]
    outcome = pipeline(SCHEMAS, limits={"event_bytes_max": 70})(records(*bodies))
    holds(outcome)
    assert why(outcome) == [
        ("decode", "avro", "$.lines[1].n"),
        ("parse", "size", "$"),
        ("contract", "time", "$.timestamp"),
        ("decode", "avro_schema", "$"),
        ("decode", "avro", "$"),
    ]
    rows = rejected(outcome)
    assert [row["raw"] for row in rows] == [cut, long, late, *bodies[4:]]
    assert [row["event_type"] for row in rows] == ["order"] * 3 + [None] * 2
    assert [row["schema"] for row in rows] == ["order/1-0-0"] * 3 + [None] * 2


def test_a_value_that_no_schema_allows_is_a_schema_reject() -> None:
    """An int of Avro has 32 bits, its encoding room for 64: the schema says so, as it does of JSON."""
    wide = {**ORDER, "fields": [{"name": "n", "type": "long"}]}
    narrow = {**ORDER, "fields": [{"name": "n", "type": "int"}]}
    body = b"\xc3\x01" + fingerprint_of(narrow) + encoded(wide, {"n": 2**40})
    outcome = pipeline({("order", "1-0-0"): converted(narrow)})(records(body))
    assert why(outcome) == [("schema", "maximum", "$.n")]
    assert rejected(outcome)[0]["raw"] == body


def test_numbers_that_json_lacks_are_rejected_each_with_its_path() -> None:
    numbers = {"type": "record", "name": "N", "fields": [{"name": "v", "type": {"type": "array", "items": "double"}}]}
    pipe = pipeline({("n", "1-0-0"): converted(numbers)})
    outcome = pipe(records(single_object(numbers, {"v": [1.0, float("nan"), float("-inf")]})))
    (row,) = rejected(outcome)
    assert [(one["keyword"], one["path"], one["message"]) for one in row["reasons"]] == [
        ("nan", "$.v[1]", "found NaN, expected a JSON number"),
        ("nan", "$.v[2]", "found -Infinity, expected a JSON number"),
    ]


def test_a_payload_that_was_rejected_can_be_sent_again() -> None:
    mark = Redriven("0" * 32, "e-1")
    outcome = pipeline(SCHEMAS)(records(wrap(mark, order(id=""))))
    (row,) = stored(outcome)
    assert (row["event_id"], row["redrive_of"]) == ("e-1", "0" * 32)


def test_an_event_without_time_gets_its_arrival() -> None:
    bare = {"type": "record", "name": "Bare", "fields": [{"name": "n", "type": "int"}]}
    (row,) = stored(pipeline({("bare", "1-0-0"): converted(bare)})(records(single_object(bare, {"n": 1}))))
    assert (row["time_source"], row["event_time"].timestamp() * 1000) == ("absent", pytest.approx(ARRIVAL_MS))


@pytest.mark.parametrize(("unit", "factor"), [("timestamp-millis", 1), ("timestamp-micros", 1000)])
def test_a_timestamp_is_the_event_time_in_either_unit(unit: str, factor: int) -> None:
    timed = {"type": "record", "name": "T", "fields": [{"name": "ts", "type": {"type": "long", "logicalType": unit}}]}
    body = (
        b"\xc3\x01"
        + fingerprint_of(timed)
        + encoded({**timed, "fields": [{"name": "ts", "type": "long"}]}, {"ts": ARRIVAL_MS * factor})
    )
    (row,) = stored(pipeline({("t", "1-0-0"): converted(timed)})([record(body)]))
    assert (row["time_source"], row["event_time"]) == ("event", row["received_at"])


def test_sound_json_is_never_asked_whether_it_is_avro(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    monkeypatch.setattr(Payloads, "__call__", lambda _self, data: asked.append(data))
    event = {**ORDERED, "event_type": "order"}
    pipeline(SCHEMAS)(records(event, [event, event], {"events": [event]}, b"no JSON"))
    assert asked == [b"no JSON"]
