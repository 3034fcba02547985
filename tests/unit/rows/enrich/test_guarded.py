"""Plug-ins that do what they must not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pytest

from support.pipelines import OPEN, pipeline, records
from tailrace.rows.enrich.guarded import Guarded, PluginError
from tailrace.rows.treatment import Treatment


class Step:
    """An enricher that does what it is told."""

    name = "mine"
    inputs = ("user_agent", "tenant")
    outputs = pa.schema([("mine", pa.string())])
    digest = "7"

    def __init__(self, work: Callable[[Mapping[str, pa.Array]], Any]) -> None:
        self.work = work

    def __call__(self, columns: Mapping[str, pa.Array]) -> Any:
        return self.work(columns)


def guarded(work: Callable[[Mapping[str, pa.Array]], Any]) -> Guarded:
    return Guarded(Step(work), "mine", "mine-dist 2.0")


COLUMNS = {"user_agent": pa.array(["a", None]), "tenant": pa.array(["x", "y"])}


def test_a_sound_one_passes() -> None:
    step = guarded(lambda columns: {"mine": columns["user_agent"], "more": 1})
    assert step(COLUMNS) == {"mine": COLUMNS["user_agent"]}
    assert step.digest == "mine-dist 2.0, 7"


def set_item(columns: Any) -> Any:
    columns["tenant"] = columns["user_agent"]
    return {"mine": columns["tenant"]}


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (lambda columns: columns["absent"], "raised KeyError: 'absent'"),
        (lambda _columns: None, "found NoneType, expected columns by their names"),
        (lambda _columns: {}, "column mine: found NoneType, expected an Arrow array"),
        (lambda _columns: {"mine": ["a", "b"]}, "column mine: found list, expected an Arrow array"),
        (
            lambda _columns: {"mine": pa.chunked_array([["a", "b"]])},
            "column mine: found ChunkedArray",
        ),
        (lambda _columns: {"mine": pa.array([1, 2])}, "column mine: found int64, expected string"),
        (lambda _columns: {"mine": pa.array(["a"])}, "column mine: found 1 values, expected 2"),
        (set_item, "raised TypeError: 'mappingproxy'"),
    ],
)
def test_what_is_wrong_names_the_plug_in(work: Callable[[Any], Any], expected: str) -> None:
    with pytest.raises(PluginError) as caught:
        guarded(work)(COLUMNS)
    assert str(caught.value).startswith("the enricher mine of mine-dist 2.0")
    assert expected in str(caught.value)
    assert COLUMNS["tenant"].to_pylist() == ["x", "y"]


def test_a_pipeline_raises_what_its_plug_in_did() -> None:
    def fails_on_one(columns: Mapping[str, pa.Array]) -> Mapping[str, pa.Array]:
        if "bad" in columns["user_agent"].to_pylist():
            raise ZeroDivisionError
        return {"mine": columns["user_agent"]}

    made = pipeline({("open", "1-0-0"): OPEN}, treatment=Treatment(enrichers=(guarded(fails_on_one),)))
    assert made(records({"type": "open", "browser": "fine"})).stored == 1
    with pytest.raises(PluginError, match=r"the enricher mine of mine-dist 2\.0 raised ZeroDivisionError"):
        made(records({"type": "open", "browser": "bad"}))
