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


def test_a_test_that_fails_is_a_misfit() -> None:
    with pytest.raises(Misfit):
        patch({"op": "test", "path": "/v", "value": 5})(b'{"v":6}')


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"7", b"[7]", b'[{"op":"mend","path":"/a"}]', b'[{"op":"add","path":"/a"}]', b"\xff"]
)
def test_what_is_no_patch_is_refused_in_one_line(text: bytes) -> None:
    with pytest.raises(NoPatch) as caught:
        Patch(text)
    assert str(caught.value)
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
