"""Masking. Rule: no value that somebody sent is on the screen; keys, structure and what was expected are."""

from __future__ import annotations

import json

import pytest

from support.pipelines import pipeline, record, rejected
from tailrace.cli import masking
from tailrace.nouns import Reason


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b'{"a":"Ada L.","n":[1,2.5,-3],"ok":true,"no":null,"in":{"b":""}}',
         '{"a":"•••(6)","n":["#","#","#"],"ok":true,"no":null,"in":{"b":"•••(0)"}}'),
        (b'{"n":NaN,"big":123456789012345678901234567890}', '{"n":"#","big":"#"}'),
        (b'"caf\xc3\xa9"', '"•••(4)"'),
        (b'{"\\ud800":"x"}', '{"\\\\ud800":"•••(1)"}'),
        (b"ada@example.org", "(15 bytes, no JSON)"),
        (b"\xff\xfe\x00", "(3 bytes, no JSON)"),
        (b"", "(0 bytes, no JSON)"),
        (b"[" * 100_000, "(100,000 bytes, no JSON)"),
    ],
)  # fmt: skip
def test_an_event_keeps_keys_and_structure(raw: bytes, shown: str) -> None:
    assert masking.event(raw) == shown


def test_what_is_very_deep_is_cut() -> None:
    shown = masking.event(b'{"a":' * 200 + b'"secret"' + b"}" * 200)
    assert shown.count("{") == masking.DEPTH_MAX + 1
    assert "secret" not in shown
    assert json.loads(shown)


@pytest.mark.parametrize(
    ("stage", "keyword", "message", "shown"),
    [
        ("schema", "type", 'found "12,50", expected a number', 'found "•••(5)", expected a number'),
        ("schema", "minimum", "found -12.5e3, expected at least 10", "found #, expected at least 10"),
        ("schema", "type", 'found "a, expected b" c", expected text', 'found "•••(16)", expected text'),
        ("schema", "pattern", 'found "x cut short', 'found "•••(11)"'),
        ("schema", "type", "found an object, expected text", "found an object, expected text"),
        ("schema", "required", 'found no member "path", expected one', 'found no member "path", expected one'),
        ("schema", "additionalProperties", 'found a member "x", expected y', 'found a member "x", expected y'),
        ("schema", "anyOf",
         'found text that fits none of 3 alternatives, alternative 1 is nearest: at $.a[0] found "Ada", expected 7',
         'found text that fits none of # alternatives, alternative # is nearest: at $.a[#] found "•••(3)", expected 7'),
        ("schema", "odd", 'found 3, expected what odd asks for ("Ada" is odd)', "found #, expected what odd"),
        ("schema", "type", '"Ada" is not of type "number"', "•••"),
        ("parse", "nan", "found NaN, expected a JSON number", "found NaN, expected a JSON number"),
        ("parse", "utf8", "found byte 0xe9 at offset 33, expected UTF-8", "found byte # at offset #, expected UTF-8"),
        ("decode", "line", "around the events: found 7 levels, expected at most 3",
         "around the events: found # levels, expected at most 3"),
        ("internal", "died", "two children died while they processed it", "two children died while they processed it"),
        ("internal", "KeyError", 'Traceback:\n  File "x.py", line 3, in f\n    f(a)\nKeyError: "Ada"',
         '•••\n  File "x.py", line 3, in f'),
    ],
)  # fmt: skip
def test_a_message_keeps_what_was_expected(stage: str, keyword: str, message: str, shown: str) -> None:
    assert masking.message(Reason(stage, keyword, "$", message)) == shown


def test_no_value_of_a_real_reject_is_in_its_masked_messages() -> None:
    secret = "Xq7w"
    made = pipeline()
    bodies = [
        {"eventType": "click", "path": [secret], "target": {"id": secret, "x": secret}},
        {"eventType": "click", "items": [{"qty": secret}], "tenant": {"x": secret}},
        {"eventType": "click", "timestamp": secret},
        {"event_type": "reading", "value": secret, "user_id": 12345},
        {"schema": "iglu:com.acme/order/jsonschema/1-0-0", "data": secret},
        f'{{"eventType":"click","path":"{secret}'.encode(),
    ]
    rows = rejected(made([record(body, at) for at, body in enumerate(bodies)]))
    reasons = [Reason(**one) for row in rows for one in row["reasons"]]
    assert len(rows) == len(bodies)
    assert any(secret in reason.message for reason in reasons)
    assert not any(secret in masking.message(reason) for reason in reasons)


def test_the_shape_is_the_same_for_events_that_are_wrong_alike() -> None:
    one = Reason("schema", "type", "$.items[3].qty", 'found "7", expected a whole number')
    two = Reason("schema", "type", "$.items[12].qty", 'found "a dozen", expected a whole number')
    assert masking.shape(one) == masking.shape(two) == ("$.items[*].qty", 'found "•••", expected a whole number')
    cut = [
        Reason(
            "parse", "json", "$", f"found no JSON: a comma is lacking, expected one: line {n} column 3{n} (char {n}0)"
        )
        for n in range(2)
    ]
    assert masking.shape(cut[0]) == masking.shape(cut[1])
    assert masking.shape(cut[0])[1].endswith("expected one: line # column # (char #)")
