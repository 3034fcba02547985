"""What a hot route's options may say."""

from __future__ import annotations

from typing import Any

import pytest

from support.hot_rows import ARN, TOPIC
from tailrace.nouns import Destination
from tailrace.settings import SettingsError
from tailrace.sinks.hot.options import DAILY, Aggregate, Measure, fits, options_of

COUNT = {"n": {"op": "count"}}
PER_TYPE = {"name": "per_type", "key": ["tenant", "type"], "window": "hour", "measures": COUNT}
ALERT = {"name": "busy", "aggregate": "DAILY", "measure": "event_count", "threshold": 1000, "publish": TOPIC}


def refused(given: dict[str, Any], arn: str = ARN) -> str:
    with pytest.raises(SettingsError) as error:
        options_of(Destination("hot", "dynamodb", arn, given))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_nothing_said_is_events_profiles_and_days() -> None:
    found = options_of(Destination("hot", "dynamodb", ARN))
    assert (found.table, found.region, found.events, found.write_shards) == ("hot-events", "eu-west-1", ("*",), 8)
    assert [one.name for one in found.aggregates] == [DAILY]
    assert found.aggregates[0].ttl_s == 90 * 86_400


def test_what_is_said_is_understood() -> None:
    given = {
        "aggregates": [{**PER_TYPE, "types": ["view*"], "ttl_days": 0.5}],
        "alerts": [ALERT, {**ALERT, "name": "other", "aggregate": "per_type", "measure": "n", "threshold": 0.5}],
        "value": "price",
        "profile": {"predict": ["score", "model"]},
        "profile_ttl_days": 30,
        "events": [],
        "write_shards": 2,
        "ttl_days": 1,
    }
    found = options_of(Destination("hot", "dynamodb", ARN, given))
    measures = (Measure("n", "count"),)
    assert found.aggregates[0] == Aggregate("per_type", ("tenant", "type"), "hour", measures, ("view*",), 43_200)
    assert Measure("total_value", "sum", "price") in found.aggregates[1].measures
    assert [one.name for one in found.alerts] == ["busy", "other"]
    assert found.profile == {"predict": ("score", "model")}
    assert (found.ttl_s, found.profile_ttl_s, found.events) == (86_400, 30 * 86_400, ())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"agregates": []}, "options: agregates is no key here (did you mean aggregates?)"),
        ({"write_shards": 0}, "write_shards: expected 1 to 128, found 0"),
        ({"write_shards": True}, "write_shards: expected 1 to 128, found True"),
        ({"ttl_days": 0}, "ttl_days: expected more than 0"),
        ({"ttl_days": float("nan")}, "ttl_days: expected 0 (stays) to 36500 days, found nan"),
        ({"events": "view"}, "events: expected a list of event types, * for any characters, found 'view'"),
        ({"daily": "no"}, "daily: expected true or false, found 'no'"),
        ({"daily": False, "value": "price"}, "value: it is what a user's day adds up, but daily is false"),
        ({"aggregates": {}}, "aggregates: expected a list of at most 32, found {}"),
        ({"aggregates": [{}]}, "aggregate 1: name is missing"),
        ({"aggregates": [{**PER_TYPE, "name": "a#b"}]}, "aggregate 1: name: expected a letter"),
        ({"aggregates": [{**PER_TYPE, "name": "daily"}]}, "DAILY stands there twice (DAILY comes with the tier)"),
        ({"aggregates": [{**PER_TYPE, "window": "week"}]}, "window: expected one of minute, hour, day, all, found '"),
        ({"aggregates": [{**PER_TYPE, "window": []}]}, "window: expected one of minute, hour, day, all, found []"),
        ({"aggregates": [{**PER_TYPE, "key": ["user", "user_id"]}]}, "key: a column stands there twice: user, user_id"),
        ({"aggregates": [{**PER_TYPE, "key": [f"{'a' * 40}.{'b' * 40}"]}]}, "key: expected names of at most 64"),
        ({"aggregates": [{**PER_TYPE, "key": ["é" * 33]}]}, "key: expected names of at most 64 bytes"),
        ({"aggregates": [{**PER_TYPE, "key": [1]}]}, "key: expected the name of a column, a.b inside one, found 1"),
        ({"aggregates": [{**PER_TYPE, "measures": {}}]}, "measures: expected an object of 1 to 32, found {}"),
        ({"aggregates": [{**PER_TYPE, "measures": {"ttl": {"op": "count"}}}]}, "expected an attribute's name"),
        ({"aggregates": [{**PER_TYPE, "measures": {"x_at": {"op": "count"}}}]}, "not ending in _at"),
        ({"aggregates": [{**PER_TYPE, "measures": {"n": {"op": "avg"}}}]}, "op: expected one of count, sum, min, max"),
        ({"aggregates": [{**PER_TYPE, "measures": {"n": {"op": "sum"}}}]}, "of: sum needs a column"),
        ({"aggregates": [{**PER_TYPE, "window": "all", "ttl_days": 1}]}, "a window without an end does not expire"),
        ({"alerts": [{**ALERT, "aggregate": "nope"}]}, "aggregate: expected one of DAILY, found 'nope'"),
        ({"alerts": [{**ALERT, "measure": "last_event_type"}]}, "expected a count, sum, max of DAILY (event_count)"),
        ({"alerts": [{**ALERT, "threshold": "many"}]}, "threshold: expected a number, found 'many'"),
        ({"alerts": [{**ALERT, "threshold": float("inf")}]}, "threshold: expected a number, found inf"),
        ({"alerts": [{**ALERT, "publish": ARN}]}, "publish: expected the ARN of one of sns, sqs, kinesis"),
        ({"alerts": [ALERT, {**ALERT, "name": "Busy"}]}, "alerts 2 (Busy): another alert has this name already"),
        ({"profile": {"view": ["last_seen"]}}, "profile: view: expected an attribute's name"),
        ({"profile": {"view": ["score"], "buy": ["score"]}}, "profile: buy: score is set by view already"),
        ({"profiles": False, "profile": {"view": ["score"]}}, "it says what profiles hold, but profiles is false"),
        ({"profile": []}, "profile: expected an object: event type -> list of columns, found []"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_that_says_where(given: dict[str, Any], words: str) -> None:
    assert words in refused(given)


def test_the_arn_names_a_table() -> None:
    assert "expected arn:aws:dynamodb:<region>:<account>:table/<name>" in refused({}, "arn:aws:dynamodb:x:1:index/a")


def test_a_star_stands_for_any_characters_and_all_else_for_itself() -> None:
    says = fits(["page_*", "a.b", "x[1]"])
    assert [says(name) for name in ("page_view", "a.b", "aXb", "x[1]", "x1", "page")] == [
        True, True, False, True, False, False,
    ]  # fmt: skip
    assert not fits([])("")
