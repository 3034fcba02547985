"""Which events came before. Rule: a verdict stands in its plan, and who takes the plan over obeys it.

Within a plan by what the batch has seen; across plans by claims, whose owner is the row itself: a replay asks for its
own keys again and gets them. Nothing of an event is written before its plan is, so what is asked here is harmless to
ask twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tailrace.commit.lane import Lane
from tailrace.commit.patience import Patience
from tailrace.commit.ports import Claims, Say
from tailrace.nouns import Outcome, Rows
from tailrace.rows.duplicates import DUPLICATE, REDRIVEN, keys, lost, redriven_keys, wanted, without
from tailrace.settings import Dedup
from tailrace.world import WorldError

ASKED_AT_ONCE: Final = 512  # keys: of so many, what a service answered is asked again where it failed for one


class Repeats:
    """Takes events out that came before."""

    def __init__(
        self,
        epoch: str,
        dedup: Dedup,
        *,
        claims: Claims | None,
        redriven: Claims,
        now_ms: Callable[[], int],
        patience: Callable[[], Patience],
        say: Say,
    ) -> None:
        """`claims` None: only within a plan. `redriven`: for events sent again, whose keys must never expire."""
        self._epoch, self._dedup = epoch, dedup
        self._claims, self._redriven = claims, redriven
        self._now_ms, self._patience, self._say = now_ms, patience, say

    def __call__(self, outcome: Outcome, lane: Lane, seen: dict[str, str]) -> Outcome:
        """Return the outcome without events that came before. The lane must be ready to take it.

        `seen` are the owners of keys of the batch that goes on: the lane's, or another one's beside a plan of the lane.
        """
        verdicts = lane.repeated
        outcome = without(outcome, verdicts or {})
        if verdicts is not None and lane.same_edition:
            if self._dedup.by and self._claims is None and seen is not lane.seen:
                seen.update(wanted(keys(outcome.rows, self._dedup.by, self._epoch)))
            return outcome  # what the plan stores has its keys
        return without(outcome, self._judged(outcome.rows, seen))  # another edition may store more

    def _judged(self, rows: Sequence[Rows], seen: dict[str, str]) -> dict[str, str]:
        """Return why, by position, of all rows that go. `seen` are the owners of this batch's keys so far."""
        again = redriven_keys(rows, self._epoch)
        patience = self._patience()  # one for both: a turn has an end
        repeated = dict.fromkeys(lost(again, self._owners(self._redriven, wanted(again), patience)), REDRIVEN)
        if self._dedup.by:
            found = [one for one in keys(rows, self._dedup.by, self._epoch) if one.position not in repeated]
            new = {key: owner for key, owner in wanted(found).items() if key not in seen}
            seen.update(new if self._claims is None else self._owners(self._claims, new, patience))
            repeated |= dict.fromkeys(lost(found, seen), DUPLICATE)
        return repeated

    def _owners(self, claims: Claims, asked: Mapping[str, str], whole: Patience) -> Mapping[str, str]:
        """Ask who owns these keys, some at a time: what was answered is not asked again when a later one must wait."""
        owners: dict[str, str] = {}
        listed = list(asked.items())
        for at in range(0, len(listed), ASKED_AT_ONCE):
            owners |= self._asked(claims, dict(listed[at : at + ASKED_AT_ONCE]), whole.part())
        return owners

    def _asked(self, claims: Claims, some: Mapping[str, str], patience: Patience) -> Mapping[str, str]:
        while True:
            now_s = self._now_ms() // 1000
            patience.trying()
            try:
                return claims.claim(some, now_s, now_s + round(self._dedup.ttl_h * 3600))
            except WorldError as error:
                self._say("trouble", what="claims", error=str(error))
                patience.wait(error)
