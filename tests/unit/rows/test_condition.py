"""Conditions: true or false of every event, on a column as on an event."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.rows.condition import ConditionError, Given, condition_of
from tailrace.schema.book import TIME

ENVELOPE = pa.schema([
    ("tenant", pa.string()), ("bot", pa.bool_()), ("score", pa.float64()), ("event_time", TIME),
    ("tags", pa.list_(pa.string())),
])  # fmt: skip
NONE = dict.fromkeys(ENVELOPE.names)


def holds(said: Any, *events: dict[str, Any]) -> list[bool]:
    """Return what a condition says of events whose members of a column's name stand in that column too."""
    columns = {name: [event.get(name) for event in events] for name in ENVELOPE.names}
    return list(condition_of(said, ENVELOPE)(Given(pa.table(columns, ENVELOPE).to_batches()[0], events)).to_pylist())


def test_a_column_and_a_path_into_the_event() -> None:
    events = {"tenant": "a", "data": {"x": 1}}, {"tenant": "b", "data": {"x": 2}}, {"data": 3}
    assert holds({"path": "tenant", "op": "==", "value": "a"}, *events) == [True, False, False]
    assert holds({"path": "data.x", "op": ">", "value": 1}, *events) == [False, True, False]
    assert holds({"path": "data.x", "op": "exists"}, *events) == [True, True, False]


@pytest.mark.parametrize(
    ("op", "value", "fits"),
    [
        ("==", "b", ["b"]),
        ("!=", "b", ["a", "c", "B", 1, True, None, 2.5, {}]),
        ("<", "b", ["a", "B"]),
        ("<=", "b", ["a", "b", "B"]),
        (">", "b", ["c"]),
        (">=", "b", ["b", "c"]),
        (">", 1, [2.5]),
        (">=", 1, [1, 2.5]),
        ("==", 1, [1]),
        ("==", 1.0, [1]),
        ("==", True, [True]),
        ("in", ["a", 1, "z"], ["a", 1]),
        ("in", [True], [True]),
        ("matches", "*", ["a", "b", "c", "B"]),
        ("exists", None, ["a", "b", "c", "B", 1, True, 2.5, {}]),
    ],
)
def test_operators(op: str, value: Any, fits: list[Any]) -> None:
    values: list[Any] = ["a", "b", "c", "B", 1, True, None, 2.5, {}]
    said = {"path": "x", "op": op} | ({} if op == "exists" else {"value": value})
    found = holds(said, *({"x": one} for one in values))
    assert [str(one) for one, true in zip(values, found, strict=True) if true] == [str(one) for one in fits]


def test_all_any_not() -> None:
    a, b = {"path": "x", "op": "==", "value": 1}, {"path": "y", "op": "==", "value": 1}
    events = [{"x": x, "y": y} for x in (0, 1) for y in (0, 1)]
    assert holds({"all": [a, b]}, *events) == [False, False, False, True]
    assert holds({"any": [a, b]}, *events) == [False, True, True, True]
    assert holds({"not": {"any": [a, b]}}, *events) == [True, False, False, False]


def test_times_are_compared_as_times() -> None:
    events: list[Any] = [{"event_time": datetime(2026, 1, day, tzinfo=UTC)} for day in (1, 2, 3)] + [{}]
    condition: Any = {"path": "event_time", "op": ">=", "value": "2026-01-02T01:00:00+01:00"}
    assert holds(condition, *events) == [False, True, True, False]
    condition = {"path": "event_time", "op": "in", "value": ["2026-01-03T00:00:00Z"]}
    assert holds(condition, *events) == [False, False, True, False]


SCALARS = st.none() | st.text(alphabet="ab*", max_size=3)
OPERANDS = st.text(alphabet="ab*", max_size=3)


@given(
    st.lists(SCALARS, min_size=1, max_size=8),
    st.one_of(
        st.tuples(st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "matches"]), OPERANDS),
        st.tuples(st.just("in"), st.lists(OPERANDS, min_size=1, max_size=3)),
    ),
)
def test_a_column_says_what_the_event_says(values: list[str | None], test: tuple[str, Any]) -> None:
    events = [{"tenant": value, "elsewhere": value} for value in values]
    op, value = test
    column = holds({"path": "tenant", "op": op, "value": value}, *events)
    assert column == holds({"path": "elsewhere", "op": op, "value": value}, *events)
    assert None not in column
    inverted = holds({"not": {"path": "tenant", "op": op, "value": value}}, *events)
    assert inverted == [not one for one in column]


def test_columns_that_are_not_text() -> None:
    events: Any = {"bot": True, "score": 2.0}, {"bot": False, "score": -1.0}, {}
    assert holds({"path": "bot", "op": "==", "value": True}, *events) == [True, False, False]
    assert holds({"path": "bot", "op": "!=", "value": True}, *events) == [False, True, True]
    assert holds({"path": "score", "op": "<", "value": 0}, *events) == [False, True, False]
    assert holds({"path": "score", "op": "==", "value": 2}, *events) == [True, False, False]


DEEP: Any = {"path": "x", "op": "exists"}
for _ in range(16):
    DEEP = {"not": DEEP}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ([], ": expected an object, found []"),
        ({"path": "x"}, ": op: expected one of == != < <= > >= in exists matches, found null"),
        ({"path": "x", "op": "="}, ': op: expected one of == != < <= > >= in exists matches, found "="'),
        ({"path": "x", "op": "==", "valu": 1}, ": valu is no key of a condition with == (did you mean value?)"),
        ({"path": "x", "op": "exists", "value": 1}, ": value is no key of a condition with exists, expected path, op"),
        ({"op": "exists"}, ": path: expected a column or a dotted path, found null"),
        ({"path": "a..b", "op": "exists"}, ': path: expected a column or a dotted path, found "a..b"'),
        ({"path": "x", "op": "=="}, ": value: expected text, a number, true or false, found null"),
        ({"path": "x", "op": "<", "value": True}, ": value: expected text or a number, found true"),
        ({"path": "x", "op": "in", "value": []}, ": value: expected a list of 1 to 1000 texts, numbers, true or false"),
        ({"path": "x", "op": "in", "value": [{}]}, ": value: expected a list of 1 to 1000 texts"),
        ({"path": "x", "op": "matches", "value": 1}, ": value: expected text with `*`, found 1"),
        ({"all": []}, ".all: expected a list of conditions, at least one, found []"),
        ({"any": [DEEP["not"]["not"], 1]}, ".any[1]: expected an object, found 1"),
        ({"not": {"all": [{"path": "x", "op": "in"}]}}, ".not.all[0]: value: expected a list"),
        ({"all": [DEEP], "op": "=="}, ": all stands alone, found"),
        (DEEP, ".not" * 16 + ": expected at most 16 levels"),
        ({"path": "tags", "op": "exists"}, ": path: the column tags holds more than one value, expected a plain one"),
        (
            {"path": "event_time", "op": ">", "value": "yesterday"},
            ': value: expected a comparison with a time, like 2026-01-31T00:00:00Z, found "yesterday"',
        ),
        ({"path": "event_time", "op": "matches", "value": "2026-*"}, ": value: expected a comparison with a time"),
    ],
)
def test_a_refusal_says_where_and_what(said: Any, message: str) -> None:
    with pytest.raises(ConditionError) as error:
        condition_of(said, ENVELOPE)
    assert str(error.value).startswith(message)
