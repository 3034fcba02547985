"""Plug-ins that do what they must not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pytest

from support.pipelines import OPEN, pipeline, records, rejected
from tailrace.rows.enrich.guarded import Guarded, PluginError
from tailrace.rows.treatment import Treatment
from tailrace.shard import Shard


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
        (lambda columns: columns["absent"], "raised KeyError"),
        (lambda _columns: sys.exit(1), "raised SystemExit"),
        (lambda _columns: None, "found NoneType, expected columns by their names"),
        (lambda _columns: {}, "column mine: found NoneType, expected an Arrow array"),
        (lambda _columns: {"mine": ["a", "b"]}, "column mine: found list, expected an Arrow array"),
        (
            lambda _columns: {"mine": pa.chunked_array([["a", "b"]])},
            "column mine: found ChunkedArray",
        ),
        (lambda _columns: {"mine": pa.array([1, 2])}, "column mine: found int64, expected string"),
        (lambda _columns: {"mine": pa.array(["a"])}, "column mine: found 1 values, expected 2"),
        (set_item, "raised TypeError"),
    ],
)
def test_what_is_wrong_names_the_plug_in(work: Callable[[Any], Any], expected: str) -> None:
    with pytest.raises(PluginError) as caught:
        guarded(work)(COLUMNS)
    assert str(caught.value).startswith("the enricher mine of mine-dist 2.0")
    assert expected in str(caught.value)
    assert COLUMNS["tenant"].to_pylist() == ["x", "y"]


def fails_on_one(columns: Mapping[str, pa.Array]) -> Mapping[str, pa.Array]:
    for agent in columns["user_agent"].to_pylist():
        if agent.startswith("bad"):
            raise ValueError(agent)
    return {"mine": columns["user_agent"]}


MADE = pipeline({("open", "1-0-0"): OPEN}, treatment=Treatment(enrichers=(guarded(fails_on_one),)))


def test_a_pipeline_raises_what_its_plug_in_did() -> None:
    assert MADE(records({"type": "open", "browser": "fine"})).stored == 1
    with pytest.raises(PluginError, match=r"the enricher mine of mine-dist 2\.0 raised ValueError\Z"):
        MADE(records({"type": "open", "browser": "bad a@b.example"}))


def test_the_careful_mode_keeps_the_record_with_the_plug_ins_name_and_logs_nothing_of_the_event() -> None:
    said: list[object] = []
    shard = Shard(MADE, [], lambda: 0, lambda *what, **facts: said.extend([*what, *facts.values()]))
    one, other = records({"type": "open", "browser": "bad a@b.example"}, {"type": "open", "browser": "fine"})
    (row,) = rejected(shard._carefully(one, "1"))
    assert (row["stage"], row["keyword"], row["raw"]) == ("internal", "PluginError", one.data)
    assert "the enricher mine of mine-dist 2.0 raised ValueError" in row["message"]
    assert "poison" in said
    assert "a@b.example" not in repr(said)
    assert shard._carefully(other, "2").stored == 1
