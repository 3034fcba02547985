"""What stands inside columns of JSON text: numbers to add up, text to go by."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tailrace.sinks.hot.gather import Gathered


def gathered(*texts: str | None) -> Gathered:
    return Gathered([pa.RecordBatch.from_pydict({"data": pa.array(texts, pa.string())})])


@pytest.mark.parametrize(
    ("texts", "ints", "floats", "odd"),
    [
        (('{"n":1}', '{"n":-2}', None, "{}"), [1, -2, None, None], [None] * 4, [0] * 4),
        (('{"n":1.5}', '{"n":9007199254740993}'), [None, 2**53 + 1], [1.5, None], [0, 0]),
        (('{"n":"7"}', '{"n":true}', '{"n":3}'), [None, None, 3], [None] * 3, [1, 1, 0]),
        (('{"n":1e300}', '{"n":9223372036854775808}'), [None, None], [None, None], [1, 1]),
        (("no JSON", "[1]", '{"n":{}}'), [None] * 3, [None] * 3, [0, 0, 1]),
    ],
)
def test_numbers_inside_text(
    texts: tuple[str | None, ...], ints: list[int | None], floats: list[float | None], odd: list[int]
) -> None:
    found = gathered(*texts).numbers("data.n", summed=True)
    assert (found.ints.to_pylist(), found.floats.to_pylist(), found.odd.to_pylist()) == (ints, floats, odd)


def test_text_inside_text() -> None:
    rows = gathered('{"a":{"b":"x"}}', '{"a":{"b":7}}', '{"a":{"b":[1]}}', '{"a":1}', None)
    assert rows.text("data.a.b").to_pylist() == ["x", "7", None, None, None]
    assert rows.there("data.a.b").to_pylist() == [True, True, False, False, False]
    assert rows.value("data.a.b", 0) == "x"
