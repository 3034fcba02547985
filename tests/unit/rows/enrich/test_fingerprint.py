"""Hashes of chosen fields."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from tailrace.rows.enrich.fingerprint import Fingerprint


def of(fields: list[str], **columns: Any) -> list[str]:
    arrays = {name: column if isinstance(column, pa.Array) else pa.array(column) for name, column in columns.items()}
    made: list[str] = Fingerprint(fields)(arrays)["fingerprint"].to_pylist()
    return made


def test_it_is_blake2b_of_names_and_values_with_their_lengths() -> None:
    expected = hashlib.blake2b("1:a3:b.c=4:é\N{EURO SIGN}x-".replace("4:", "6:").encode(), digest_size=16).hexdigest()
    struct = pa.array([{"c": None}], pa.struct([("c", pa.string())]))
    assert of(["a", "b.c"], a=["é\N{EURO SIGN}x"], b=struct) == [expected]


def test_borders_between_values_count() -> None:
    rows = [("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", ""), (None, "abc"), ("abc", None), (None, None), ("", "")]
    rows += [("1:a", ""), ("1:a1:b", ""), ("-", None), (None, "-")]
    first, second = zip(*rows, strict=True)
    assert len(set(of(["a", "b"], a=list(first), b=list(second)))) == len(rows)


def test_nothing_has_no_fingerprint() -> None:
    assert of(["a", "b"], a=[None, None, "-"], b=pa.array([None, "", None], pa.string()))[0] is None
    assert None not in of(["a", "b"], a=["--", "-", None], b=["", None, "-"])
    assert of(["a.b"], a=["{}", "no JSON", '{"b":0}'])[:2] == [None, None]


def test_names_of_fields_count() -> None:
    values = {"a": ["x"], "b": ["y"], "ab": ["x"]}
    assert len({of(fields, **values)[0] for fields in (["a"], ["ab"], ["a", "b"], ["b", "a"])}) == 4


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2, None]),
        pa.array([1.5, -0.25, None]),
        pa.array([True, False, None]),
        pa.array([datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
        pa.array([[1], [1, 2], None]),
        pa.array([{"x": 1}, {"x": 2}, None]),
        pa.array([b"\x00", b"\xff", None]),
        pa.array(["a", "b", None]),
    ],
    ids=lambda column: str(column.type),
)
def test_every_kind_of_column_counts(column: pa.Array) -> None:
    made = of(["a"], a=column)
    assert len(set(made)) == 3
    assert of(["a"], a=column.slice(1)) == made[1:]


def test_paths_lead_into_structs_and_json_text() -> None:
    struct = pa.array([{"b": {"c": 5}}, {"b": {"c": 6}}, None])
    text = pa.array(['{"b": {"c": 5}}', '{"b":{"c":6},"d":1}', None])
    assert of(["a.b.c"], a=struct) == of(["a.b.c"], a=text)
    assert len(set(of(["a.b.c"], a=text))) == 3


def test_what_a_table_does_not_have_is_null() -> None:
    nulls = of(["a.b"], a=pa.nulls(2, pa.string()))
    assert nulls[0] == nulls[1]
    assert of(["a.b"], a=["plain", "[1]"]) == nulls
    assert of(["a.b"], a=[1, 2]) == nulls
    assert of(["a.b"], a=[{"c": 1}, {"c": 2}]) == nulls


def test_inputs_are_columns_each_once() -> None:
    one = Fingerprint(["tenant", "data.a", "data.b"])
    assert one.inputs == ("tenant", "data")
    assert one.digest != Fingerprint(["tenant", "data.a"]).digest
