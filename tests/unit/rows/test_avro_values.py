"""Avro's values byte by byte: what they mean, where they are wrong, and that none takes more than the limits give."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from time import process_time
from typing import Any

import pytest

from tailrace import settings
from tailrace.rows.avro_values import Cursor, Wrong, compiled
from tailrace.schema.avro import parsed

ARRAY = {"type": "array", "items": "int"}
NULLS = {"type": "array", "items": "null"}
MAP = {"type": "map", "values": "boolean"}
ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
EMPTY = {"type": "record", "name": "Empty", "fields": []}
LINKED = {"type": "record", "name": "L", "fields": [{"name": "next", "type": ["null", "L"]}]}
ITSELF = {"type": "record", "name": "S", "fields": [{"name": "me", "type": "S"}]}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
LIMITS = settings.Limits()
LONGEST = b"\xff" * 9 + b"\x01"  # the last whole number of 64 bits
COUNT = b"\x80" * 8 + b"\x10"  # 2^59 items


def read(schema: Any, data: bytes, limits: settings.Limits = LIMITS) -> Any:
    cursor = Cursor(data, limits)
    value = compiled(parsed(schema))(cursor, 1)
    assert cursor.at == len(data)
    return value


def wrong(schema: Any, data: bytes, limits: settings.Limits = LIMITS) -> tuple[str, str, str, str]:
    with pytest.raises(Wrong) as caught:
        read(schema, data, limits)
    return caught.value.reason


@pytest.mark.parametrize(
    ("schema", "data", "value"),
    [
        ("null", b"", None),
        ("boolean", b"\x01", True),
        ("boolean", b"\x00", False),
        ("int", b"\x00", 0),
        ("int", b"\x01", -1),
        ("int", b"\x02", 1),
        ("int", b"\x80\x01", 64),
        ("int", b"\x80\x00", 0),
        ("long", b"\xfe" + b"\xff" * 8 + b"\x01", 2**63 - 1),
        ("long", LONGEST, -(2**63)),
        ("float", b"\x00\x00\xc0\x3f", 1.5),
        ("double", b"\x00\x00\x00\x00\x00\x00\xf8\x3f", 1.5),
        ("string", b"\x04\xc3\xa9", "é"),
        ("string", b"\x00", ""),
        ("bytes", b"\x06\x00\x7f\xff", "\x00\x7f\xff"),
        ({"type": "fixed", "name": "F", "size": 2}, b"\x00\xff", "\x00\xff"),
        (
            {"type": "fixed", "name": "F", "size": 16, "logicalType": "uuid"},
            bytes(16),
            f"{0:08}-0000-0000-0000-{0:012}",
        ),
        (ENUM, b"\x02", "B"),
        (["null", "int"], b"\x00", None),
        (["null", "int"], b"\x02\x04", 2),
        (ARRAY, b"\x00", []),
        (ARRAY, b"\x04\x02\x04\x00", [1, 2]),
        (ARRAY, b"\x02\x02\x02\x04\x00", [1, 2]),
        (ARRAY, b"\x03\x04\x02\x04\x00", [1, 2]),
        (NULLS, b"\x04\x00", [None, None]),
        (MAP, b"\x02\x02a\x01\x00", {"a": True}),
        (MAP, b"\x02\x02a\x01\x02\x02a\x00\x00", {"a": False}),
        (DECIMAL, b"\x04\x04\xe2", "12.50"),
        (DECIMAL, b"\x02\xff", "-0.01"),
        (DECIMAL, b"\x00", "0.00"),
        (DECIMAL, b"\x14" + bytes(8) + b"\x04\xe2", "12.50"),
        ({**DECIMAL, "scale": 0}, b"\x02\xff", "-1"),
        ({**DECIMAL, "type": "fixed", "name": "F", "size": 3}, b"\xff\xfb\x1e", "-12.50"),
        ({"type": "long", "logicalType": "timestamp-micros"}, b"\x02", 1),
        ({"type": "int", "logicalType": "date"}, b"\x02", 1),
        (LINKED, b"\x02\x02\x00", {"next": {"next": {"next": None}}}),
        (EMPTY, b"", {}),
    ],
    ids=str,
)
def test_bytes_have_a_meaning(schema: Any, data: bytes, value: Any) -> None:
    found = read(schema, data)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("schema", "data", "message"),
    [
        ("boolean", b"", "found 0 bytes left, expected 1: cut short, or of another schema"),
        ("boolean", b"\x07", "found the byte 0x07, expected true or false: 0x01 or 0x00"),
        ("int", b"", "found the end of the bytes in a number, expected one of 1 to 10 bytes"),
        ("int", b"\x80", "found the end of the bytes in a number, expected one of 1 to 10 bytes"),
        ("long", b"\x80" * 10, "found a whole number of more than 10 bytes, expected one of 1 to 10 bytes"),
        ("long", b"\xff" * 12 + b"\x01", "found a whole number of more than 10 bytes, expected one of 1 to 10 bytes"),
        ("long", b"\xff" * 9 + b"\x02", "found a whole number beyond 64 bits, expected one within them"),
        ("float", bytes(3), "found 3 bytes left, expected 4: cut short, or of another schema"),
        ("double", bytes(7), "found 7 bytes left, expected 8: cut short, or of another schema"),
        ("string", b"\x04a", "found 1 bytes left, expected 2: cut short, or of another schema"),
        ("bytes", b"\x01a", "found 1 bytes left, expected -1: cut short, or of another schema"),
        ("bytes", LONGEST, f"found 0 bytes left, expected {-(2**63)}: cut short, or of another schema"),
        (ENUM, b"\x04", "found symbol 2 of an enum, expected 0 to 1"),
        (ENUM, b"\x01", "found symbol -1 of an enum, expected 0 to 1"),
        (["null", "int"], b"\x01", "found branch -1 of a union, expected 0 to 1"),
        (["null", "int"], b"\x04", "found branch 2 of a union, expected 0 to 1"),
        (ARRAY, COUNT, f"found a block of {2**59} items, expected at most 1009"),
        (NULLS, COUNT, f"found a block of {2**59} items, expected at most 1009"),
        (ARRAY, LONGEST + b"\x00", f"found a block of {2**63} items, expected at most 1011"),
        (ARRAY, b"\x01\x01\x02", "found a block of -1 bytes, expected 0 to 1"),
        (ARRAY, b"\x01\x08\x02", "found a block of 4 bytes, expected 0 to 1"),
        (DECIMAL, b"\x04\x27\x10", "found more digits in a decimal than the 4 expected"),
    ],
    ids=str,
)
def test_what_has_no_meaning_is_told(schema: Any, data: bytes, message: str) -> None:
    assert wrong(schema, data) == ("decode", "avro", "$", message)


@pytest.mark.parametrize(
    ("schema", "item", "most"),
    [
        ({"type": "enum", "name": "E", "symbols": ["x" * 40]}, b"\x00", 5),
        ({**DECIMAL, "precision": 39, "scale": 38}, b"\x00", 5),
        ({**DECIMAL, "precision": 39, "scale": 0}, b"\x02\x05", 200),
    ],
    ids=["enum", "decimal", "whole decimal"],
)
def test_texts_that_are_longer_than_their_bytes_are_counted(schema: Any, item: bytes, most: int) -> None:
    limits = settings.Limits(event_bytes_max=200)
    array, block = {"type": "array", "items": schema}, b"\x02" + item
    assert len(read(array, block * most + b"\x00", limits)) == most
    message = "found enums and decimals of more than 200 characters, expected at most 200"
    assert wrong(array, block * (most + 1) + b"\x00", limits) == ("parse", "size", f"$[{most}]", message)


def test_a_text_that_is_no_utf8_is_told() -> None:
    for text in (b"\xff", b"\xc3", b"\xed\xa0\x80"):
        reason = wrong("string", bytes([2 * len(text) + 2]) + b"a" + text)
        assert reason[:3] == ("decode", "utf8", "$")
        assert reason[3] == f"found byte 0x{text[0]:02x} at offset 1 of a text, expected UTF-8"


def test_the_place_of_what_is_wrong_is_told() -> None:
    inner = {"type": "record", "name": "I", "fields": [{"name": "ok", "type": "boolean"}]}
    outer = {
        "type": "record",
        "name": "O",
        "fields": [{"name": "m", "type": {"type": "map", "values": {"type": "array", "items": inner}}}],
    }
    assert wrong(outer, b"\x02\x06a b\x04\x01\x05")[2] == "$.m['a b'][1].ok"


# ---- limits


@pytest.mark.parametrize(
    ("schema", "levels"),
    [(LINKED, lambda n: b"\x02" * (n - 1) + b"\x00"), ({"type": "record", "name": "R", "fields": [
        {"name": "below", "type": {"type": "array", "items": "R"}}]}, None)],
    ids=["records", "arrays and records"],
)  # fmt: skip
@pytest.mark.parametrize("most", [1, 2, 7, 250])
def test_a_value_may_be_as_deep_as_the_limit(schema: Any, levels: Any, most: int) -> None:
    limits = settings.Limits(depth_max=most)
    if levels is not None:
        assert read(schema, levels(most), limits) is not None
        too_deep = levels(most + 1)
    else:
        too_deep = b"\x02" * (most + 1) + b"\x00" * (most + 2)
    assert wrong(schema, too_deep, limits)[:2] == ("parse", "depth")


def test_items_without_bytes_are_as_many_as_members_at_most() -> None:
    limits = settings.Limits(properties_max=100)
    assert len(read(NULLS, b"\xce\x01\x00", limits)) == 103
    assert wrong(NULLS, b"\xd0\x01\x00", limits)[3] == "found a block of 104 items, expected at most 103"
    assert wrong(NULLS, b"\x02" * 102, limits)[:2] == ("decode", "avro")


def test_a_type_that_holds_itself_without_bytes_ends() -> None:
    assert wrong(ITSELF, b"")[:2] == ("parse", "depth")
    assert wrong(LINKED, b"\x02" * 1_000_000)[3] == "found more than 64 levels, expected at most 64"


@pytest.mark.parametrize(
    ("schema", "data", "members"),
    [
        (MAP, b"\x06\x00\x01\x02a\x01\x02b\x01\x00", 3),
        ({"type": "record", "name": "R", "fields": [{"name": n, "type": "null"} for n in "abc"]}, b"", 3),
        (LINKED, b"\x02\x02\x00", 3),
    ],
    ids=["a map", "a record", "records"],
)
def test_a_value_may_have_as_many_members_as_the_limit(schema: Any, data: bytes, members: int) -> None:
    assert read(schema, data, settings.Limits(properties_max=members)) is not None
    reason = wrong(schema, data, settings.Limits(properties_max=members - 1))
    assert reason[:2] == ("parse", "properties")
    assert reason[3] == f"found more than {members - 1} members, expected at most {members - 1}"


WIDE = {"type": "record", "name": "W", "fields": [{"name": f"n{at}", "type": "null"} for at in range(100)]}
LISTS = {"type": "array", "items": {"type": "array", "items": "null"}}
MILLION = b"\x80\x89\x7a"  # as a count


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        (NULLS, (b"\x80\x80\x40" + b"\x00")),
        (NULLS, COUNT),
        (NULLS, b"\x02" * 300_000),
        (NULLS, b"\x01\x00" * 200_000),
        ({"type": "array", "items": WIDE}, MILLION),
        ({"type": "array", "items": EMPTY}, COUNT),
        ({"type": "map", "values": "null"}, COUNT),
        ({"type": "map", "values": "null"}, b"\x02\x00" * 200_000),
        (LISTS, b"\x80\x80\x40" + b"\x00" * 1_000_000),
        (LISTS, b"\x02\x80\x80\x40" * 250_000),
        ("bytes", COUNT),
        (DECIMAL, b"\x80\x89\x7a" + b"\x7f" * 1_000_000),
        ({**DECIMAL, "precision": 1000}, b"\x80\x89\x7a" + b"\x7f" * 1_000_000),
        (LINKED, b"\x02" * 1_000_000),
    ],
    ids=[
        "nulls", "very many nulls", "nulls in blocks", "nulls in sized blocks", "wide records", "empty records",
        "a map", "a map in blocks", "lists", "lists of nulls", "bytes", "a decimal", "a long decimal", "a long list",
    ],
)  # fmt: skip
def test_hostile_counts_take_bounded_time_and_memory(schema: Any, data: bytes) -> None:
    cursor = Cursor(data, LIMITS)
    reader = compiled(parsed(schema))
    tracemalloc.start()
    start = process_time()
    with suppress(Wrong):
        reader(cursor, 1)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held < 64 * 1024 * 1024
    assert process_time() - start < 20  # seconds with the tracer; without an end it would be years
