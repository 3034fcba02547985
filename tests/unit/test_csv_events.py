"""Rows of CSV as records of JSON: what no schema could judge is a fault, the rest is the event."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import files
from tailrace.csv_events import Refused, Table
from tailrace.csv_rows import Line
from tailrace.nouns import Record
from tailrace.settings import Csv, SettingsError

MAX = 1000


def records(data: bytes, uri: str = "file:///a.csv", **settings: Any) -> list[Record]:
    lines = files._lines(io.BytesIO(data), MAX)
    return list(Table(Csv(**settings), "event_type").records(uri, lines, 5, MAX))


def events(data: bytes, uri: str = "file:///a.csv", **settings: Any) -> list[dict[str, Any]]:
    found = records(data, uri, **settings)
    assert [record.fault for record in found if record.fault] == []
    return [json.loads(record.data) for record in found]


def faults(data: bytes, **settings: Any) -> list[tuple[str, str, str]]:
    return [(r.fault.stage, r.fault.keyword, r.fault.path) for r in records(data, **settings) if r.fault]


def refusal(data: bytes, **settings: Any) -> str:
    with pytest.raises(Refused) as caught:
        records(data, **settings)
    return str(caught.value)


def test_a_row_is_an_event_whose_members_are_the_columns() -> None:
    (record,) = records(b"n,name\r\n1,Ann\r\n")
    assert (json.loads(record.data), record.sequence, record.arrival_ms) == ({"n": "1", "name": "Ann"}, "8", 5)


def test_columns_fill_members_with_values_of_their_kind() -> None:
    kinds = ("n=data.n:integer", "x=data.x:number", "ok=:boolean", "j=more:json", "gone=:drop", "t=title")
    data = b'n,x,ok,j,gone,t,other\n007,1.50,Yes,"{""a"": [1]}",x,5,6\n'
    assert records(data, columns=kinds)[0].data == (
        b'{"data":{"n":7,"x":1.50},"ok":true,"more":{"a": [1]},"title":"5","other":"6"}'
    )


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "-0", "0"),
        ("integer", "+12", "12"),
        ("integer", "-007", "-7"),
        ("integer", "9" * 40, "9" * 40),
        ("integer", "1.0", '"1.0"'),
        ("integer", "\u0661", '"\u0661"'),
        ("number", "-1.5e3", "-1.5e3"),
        ("number", ".5", "0.5"),
        ("number", "1e999", "1e999"),
        ("number", "+1e999", '"+1e999"'),
        ("number", "NaN", '"NaN"'),
        ("boolean", "FALSE", "false"),
        ("boolean", "maybe", '"maybe"'),
        ("json", "{", '"{"'),
        ("json", "[" * 300 + "]" * 300, "[" * 300 + "]" * 300),
    ],
)
def test_a_cell_that_does_not_fit_its_kind_stays_text(kind: str, text: str, value: str) -> None:
    (record,) = records(f"a\n{text}\n".encode(), columns=(f"a=a:{kind}",))
    assert record.data.decode() == f'{{"a":{value}}}'


def test_nothing_in_a_cell_leaves_the_member_out() -> None:
    assert events(b'a,b,c\n,NULL,""\n', nulls=("NULL",)) == [{}]


def test_other_columns_can_be_dropped() -> None:
    assert events(b"a,b\n1,2\n", columns=("b",), others="drop") == [{"b": "2"}]


def test_without_a_header_the_settings_name_the_columns() -> None:
    assert events(b"1,2\n", header=False, columns=("a", "b=x.y:integer")) == [{"a": "1", "x": {"y": 2}}]


def test_the_files_name_gives_the_event_type() -> None:
    types = ("orders-*.csv=order", "*/refunds/*=refund", "*=other")
    for uri, kind in [
        ("s3://b/x/orders-1.csv", "order"),
        ("s3://b/refunds/1.csv", "refund"),
        ("s3://b/1.csv", "other"),
    ]:
        assert events(b"a\n1\n", uri, event_types=types) == [{"a": "1", "event_type": kind}]
    assert events(b"event_type\nmine\n", event_types=types) == [{"event_type": "mine"}]


def test_tabs_part_the_cells_of_a_tsv_file() -> None:
    assert events(b"a,b\tc\n1,2\t3\n", "file:///a.tsv") == [{"a,b": "1,2", "c": "3"}]
    assert events(b"a\tc\n1\t3\n", delimiter="tab") == [{"a": "1", "c": "3"}]


def test_a_byte_order_mark_is_no_part_of_the_header() -> None:
    (record,) = records(b"\xef\xbb\xbfa\n1\n")
    assert (json.loads(record.data), record.sequence) == ({"a": "1"}, "5")


@pytest.mark.parametrize("data", [b"", b"\n\r\n", b"\xef\xbb\xbf", b"a,b\n", b'"a"'])
def test_a_file_without_rows_has_no_records(data: bytes) -> None:
    assert records(data) == []


def test_rows_with_other_cells_than_columns_are_faults() -> None:
    found = records(b"a,b\n1\n1,2,3\n1,2\n")
    assert [(r.data, r.fault and r.fault.message) for r in found] == [
        (b"1", "found 1 cells, expected 2: one a column"),
        (b"1,2,3", "found 3 cells, expected 2: one a column"),
        (b'{"a":"1","b":"2"}', None),
    ]


def test_bytes_that_are_not_of_the_encoding_are_a_fault_of_their_row() -> None:
    assert faults(b"a,b\n1,\xff\n1,2\n") == [("decode", "encoding", "$")]
    assert events(b"a\n\xe9\n", encoding="latin-1") == [{"a": "é"}]
    assert faults(b"a\n\x81\n", encoding="windows-1252") == [("decode", "encoding", "$")]


def test_a_row_without_a_required_value_is_a_fault_that_keeps_the_event() -> None:
    (record,) = records(b"a,b\n,2\n", columns=("a=x.y",), required=("a",))
    assert record.data == b'{"b":"2"}'
    assert record.fault == (
        "contract",
        "required",
        "$.x.y",
        'found nothing in the column "a", expected a value: it is required',
    )


def test_files_without_a_usable_header_are_refused() -> None:
    assert refusal(b"a,b\n1,2\n", required=("a", "c")) == 'it lacks the required column "c"; found "a", "b"'
    assert refusal(b"a,b,a\n") == 'its header names "a" twice'
    assert refusal(b'a,"b\n1,2\n').startswith("its header cannot be read: found a quoted cell that does not end")
    assert refusal(b"a,\xff\n1,2\n") == "its header is not utf-8"
    assert refusal("a,b\n".encode("utf-16")) == "it is UTF-16: expected it as UTF-8"
    assert refusal(b"a,b\r1,2\r") == "its header has a carriage return in it: expected lines that end with a line feed"
    assert refusal(b"a,b\n", columns=("a=b",)) == 'the columns "a", "b" both fill b'
    assert refusal(b"a,b\n", columns=("a=b.c",)) == 'the column "a" would stand inside another column\'s value'


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (dict(header=False), "header = false"),
        (dict(columns=("a", "a=b")), "named twice"),
        (dict(columns=("a=x", "b=x")), "both fill x"),
        (dict(columns=("a=x", "b=x.y")), "inside another column's value"),
        (dict(quote=","), "three different characters"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Table(Csv(**settings), "event_type")


def test_the_digests_tell_what_changed() -> None:
    plain, other, mapped = (Table(Csv(**one), "t") for one in ({}, {"quote": "'"}, {"columns": ("a=b",)}))
    assert len({plain.digest, other.digest, mapped.digest}) == 3
    assert plain.positions(MAX) == mapped.positions(MAX)
    assert len({plain.positions(MAX), other.positions(MAX), plain.positions(MAX + 1)}) == 3


class Endless:
    """A stream of one line that goes on and on."""

    def __init__(self, length: int, end: bytes) -> None:
        self._left, self._end = length, end

    def read(self, count: int, /) -> bytes:
        if self._left:
            self._left -= count
            return b"x" * count
        end, self._end = self._end, b""
        return end

    def close(self) -> None: ...


@pytest.mark.parametrize("head", [b"a,b\n", b'a,b\n1,"'], ids=["plain", "in quotes"])
def test_a_line_of_a_gigabyte_takes_little_memory(head: bytes) -> None:
    class Stream(Endless):
        def read(self, count: int, /) -> bytes:
            nonlocal head
            given, head = head, b""
            return given or super().read(count)

    table = Table(Csv(), "t")
    tracemalloc.start()
    lines: Iterator[Line] = files._lines(Stream(1 << 30, b"\n1,2\n"), 1 << 20)
    found = [(r.data[:8], r.fault.keyword if r.fault else "") for r in table.records("a.csv", lines, 0, 1 << 20)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found[-1] == (b'{"a":"1"', "")
    assert found[0][1] == "size"
    assert peak < 16 << 20


JUNK = st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"\0", b"a", b"b", b"1", b"\xff", b"\xef\xbb\xbf", b"["]))


@given(data=JUNK.map(b"".join) | st.binary(), kind=st.sampled_from(["text", "integer", "number", "boolean", "json"]))
def test_hostile_bytes_are_records_or_a_refusal(data: bytes, kind: str) -> None:
    try:
        found = records(data, columns=(f"a=x:{kind}",), event_types=("*=t",))
    except Refused as refused:
        assert "\n" not in str(refused)  # noqa: PT017  either is right
        return
    for record in found:
        assert record.fault is not None or msgspec.json.decode(record.data)["event_type"] == "t"
