"""Masking, for any event: no text and no number that somebody sent is in what a screen shows of its reject."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from support.pipelines import pipeline, record, rejected
from tailrace.cli import masking
from tailrace.nouns import Reason

SECRET, NUMBER = "Xq7w", 73910264
PIPELINE = pipeline()

texts = st.builds(
    "{}{}{}".format, st.text(max_size=5), st.just(SECRET), st.sampled_from(["", '"', ", expected", " (3)"])
)
leaves = texts | st.just(NUMBER) | st.just(-NUMBER / 2**20) | st.booleans() | st.none()
names = st.sampled_from(("path", "target", "id", "x", "ratio", "items", "sku", "qty", "data", "odd one", "n", "value"))
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=8
)
kinds = st.sampled_from(
    (
        {"eventType": "click"},
        {"event_type": "reading"},
        {"type": "open"},
        {"name": "signup"},
        {"schema": "iglu:com.acme/order/jsonschema/1-0-0"},
    )
)
members = st.dictionaries(names | st.sampled_from(("timestamp", "user_id", "browser")), values, max_size=5)


def shown(row: dict[str, Any]) -> str:
    reasons = [Reason(**one) for one in row["reasons"]]
    return " ".join([masking.event(row["raw"]), *(part for one in reasons for part in masking.shape(one)[1:])])


@given(kinds, members, st.integers(0, 40))
def test_no_value_is_shown(kind: dict[str, str], more: dict[str, Any], cut: int) -> None:
    whole = orjson.dumps(kind | more)
    outcome = PIPELINE([record(whole), record(whole[: len(whole) - cut], 1), record(b"[" + whole + b"]", 2)])
    for row in rejected(outcome):
        said = shown(row)
        assert SECRET not in said
        assert str(NUMBER) not in said
        assert "70.487" not in said
