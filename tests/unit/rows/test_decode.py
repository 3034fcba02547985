"""Records to events: one or many, and always the same whichever way they are read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.pipelines import record
from tailrace import settings
from tailrace.nouns import Reason, Record
from tailrace.rows import decode
from tailrace.rows.decode import Decoder, Events, Spoilt
from tailrace.schema.contract import Contract


def run(
    *bodies: bytes | object, known: tuple[str, ...] = (), limits: settings.Limits | None = None, **contract: Any
) -> tuple[Events, list[Spoilt]]:
    decoder = Decoder(Contract(settings.Contract(**contract)), limits or settings.Limits(), known)
    return decoder.decode([record(body, at) for at, body in enumerate(bodies)])


def places(events: Events) -> list[tuple[Any, int]]:
    return sorted(zip([value.get("n") for value in events.values], events.indexes, strict=True))


@pytest.mark.parametrize(
    "body",
    [
        [{"n": 1}, {"n": 2}, {"n": 3}],
        {"events": [{"n": 1}, {"n": 2}, {"n": 3}]},
        b'{"n":1}\n{"n":2}\n{"n":3}\n',
        b'\r\n{"n":1}\r\n\r\n {"n":2} \r\n{"n":3}',
        b' [ {"n":1} ,{"n" : 2},\n{"n":3}] ',
        b'{"\\u0065vents":[{"n":1},{"n":2},{"n":3}]}',
    ],
    ids=["array", "batch", "lines", "lines of windows", "spaces", "escaped key"],
)
def test_a_record_holds_many_events(body: bytes | object) -> None:
    events, spoilt = run(body, {"n": 9})
    assert places(events) == [(1, 0), (2, 1), (3, 2), (9, 0)]
    assert spoilt == []
    assert len(events.several) == 1


def test_what_is_around_a_batch_goes_with_its_events() -> None:
    events, _ = run({"sent": 5, "events": [{"n": 1}, {"n": 2}]}, {"events": [{"n": 3}]}, {"n": 4})
    around = {value["n"]: batch for value, batch in zip(events.values, events.batches, strict=True)}
    assert around == {1: {"sent": 5}, 2: {"sent": 5}, 3: None, 4: None}


@pytest.mark.parametrize(
    ("around", "keyword", "path"),
    [
        (b'"x":' + b"[" * 300 + b"]" * 300, "depth", "$"),
        (b'"x":' + b"[" * 64 + b"]" * 64, "depth", "$"),
        (b'"x":' + b"[" * 2000 + b"]" * 2000, "depth", "$"),
        (b",".join(b'"%d":0' % at for at in range(1001)), "properties", "$"),
        (b'"x":"' + b"x" * 2**20 + b'"', "size", "$"),
        (b'"x":123456789012345678901234567890', "integer_range", "$.x"),
        (b'"x":{"y":[1,1e999]}', "number_range", "$.x.y[1]"),
        (b'"x":NaN', "nan", "$.x"),
        (b'"x":"\xff"', "utf8", "$"),
        (b'"x":bad', "json", "$"),
        (b'"x":"\\ud800"', "json", "$"),
        (b'"\\ud800":1', "json", "$"),
        (b'"\\ud800":NaN', "nan", "$['\\ud800']"),
        (b"7", "json", "$"),
    ],
)
@pytest.mark.parametrize("form", [b'{%b,"events":[{"n":1},{"n":2}]}', b'{"events":[{"n":1},{"n":2}], %b}'])
def test_what_is_around_a_batch_has_the_limits_of_an_event(form: bytes, around: bytes, keyword: str, path: str) -> None:
    body = form % around
    events, spoilt = run(body, {"n": 9})
    assert places(events) == [(9, 0)]
    assert [(one.at, one.raw) for one in spoilt] == [(0, body)]
    reason = spoilt[0].reasons[0]
    assert (reason.stage, reason.keyword, reason.path) == ("parse", keyword, path)
    assert reason.message.startswith("around the events: found ")


def test_what_is_around_a_batch_may_reach_the_limits() -> None:
    around = {"deep": json.loads("[" * 63 + "]" * 63), "least": -(2**63), "most": 2**64 - 1}
    around |= {str(at): 0 for at in range(997)}
    events, spoilt = run({**around, "events": [{"n": 1}]})
    assert (events.batches, spoilt) == ([around], [])


def test_much_around_many_events_is_one_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "AROUND_BYTES_MAX", 100)
    heavy = json.dumps({"x": "y" * 20, "events": [{"n": n} for n in range(4)]}).encode()
    events, spoilt = run(heavy, {"x": "y" * 20, "events": [{"n": 9}]})
    assert places(events) == [(9, 0)]
    ((_, index, raw, (reason,), *_),) = spoilt
    assert (index, raw, reason.keyword) == (0, heavy, "events")
    assert reason.message.startswith("found 28 bytes around 4 events")


def test_around_a_batch_with_a_bad_member_numbers_stay_exact() -> None:
    events, _ = run(b'{"x":18446744073709551615,"events":[{"n":1},{"a":NaN}],"y":[]}')
    assert events.batches == [{"x": 2**64 - 1, "y": []}]


def test_a_known_event_with_a_list_named_events_is_no_batch() -> None:
    event = {"type": "upload", "events": [{"n": 1}]}
    assert run(event, known=("upload",))[0].values == [event]
    assert run(event)[0].values == [{"n": 1}]
    assert run(event, batch=())[0].values == [event]
    assert run({"events": {"n": 1}})[0].values == [{"events": {"n": 1}}]


@pytest.mark.parametrize("body", [b"[]", b'{"events":[]}', b"", b"  \n", b"[ \n ]"])
def test_no_event_is_one_reject(body: bytes) -> None:
    events, spoilt = run(body, {"n": 1})
    assert places(events) == [(1, 0)]
    assert [(one.at, one.raw, one.reasons[0][:2]) for one in spoilt] == [(0, body, ("decode", "empty"))]


@pytest.mark.parametrize(
    ("body", "raw", "keyword"),
    [
        (b'[{"n":1}, NaN ,{"n":3}]', b"NaN", "nan"),
        (b'[{"n":1},{"a":NaN},{"n":3}]', b'{"a":NaN}', "nan"),
        (b'[{"n":1},{"a":"\xff"},{"n":3}]', b'{"a":"\xff"}', "utf8"),
        (b'[{"n":1},{"a" 1},{"n":3}]', b'{"a" 1}', "json"),
        (b'[{"n":1}, 7 ,{"n":3}]', b"7", "event"),
        (b'[{"n":1},null,{"n":3}]', b"null", "event"),
        (b'[{"n":1},{"a":99999999999999999999},{"n":3}]', b'{"a":99999999999999999999}', "integer_range"),
        (b'{"events":[{"n":1},{"a":NaN},{"n":3}],"x":1}', b'{"a":NaN}', "nan"),
        (b'{"n":1}\n{"a":NaN}\n{"n":3}', b'{"a":NaN}', "nan"),
        (b'{"n":1}\nhello\n{"n":3}', b"hello", "json"),
        (b'[{"n":1},' + b'{"a":' * 70 + b"1" + b"}" * 70 + b',{"n":3}]', b'{"a":' * 70 + b"1" + b"}" * 70, "depth"),
    ],
)
def test_a_bad_member_spoils_itself_alone(body: bytes, raw: bytes, keyword: str) -> None:
    events, spoilt = run(body, {"n": 9})
    assert places(events) == [(1, 0), (3, 2), (9, 0)]
    assert [(one.at, one.raw, one.reasons[0].keyword) for one in spoilt] == [(1, raw, keyword)]


def test_a_pretty_printed_event_that_is_cut_off_is_one_reject() -> None:
    body = json.dumps({"a": 1, "b": {"c": {}}, "d": [{}]}, indent=1).encode()[:-2]
    assert [(one.at, one.raw) for one in run(body)[1]] == [(0, body)]


def test_an_array_that_is_cut_off_is_one_reject() -> None:
    body = b'[{"n":1},{"n":2},{"n"'
    events, spoilt = run(body)
    assert (events.values, [one.raw for one in spoilt]) == ([], [body])


def test_many_events_in_a_record_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "EVENTS_MAX", 3)
    events, spoilt = run([{"n": 1}] * 3, [{"n": 2}] * 4)
    assert [value["n"] for value in events.values] == [1, 1, 1]
    assert [one.reasons[0].keyword for one in spoilt] == ["events"]


def test_limits_are_those_of_an_event_not_of_its_record() -> None:
    limits = settings.Limits(event_bytes_max=60, depth_max=2, properties_max=3)
    small = {"n": 1, "a": {"b": 2}}
    events, spoilt = run([small] * 40, small, {"a": {"b": {}}}, {"a": 1, "b": 2, "c": 3, "d": 4}, limits=limits)
    assert len(events.values) == 41
    assert [one.reasons[0].keyword for one in spoilt] == ["depth", "properties"]


@pytest.mark.parametrize(
    ("body", "keyword"),
    [
        (b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", "depth"),
        (b'{"a":' + b"[" * 40 + b"\0" + b"[" * 40 + b"]" * 80 + b"}", "depth"),
        (b'{"a":\0' + b"12345678901234567890123" + b"}", "json"),
        (b'{"a":12345678901234567890123}', "integer_range"),
        (b"{" + b",".join(b'"%d":0' % at for at in range(1001)) + b"}", "properties"),
    ],
)
def test_one_odd_record_among_others_is_the_only_one(body: bytes, keyword: str) -> None:
    events, spoilt = run({"n": 1}, {"n": 2}, body, {"n": 3})
    assert places(events) == [(1, 0), (2, 0), (3, 0)]
    assert [(one.raw, one.reasons[0].keyword) for one in spoilt] == [(body, keyword)]


def test_brackets_and_colons_in_text_are_no_depth_and_no_members() -> None:
    limits = settings.Limits(depth_max=3, properties_max=3)
    events, spoilt = run({"n": "[" * 50 + ":" * 50 + "{" * 50}, limits=limits)
    assert (len(events.values), spoilt) == (1, [])


def test_members_are_cut_out_alike_on_both_ways() -> None:
    decoder = Decoder(Contract(settings.Contract()), settings.Limits(), ())
    body = b'{"x":[1],"events":[{"a":[1,{"b":"]"}]}, {"c":2}]}'
    assert decoder.split(body) == ([b'{"a":[1,{"b":"]"}]}', b'{"c":2}'], b'{"x":[1]}')


def test_a_fault_of_the_line_is_the_reject() -> None:
    fault = Reason("decode", "base64", "$", "found no base64")
    bad = Record(b"1234", "5", 0, 0, None, fault)
    decoder = Decoder(Contract(settings.Contract()), settings.Limits(), ())
    events, spoilt = decoder.decode([record({"n": 1}), bad])
    assert places(events) == [(1, 0)]
    assert spoilt == [Spoilt(bad, 0, b"1234", (fault,))]
