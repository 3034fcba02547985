"""Laws of the pipeline for whatever clients send: nothing vanishes or raises, chunks and replays change nothing."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.pipelines import holds, pipeline, record, rejected, stored
from tailrace.nouns import Outcome, Record
from tailrace.rows.pipeline import Pipeline

PIPELINES = {
    "quarantine": pipeline(limits={"event_bytes_max": 400, "depth_max": 6, "properties_max": 12}),
    "store": pipeline(unknown_types="store", tenant=("meta.tenant", "tenant"), user_id=("data.user", "user_id")),
}

numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=8) | st.sampled_from(["2025-10-09T08:00:00Z", "yesterday", "t" * 130, "../x", "1760000000"])
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)
KEYS = ["tenant", "timestamp", "eventId", "id", "version", "browser", "target", "items", "data", "events", "x", "meta"]
kinds = st.sampled_from(
    ["click", "reading", "signup", "open", "nope", "iglu:com.acme/order/jsonschema/1-0-0", "iglu:x", "", 7, None]
)
points = st.fixed_dictionaries({"id": st.text(max_size=3)}, optional={"x": numbers, "ratio": numbers})
members = st.dictionaries(
    st.sampled_from(KEYS), values | points | st.lists(st.fixed_dictionaries({"qty": numbers})), max_size=5
)
events = st.builds(
    lambda key, kind, rest: {key: kind, **rest},
    st.sampled_from(["eventType", "event_type", "type", "name", "schema"]),
    kinds,
    members,
)
sound = st.sampled_from(
    [
        {"eventType": "click", "timestamp": 1760000000, "target": {"id": "a", "x": 1}},
        {"event_type": "reading", "value": 1, "user_id": "u"},
        {"name": "signup", "data": {"a": [1]}},
        {"schema": "iglu:com.acme/order/jsonschema/1-0-0", "data": {"order_id": "o"}, "more": 1},
        {"type": "open", "n": 1, "free": {"a": 1}},
    ]
)


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


def _mangled(body: bytes, at: int, what: bytes) -> bytes:
    place = at % (len(body) + 1)
    return body[:place] + what + body[place + 1 :]


several = st.lists(sound | events | values, max_size=4)
json_bodies = st.one_of(
    (sound | events | values).map(_dumped),
    several.map(_dumped),
    several.map(lambda found: b"\n".join(map(_dumped, found))),
    st.builds(lambda found, around: _dumped({**around, "events": found}), several, members),
)
mangled = st.builds(
    _mangled,
    json_bodies,
    st.integers(0, 2000),
    st.sampled_from([b"", b'"', b"{", b"]", b"\n", b"\xff", b"NaN", b"[[[[[[[[", b"99999999999999999999", b"\\", b":"]),
)
bodies = st.one_of(st.binary(max_size=40), json_bodies, mangled, st.just(b"\xf3\x89\x9a\xc2") | st.just(b""))
which = pytest.mark.parametrize("pipe", PIPELINES.values(), ids=PIPELINES.keys())


def numbered(found: Sequence[bytes]) -> list[Record]:
    return [record(body, at) for at, body in enumerate(found)]


def everything(outcomes: Sequence[Outcome]) -> list[tuple[str, Any]]:
    return sorted((str(row["position"]), row) for outcome in outcomes for row in [*stored(outcome), *rejected(outcome)])


@which
@given(st.lists(bodies, max_size=6))
def test_nothing_vanishes_and_nothing_raises(pipe: Pipeline, found: list[bytes]) -> None:
    outcome = pipe(numbered(found))
    holds(outcome)
    places = [place for place, _ in everything([outcome])]
    assert len(set(places)) == len(places)
    assert {place.split("/")[0] for place in places} == {one.sequence for one in numbered(found)}


@which
@given(st.lists(bodies, max_size=6), st.lists(st.integers(0, 6), max_size=3))
def test_rows_do_not_depend_on_how_records_are_chunked(pipe: Pipeline, found: list[bytes], cuts: list[int]) -> None:
    all_records = numbered(found)
    ends = sorted({0, len(all_records), *(cut for cut in cuts if cut < len(all_records))})
    chunks = [all_records[start:end] for start, end in itertools.pairwise(ends)]
    whole, parts = pipe(all_records), [pipe(chunk) for chunk in chunks]
    assert everything([whole]) == everything(parts)
    assert whole.received == sum(part.received for part in parts)


@which
@given(st.lists(bodies, max_size=4))
def test_a_replay_gives_equal_rows(pipe: Pipeline, found: list[bytes]) -> None:
    first, second = pipe(numbered(found)), pipe(numbered(found))
    assert everything([first]) == everything([second])
    assert first.reasons == second.reasons


@which
@given(st.lists(events | sound, min_size=1, max_size=5))
def test_an_array_says_what_its_members_say_alone(pipe: Pipeline, found: list[Any]) -> None:
    """A batch changes positions, not verdicts; and each reject keeps its own bytes."""
    found = [event for event in found if not isinstance(event.get("events"), list)]  # those are batches by themselves
    alone = [pipe([record(_dumped(event))]) for event in found]
    outcome = pipe([record(b"[" + b" , ".join(map(_dumped, found)) + b"]")])
    assert outcome.received == max(1, len(found))
    if not found:
        return
    refused = {int(row["position"].split("/")[-1]): row for row in rejected(outcome)}
    assert {at for at, one in enumerate(alone) if one.rejected} == set(refused)
    for at, row in refused.items():
        assert row["raw"] == _dumped(found[at])
        assert row["reasons"] == rejected(alone[at])[0]["reasons"]


hostile_texts = st.text(st.characters(codec=None, categories=["Cs", "Ll", "Po"]), max_size=3)
hostile = st.recursive(
    hostile_texts | numbers | st.sampled_from([float("nan"), float("-inf"), 10**30, 1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hostile_texts, inner, max_size=3),
    max_leaves=8,
)
arounds = st.dictionaries(hostile_texts.map("_".__add__), hostile, min_size=1, max_size=4)


@which
@given(st.dictionaries(hostile_texts | st.sampled_from(KEYS), hostile, max_size=4), st.sampled_from([None, "1e999"]))
def test_lone_surrogates_are_rejects_like_others(pipe: Pipeline, event: dict[str, Any], number: str | None) -> None:
    body = _dumped({"type": "open", **event})
    body = body if number is None else body.replace(b"NaN", number.encode())
    for form in (body, b"[" + body + b"]", body + b"\n" + body, b'{"events":[' + body + b"]}"):
        outcome = pipe([record(form)])
        holds(outcome)
        for row in rejected(outcome):
            assert row["raw"] in form


@which
@given(arounds, st.integers(1, 3))
def test_what_is_around_a_list_is_judged_like_an_event(pipe: Pipeline, around: dict[str, Any], count: int) -> None:
    """All the events are stored and carry it, or the record is one reject with the reasons it would have alone."""
    body = json.dumps(around, separators=(",", ":")).encode()  # blanks between members do not count
    whole = body[:-1] + b', "events": [' + b",".join([b'{"type":"open"}'] * count) + b"]}"
    outcome, alone = pipe([record(whole)]), pipe([record(body)])
    holds(outcome)
    reasons = [reason for reason in rejected(alone)[0]["reasons"] if reason["stage"] == "parse"]
    if not reasons:
        extras = [orjson.loads(row["extra"])["$batch"] for row in stored(outcome)]
        assert extras == [orjson.loads(body)] * count
        return
    refused = rejected(outcome)
    assert (outcome.received, [row["raw"] for row in refused]) == (1, [whole])
    places = [(reason["keyword"], reason["path"]) for reason in refused[0]["reasons"]]
    assert places == [(reason["keyword"], reason["path"]) for reason in reasons]


@which
@given(sound | events)
def test_a_stored_event_can_be_put_together_again(pipe: Pipeline, event: dict[str, Any]) -> None:
    """Every scalar of a stored event stands somewhere in its row."""
    rows = stored(pipe([record(_dumped(event))]))
    if not rows or "events" in event:
        return
    text = orjson.dumps({key: str(value) for key, value in rows[0].items()}).decode()
    for leaf in _leaves(event):
        assert orjson.dumps(leaf).decode()[1:-1].replace("'", "") in text.replace("\\", "").replace("'", ""), leaf


def _leaves(value: Any, key: str = "") -> list[str]:
    """Return texts without odd characters: times and numbers have another form in their columns."""
    if isinstance(value, dict):
        return [leaf for name, below in value.items() for leaf in _leaves(below, name)]
    if isinstance(value, list):
        return [leaf for below in value for leaf in _leaves(below, key)]
    plain = isinstance(value, str) and value.isascii() and value.isalnum()
    return [value] if plain and key not in {"timestamp", "time", "ts", "event_time"} else []
