"""What a child counts and logs of what its shard says."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tailrace.kcl.watch import Watch
from tailrace.nouns import Outcome
from tailrace.ops import logs, metrics
from tailrace.ops.clock import SystemClock


def filtered(kind: str, why: str) -> float:
    return float(metrics.FILTERED.labels(kind, why)._value.get())


def test_filtered_events_are_counted_by_type_and_why() -> None:
    watch = Watch("shard", logs.get("test"), SystemClock(), frozenset({"click"}))
    wanted: Any = {("click", "duplicate"): 2, ("odd", "schema"): 1, ("", "unknown_type"): 3}
    before = [filtered("click", "duplicate"), filtered("other", "schema"), filtered("other", "unknown_type")]
    watch("processed", records=6, bytes=6, last=0, outcome=Outcome([], 6, 0, 0, 6, Counter(), Counter(), wanted))
    after = [filtered("click", "duplicate"), filtered("other", "schema"), filtered("other", "unknown_type")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 1, 3]
