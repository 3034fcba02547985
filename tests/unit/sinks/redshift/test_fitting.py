"""What fits and what does not: by columns, told with what was found, and nothing is cut."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.schema.book import QUARANTINE
from tailrace.sinks.redshift.fitting import (
    ROW_BYTES_MAX,
    Held,
    Misfit,
    disagreement,
    expected,
    misfits,
    rejects,
    told,
    without,
)

WIDTH = 5
SCHEMA = pa.schema(
    [
        ("row_id", pa.string()),
        ("a", pa.string()),
        ("n", pa.int64()),
        ("at", pa.timestamp("us", "UTC")),
        ("raw", pa.binary()),
        ("deep", pa.list_(pa.string())),
    ]
)
STANDS = [
    Held("row_id", "varchar", 32),
    Held("a", "varchar", WIDTH),
    Held("n", "int8"),
    Held("at", "timestamp"),
    Held("raw", "varbyte", 3),
    Held("deep", "super"),
]


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, SCHEMA)


TEXTS = st.none() | st.text("aé\0€", max_size=4)
ROWS = st.lists(
    st.fixed_dictionaries({"row_id": st.just("0" * 32), "a": TEXTS, "raw": st.none() | st.binary(max_size=5)}),
    max_size=8,
)


@given(ROWS)
def test_a_row_fits_exactly_when_each_of_its_values_does(rows: list[dict[str, Any]]) -> None:
    out = misfits(table(rows), STANDS, "s.t")
    bad = {
        at
        for at, row in enumerate(rows)
        if len((row["a"] or "").encode()) > WIDTH or "\0" in (row["a"] or "") or len(row["raw"] or b"") > 3
    }
    assert {one.row for one in out} == bad
    kept = without(table(rows), out)
    assert kept.to_pylist() == [row for at, row in enumerate(table(rows).to_pylist()) if at not in bad]
    assert told(out).total() == len(bad)


@given(ROWS, st.integers(0, 60))
def test_a_reject_fits_its_own_table_and_has_the_row(rows: list[dict[str, Any]], width: int) -> None:
    stands = [
        Held(field.name, "varchar", 32 if field.name in {"row_id", "stage"} else width)
        if pa.types.is_string(field.type)
        else Held(field.name, "varbyte" if pa.types.is_binary(field.type) else "timestamp", 1 << 20)
        for field in QUARANTINE.schema
    ]
    out = misfits(table(rows), STANDS, "s.t")
    made = rejects(table(rows), out, QUARANTINE, stands, "x.parquet")
    assert misfits(made, stands, "s.quarantine") == []
    assert made.num_rows == len(out)
    for one, raw in zip(out, made["raw"].to_pylist(), strict=True):
        assert json.loads(raw)["a"] == rows[one.row]["a"]


def test_reasons_say_what_was_found() -> None:
    rows = table([{"row_id": "1", "a": "ééé\0"}])
    (one,) = misfits(rows, STANDS, "tailrace.click_v1")
    assert one == Misfit(0, one.reasons)
    assert [(reason.keyword, reason.path, reason.message) for reason in one.reasons] == [
        ("width", "$.a", 'found 7 bytes in "a", expected at most 5 as in tailrace.click_v1'),
        ("null_character", "$.a", 'found the character U+0000 in "a", expected none: Redshift\'s texts hold none'),
    ]


def test_a_time_before_the_calendar_and_a_row_too_long_for_copy_stay_out() -> None:
    wide = [Held(one.name, one.type, 1 << 30) for one in STANDS]
    rows = table(
        [
            {"row_id": "1", "at": -(2**62)},
            {"row_id": "2", "a": "x" * ROW_BYTES_MAX},
            {"row_id": "3", "a": "x" * (ROW_BYTES_MAX - 1), "at": 0},
        ]
    )
    found = misfits(rows, wide, "t")
    assert [(one.row, one.reasons[0].keyword) for one in found] == [(0, "time_range"), (1, "row_size")]
    made = rejects(rows, found, QUARANTINE, [Held(field.name, "varchar", 1 << 30) for field in QUARANTINE.schema], "o")
    assert made["raw"].to_pylist()[1] is None
    assert made["message"].to_pylist()[1].endswith("the row is whole in o")


def test_dictionaries_are_looked_at_like_texts() -> None:
    rows = pa.table({"row_id": pa.array(["1", "2"]), "a": pa.array(["x", "xxxxxx"]).dictionary_encode()})
    assert [one.row for one in misfits(rows, STANDS[:2], "t")] == [1]


@pytest.mark.parametrize(
    ("stands", "said"),
    [
        (STANDS, ""),
        ([*STANDS, Held("later", "int8")], ""),
        (STANDS[:-1], 'found no column 6, expected "deep" SUPER'),
        ([STANDS[0], STANDS[2]], 'column 2: found "n" int8, expected "a" varchar'),
        ([*STANDS[:2], Held("n", "int4")], 'column 3: found "n" int4, expected "n" int8'),
    ],
)
def test_files_and_table_agree_by_position_name_and_type(stands: list[Held], said: str) -> None:
    assert disagreement(expected(SCHEMA, "t"), stands) == said
