"""What a step from one version of a schema to the next means. Rule: a number says no less than its step does.

patch: nothing that judges, and no column, changes. addition: every event that was valid stays valid. revision: some
that were valid may not be any more. breaking: a column changes its kind or disappears, or no event that was valid can
be valid still. In numbers: from 1-0-0, an addition leads to 1-0-1, a revision to 1-1-0, what breaks to 2-0-0. A patch
needs no number of its own, and takes any.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum
from itertools import zip_longest
from typing import NamedTuple


class Step(IntEnum):
    """How far a step goes."""

    PATCH = 0
    ADDITION = 1
    REVISION = 2
    BREAKING = 3

    @property
    def word(self) -> str:
        return self.name.lower()


class Change(NamedTuple):
    """One thing that a later version says otherwise."""

    path: str  # into events, not into the schema
    keyword: str
    direction: str  # widened, narrowed, altered: neither can be told
    message: str
    step: Step


def found(changes: Collection[Change]) -> Step:
    """Return how far changes go, taken together."""
    return max((change.step for change in changes), default=Step.PATCH)


def said(old: str, new: str) -> Step:
    """Return how far the numbers of two versions say that the step goes."""
    places = (Step.BREAKING, Step.REVISION, Step.ADDITION)
    pairs = zip_longest(_numbers(old), _numbers(new), fillvalue=0)
    return next((step for (a, b), step in zip(pairs, places, strict=False) if a != b), Step.PATCH)


def expected(old: str, step: Step) -> str:
    """Return the lowest number that says of a step what it does."""
    model, revision, addition = (*_numbers(old), 0, 0, 0)[:3]
    if step is Step.BREAKING:
        return f"{model + 1}-0-0"
    return f"{model}-{revision + 1}-0" if step is Step.REVISION else f"{model}-{revision}-{addition + 1}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-"))
