"""Hostile input: nothing raises, nothing vanishes, nothing hangs, and a reject keeps its bytes.

`FUZZ_EXAMPLES=20000 pytest tests/properties/test_fuzz.py` looks longer, and at larger records, than a run of all tests.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from properties.test_pipeline_laws import bodies, sound
from support.enriched import steps
from support.pipelines import SCHEMAS, closed, holds, pipeline, record, records, rejected, stored
from tailrace.nouns import Outcome, Redriven
from tailrace.rows.raw import KPL_MAGIC
from tailrace.rows.redriven import PREFIX, unwrapped, wrap
from tailrace.rows.treatment import Treatment, Verdict

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", settings().max_examples))
CPU_MOST_S = 5.0 if "FUZZ_EXAMPLES" in os.environ else 2.0  # a record; what is linear takes a fifth of it
SIZE = 1 << (20 if "FUZZ_EXAMPLES" in os.environ else 18)

ADDRESSED = closed(
    {
        "type": {"const": "seen"},
        "url": {"type": "string"},
        "referrer": {"type": ["string", "null"]},
        "userAgent": {"type": "string"},
        "ip": {"type": "string"},
        "tenant": {"type": "string"},
        "code": {"type": "string", "pattern": "^(a+)+$"},
        "when": {"type": "string", "format": "date-time"},
        "things": {
            "type": "array",
            "items": {"oneOf": [{"type": "integer"}, closed({"kind": {"const": "a"}, "n": {"type": "integer"}})]},
        },
    },
    ["type"],
)
FUZZED = {**SCHEMAS, ("seen", "1-0-0"): ADDRESSED, ("seen", "1-0-1"): ADDRESSED}


def treated(verdict: Verdict, **keys: Any) -> Callable[..., Outcome]:
    return pipeline(FUZZED, treatment=Treatment(lambda _type: verdict, steps()), **keys)


PIPES = {verdict: treated(verdict) for verdict in Verdict}
STORING = treated(Verdict.REJECT, unknown_types="store")

# ---- what comes

seen = st.builds(
    lambda members: {"type": "seen", **members},
    st.fixed_dictionaries(
        {},
        optional={
            "url": st.text(max_size=30)
            | st.sampled_from(["https://shop.example/a?utm_source=%ff&&=", "//[::1", "a:b"]),
            "referrer": st.none() | st.text(max_size=30) | st.just("https://www.google.com/search?q=\u2028"),
            "userAgent": st.text(max_size=30) | st.just("Mozilla/5.0 (compatible; Googlebot/2.1)"),
            "ip": st.text(max_size=12)
            | st.sampled_from(["192.0.2.7", "2001:db8::1", "::ffff:192.0.2.7", "1.2.3", "%"]),
            "tenant": st.sampled_from(["north", "south", "", "\u0000"]) | st.text(max_size=3),
            "version": st.sampled_from(["1-0-0", "1-0-1", "9-9-9", 1, None]),
            "things": st.lists(st.integers() | st.just({"kind": "a", "n": 1}) | st.just({"kind": "b"}), max_size=3),
            "when": st.sampled_from(["2026-01-31T08:00:00Z", "soon", 5]),
            "event_time": st.sampled_from(["2026-01-31T08:00:00Z", 0, -1, 1e300, "٣", "0001-01-01T00:00:00+23:59"]),
        },
    ),
)
whole = (sound | seen).map(lambda value: json.dumps(value).encode())
TOKENS = [
    b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"\\u", b"\\ud83d", b"\x00", b"\xff", b"\xed\xa0\x80",
    b"\xef\xbb\xbf", b"\n", b" ", b"NaN", b"-Infinity", b"1e999", b"-0", b"1" * 25, b"1.0", b'"type":"open",',
    b'"type":"click",',
    b'"events":[', b'"schema":"iglu:com.acme/order/jsonschema/1-0-0",', b'"data":{},', b"null", b"true", PREFIX,
    KPL_MAGIC, b"\xc3\x01", b"\x03\x00" + b"\x07" * 16, b"[" * 70, b'{"a":' * 70, b'"a":1,"a":2,', b"\xe2\x80\xa8",
]  # fmt: skip


def _mutated(body: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for at, length, what in changes:
        place = at % (len(body) + 1)
        body = body[:place] + what + body[place + length :]
    return body


changes = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 8), st.sampled_from(TOKENS) | st.binary(max_size=3)), max_size=4
)
mutated = st.builds(_mutated, whole, changes)
marks = st.builds(Redriven, st.text("0123456789abcdef", min_size=1, max_size=32), st.text(max_size=4))
sent_again = st.builds(wrap, marks, mutated | bodies)
headed = st.builds(
    lambda head, length, rest: head[:length] + rest,
    st.sampled_from(
        [b"\xc3\x01" + b"\x11" * 8, b"\x03\x00" + b"\x22" * 16, b"\x03\x05" + b"\x22" * 16 + b"x\x9c", KPL_MAGIC]
    ),
    st.integers(0, 30),
    st.binary(max_size=30) | whole,
)
anything = st.one_of(
    mutated, sent_again, st.builds(_mutated, sent_again, changes), headed, bodies, st.binary(max_size=60)
)

# ---- the laws


def places(outcome: Outcome) -> Counter[str]:
    return Counter(row["position"] for row in [*stored(outcome), *rejected(outcome)])


@settings(max_examples=EXAMPLES)
@given(st.lists(anything, min_size=1, max_size=4))
def test_every_event_is_accounted_for_once_whatever_its_verdict(found: list[bytes]) -> None:
    sent = records(*found)
    started = time.process_time()
    outcomes = {verdict: pipe(sent) for verdict, pipe in PIPES.items()}
    assert time.process_time() - started < CPU_MOST_S * len(found)
    known = {verdict: places(outcome) for verdict, outcome in outcomes.items()}
    strict = known[Verdict.REJECT]
    by_record: dict[str, list[int]] = {}
    for place, times in strict.items():
        sequence, sub, index = place.split("/")
        assert (sub, times) == ("0", 1)
        by_record.setdefault(sequence, []).append(int(index))
    assert {one.sequence for one in sent} == set(by_record)
    assert all(sorted(indexes) == list(range(len(indexes))) for indexes in by_record.values())
    assert known[Verdict.LENIENT] == strict
    for verdict, outcome in outcomes.items():
        holds(outcome)
        assert outcome.received == outcomes[Verdict.REJECT].received
        assert not known[verdict] - strict
        assert (strict - known[verdict]).total() == outcome.filtered == sum(outcome.filtered_by.values())


@settings(max_examples=EXAMPLES)
@given(st.lists(anything, min_size=1, max_size=3))
def test_a_reject_has_the_bytes_that_were_sent_and_reasons_that_can_be_read(found: list[bytes]) -> None:
    sent = {one.sequence: unwrapped(one).data for one in records(*found)}
    alone = Counter(place.split("/")[0] for place in places(PIPES[Verdict.REJECT](records(*found))))
    for pipe in (*PIPES.values(), STORING):
        for row in rejected(pipe(records(*found))):
            data = sent[row["position"].split("/")[0]]
            assert row["raw"] in data
            assert (
                alone[row["position"].split("/")[0]] > 1
                or row["raw"].strip() == data.strip()
                or data.strip()[:1] in b"[{"
            )
            for reason in row["reasons"]:
                assert "found" in reason["message"], reason
                assert "expected" in reason["message"], reason
                assert len(f"{reason['message']}{reason['path']}".splitlines()) == 1, reason


def _filled(unit: bytes, before: bytes = b"", after: bytes = b"", between: bytes = b"") -> bytes:
    count = (SIZE - len(before) - len(after)) // (len(unit) + len(between))
    return before + between.join([unit] * count) + after


def _numbered(unit: str, count: int) -> bytes:
    return ",".join([unit % at for at in range(count)]).encode()


CLICK, SEEN = b'{"eventType":"click","target":{"id":"a"},', b'{"type":"seen",'
WORST = {
    "brackets": _filled(b"["),
    "brackets that end": _filled(b"[") + _filled(b"]"),
    "braces": _filled(b'{"a":'),
    "quotation marks": _filled(b'"'),
    "backslashes": _filled(b"\\", b'{"type":"', b'"}'),
    "colons": _filled(b":"),
    "commas": _filled(b",", b"[", b"]"),
    "digits": _filled(b"1"),
    "a number of many digits": _filled(b"9", SEEN + b'"things":', b"}"),
    "huge numbers": _filled(b"9" * 20, SEEN + b'"things":[', b"]}", b","),
    "a long text": _filled(b"x", CLICK + b'"path":"', b'"}'),
    "a text of escapes": _filled(b"\\ud83d\\ude00", CLICK + b'"path":"', b'"}'),
    "lone surrogates": _filled(b"\\ud800", CLICK + b'"path":"', b'"}'),
    "line separators": _filled(b"\xe2\x80\xa8", CLICK + b'"path":"', b'"}'),
    "no UTF-8": _filled(b"\xe9", CLICK + b'"path":"', b'"}'),
    "blanks": _filled(b" "),
    "blanks before an event": _filled(b" ", after=b'{"type":"open"}'),
    "the same member": _filled(b'"a":1', CLICK, b"}", b","),
    "unknown members": CLICK + _numbered('"m%d":1', SIZE // 40) + b"}",
    "members without a sense": CLICK + _numbered('"eventTypo%d":1', SIZE // 40) + b"}",
    "a pattern that tempts to backtrack": _filled(b"a", SEEN + b'"code":"', b'b"}'),
    "a time of digits": _filled(b"1", CLICK + b'"timestamp":"', b'"}'),
    "a time of a long fraction": _filled(b"0", CLICK + b'"timestamp":"2026-01-31T08:00:00.', b'Z"}'),
    "a long tenant": _filled(b"t", SEEN + b'"tenant":"', b'"}'),
    "a long type": _filled(b"t", b'{"type":"', b'"}'),
    "a long iglu name": _filled(b"a/", b'{"schema":"iglu:', b'"}'),
    "a long user agent": _filled(b"(compatible; ", SEEN + b'"userAgent":"', b'"}'),
    "a long address": _filled(b"/%ff", SEEN + b'"url":"https://a.example', b'"}'),
    "a query of many parts": _filled(b"utm_source=1&", SEEN + b'"url":"https://a.example/?', b'"}'),
    "a host of many parts": _filled(b"a.", SEEN + b'"referrer":"https://', b'/"}'),
    "a long ip": _filled(b"1.", SEEN + b'"ip":"', b'"}'),
    "things of no kind": _filled(b'"x"', SEEN + b'"things":[', b"]}", b","),
    "things of the wrong kind": _filled(b'{"kind":"b"}', SEEN + b'"things":[', b"]}", b","),
    "events full of things of no kind": _filled(
        SEEN + b'"things":[' + b",".join([b'"x"'] * 400) + b"]}", b"[", b"]", b","
    ),
    "items that break their schema": _filled(b'{"qty":"x"}', CLICK + b'"items":[', b"]}", b","),
    "items no column can hold": _filled(b'{"qty":9223372036854775808}', CLICK + b'"items":[', b"]}", b","),
    "many events": _filled(b'{"type":"open"}', b"[", b"]", b","),
    "many bad events": _filled(b'{"type":"open","n":"x"}', b"[", b"]", b","),
    "many events of no type": _filled(b"{}", b"[", b"]", b","),
    "many events of odd types": b"[" + _numbered('{"type":%d}', SIZE // 20) + b"]",
    "many events of unknown types": b"[" + _numbered('{"type":"t%d"}', SIZE // 25) + b"]",
    "many events of unknown versions": b"[" + _numbered('{"type":"open","version":"%d"}', SIZE // 35) + b"]",
    "many lines": _filled(b'{"type":"open"}', between=b"\n"),
    "many broken lines": _filled(b'{"type":"open"}\n{"type"', between=b"\n"),
    "much around many events": b'{"x":"'
    + b"x" * 2000
    + b'",'
    + _filled(b'{"type":"open"}', b'"events":[', b"]}", b","),
    "one NaN among many events": _filled(b'{"type":"open"}', b'[{"n":NaN},', b"]", b","),
    "a mark, again and again": _filled(PREFIX),
    "a mark around nothing sound": _filled(b"e30=", PREFIX + b'"row_id":"a","event_id":"b"},"raw":"', b'"}'),
    "a mark around many events": wrap(Redriven("a", "b"), _filled(b'{"type":"open"}', b"[", b"]", b",")),
    "like Avro": _filled(b"\x02", b"\xc3\x01" + b"\x11" * 8),
    "like Glue's Avro": _filled(b"\x02", b"\x03\x00" + b"\x22" * 16),
    "like an aggregate": _filled(b"\x0a\x00", KPL_MAGIC),
}


@pytest.mark.parametrize(
    "pipe", [PIPES[Verdict.REJECT], PIPES[Verdict.LENIENT], STORING], ids=["reject", "lenient", "store"]
)
@pytest.mark.parametrize("body", WORST.values(), ids=WORST.keys())
def test_a_record_takes_bounded_time(body: bytes, pipe: Callable[..., Outcome]) -> None:
    started = time.process_time()
    outcome = pipe([record(body)])
    assert time.process_time() - started < CPU_MOST_S
    assert outcome.received == outcome.stored + outcome.rejected + outcome.filtered > 0
    raws = {row for part in outcome.rows if part.table.name == "quarantine" for row in part.batch["raw"].to_pylist()}
    data = unwrapped(record(body)).data
    assert len(raws) == 0 or max(map(len, raws)) <= len(data)


def test_the_cases_are_as_large_as_they_are_said_to_be() -> None:
    small = {name for name, body in WORST.items() if len(body) < SIZE // 16}
    assert small == set()
    assert len(base64.b64encode(max(WORST.values(), key=len))) < 3 * SIZE
