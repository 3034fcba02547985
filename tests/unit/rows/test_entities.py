"""Things around an event that say what they are, and vendors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from support.pipelines import CLICK, IDENTITY, ORDER, closed, holds, pipeline, records, rejected, stored, why
from tailrace import settings
from tailrace.nouns import Outcome
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.treatment import Treatment, Verdict
from tailrace.schema.load import load_files
from tailrace.schema.validate import REASONS_MAX

PERSON = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}
PAGE = closed({"n": {"type": "integer"}}, ["n"])
VISIT = {"type": "object", "required": ["type"], "properties": {"type": {"const": "visit"}, "n": {"type": "integer"}}}
FILES: Mapping[str, Any] = {
    "com.acme/person/jsonschema/1-0-0": PERSON,
    "com.acme/person/jsonschema/2-0-0": {**PERSON, "properties": {"id": {"type": "string"}}},
    "com.acme/page/jsonschema/1-0-0": PAGE,
    "visit/1-0-0.json": VISIT,
    "told/1-0-0.json": closed({"type": {"const": "told"}, "contexts": {"type": "array"}}),
    "click/1-0-0.json": CLICK,
    "order/1-0-0.json": ORDER,
}
WRAPPER = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1"


def pipe(treatment: Treatment | None = None, **contract: Any) -> Pipeline:
    section = settings.Contract(**contract)
    book = load_files({path: orjson.dumps(schema) for path, schema in FILES.items()}, section, origin="book")
    return Pipeline(section, book, settings.Limits(), IDENTITY, treatment or Treatment())


def person(identity: object = 7, version: str = "1-0-0") -> dict[str, Any]:
    return {"schema": f"iglu:com.acme/person/jsonschema/{version}", "data": {"id": identity}}


def visit(**members: Any) -> dict[str, Any]:
    return {"type": "visit", **members}


def run(*events: object, **contract: Any) -> Outcome:
    outcome = pipe(**contract)(records(*events))
    holds(outcome)
    return outcome


def held(outcome: Outcome) -> list[tuple[Any, Any]]:
    """Return (entities, extra) of each row."""
    return [(value(row["entities"]), value(row["extra"])) for row in stored(outcome)]


def value(text: str | None) -> Any:
    return None if text is None else json.loads(text)


@pytest.mark.parametrize(
    ("value", "entities", "extra"),
    [
        ([person(), person("x", "2-0-0")], [person(), person("x", "2-0-0")], None),
        (person(), [person()], None),
        ({"schema": WRAPPER, "data": [person()]}, [person()], {"contexts": {"schema": WRAPPER}}),
        ({"schema": WRAPPER, "data": []}, [], {"contexts": {"schema": WRAPPER}}),
    ],
    ids=["an array", "one", "a wrapper", "an empty wrapper"],
)
def test_they_stand_in_a_column_of_their_own_and_nowhere_else(value: object, entities: object, extra: object) -> None:
    assert held(run(visit(contexts=value))) == [(entities, extra)]


@pytest.mark.parametrize(
    "value", [[], [1], {"schema": 7}, {"schema": "v1", "data": 1}, "iglu:a/b/jsonschema/1-0-0", None]
)
def test_other_values_at_their_place_are_members_like_all_others(value: object) -> None:
    assert held(run(visit(contexts=value))) == [(None, {"contexts": value})]


def test_the_place_is_the_contracts_and_the_first_that_holds_any() -> None:
    assert held(run(visit(context={"a": 1}, entities=[person()]))) == [([person()], {"context": {"a": 1}})]
    deep = visit(meta={"around": [person()]}, contexts=[1])
    assert held(run(deep, entities=("meta.around",))) == [
        ([person()], {"meta": {"around": [person()]}, "contexts": [1]})
    ]


def test_a_member_that_the_schema_declares_stays_a_column_too() -> None:
    row = stored(run({"type": "told", "contexts": [person()]}))[0]
    assert (json.loads(row["entities"]), json.loads(row["contexts"])) == ([person()], [person()])
    assert row["extra"] is None


@pytest.mark.parametrize(
    ("contexts", "keyword", "path", "message"),
    [
        ([person(), person("x")], "type", "$.contexts[1].data.id", "expected a whole number"),
        (person(None), "type", "$.contexts.data.id", "expected a whole number"),
        ({"schema": WRAPPER, "data": [person("x")]}, "type", "$.contexts.data[0].data.id", "expected a whole number"),
        ([{"schema": person()["schema"]}], "required", "$.contexts[0]", "found no data, expected self-describing data"),
        ([person(), 7], "entity", "$.contexts[1]", "found 7, expected self-describing data"),
        ([person(7, "3-0-0")], "entity", "$.contexts[0].schema", "expected one of its versions: 1-0-0, 2-0-0"),
        (
            [{"schema": "iglu:a/b/c"}],
            "entity",
            "$.contexts[0].schema",
            'found "iglu:a/b/c", expected iglu:<vendor>/<name>',
        ),
        (
            [{"schema": "iglu:org.none/person/jsonschema/1-0-0", "data": {}}],
            "entity",
            "$.contexts[0].schema",
            'found "iglu:org.none/person/jsonschema/1-0-0", expected one with a schema in the book',
        ),
    ],
)
def test_one_that_breaks_its_schema_breaks_the_events(contexts: object, keyword: str, path: str, message: str) -> None:
    outcome = run(visit(contexts=contexts), visit(n=1))
    assert why(outcome) == [("schema", keyword, path)]
    assert message in rejected(outcome)[0]["message"]
    assert [row["n"] for row in stored(outcome)] == [1]


def test_all_reasons_are_told_the_events_own_first() -> None:
    outcome = run(visit(n="x", contexts=[person("a"), person("b")]))
    paths = [reason["path"] for reason in rejected(outcome)[0]["reasons"]]
    assert paths == ["$.n", "$.contexts[0].data.id", "$.contexts[1].data.id"]
    many = run(visit(contexts=[person("x")] * (REASONS_MAX + 10)))
    assert len(rejected(many)[0]["reasons"]) == REASONS_MAX


def test_around_a_self_describing_event_and_in_it() -> None:
    uri = "iglu:com.acme/person/jsonschema/1-0-0"
    outer = {"schema": uri, "data": {"id": 1, "contexts": [person(3)]}, "contexts": [person(2)]}
    inner = {"schema": uri, "data": {"id": 1, "contexts": [person(3)]}, "contexts": []}
    bad = {"schema": uri, "data": {"id": 1, "contexts": [person("x")]}}
    outcome = run(outer, inner, bad)
    assert held(outcome) == [
        ([person(2)], {"contexts": [person(3)], "$event": {"schema": uri}}),
        ([person(3)], {"$event": {"schema": uri, "contexts": []}}),
    ]
    assert why(outcome) == [("schema", "type", "$.data.contexts[0].data.id")]


def test_unknown_ones_are_kept_where_unknown_types_are() -> None:
    unknown = {"schema": "iglu:org.none/x/jsonschema/1-0-0", "data": 1}
    assert held(run(visit(contexts=[unknown]), unknown_types="store")) == [([unknown], None)]
    assert run(visit(contexts=[person("x")]), unknown_types="store").rejected == 1


@pytest.mark.parametrize(("verdict", "kept"), [(Verdict.LENIENT, 1), (Verdict.DROP, 0)])
def test_the_types_verdict_is_for_them_too(verdict: Verdict, kept: int) -> None:
    outcome = pipe(Treatment(lambda _type: verdict))(records(visit(contexts=[person("x")])))
    holds(outcome)
    assert (outcome.stored, outcome.filtered) == (kept, 1 - kept)
    assert [json.loads(row["findings"])[0]["path"] for row in stored(outcome)] == ["$.contexts[0].data.id"] * kept


def test_what_is_masked_is_masked_in_them() -> None:
    def mask(event: dict[str, Any]) -> dict[str, Any]:
        return {**event, "contexts": [{**one, "data": {"id": 0}} for one in event["contexts"]]}

    outcome = pipe(Treatment(mask=mask))(records(visit(contexts=[person()])))
    assert held(outcome) == [([person(0)], None)]


# ---- vendors


@pytest.mark.parametrize(
    ("uri", "table"),
    [
        ("iglu:com.acme/page/jsonschema/1-0-0", "com.acme.page/v1"),
        ("iglu:com.acme/person/jsonschema/2-0-0", "com.acme.person/v2"),
        ("iglu:com.acme/order/jsonschema/1-0-0", "order/v1"),
        ("iglu:org.any/visit/jsonschema/1-0-0", "visit/v1"),
    ],
)
def test_a_vendors_name_is_his_type_or_a_flat_one_that_is_his_or_anyones(uri: str, table: str) -> None:
    data = {"n": 1, "id": "x", "order_id": "o", "type": "visit"}
    names = {"com.acme.page/v1": ["n"], "order/v1": ["order_id"]}.get(table, ["id", "type"])
    outcome = run({"schema": uri, "data": {name: data[name] for name in names}}, event_type=("schema",))
    assert [part.table.name for part in outcome.rows] == [table]
    assert stored(outcome)[0]["event_type"] == table.rpartition("/")[0]


def test_an_unknown_vendor_is_told_who_has_that_name() -> None:
    outcome = run({"schema": "iglu:org.evil/order/jsonschema/1-0-0", "data": {"order_id": "1"}})
    assert why(outcome) == [("contract", "unknown_type", "$.schema")]
    row = rejected(outcome)[0]
    assert row["event_type"] == "org.evil.order"
    assert row["message"] == (
        'found "org.evil.order", expected an event type with a schema (that name is known of: com.acme)'
    )
    assert outcome.reasons == {("", "contract", "unknown_type"): 1}


def test_a_vendors_type_may_be_named_without_an_uri() -> None:
    outcome = run({"type": "com.acme.person", "version": "2-0-0", "id": "x"})
    assert [part.table.name for part in outcome.rows] == ["com.acme.person/v2"]


def test_events_without_any_are_not_looked_at_twice() -> None:
    """A closed schema that declares no such member has no event with one: nothing is looked for."""
    outcome = pipeline()(records({"eventType": "click", "contexts": [person()]}))
    assert why(outcome) == [("schema", "additionalProperties", "$.contexts")]
