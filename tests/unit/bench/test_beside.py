"""What all lanes cost, on a few events: every lane gets its rows, and calls are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from bench import beside
from bench.events import events
from local.standins import start_ministack

COUNT = 120


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # which is told to count
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    with start_ministack(tmp_path) as standin:
        beside.furnish(standin.url)
        yield standin.url


def test_every_lane_gets_its_rows_in_as_few_calls_as_it_takes(url: str) -> None:
    bodies, calls = events(COUNT), beside.Calls().counts
    taken = {name: beside.run(routes, url, bodies, calls) for name, routes in beside.WAYS.items()}
    alone, *_, some, every = taken.values()
    stored = alone.delivered["lake"]
    assert 0.9 * COUNT < stored <= COUNT
    assert (alone.calls, alone.units) == ({}, 0)
    assert all(one.delivered["lake"] == stored for one in taken.values())
    assert every.delivered == {"lake": stored, "hot": stored, "queue": stored, "stream": stored}
    assert stored / 10 < every.calls["sqs"] < stored / 5  # several at once: the last of each is not full
    assert 0 < some.delivered["queue"] == some.delivered["stream"] < stored / 2
    assert every.units > stored > some.units > 0
    assert every.puts >= alone.puts > 0


def test_one_write_an_event_is_measured(url: str) -> None:
    calls: Counter[str] = beside.Calls().counts
    taken = beside.one_by_one(url, events(20))
    assert all(cpu_s > 0 for cpu_s in taken.values())
    assert calls == {"dynamodb": 20, "sqs": 21, "kinesis": 20}
