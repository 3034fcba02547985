"""Columns hold values as they are, or name them as misfits."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.rows import columns
from tailrace.schema.kinds import BOOLEAN, INTEGER, JSON, NUMBER, TEXT, Field, Kind, List, Struct

POINT = Struct((Field("x", INTEGER, required=True, null=False), Field("note", TEXT, required=False, null=True)))
INT64 = 2**63


@pytest.mark.parametrize(
    ("kind", "values", "held"),
    [
        (TEXT, ["a", None, ""], ["a", None, ""]),
        (INTEGER, [1, None, 2.0, -INT64, INT64 - 1], [1, None, 2, -INT64, INT64 - 1]),
        (NUMBER, [1, 2.5, None, 2**53], [1.0, 2.5, None, 2.0**53]),
        (BOOLEAN, [True, None], [True, None]),
        (JSON, [{"a": [1, None]}, None, "t", 2**64 - 1], ['{"a":[1,null]}', None, '"t"', "18446744073709551615"]),
        (POINT, [{"x": 1}, None, {"x": 2, "note": "n"}], [{"x": 1, "note": None}, None, {"x": 2, "note": "n"}]),
        (POINT, [{"x": 1}], [{"x": 1, "note": None}]),
        (POINT, [], []),
        (List(POINT), [[{"x": 1}], None, [], [None]], [[{"x": 1, "note": None}], None, [], [None]]),
        (List(List(INTEGER)), [[[1], None, []], None], [[[1], None, []], None]),
    ],
)
def test_values_come_back(kind: Kind, values: list[Any], held: list[Any]) -> None:
    column = columns.build(kind, values)
    column.validate(full=True)
    assert column.to_pylist() == held


@pytest.mark.parametrize(
    ("kind", "value", "keyword", "path"),
    [
        (INTEGER, INT64, "integer_range", "$.m"),
        (INTEGER, float(INT64), "integer_range", "$.m"),
        (INTEGER, 1e300, "integer_range", "$.m"),
        (INTEGER, 1.5, "type", "$.m"),
        (INTEGER, True, "type", "$.m"),
        (NUMBER, 2**53 + 1, "integer_range", "$.m"),
        (NUMBER, "1", "type", "$.m"),
        (TEXT, 1, "type", "$.m"),
        (BOOLEAN, 1, "type", "$.m"),
        (POINT, {"x": INT64}, "integer_range", "$.m.x"),
        (POINT, [], "type", "$.m"),
        (List(POINT), [{"x": 0}, {"x": -INT64 - 1}], "integer_range", "$.m[1].x"),
        (List(INTEGER), {"a": 1}, "type", "$.m"),
    ],
)
def test_a_misfit_is_named(kind: Kind, value: Any, keyword: str, path: str) -> None:
    reasons = columns.misfits((Field("m", kind, required=False, null=True),), {"m": value})
    assert [(r.stage, r.keyword, r.path) for r in reasons] == [("columns", keyword, path)]
    assert "expected" in reasons[0].message


_SCALARS = st.none() | st.booleans() | st.integers(-(2**64), 2**65) | st.floats(allow_nan=False) | st.text(max_size=3)
_KINDS = st.sampled_from([TEXT, INTEGER, NUMBER, BOOLEAN, List(INTEGER), List(NUMBER)])


@given(_KINDS, st.lists(_SCALARS | st.lists(_SCALARS, max_size=3), max_size=4))
def test_what_is_no_misfit_is_held_unbent(kind: Kind, values: list[Any]) -> None:
    """The verdict `misfits` gives is never softer than what a column can hold."""
    field = (Field("m", kind, required=False, null=True),)
    fit = [value for value in values if not columns.misfits(field, {"m": value})]
    assert columns.build(kind, fit).to_pylist() == fit


def test_fields_become_text() -> None:
    assert columns.texts(["a", None]).to_pylist() == ["a", None]
    assert columns.texts(["a", 7, 1.5, True, {"b": []}, None]).to_pylist() == [
        "a",
        "7",
        "1.5",
        "true",
        '{"b":[]}',
        None,
    ]
    assert columns.texts([]).type == pa.string()


def test_readers_take_the_first_that_is_there() -> None:
    events: list[dict[str, Any]] = [{"a": 1, "b": 2}, {"a": None, "b": 3}, {"c": {"d": 4}}]
    assert columns.reader((), frozenset())(events) == [None, None, None]
    assert columns.reader((("a",),), frozenset())(events) == [1, None, None]
    assert columns.reader((("a",), ("b",), ("c", "d")), frozenset())(events) == [1, 3, 4]
    assert columns.reader((("a",), ("b",)), frozenset({"a"}))(events[:1]) == [1]
