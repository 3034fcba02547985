import re

import pytest
from prometheus_client import Counter, Gauge, Histogram

from tailrace.ops import metrics

ALL = {name: value for name, value in vars(metrics).items() if isinstance(value, (Counter, Gauge, Histogram))}
LABELS = {
    "shard", "lane", "action", "kind", "type", "stage", "keyword", "result", "service", "mode", "why", "state",
}  # fmt: skip


def test_each_is_named_once() -> None:
    names = [metric._name for metric in ALL.values()]
    assert len(names) == len(set(names))
    assert len(names) > 25


@pytest.mark.parametrize("metric", ALL.values(), ids=ALL)
def test_names_and_labels_keep_to_the_house(metric: Counter | Gauge | Histogram) -> None:
    assert re.fullmatch(r"tailrace_[a-z_]+", metric._name)
    assert "milli" not in metric._name
    assert set(metric._labelnames) <= LABELS
    assert metric._documentation.endswith(".")


def test_gauges_of_shards_are_told_by_the_newest_living_child() -> None:
    modes = {name: metric._multiprocess_mode for name, metric in ALL.items() if isinstance(metric, Gauge)}
    assert set(modes.values()) == {"livemostrecent"}
