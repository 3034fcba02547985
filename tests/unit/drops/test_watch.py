"""What the drops' work says is counted and logged."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from tailrace.drops.watch import FILES, MESSAGES, Watch
from tailrace.ops import logs, metrics

FACTS: dict[str, Any] = {"times": 1, "age_s": 7.0, "service": "queue"}


def value(metric: Any, *labels: str) -> float:
    return float((metric.labels(*labels) if labels else metric)._value.get())


@pytest.mark.parametrize(
    ("metric", "words"), [(metrics.DROP_FILES, FILES), (metrics.DROP_MESSAGES, MESSAGES)], ids=["files", "messages"]
)
def test_each_outcome_is_counted_and_documented(metric: Any, words: frozenset[str]) -> None:
    watch = Watch(logs.get("test"))
    for word in words:
        before = value(metric, word)
        watch(word, **FACTS)
        assert value(metric, word) == before + 1
        assert word in metric._documentation


def test_the_age_of_the_queue_is_that_of_its_last_message() -> None:
    watch = Watch(logs.get("test"))
    watch("received", **FACTS)
    assert value(metrics.DROP_AGE) == 7.0
    watch("nothing")
    assert value(metrics.DROP_AGE) == 0.0


def test_trouble_is_counted_by_service() -> None:
    before = value(metrics.WORLD_ERRORS, "queue")
    Watch(logs.get("test"))("trouble", **FACTS)
    assert value(metrics.WORLD_ERRORS, "queue") == before + 1


def test_what_cannot_be_understood_is_a_warning_once() -> None:
    out = io.StringIO()
    logs.configure("json", "debug", out)
    try:
        for times in (1, 2, 3):
            Watch(logs.get("test"))("unknown", why="it is no JSON", bytes=3, times=times)
    finally:
        logs.configure()
    assert [json.loads(line)["level"] for line in out.getvalue().splitlines()] == ["warning", "debug", "debug"]
