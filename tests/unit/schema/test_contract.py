"""Where things stand in an event."""

from __future__ import annotations

import pytest

from tailrace import settings
from tailrace.nouns import Reason
from tailrace.schema.contract import Contract, Named, find, held_path, json_path, look, shown

CONTRACT = Contract(settings.Contract())


@pytest.mark.parametrize(
    ("event", "named"),
    [
        ({"eventType": "click", "path": "/"}, Named("click", None, enclosed=False)),
        ({"user_id": "u", "event_type": "reading"}, Named("reading", None, enclosed=False)),
        ({"name": "signup", "data": {}}, Named("signup", None, enclosed=False)),
        ({"event_type": None, "type": "a", "name": "b"}, Named("a", None, enclosed=False)),
        ({"type": "a", "schemaVersion": "2-0-1"}, Named("a", "2-0-1", enclosed=False)),
        ({"type": "a", "version": 2}, Named("a", "2", enclosed=False)),
        ({"schema": "iglu:com.acme/order/jsonschema/1-0-2", "data": {}}, Named("order", "1-0-2", enclosed=True)),
    ],
)
def test_every_shape_names_itself(event: dict[str, object], named: Named) -> None:
    assert CONTRACT.name(event) == named


@pytest.mark.parametrize(
    ("event", "keyword", "path", "found"),
    [
        ({}, "event_type", "$", "found no event type"),
        ({"type": ""}, "event_type", "$", "found no event type"),
        ({"type": 7}, "event_type", "$.type", "found 7"),
        ({"type": {"a": 1}}, "event_type", "$.type", "found an object"),
        ({"schema": "iglu:com.acme/order"}, "event_type", "$.schema", 'found "iglu:com.acme/order"'),
        ({"type": "a", "version": True}, "version", "$.version", "found true"),
        ({"type": "a", "version": 1.5}, "version", "$.version", "found 1.5"),
    ],
)
def test_what_names_nothing_has_a_reason(event: dict[str, object], keyword: str, path: str, found: str) -> None:
    reason = CONTRACT.name(event)
    assert isinstance(reason, Reason)
    assert (reason.stage, reason.keyword, reason.path) == ("contract", keyword, path)
    assert reason.message.startswith(found)


def test_dotted_paths_reach_inside_and_stop_at_what_is_no_object() -> None:
    seek = look((("meta", "tenant"), ("tenant",)))
    assert seek({"meta": {"tenant": "a"}, "tenant": "b"}) == "a"
    assert seek({"meta": {"tenant": None}, "tenant": "b"}) == "b"
    assert seek({"meta": "text", "tenant": "b"}) == "b"
    assert seek({"meta": [{"tenant": "c"}]}) is None
    assert find({"a": {"b": 0}}, ("a", "b")) == 0
    assert held_path({"meta": {"tenant": "a"}}, (("x",), ("meta", "tenant"))) == "$.meta.tenant"


def test_no_candidate_finds_nothing() -> None:
    assert look(())({"a": 1}) is None
    assert look((("a",),))({"a": 1}) == 1


def test_paths_and_values_can_be_written_whatever_they_hold() -> None:
    assert json_path(["a\ud800", "\\ud800", "é"]) == "$['a\\ud800']['\\\\ud800']['é']"
    assert shown("\udc00" * 100) == '"' + "\\udc00" * 80 + '... (100 characters)"'


def test_paths_and_values_are_shown_short() -> None:
    assert json_path(["a", 0, "b c", "it's"]) == "$.a[0]['b c']['it\\'s']"
    assert shown("x" * 500) == '"' + "x" * 80 + '... (500 characters)"'
    values: list[object] = [None, True, 1.5, [1], {}]
    assert [shown(value) for value in values] == ["null", "true", "1.5", "an array", "an object"]
