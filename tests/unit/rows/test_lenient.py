"""Events that break their schema: stored with findings where the settings say so, dropped and counted, or rejected."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.pipelines import (
    SCHEMAS,
    TREATMENT,
    closed,
    holds,
    pipeline,
    records,
    rejected,
    stored,
    why,
)
from tailrace.nouns import Outcome, Reason
from tailrace.rows.lenient import HIDDEN, findings, unfit
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.treatment import verdicts
from tailrace.schema.kinds import fields
from tailrace.settings import Verdicts

STR, INT = {"type": "string"}, {"type": "integer"}
NESTED = closed(
    {
        "type": {"const": "nested"},
        "n": INT,
        "inner": closed({"a": INT, "b": closed({"c": STR}, ["c"])}, ["a"]),
        "list": {"type": "array", "items": closed({"x": INT}, ["x"])},
        "free": {"type": "object"},
        "flag": {"type": "boolean"},
        "user_id": STR,
    },
    ["type", "n"],
)
ALL = {**SCHEMAS, ("nested", "1-0-0"): NESTED}


def lenient(**more: Any) -> Pipeline:
    treatment = TREATMENT._replace(verdict=verdicts(Verdicts(lenient=("*",))), **more)
    return pipeline(ALL, treatment=treatment)


def ran(pipe: Pipeline, *bodies: Any) -> Outcome:
    outcome = pipe(records(*bodies))
    holds(outcome)
    return outcome


def row_of(*bodies: Any, **more: Any) -> dict[str, Any]:
    (row,) = stored(ran(lenient(**more), *bodies))
    return row


def found(row: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["stage"], one["keyword"], one["path"]) for one in json.loads(row["findings"])]


def test_an_event_without_a_required_member_is_stored_and_says_so() -> None:
    row = row_of({"event_type": "reading", "user_id": "u", "timestamp": 1_760_000_000})
    assert (row["value"], row["user_id"], row["extra"], row["event_time"].year) == (None, "u", None, 2025)
    assert found(row) == [("schema", "required", "$.value")]


def test_findings_have_the_form_of_the_quarantines_reasons() -> None:
    event = {"event_type": "reading", "value": "high", "timestamp": "now"}
    broken = {**event, "timestamp": 1.5}
    (reject,) = rejected(ran(pipeline(ALL), broken))
    assert json.loads(row_of(broken)["findings"]) == reject["reasons"]


def test_a_value_of_another_type_stands_in_extra_and_its_column_is_null() -> None:
    row = row_of({"event_type": "reading", "value": "high", "user_id": "u"})
    assert (row["value"], json.loads(row["extra"])) == (None, {"value": "high"})


def test_a_member_that_the_schema_does_not_know_is_kept() -> None:
    row = row_of({"event_type": "reading", "value": 1, "unit": {"name": "K"}, "tenant": "north"})
    assert (row["value"], json.loads(row["extra"])) == (1.0, {"unit": {"name": "K"}})
    assert row["tenant"] == "north", "what an event says of itself counts though its schema does not know it"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("inner", {"a": "x"}),
        ("inner", {"a": 1, "more": 2}),
        ("inner", {"a": 1, "b": {"c": 5}}),
        ("inner", {"a": 1, "b": {"c": "x", "d": None}}),
        ("inner", [1]),
        ("list", [{"x": 1}, {"x": 1, "y": 2}]),
        ("list", [{"x": 1}, "x"]),
        ("list", {"x": 1}),
        ("n", 2**63),
        ("n", 1.5),
        ("n", True),
        ("free", None),
        ("flag", "yes"),
    ],
)
def test_a_member_is_in_its_column_whole_or_in_extra_whole(member: str, value: Any) -> None:
    row = row_of({"type": "nested", "n": 1, "flag": "odd", "extra": 1, member: value})
    kept = json.loads(row["extra"])
    assert row[member] is None
    assert kept.pop(member, None) == value
    kept.pop("flag", None)
    assert kept == {"extra": 1}


def test_what_fits_stays_typed_though_a_required_member_below_is_missing() -> None:
    row = row_of({"type": "nested", "inner": {"b": {}}, "list": [{}, None], "n": 2.0})
    assert (row["inner"], row["n"]) == ({"a": None, "b": {"c": None}}, 2)
    assert (row["list"], row["extra"]) == ([{"x": None}, None], None)


def test_a_number_no_column_holds_is_lenient_too() -> None:
    row = row_of({"type": "open", "n": 2**63})
    assert found(row) == [("columns", "integer_range", "$.n")]
    assert (row["n"], json.loads(row["extra"])) == (None, {"n": 2**63})


def test_sound_events_beside_it_find_nothing() -> None:
    rows = stored(ran(lenient(), {"event_type": "reading", "value": 1}, {"event_type": "reading"}))
    assert [row["findings"] is None for row in rows] == [True, False]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"eventType": "click", "tenant": 4, "path": 1}, ("contract", "tenant", "$.tenant")),
        ({"event_type": "reading", "timestamp": "yesterday"}, ("contract", "time", "$.timestamp")),
        ({"event_type": "nobody"}, ("contract", "unknown_type", "$.event_type")),
        (b'{"event_type": "reading", "value": NaN}', ("parse", "nan", "$.value")),
    ],
)
def test_what_breaks_more_than_its_schema_is_rejected(event: Any, reason: tuple[str, str, str]) -> None:
    for section in (Verdicts(lenient=("*",)), Verdicts(drop=("*",))):
        outcome = ran(pipeline(ALL, treatment=TREATMENT._replace(verdict=verdicts(section))), event)
        assert (outcome.stored, outcome.filtered) == (0, 0)
        assert reason in why(outcome)


def test_a_member_beyond_the_schema_that_breaks_the_contract_is_told_first() -> None:
    (reject,) = rejected(ran(lenient(), {"event_type": "reading", "tenant": 4}))
    assert reject["reasons"][0]["path"] == "$.tenant"
    assert [one["stage"] for one in reject["reasons"]][:2] == ["contract", "schema"]


def test_a_payload_is_kept_and_so_is_what_is_around_it() -> None:
    uri = "iglu:com.acme/order/jsonschema/1-0-0"
    row = row_of({"schema": uri, "data": {"order_id": 5, "total": 2}, "trace": 1})
    assert (row["order_id"], row["total"]) == (None, 2.0)
    assert json.loads(row["extra"]) == {"order_id": 5, "$event": {"schema": uri, "trace": 1}}
    assert found(row) == [("schema", "type", "$.data.order_id")]


def test_what_is_around_a_list_goes_with_its_lenient_events() -> None:
    row = row_of({"events": [{"event_type": "reading"}], "sdk": "1"})
    assert json.loads(row["extra"]) == {"$batch": {"sdk": "1"}}


def test_dropped_events_are_counted_by_type_and_why() -> None:
    treatment = TREATMENT._replace(verdict=verdicts(Verdicts(drop=("reading",))))
    outcome = ran(
        pipeline(ALL, treatment=treatment),
        {"event_type": "reading"},
        {"event_type": "reading", "value": 1},
        {"name": "signup"},
    )
    assert (outcome.received, outcome.stored, outcome.rejected, outcome.filtered) == (3, 1, 1, 1)
    assert outcome.filtered_by == {("reading", "schema"): 1}


def test_unknown_types_can_be_dropped() -> None:
    outcome = ran(pipeline(unknown_types="drop"), {"type": "nope"}, {"type": "nope"}, {"type": "open", "version": "9"})
    assert outcome.filtered_by == {("", "unknown_type"): 2}
    assert why(outcome) == [("contract", "version", "$.version")]


# ---- what is kept secret


def masked(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "user_id": "0123"} if "user_id" in event else event


def test_findings_do_not_show_what_a_mask_hides() -> None:
    schemas = {("reading", "1-0-0"): closed({"event_type": STR, "user_id": {"enum": ["a"]}, "value": INT}, ["value"])}
    treatment = TREATMENT._replace(verdict=verdicts(Verdicts(lenient=("*",))), mask=masked)
    pipe = pipeline(schemas, treatment=treatment)
    (row,) = stored(ran(pipe, {"event_type": "reading", "user_id": "ada@example.org", "value": "x"}))
    assert "ada" not in json.dumps({name: str(value) for name, value in row.items()})
    by_path = {one["path"]: one["message"] for one in json.loads(row["findings"])}
    assert by_path["$.user_id"] == HIDDEN
    assert "x" in by_path["$.value"]


def test_a_finding_about_the_whole_is_hidden_when_a_part_is_secret() -> None:
    before, after = {"a": {"b": ["secret", 1]}, "c": 1}, {"a": {"b": ["***", 1]}, "c": 1}
    reasons = [
        Reason("schema", "minProperties", "$", "secret"),
        Reason("schema", "required", "$", "`d` is missing"),
        Reason("schema", "maxItems", "$.a.b", "secret"),
        Reason("schema", "type", "$.a.b[1]", "found 1"),
        Reason("schema", "type", "$.a2", "other"),
    ]
    told = [one["message"] for one in json.loads(findings(reasons, [("$", before, after)]))]
    assert told == [HIDDEN, "`d` is missing", HIDDEN, "found 1", "other"]
    assert HIDDEN not in findings(reasons, [("$", before, before)])
    assert HIDDEN in findings([Reason("schema", "type", "$.c.v4", "secret")], [("$", {"c": {"v4": 1}}, {"c": None})])
    outside = [Reason("schema", "type", "$.data.a.b[0]", "secret")]
    assert HIDDEN in findings(outside, [("$.data", before, after)])


def test_what_is_around_a_self_describing_event_is_hidden_too() -> None:
    thing = closed({"mail": {"type": "string", "pattern": "^a"}})
    schemas = {("com.acme.person", "1-0-0"): thing, ("com.acme.order", "1-0-0"): closed({"id": STR})}

    def mask(event: dict[str, Any]) -> dict[str, Any]:
        around = {"contexts": [{**one, "data": {"mail": "0123"}} for one in event.get("contexts", ())]}
        return event | (around if "contexts" in event else {})

    treatment = TREATMENT._replace(verdict=verdicts(Verdicts(lenient=("*",))), mask=mask)
    person = {"schema": "iglu:com.acme/person/jsonschema/1-0-0", "data": {"mail": "tom@example.org"}}
    order = {"schema": "iglu:com.acme/order/jsonschema/1-0-0", "data": {"id": 1}, "contexts": [person]}
    (row,) = stored(ran(pipeline(schemas, treatment=treatment), order))
    assert found(row) == [("schema", "type", "$.data.id"), ("schema", "pattern", "$.contexts[0].data.mail")]
    assert json.loads(row["findings"])[1]["message"] == HIDDEN
    assert "tom@" not in str(row)


def test_unfit_members_are_named() -> None:
    known = fields(NESTED, NESTED)
    event = {"type": "nested", "n": "1", "inner": {"a": 1, "z": 1}, "list": None, "free": {"k": 1}, "other": 1}
    assert unfit(known, event) == {"n", "inner"}
