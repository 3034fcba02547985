"""Exceptions in logs: what passed through rows says nothing of an event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.pipelines import OPEN, pipeline, records, rejected
from tailrace.nouns import Discreet
from tailrace.ops.failures import trace, words
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.treatment import Treatment
from tailrace.shard import Shard

SECRET = "tom@example.org"


class Named(Discreet):
    """Says only what we put in it."""


class Sink(Exception):
    """What another part of the code raises."""


RECORDS = records({"type": "open", "mail": SECRET})


def breaking(how: Callable[[str], None]) -> Pipeline:
    def mask(event: dict[str, Any]) -> dict[str, Any]:
        how(event["mail"])
        return event

    return pipeline({("open", "1-0-0"): OPEN}, treatment=Treatment(mask=mask))


def failing(how: Callable[[str], None]) -> BaseException:
    with pytest.raises(Exception) as caught:
        breaking(how)(RECORDS)
    return caught.value


def key_error(value: str) -> None:
    {"other": 1}[value]


def discreet(value: str) -> None:
    try:
        int(value)
    except ValueError as error:
        raise Named("the step x raised ValueError") from error


def test_an_error_of_rows_has_no_words() -> None:
    error = failing(key_error)
    assert SECRET in str(error)
    assert words(error) == "KeyError"
    told = trace(error)
    assert SECRET not in told
    assert told.startswith("Traceback (most recent call last):\n")
    assert "in key_error" in told
    assert told.endswith("KeyError\n")


def test_what_is_discreet_is_told_and_what_led_to_it_is_not() -> None:
    error = failing(discreet)
    assert words(error) == "Named('the step x raised ValueError')"
    told = trace(error)
    assert "Named: the step x raised ValueError\n" in told
    assert "ValueError\n\nTraceback" in told
    assert SECRET not in told


def test_one_that_hides_what_came_before_is_no_way_around() -> None:
    def again() -> None:
        try:
            raise failing(key_error)
        except KeyError as error:
            raise Sink(f"cannot write {error}") from None

    with pytest.raises(Sink) as caught:
        again()
    assert SECRET not in words(caught.value) + trace(caught.value)


def test_a_shard_that_goes_on_without_a_record_says_no_more() -> None:
    said: list[object] = []
    shard = Shard(breaking(key_error), [], lambda: 0, lambda *_what, **facts: said.extend(facts.values()))
    (row,) = rejected(shard._carefully(RECORDS[0], "1"))
    assert SECRET in row["message"]  # the quarantine keeps all, and screens mask it
    assert "KeyError" in said
    assert SECRET not in repr(said)


def test_other_errors_are_told_whole() -> None:
    with pytest.raises(Sink) as caught:
        raise Sink("no space left")
    assert words(caught.value) == "Sink('no space left')"
    assert trace(caught.value).endswith("Sink: no space left\n")
