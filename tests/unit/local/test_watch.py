"""Watching. Rule: what is waited for is named, and the numbers are those of /metrics."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from local.consumer import Numbers, parse
from local.demo import excerpt
from local.process import NotComeTogetherError
from local.readback import Reason
from local.screen import Screen
from local.watch import QUIET_MAX_S, Tally, line, lines, wait_until, waiting_for

PAGE = """\
# TYPE tailrace_daemon_up gauge
tailrace_daemon_up 1.0
# TYPE tailrace_leases_held gauge
tailrace_leases_held 2.0
# TYPE tailrace_jvm_restarts_total counter
tailrace_jvm_restarts_total 1.0
# TYPE tailrace_records_total counter
tailrace_records_total{shard="a"} 10.0
tailrace_records_total{shard="b"} 5.0
# TYPE tailrace_events_received_total counter
tailrace_events_received_total{lane="lake",shard="a"} 9.0
# TYPE tailrace_events_stored_total counter
tailrace_events_stored_total{lane="lake",shard="a"} 7.0
# TYPE tailrace_events_rejected_total counter
tailrace_events_rejected_total{lane="lake",shard="a"} 2.0
# TYPE tailrace_behind_seconds gauge
tailrace_behind_seconds{shard="a"} 0.5
tailrace_behind_seconds{shard="b"} 0.0
# TYPE tailrace_arrival_lag_seconds gauge
tailrace_arrival_lag_seconds{shard="a"} 1.5
# TYPE tailrace_edition_timestamp_seconds gauge
tailrace_edition_timestamp_seconds{shard="a"} 170.5
tailrace_edition_timestamp_seconds{shard="b"} 160.5
# TYPE tailrace_rejects_total counter
tailrace_rejects_total{keyword="json",stage="parse",type=""} 1.0
tailrace_rejects_total{keyword="type",stage="schema",type="click"} 1.0
tailrace_rejects_total{keyword="type",stage="schema",type="scroll"} 2.0
"""


def test_a_page_is_added_up_over_shards() -> None:
    assert parse(PAGE).lag_s == 1.5
    assert parse(PAGE) == Numbers(
        up=True,
        daemon=True,
        leases=2,
        records=15,
        received=9,
        stored=7,
        rejected=2,
        lag_s=1.5,
        restarts=1,
        reasons=Counter({("schema", "type"): 3, ("parse", "json"): 1}),
        edition_s=160.5,
    )


HALF, WHOLE = Tally(10, events=5, records=4), Tally(10, events=10, records=8)


@pytest.mark.parametrize(
    ("numbers", "tally", "said"),
    [
        (Numbers(), HALF, "the consumer to look at everything it needs"),
        (Numbers(up=True), HALF, "the JVM to start"),
        (Numbers(up=True, daemon=True), HALF, "KCL to take the leases of 2 shards"),
        (Numbers(up=True, daemon=True, leases=1), HALF, "the first record"),
        (Numbers(up=True, daemon=True, leases=2, records=4), HALF, "the rest of the traffic"),
        (Numbers(up=True, daemon=True, leases=2, records=7), WHOLE, "the last records to be read"),
        (Numbers(up=True, daemon=True, leases=2, records=8, received=9), WHOLE, "the last flush"),
        (Numbers(up=True, daemon=True, leases=2, records=8, received=10), WHOLE, ""),
    ],
)
def test_what_is_waited_for_is_named(numbers: Numbers, tally: Tally, said: str) -> None:
    assert waiting_for(numbers, tally, 2) == said
    assert said in line(numbers, tally, said)
    assert said in lines(numbers, tally, said)[-1]


def test_the_line_says_received_stored_rejected_and_lag() -> None:
    said = line(parse(PAGE), WHOLE, "the last flush")
    assert said == (
        "sent 10 of 10 events; read 15 of 8 records, 1.5 s behind; 4 broken (schema/type 3, parse/json 1); "
        "committed 7 stored + 2 rejected; waits for the last flush"
    )


@pytest.mark.parametrize(
    ("path", "message", "raw", "shown"),
    [
        ("$", "found no JSON", b"<html>\n", "<html>\N{MIDDLE DOT}"),
        ("$.target.x", "no integer", b'{"a":"' + b"." * 40 + b'","x":"9"}', '\N{HORIZONTAL ELLIPSIS}...","x":"9"}'),
        ("$", "('odd' was unexpected)", b"." * 40 + b'"odd":1', '\N{HORIZONTAL ELLIPSIS}....."odd":1'),
        ("$", "bytes", b"caf\xe9", "caf\\xe9"),
        ("$", "long", b"." * 50, "." * 20 + "\N{HORIZONTAL ELLIPSIS}"),
    ],
)
def test_an_excerpt_shows_what_the_reason_speaks_of(path: str, message: str, raw: bytes, shown: str) -> None:
    assert excerpt(Reason("schema", "type", path, message, 1, raw), chars=20) == shown


class Stuck:
    """A consumer that commits no more, while its lag grows."""

    status = None

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now_s)
        monkeypatch.setattr(time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def numbers(self) -> Numbers:
        return Numbers(up=True, received=min(5, int(self.now_s)), lag_s=self.now_s)

    def ready(self) -> str:
        return "ok"

    def tail(self, _lines: int) -> str:
        return "the log"


def test_a_lag_that_grows_is_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck: Any = Stuck(monkeypatch)
    with pytest.raises(NotComeTogetherError, match=r"Nothing has moved for .* while waiting for the last event"):
        wait_until(Screen(), stuck, lambda numbers: numbers.received > 5, "the last event")
    assert QUIET_MAX_S + 4 < stuck.now_s < QUIET_MAX_S + 10
