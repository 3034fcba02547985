"""The test for authors: it passes what keeps the port, and says what does not."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from support.steps import Renamed, built_in
from tailrace.rows.enrich.contract import ContractError, check

TEXTS = ["b", "a", None, "b", ""]


class Step:
    """An enricher of one column."""

    name = "mine"
    digest = "1"

    def __init__(
        self, work: Callable[[pa.Array], Any], kind: pa.DataType | None = None, inputs: Any = ("user_agent",)
    ) -> None:
        self.work, self.inputs = work, inputs
        self.outputs = pa.schema([("mine", kind or pa.string())])

    def __call__(self, columns: Mapping[str, pa.Array]) -> Mapping[str, pa.Array]:
        return {"mine": self.work(columns["user_agent"])}


def test_what_keeps_the_port_passes() -> None:
    check(Step(pc.utf8_upper), {"user_agent": TEXTS})
    check(
        Step(lambda texts: pa.array([math.nan] * len(texts), pa.float64()), pa.float64()),
        {"user_agent": pa.array(TEXTS)},
    )


numbers = count()


@pytest.mark.parametrize(
    ("work", "kind", "expected"),
    [
        (lambda texts: pa.array([str(next(numbers))] * len(texts)), None, "called twice with the same columns: mine"),
        (lambda texts: pa.array(range(len(texts)), pa.int64()), pa.int64(), "given the rows backwards: mine of row 0"),
        (lambda texts: pa.array([str(len(texts))] * len(texts)), None, "with 0 rows|given the rows in two chunks"),
        (lambda texts: pa.array([str(len(texts))] * len(texts), pa.string()), None, "in two chunks, cut after 1: mine"),
        (lambda texts: texts.drop_null(), None, "found 4 values, expected 5"),
        (lambda texts: texts if texts.null_count < 5 else pa.array([1]), None, "found int64, expected string"),
        (lambda texts: pa.array([text.upper() for text in texts.to_pylist()]), None, "raised AttributeError"),
        (lambda texts: pa.array([texts[0].as_py()] * len(texts), pa.string()), None, "with 0 rows: .* IndexError"),
    ],
)
def test_what_does_not_is_told(work: Callable[[pa.Array], Any], kind: pa.DataType | None, expected: str) -> None:
    with pytest.raises(ContractError, match=expected) as caught:
        check(Step(work, kind), {"user_agent": TEXTS})
    assert "\n" not in str(caught.value)


def test_an_input_that_is_altered_is_told() -> None:
    shared = bytearray(b"ab")

    def spoils(texts: pa.Array) -> pa.Array:
        shared[0] = ord("x")
        return pa.array(["same"] * len(texts))

    texts = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(shared)]
    )
    with pytest.raises(ContractError, match="the input user_agent was altered"):
        check(Step(spoils), {"user_agent": texts})


@pytest.mark.parametrize(
    ("change", "examples", "expected"),
    [
        ({"inputs": ["user_agent"]}, {"user_agent": TEXTS}, "inputs: found"),
        ({"inputs": ()}, {}, "expected one input and one output"),
        ({"digest": 1}, {"user_agent": TEXTS}, "digest: found 1, expected a str"),
        ({}, {}, "examples: found none for the inputs user_agent"),
        ({}, {"user_agent": []}, "expected one length for all, more than 0"),
        ({"outputs": pa.schema([("Tenant", pa.string())])}, {"user_agent": TEXTS}, "outputs: Tenant: tailrace's own"),
    ],
)
def test_declarations(change: dict[str, Any], examples: dict[str, Any], expected: str) -> None:
    step = Step(lambda texts: texts)
    for name, value in change.items():
        setattr(step, name, value)
    with pytest.raises(ContractError, match=expected):
        check(step, examples)


@pytest.mark.parametrize("name", built_in())
def test_our_own_steps_keep_it_too(name: str) -> None:
    step = built_in()[name]
    values = ["curl/8", None, "https://shop.example/a?utm_source=x&gclid=1", "203.0.113.7", "acme", "junk\0", ""]
    check(Renamed(step), {name: values[at:] + values[:at] for at, name in enumerate(step.inputs)})
    with pytest.raises(ContractError, match="tailrace's own, expected other names"):
        check(step, dict.fromkeys(step.inputs, values))
