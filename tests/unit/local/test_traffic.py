"""The generator. Rule: it knows what it made, and the real pipeline agrees event by event."""

from __future__ import annotations

import json
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from local.__main__ import DAY_END_MS
from local.demo import DAY, SEED
from local.flaws import FLAWS
from local.readback import Account
from local.send import Sent
from local.traffic import Parcel, day, parcels
from tailrace.nouns import Identity, Record
from tailrace.rows.pipeline import Pipeline
from tailrace.schema.load import load
from tailrace.settings import Contract, Limits

ROOT = Path(__file__).resolve().parents[3]
END_MS = 1_763_726_400_000


@pytest.fixture(scope="module")
def some() -> list[Parcel]:
    return list(parcels(20_000, seed=3, end_ms=END_MS, broken=0.05))


def test_the_same_seed_gives_the_same_bytes() -> None:
    one, same, other = (list(parcels(500, seed, END_MS)) for seed in (5, 5, 6))
    assert one == same
    assert one != other


def test_there_are_exactly_as_many_events_as_asked_for() -> None:
    for count in (1, 2, 999):
        assert sum(len(parcel.events) for parcel in parcels(count, 1, END_MS)) == count


def test_the_pipeline_judges_every_event_as_the_generator_said(some: list[Parcel]) -> None:
    identity = Identity("stream", "epoch", "shard")
    judge = Pipeline(Contract(), load(str(ROOT / "properties/schemas")), Limits(), identity)
    records, sent = [], []
    for n, parcel in enumerate(some):
        records.append(Record(parcel.data, str(n), 0, END_MS, parcel.key))
        sent += [Sent(made, "shard", f"{n}/0/{index}") for index, made in enumerate(parcel.events)]
    stored: list[tuple[str, str]] = []
    rejected: list[tuple[str, str, str]] = []
    raw: dict[str, bytes] = {}
    for rows in judge(records).rows:
        found = rows.batch.to_pydict()
        if rows.table.name == "quarantine":
            rejected += zip(found["shard"], found["position"], found["stage"], strict=True)
            raw |= dict(zip(found["position"], found["raw"], strict=True))
        else:
            stored += zip(found["shard"], found["position"], strict=True)
    account = Account.of(sent, stored, rejected)
    assert account.holds, dict(account.examples)
    assert raw == {one.position: one.made.raw for one in sent if not one.made.good}


def test_every_flaw_is_made_in_about_equal_share(some: list[Parcel]) -> None:
    flaws = Counter(made.flaw.name for parcel in some for made in parcel.events if made.flaw)
    assert set(flaws) == {flaw.name for flaw in FLAWS}
    assert 0.03 < flaws.total() / 20_000 < 0.06
    assert max(flaws.values()) < 6 * min(flaws.values())


def test_an_event_whose_end_nobody_finds_is_not_put_into_an_array(some: list[Parcel]) -> None:
    for parcel in some:
        if parcel.form in {"array", "events"}:
            assert not any(made.flaw and made.flaw.whole for made in parcel.events)


def test_good_parcels_are_what_their_form_says(some: list[Parcel]) -> None:
    forms = Counter(parcel.form for parcel in some)
    assert set(forms) == {"one", "array", "lines", "events"}
    for parcel in some:
        if not all(made.good for made in parcel.events):
            continue
        assert read(parcel) == [json.loads(made.raw) for made in parcel.events]


def read(parcel: Parcel) -> list[dict[str, Any]]:
    lines = parcel.data.split(b"\n") if parcel.form == "lines" else [parcel.data]
    values = [json.loads(line) for line in lines]
    if parcel.form == "array":
        (values,) = values
    elif parcel.form == "events":
        (values,) = (value["events"] for value in values)
    return values


def test_few_people_do_most_and_sessions_are_one_persons(some: list[Parcel]) -> None:
    people = Counter(parcel.key for parcel in some)
    assert sum(count for _, count in people.most_common(len(people) // 10)) > 0.4 * len(some)
    sessions: dict[str, set[str]] = {}
    for parcel in some:
        for made in parcel.events:
            event = json.loads(made.raw) if made.good else {}
            if "session_id" in event:
                sessions.setdefault(event["session_id"], set()).add(event["user_id"])
    assert len(sessions) > 100
    assert {len(users) for users in sessions.values()} == {1}


def test_some_events_are_late_and_some_clocks_are_ahead(some: list[Parcel]) -> None:
    scores = [json.loads(made.raw)["timestamp"] for p in some for made in p.events if made.type == "score"]
    assert min(scores) < END_MS - 3_600_000
    times = sorted(
        json.loads(made.raw)["timestamp"] for p in some for made in p.events if made.good and made.type == "click"
    )
    days = [day for day, _ in groupby(time[:10] for time in times)]
    assert days[0] < "2025-10-20"
    assert days[-1] > "2025-11-21"


def test_the_example_file_is_what_the_generator_makes() -> None:
    lines = DAY.read_bytes().splitlines()
    assert lines == [made.raw for made in day(2000, SEED, DAY_END_MS)], "make it anew: python -m local traffic --file"
