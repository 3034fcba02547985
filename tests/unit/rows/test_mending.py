"""Mending and trying. Rule: a patch alters what it names, and trying says what the pipeline would do."""

from __future__ import annotations

import json

import pytest

from support.pipelines import pipeline
from tailrace.nouns import Redriven
from tailrace.rows import mending
from tailrace.rows.mending import Misfit, NoJson, NoPatch, Patch
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.redriven import wrap


def patch(*operations: dict[str, object]) -> Patch:
    return Patch(json.dumps(operations).encode())


MOVE: dict[str, object] = {"op": "move", "from": "/page", "path": "/path"}


@pytest.mark.parametrize(
    ("operations", "raw", "mended"),
    [
        ([MOVE], b'{"page":"/a","n":1.50}', b'{"n":1.5,"path":"/a"}'),
        ([{"op": "replace", "path": "/n", "value": 2}], b'{"n":"two"}', b'{"n":2}'),
        ([{"op": "test", "path": "/v", "value": 5}, {"op": "remove", "path": "/x"}], b'{"v":5,"x":1}', b'{"v":5}'),
        ([{"op": "remove", "path": "/x"}], b'{"x":1,"n":123456789012345678901}', b'{"n":123456789012345678901}'),
        ([{"op": "add", "path": "/l/-", "value": 1}], b'{"l":[0]}', b'{"l":[0,1]}'),
        ([{"op": "remove", "path": "/x"}], b'{"x":1,"t":"\xc3\xa9"}', b'{"t":"\xc3\xa9"}'),
        ([{"op": "remove", "path": "/x"}], b'{"x":1,"t":"\\ud800"}', b'{"t":"\\ud800"}'),
        ([], b' {"a": 1} ', b'{"a":1}'),
    ],
)
def test_a_patch_alters_what_it_names(operations: list[dict[str, object]], raw: bytes, mended: bytes) -> None:
    assert patch(*operations)(raw) == mended


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"{", NoJson),
        (b"\xff", NoJson),
        (b"[" * 100_000, NoJson),
        (b'{"pages":1}', Misfit),
        (b"[]", Misfit),
        (b"7", Misfit),
        (b'"page"', Misfit),
        (b"null", Misfit),
    ],
)
def test_what_cannot_be_patched_says_why(raw: bytes, why: type[Exception]) -> None:
    with pytest.raises(why):
        patch(MOVE)(raw)


@pytest.mark.parametrize(
    ("operation", "raw", "said"),
    [
        ({"op": "test", "path": "/v", "value": 5}, b'{"v":"Ada"}', "operation 2, test /v: not that value"),
        ({"op": "test", "path": "/v", "value": 5}, b'{"name":"Ada"}', "operation 2, test /v: not that value"),
        (
            {"op": "copy", "from": "/a", "path": "/b"},
            b'{"name":"Ada"}',
            "operation 2, copy from /a to /b: no such place",
        ),
        ({"op": "remove", "path": "/l/3"}, b'{"l":["Ada"]}', "operation 2, remove /l/3: no such place"),
        ({"op": "remove", "path": ""}, b'{"l":["Ada"]}', "operation 2, remove: no such place"),
    ],
)
def test_a_misfit_names_the_operation_and_no_value(operation: dict[str, object], raw: bytes, said: str) -> None:
    with pytest.raises(Misfit) as caught:
        patch({"op": "add", "path": "/new", "value": 1}, operation)(raw)
    assert str(caught.value) == said


def test_one_event_leaves_nothing_in_the_next() -> None:
    """The value of an `add` belongs to the patch; what a later operation puts into it belongs to one event."""
    collect = patch({"op": "add", "path": "/l", "value": []}, {"op": "move", "from": "/page", "path": "/l/-"})
    assert [collect(b'{"page":%d}' % n) for n in range(3)] == [b'{"l":[%d]}' % n for n in range(3)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "found no JSON, expected a JSON Patch"),
        (b"\xff", "found no JSON, expected a JSON Patch"),
        (b"{}", "found an object, expected a JSON Patch (RFC 6902): a list of operations"),
        (b"7", "found a number, expected"),
        (b"null", "found null, expected"),
        (b"[7]", "operation 1: found a number, expected an object"),
        (b"[{}]", "operation 1: found `op` null, expected one of: add, remove, replace, move, copy, test"),
        (b'[{"op":["add"],"path":"/a"}]', 'operation 1: found `op` ["add"], expected'),
        (b'[{"op":"remove","path":"/a"},{"op":"mend","path":"/a"}]', 'operation 2: found `op` "mend", expected'),
        (b'[{"op":"remove"}]', "operation 1: found no `path`, expected one"),
        (b'[{"op":"add","path":"/a"}]', "operation 1: found no `value`, expected one"),
        (b'[{"op":"move","path":"/a"}]', "operation 1: found no `from`, expected one"),
        (b'[{"op":"move","from":7,"path":"/a"}]', "operation 1: found `from` 7, expected a JSON Pointer"),
        (b'[{"op":"remove","path":"$.a"}]', 'operation 1: found `path` "$.a", expected a JSON Pointer'),
        (b'[{"op":"remove","path":"/~2"}]', 'operation 1: found `path` "/~2", expected a JSON Pointer'),
        (b"[" * 100_000, "found no JSON"),
    ],
)
def test_what_is_no_patch_is_refused_in_one_line(text: bytes, said: str) -> None:
    with pytest.raises(NoPatch) as caught:
        Patch(text)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def fates(made: Pipeline, *raws: bytes) -> list[mending.Tried]:
    datas = [wrap(Redriven(f"{at:032x}", "e"), raw) for at, raw in enumerate(raws)]
    return mending.tried(made, datas, 1_760_000_000_000)


def test_each_event_has_its_fate() -> None:
    good, bad = b'{"eventType":"click"}', b'{"eventType":"click","path":7}'
    found = fates(pipeline(), good, bad, b"{", b"[" + good + b"," + bad + b"]", b"[" + good + b"]", good)
    assert [one.fate for one in found] == ["stored", "rejected", "rejected", "several", "stored", "stored"]
    assert (found[0].table, found[0].event_type) == ("click/v1", "click")
    assert (found[1].event_type, found[1].reasons[0].path) == ("click", "$.path")
    assert found[2].reasons[0][:2] == ("parse", "json")


def test_no_events_have_no_fate() -> None:
    assert fates(pipeline()) == []


def test_a_mistake_of_ours_rejects_the_event_that_brings_it_about_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    good, poison = b'{"eventType":"click"}', b'{"eventType":"click","path":"poison"}'
    plain = Pipeline.__call__

    def fragile(self: Pipeline, records: list[object]) -> object:
        if any(b"$tailrace" in one.data and wrap(Redriven(f"{1:032x}", "e"), poison) == one.data for one in records):  # type: ignore[attr-defined]
            raise ZeroDivisionError
        return plain(self, records)  # type: ignore[arg-type]

    monkeypatch.setattr(Pipeline, "__call__", fragile)
    found = fates(pipeline(), good, poison, good)
    assert [one.fate for one in found] == ["stored", "rejected", "stored"]
    assert found[1].reasons[0][:2] == ("internal", "ZeroDivisionError")
