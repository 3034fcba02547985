"""Laws of verdicts: whatever comes, received == stored + rejected + filtered, and lenient rows keep every value."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from properties.test_pipeline_laws import _dumped, _leaves, bodies, events, everything, members, numbered, sound
from support.pipelines import TREATMENT, holds, pipeline, record, rejected, stored
from tailrace.rows.lenient import BENDABLE
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.treatment import verdicts
from tailrace.settings import Verdicts

TYPES = ("click", "reading", "signup", "open", "order")
choices = st.fixed_dictionaries({name: st.sampled_from(["reject", "lenient", "drop"]) for name in TYPES})
broken = st.builds(
    lambda base, more: {**base, **more},
    st.sampled_from(
        [{"eventType": "click", "target": {"id": "a", "x": 1}}, {"event_type": "reading"}, {"name": "signup"}]
    ),
    members,
)


def pipe_of(chosen: dict[str, str], **keys: Any) -> Pipeline:
    section = Verdicts(**{verdict: tuple(t for t in TYPES if chosen[t] == verdict) for verdict in ("lenient", "drop")})
    return pipeline(treatment=TREATMENT._replace(verdict=verdicts(section)), **keys)


LENIENT = pipe_of(dict.fromkeys(TYPES, "lenient"))
STRICT = pipe_of(dict.fromkeys(TYPES, "reject"))


@given(choices, st.sampled_from(["quarantine", "store", "drop"]), st.lists(bodies | broken.map(_dumped), max_size=6))
def test_every_event_is_stored_rejected_or_filtered(chosen: dict[str, str], unknown: str, found: list[bytes]) -> None:
    outcome = pipe_of(chosen, unknown_types=unknown)(numbered(found))
    holds(outcome)
    assert outcome.filtered == sum(outcome.filtered_by.values())
    assert outcome.received == STRICT(numbered(found)).received
    assert {why for _, why in outcome.filtered_by} <= {"schema", "unknown_type"}
    assert all(chosen[name] == "drop" for name, why in outcome.filtered_by if why == "schema")


@given(choices, st.lists(bodies | broken.map(_dumped), max_size=6))
def test_a_verdict_moves_only_events_that_break_their_schema(chosen: dict[str, str], found: list[bytes]) -> None:
    outcome, strict = pipe_of(chosen)(numbered(found)), STRICT(numbered(found))
    plain = [row for row in stored(outcome) if row["findings"] is None]
    assert [row["row_id"] for row in plain] == [row["row_id"] for row in stored(strict)]
    kept, before = {r["row_id"] for r in rejected(outcome)}, {r["row_id"]: r for r in rejected(strict)}
    found_in = {row["row_id"]: row for row in stored(outcome) if row["findings"] is not None}
    assert kept | found_in.keys() <= before.keys()
    assert len(before) == len(kept) + len(found_in) + outcome.filtered
    for name, row in found_in.items():
        assert json.loads(row["findings"]) == before[name]["reasons"]
    for name in before.keys() - kept:
        assert {reason["stage"] for reason in before[name]["reasons"]} <= BENDABLE
    types = Counter(before[name]["event_type"] for name in before.keys() - kept - found_in.keys())
    assert types == Counter({name: count for (name, _), count in outcome.filtered_by.items()})


@given(broken | sound | events)
def test_a_lenient_event_can_be_put_together_again(event: dict[str, Any]) -> None:
    rows = stored(LENIENT([record(_dumped(event))]))
    if not rows or "events" in event:
        return
    text = orjson.dumps({key: str(value) for key, value in rows[0].items()}).decode()
    for leaf in _leaves(event):
        assert orjson.dumps(leaf).decode()[1:-1].replace("'", "") in text.replace("\\", "").replace("'", ""), leaf


@given(st.lists(bodies | broken.map(_dumped), max_size=5), st.integers(0, 5))
def test_lenient_rows_do_not_depend_on_their_neighbours(found: list[bytes], at: int) -> None:
    every = numbered(found)
    whole, parts = LENIENT(every), [LENIENT(every[:at]), LENIENT(every[at:])]
    assert everything([whole]) == everything(parts)
