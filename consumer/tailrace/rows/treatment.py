"""How events are treated beyond their schema. Rule: chosen once, by settings; a shard's pipeline only obeys."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from tailrace.rows.enrich.port import Enricher
from tailrace.rows.route import Routes
from tailrace.rows.wildcard import wildcard
from tailrace.settings import Verdicts

Mask = Callable[[dict[str, Any]], dict[str, Any]]


class Verdict(Enum):
    """What becomes of an event that breaks its schema."""

    REJECT = "reject"
    LENIENT = "lenient"  # stored, what is wrong with it in `findings`
    DROP = "drop"  # counted as filtered


class Treatment(NamedTuple):
    """Verdicts by event type, what is added to rows, what of a person is altered, and which rows go where."""

    verdict: Callable[[str], Verdict] = lambda _event_type: Verdict.REJECT
    enrichers: tuple[Enricher, ...] = ()
    mask: Mask | None = None  # returns an altered copy of an event, or the event itself
    routes: Routes | None = None  # none: every row goes to the lake


def verdicts(section: Verdicts) -> Callable[[str], Verdict]:
    """Return what says the verdict of a type. A type that is named in both lists is stored."""
    lenient, drop = wildcard(section.lenient), wildcard(section.drop)

    def verdict(event_type: str) -> Verdict:
        if lenient(event_type):
            return Verdict.LENIENT
        return Verdict.DROP if drop(event_type) else Verdict.REJECT

    return verdict
