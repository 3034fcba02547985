"""Which events came before. Rule: a verdict stands in its plan; who takes the plan over obeys it and asks nobody.

Within a plan by what the batch has seen; across plans by claims, whose owner is the row itself: a replay asks for its
own keys again and gets them. Nothing of an event is written before its plan is, so what is asked here is harmless to
ask twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from tailrace.commit.lane import Lane, Say
from tailrace.commit.patience import Patience
from tailrace.commit.ports import Claims, WorldError
from tailrace.nouns import Outcome, Rows
from tailrace.rows.duplicates import DUPLICATE, REDRIVEN, Keyed, firsts, keys, redriven_keys, without
from tailrace.settings import Dedup


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

    def __call__(self, outcome: Outcome, lane: Lane) -> Outcome:
        """Return the outcome without events that came before. The lane must be ready to take it."""
        verdicts = lane.repeated
        return without(outcome, self._judged(outcome.rows, lane.seen) if verdicts is None else verdicts)

    def _judged(self, rows: Sequence[Rows], seen: set[bytes]) -> dict[str, str]:
        repeated: dict[str, str] = {}
        again, others = firsts(redriven_keys(rows, self._epoch))
        _note(repeated, REDRIVEN, others)
        if again:
            _note(repeated, REDRIVEN, self._lost(self._redriven, again))
        if self._dedup.by:
            found = keys(rows, self._dedup.by, self._epoch)
            first, others = firsts(one for one in found if one.position not in repeated)
            _note(repeated, DUPLICATE, others)
            before = {key for key in first if bytes.fromhex(key) in seen}
            _note(repeated, DUPLICATE, (first[key] for key in before))
            new = {key: one for key, one in first.items() if key not in before}
            if self._claims is not None and new:
                _note(repeated, DUPLICATE, self._lost(self._claims, new))
            seen.update(map(bytes.fromhex, new))
        return repeated

    def _lost(self, claims: Claims, wanted: Mapping[str, Keyed]) -> list[Keyed]:
        """Return the rows whose keys another row owns."""
        patience = self._patience()
        asked = {key: one.row_id for key, one in wanted.items()}
        while True:
            now_s = self._now_ms() // 1000
            patience.trying()
            try:
                owners = claims.claim(asked, now_s, now_s + round(self._dedup.ttl_h * 3600))
            except WorldError as error:
                self._say("trouble", what="claims", error=str(error))
                patience.wait(error)
            else:
                return [one for key, one in wanted.items() if owners[key] != one.row_id]


def _note(repeated: dict[str, str], why: str, found: Iterable[Keyed]) -> None:
    repeated.update((one.position, why) for one in found)
