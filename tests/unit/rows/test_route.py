"""Routes: understood whole or refused, and what goes to the lake."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.pipelines import holds, pipeline, records, rejected, stored
from tailrace.nouns import Outcome
from tailrace.rows.route import RouteError, bucket_of, parsed, unknown_events
from tailrace.rows.treatment import Treatment, Verdict
from tailrace.schema.book import ENVELOPE

PLAIN = Treatment()
LAKE = {"destination_name": "lake", "destination_arn": "", "enabled_events": ["*"]}
EVENTS: tuple[Any, ...] = (
    {"eventType": "click", "tenant": "north", "target": {"id": "a", "x": 1}},
    {"eventType": "click", "tenant": "south", "target": {"id": "b", "x": 5}},
    {"event_type": "reading", "value": 2},
    {"name": "signup", "data": {"plan": "pro"}},
    {"eventType": "click", "wrong": 1},
)


def routed(*, treatment: Treatment = PLAIN, data: tuple[Any, ...] = EVENTS, **lake: Any) -> Outcome:
    routes = parsed(json.dumps([LAKE | lake]), "routes.json", ENVELOPE)
    outcome = pipeline(treatment=treatment._replace(routes=routes), unknown_types="store")(records(*data))
    holds(outcome)
    return outcome


def numbers(outcome: Outcome) -> list[int]:
    """Return which events were stored."""
    first = int(stored(pipeline()(records(EVENTS[0])))[0]["position"].partition("/")[0])
    return [int(row["position"].partition("/")[0]) - first for row in stored(outcome)]


@pytest.mark.parametrize(
    ("lake", "stays"),
    [
        ({}, [0, 1, 2, 3]),
        ({"enabled_events": ["click"]}, [0, 1]),
        ({"enabled_events": ["sign*", "reading"]}, [2, 3]),
        ({"enabled_events": ["nothing"]}, []),
        ({"tenants": ["north"]}, [0]),
        ({"tenants": ["n*"]}, [0, 2, 3]),
        ({"enabled": False}, []),
        (
            {"enabled_events": ["click"], "tenants": ["*"], "condition": {"path": "target.x", "op": ">", "value": 2}},
            [1],
        ),
        ({"condition": {"path": "data.plan", "op": "==", "value": "pro"}}, [3]),
        ({"condition": {"not": {"path": "event_type", "op": "==", "value": "click"}}}, [2, 3]),
    ],
)
def test_what_no_route_takes_is_filtered_and_counted(lake: dict[str, Any], stays: list[int]) -> None:
    outcome = routed(**lake)
    assert numbers(outcome) == stays
    assert (outcome.received, outcome.filtered) == (5, 4 - len(stays))
    assert len(rejected(outcome)) == 1
    assert sum(n for (_, why), n in outcome.filtered_by.items() if why == "route") == outcome.filtered


def test_what_is_filtered_is_counted_by_type() -> None:
    outcome = routed(enabled_events=["reading"])
    assert dict(outcome.filtered_by) == {("click", "route"): 2, ("signup", "route"): 1}


def test_lenient_rows_go_by_the_same_routes() -> None:
    lenient = Treatment(lambda _event_type: Verdict.LENIENT)
    outcome = routed(treatment=lenient, condition={"path": "wrong", "op": "exists"})
    assert numbers(outcome) == [4]
    assert (outcome.filtered, outcome.rejected) == (4, 0)


def test_types_outside_the_book_are_counted_without_a_name() -> None:
    outcome = routed(data=({"type": "odd"},), enabled_events=["click"])
    assert dict(outcome.filtered_by) == {("", "route"): 1}


def test_tables_without_a_row_are_left_out() -> None:
    assert [rows.table.name for rows in routed(enabled_events=["reading"]).rows] == ["reading/v1", "quarantine"]


def test_routes_by_name_and_their_digest() -> None:
    quarantine = {"destination_name": "quarantine", "destination_arn": "arn:aws:s3:::b", "enabled_events": ["*"]}
    firehose = {
        "destination_name": "out", "destination_arn": "arn:aws:firehose:eu-west-1:123456789012:deliverystream/x",
        "enabled_events": ["click"], "enabled": False,
    }  # fmt: skip
    routes = parsed(json.dumps([LAKE, quarantine, firehose]), "r", ENVELOPE)
    assert list(routes.by_name) == ["lake", "quarantine", "out"]
    assert bucket_of(routes.by_name["quarantine"]) == "b"
    assert bucket_of(routes.lake) == ""
    same = json.dumps([dict(reversed(LAKE.items())), quarantine, firehose], indent=3)
    assert parsed(same, "elsewhere", ENVELOPE).digest == routes.digest
    assert parsed(json.dumps([LAKE]), "r", ENVELOPE).digest != routes.digest


def test_patterns_that_no_type_fits_are_found() -> None:
    routes = parsed(json.dumps([LAKE | {"enabled_events": ["click", "clik", "sign*", "x*"]}]), "r", ENVELOPE)
    assert unknown_events(routes, ["click", "signup"]) == [("lake", "clik"), ("lake", "x*")]
    assert unknown_events(parsed(json.dumps([LAKE]), "r", ENVELOPE), []) == []


OUT = {"destination_name": "out", "destination_arn": "arn:aws:sqs:eu-west-1:123456789012:q", "enabled_events": ["*"]}


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ("{", "r.json: no JSON: "),
        ({}, "r.json: expected a list of 1 to 100 routes, found {}"),
        ([], "r.json: expected a list of 1 to 100 routes, found []"),
        ([1], "r.json: route 1: expected an object, found 1"),
        ([LAKE, {"destination_nam": "x"}], "r.json: route 2: destination_nam is no key of a route (did you mean dest"),
        ([LAKE | {"zzz": 1}], "r.json: route 1 (lake): zzz is no key of a route, expected one of: destination_name"),
        ([{"destination_name": "lake"}], "r.json: route 1 (lake): destination_arn is missing"),
        ([LAKE | {"destination_name": 1}], "r.json: route 1: destination_name: expected 1 to 64 of A-Z"),
        ([LAKE | {"enabled": 1}], "r.json: route 1 (lake): enabled: expected true or false, found 1"),
        (
            [LAKE | {"enabled_events": "*"}],
            "r.json: route 1 (lake): enabled_events: expected a list of texts, at least",
        ),
        ([LAKE | {"tenants": [1]}], "r.json: route 1 (lake): tenants: expected a list of texts, at least one"),
        ([LAKE | {"condition": {"op": "?"}}], "r.json: route 1 (lake): condition: op: expected one of == !="),
        ([LAKE, LAKE], "r.json: route 2 (lake): another route has this destination_name already"),
        ([LAKE | {"destination_arn": 1}], "r.json: route 1 (lake): destination_arn: expected an ARN, or empty text"),
        ([LAKE | {"destination_arn": "bucket"}], "r.json: route 1 (lake): destination_arn: expected an ARN, or empty"),
        (
            [LAKE | {"destination_arn": OUT["destination_arn"]}],
            "r.json: route 1 (lake): destination_arn: expected the ARN of a bucket, found",
        ),
        (
            [LAKE, OUT | {"destination_arn": ""}],
            'r.json: route 2 (out): destination_arn: expected an ARN, or https://..., found ""',
        ),
        (
            [LAKE, OUT | {"destination_arn": "arn:aws:glacier:eu-west-1:123456789012:x"}],
            'r.json: route 2 (out): destination_arn: found "glacier", expected one of dynamodb, ',
        ),
        (
            [LAKE | {"options": {"a": 1}}],
            'r.json: route 1 (lake): options: found {"a":1}, expected none: it is built in',
        ),
        ([LAKE, OUT | {"options": []}], "r.json: route 2 (out): options: expected an object, found []"),
        (
            [LAKE, LAKE | {"destination_name": "quarantine", "enabled_events": ["a*"]}],
            "r.json: route 2 (quarantine): quarantine takes everything: expected enabled_events ['*']",
        ),
        (
            [LAKE | {"destination_name": "quarantine"}],
            "r.json: no route has the destination_name 'lake': say which events are stored",
        ),
    ],
)
def test_a_refusal_names_the_route(listed: Any, message: str) -> None:
    text = listed if isinstance(listed, str) else json.dumps(listed)
    with pytest.raises(RouteError) as error:
        parsed(text, "r.json", ENVELOPE)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
