"""The benchmark's events stay what they are."""

from __future__ import annotations

import hashlib
import json

import msgspec

from bench.events import RECORDS_A_LINE, TYPES, events, lines
from tailrace.kcl.lines import read
from tailrace.kcl.protocol import Records

COUNT = 3000
DIGEST = "49b9606115f78883cbf6c870a5fa0620f462a22326f7582e2201141cd63659a2"


def test_the_events_are_frozen() -> None:
    assert hashlib.sha256(b"\n".join(events(COUNT))).hexdigest() == DIGEST


def test_they_are_what_they_are_said_to_be() -> None:
    bodies = events(20_000)
    parsed = []
    for body in bodies:
        try:
            parsed.append(json.loads(body))
        except json.JSONDecodeError:
            continue
    ids = {event["event_id"] for event in parsed if event["event_id"] != "nope"}
    assert 480 < sum(map(len, bodies)) / len(bodies) < 530
    assert len(ids) > 0.99 * len(bodies)
    assert len({event["session_id"] for event in parsed}) == len(parsed)
    assert {event["eventType"] for event in parsed} == {*TYPES, "bogus"}
    assert 1500 < len({event["browser"] for event in parsed}) <= 2000
    assert 10 < len(bodies) - len(parsed) < 50


def test_one_type_alone_is_one_type() -> None:
    named = {json.loads(body)["eventType"] for body in events(50, types=("scroll",))}
    assert named == {"scroll"}


def test_lines_are_the_daemons() -> None:
    bodies = events(RECORDS_A_LINE + 1)
    made = lines(bodies)
    assert [line[-1:] for line in made] == [b"\n", b"\n"]
    found = []
    for line in made:
        turn = read(line[:-1])
        assert isinstance(turn, Records)
        found += [record for chunk in turn.chunks for record in chunk]
    assert [record.data for record in found] == bodies
    assert len({record.sequence for record in found}) == len(bodies)
    assert set(msgspec.json.decode(made[0])) == {"action", "records", "millisBehindLatest"}
