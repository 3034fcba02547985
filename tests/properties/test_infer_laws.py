"""A schema that was made from events takes every one of them, and so do its columns."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tailrace.rows.columns import build, misfits
from tailrace.schema.infer import Seen, inferred
from tailrace.schema.kinds import fields
from tailrace.schema.validate import compiled, judge

NAMES = st.sampled_from(["a", "b", "A", "", "kind", "é", "a.b"])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.integers(-3, 3),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=4),
    st.sampled_from(["2026-02-30", "2026-01-01", "2026-01-01T00:00:00Z", "::1", "10.0.0.1", "x@y.z", "paid", "open"]),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=10
)
EVENTS = st.lists(st.dictionaries(NAMES, VALUES, max_size=4), min_size=1, max_size=30)


@given(EVENTS, st.sampled_from([1, 40]))
def test_every_event_that_was_seen_is_valid_and_fits(events: list[dict[str, Any]], times: int) -> None:
    seen = Seen()
    for event in events * times:  # often enough for choices and formats
        seen.add(event)
    schema = inferred(seen, "kind", {"kind": "paid"}, {"a"})
    assert judge(compiled(schema), events) == {}
    columns = fields(schema, schema)
    assert [misfits(columns, event) for event in events] == [[]] * len(events)
    for field in columns:
        assert len(build(field.kind, [event.get(field.name) for event in events])) == len(events)
