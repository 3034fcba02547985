"""Events sent again. Rule: the event's bytes come out as they went in, and nothing else is taken for one."""

from __future__ import annotations

import random

import msgspec
import orjson
import pytest

from support.pipelines import holds, pipeline, record, records, rejected, stored
from tailrace.nouns import Reason, Redriven
from tailrace.rows.redriven import HEAD_MAX, LARGE, PREFIX, unwrapped, wrap

FIRST, ID = "ab" * 16, "e-1"
MARK = Redriven(FIRST, ID)
CLICK = b'{"eventType":"click","path":"/"}'


@pytest.mark.parametrize("raw", [CLICK, b"", b"\x00\xff no JSON", b'"\xc3\xa9"', bytes(range(256)), wrap(MARK, CLICK)])
def test_what_is_wrapped_comes_out_as_it_was(raw: bytes) -> None:
    data = wrap(MARK, raw)
    assert data.startswith(PREFIX)
    assert b"\n" not in data  # a line of JSON lines
    assert orjson.loads(data)["$tailrace"] == {"row_id": FIRST, "event_id": ID}
    out = unwrapped(record(data, at=3, sub=2))
    assert out == msgspec.structs.replace(record(raw, at=3, sub=2), redriven=MARK)


@pytest.mark.parametrize(
    "data",
    [
        CLICK,
        b'{"$tailrace":{}}',
        b'{"$tailrace":{"row_id":"a","event_id":"b"}}',
        b'{"$tailrace":{"row_id":"a","event_id":"b"},"raw":"?"}',
        b'{"$tailrace":{"row_id":"a","event_id":"b"},"raw":"e30=","more":1}',
        b'{"$tailrace":{"row_id":"a","event_id":"b"},"raw":"e30="',
        b'{"$tailrace":{"row_id":"\x80',
        b'{"$tailrace":{"row_id":"a","event_id":"b"},"\x80raw":"e30="}',
        b'{"$tailrace":{"row_id":' + b"[" * 100_000,
        b'[{"$tailrace":{"row_id":"a","event_id":"b"},"raw":"e30="}]',
    ],
)
def test_what_is_none_is_left_alone(data: bytes) -> None:
    one = record(data)
    assert unwrapped(one) is one


LONG = (CLICK * (LARGE // len(CLICK) + 1))[: LARGE + 1]


@pytest.mark.parametrize(
    ("mark", "raw"),
    [
        (MARK, LONG),
        (MARK, random.Random(1).randbytes(LARGE * 2).replace(b"\n", b"\0").strip() + b"}"),
        (Redriven(FIRST, 'a "}} id" \N{LATIN SMALL LETTER U WITH DIAERESIS} \N{GRINNING FACE}'), LONG),
    ],
)
def test_a_large_event_follows_as_it_is(mark: Redriven, raw: bytes) -> None:
    data = wrap(mark, raw)
    assert data.endswith(raw)
    assert data.startswith(PREFIX)
    assert b"\n" not in data
    assert len(data) < len(raw) + 300
    assert unwrapped(record(data)) == msgspec.structs.replace(record(raw), redriven=mark)


@pytest.mark.parametrize(
    ("mark", "raw"),
    [
        (MARK, LONG[:-1]),
        (MARK, LONG + b"\n" + LONG),
        (MARK, LONG + b"\r"),
        (MARK, b" " + LONG),
        (Redriven("x" * HEAD_MAX, ID), LONG),
    ],
)
def test_what_is_no_large_line_is_wrapped_whole(mark: Redriven, raw: bytes) -> None:
    data = wrap(mark, raw)
    assert raw not in data
    assert b"\n" not in data
    assert unwrapped(record(data)) == msgspec.structs.replace(record(raw), redriven=mark)


@pytest.mark.parametrize(
    "head",
    [
        b'{"$tailrace":{"row_id":"a","event_id":"b"},"more":1}',
        b'{"$tailrace":{"row_id":"a"}}',
        b'{"$tailrace":{"row_id":"a","event_id":7}}',
        b'{"$tailrace":{"row_id":"\xc3\xa9","event_id":"b"}}',
        b'{"$tailrace":{"row_id":"' + b"x" * HEAD_MAX + b'","event_id":"b"}}',
        b'{"$tailrace":{' + b"[" * 10_000,
        b'{"$tailrace":{"row_id":"a","event_id":"b"}',
    ],
)
def test_a_large_record_whose_head_is_none_is_left_alone(head: bytes) -> None:
    one = record(head + LONG)
    assert unwrapped(one) is one


def test_a_record_that_could_not_be_read_is_left_alone() -> None:
    one = msgspec.structs.replace(record(wrap(MARK, CLICK)), fault=Reason("decode", "line", "$", "cut"))
    assert unwrapped(one) is one


def test_a_row_says_what_it_was_redriven_from() -> None:
    outcome = pipeline()(records(CLICK, wrap(MARK, CLICK), wrap(MARK, CLICK[:-1] + b',"eventId":"own"}')))
    holds(outcome)
    rows = stored(outcome)
    assert [row["redrive_of"] for row in rows] == [None, FIRST, FIRST]
    assert [row["event_id"] for row in rows] == [rows[0]["row_id"], ID, "own"]
    assert len({row["row_id"] for row in rows}) == 3


@pytest.mark.parametrize("raw", [b"{", b'{"eventType":"click","path":7}', b'{"eventType":"never"}', b"[7]"])
def test_an_event_that_is_rejected_again_names_its_first_reject(raw: bytes) -> None:
    outcome = pipeline()([record(wrap(MARK, raw))])
    holds(outcome)
    (row,) = rejected(outcome)
    assert (row["redrive_of"], row["event_id"]) == (FIRST, ID)
    assert row["raw"] == (b"7" if raw == b"[7]" else raw)


def test_a_record_that_kills_is_kept_without_its_wrapping() -> None:
    outcome = pipeline().internal(record(wrap(MARK, CLICK)), Reason("internal", "died", "$", "died"))
    (row,) = rejected(outcome)
    assert (row["raw"], row["redrive_of"]) == (CLICK, FIRST)
