"""What came before is taken out: within a batch, across plans by claims, and by the verdicts of a plan found open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import pytest

from support.memory_claims import MemoryClaims
from support.memory_ports import MemoryLedger
from support.pipelines import IDENTITY, holds, pipeline, record, stored
from tailrace.commit.claims import LedgerClaims
from tailrace.commit.lane import Lane
from tailrace.commit.patience import Patience
from tailrace.commit.ports import Claims
from tailrace.nouns import Outcome, Redriven
from tailrace.repeats import ASKED_AT_ONCE, Repeats
from tailrace.rows.duplicates import redriven_key
from tailrace.rows.redriven import wrap
from tailrace.settings import Dedup
from tailrace.world import WorldError

HOUR_MS = 3_600_000


class Hand:
    """What a lane tells: the batch's keys, and what an open plan left out."""

    def __init__(self, repeated: Mapping[str, str] | None = None, *, same_edition: bool = True) -> None:
        self.seen: dict[str, str] = {}
        self.repeated = repeated
        self.same_edition = same_edition


class Slow:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


class Here:
    """A shard's de-duplication and what it says."""

    def __init__(self, claims: Claims | None = None, *, by: Any = "event_id", redriven: Claims | None = None) -> None:
        self.now_ms = 1_000_000
        self.said: list[str] = []
        self.waited = Slow()
        self.hand: Any = Hand()
        self.stage = Repeats(
            IDENTITY.epoch,
            Dedup(by=by, ttl_h=1.0),
            claims=claims,
            redriven=redriven or LedgerClaims(MemoryLedger()),
            now_ms=lambda: self.now_ms,
            patience=lambda: Patience(self.waited, 30.0, lambda: 1.0),
            say=lambda what, /, **facts: self.said.append(f"{what} {facts['what']}"),
        )

    def takes(self, *found: tuple[int, Any], hand: Any = None) -> list[int]:
        """Return which numbered events are stored."""
        outcome = self.outcome(*found, hand=hand)
        first = int(record(b"").sequence)
        return [int(row["position"].split("/")[0]) - first for row in stored(outcome)]

    def outcome(self, *found: tuple[int, Any], hand: Any = None) -> Outcome:
        made = pipeline()([record(event if isinstance(event, bytes) else _click(event), at) for at, event in found])
        outcome = self.stage(made, hand or self.hand, (hand or self.hand).seen)
        holds(outcome)
        assert outcome.filtered == len(outcome.repeated) == sum(outcome.filtered_by.values())
        return outcome


def _click(event_id: str | None) -> dict[str, Any]:
    return {"eventType": "click"} if event_id is None else {"eventType": "click", "eventId": event_id}


def test_within_a_batch_the_first_stays() -> None:
    here = Here()
    assert here.takes((0, "a"), (1, "a"), (2, "b"), (3, None), (4, None)) == [0, 2, 3, 4]
    assert here.takes((5, "a"), (6, "c"), (7, "b"), (8, "c")) == [6]


def test_another_batch_knows_nothing_of_it_without_claims() -> None:
    here = Here()
    assert here.takes((0, "a")) == [0]
    assert here.takes((1, "a"), hand=Hand()) == [1]


def test_without_a_setting_nothing_is_taken_out() -> None:
    here = Here(MemoryClaims(), by="")
    assert here.takes((0, "a"), (1, "a")) == [0, 1]


def test_across_batches_and_shards_the_first_to_ask_stays() -> None:
    claims = MemoryClaims()
    one, other = Here(claims), Here(claims)
    assert one.takes((0, "a")) == [0]
    assert other.takes((7, "a"), (8, "b")) == [8]
    assert one.takes((1, "b"), hand=Hand()) == []


def test_a_replay_keeps_its_own_and_leaves_out_what_it_left_out() -> None:
    claims = MemoryClaims()
    found = [(0, "a"), (1, "a"), (2, "b")]
    assert Here(claims).takes(*found) == [0, 2]
    assert Here(claims).takes(*found) == [0, 2]
    here = Here(claims)
    assert [here.takes(one) for one in found] == [[0], [], [2]]


def test_an_owner_that_is_still_to_come_keeps_its_key() -> None:
    """A later event got the key, and its child died; the replay has another cut."""
    claims = MemoryClaims()
    assert Here(claims).takes((2, "a")) == [2]
    assert Here(claims).takes((0, "a"), (1, "a"), (2, "a"), (3, "a")) == [2]
    here = Here(claims)
    assert [here.takes((at, "a")) for at in range(4)] == [[], [], [2], []]


def test_a_key_is_free_again_when_its_time_is_over() -> None:
    claims = MemoryClaims()
    here = Here(claims)
    assert here.takes((0, "a")) == [0]
    here.now_ms += HOUR_MS
    assert here.takes((1, "a"), hand=Hand()) == []
    here.now_ms += 1_000
    assert here.takes((2, "a"), hand=Hand()) == [2]
    assert here.takes((0, "a"), hand=Hand()) == [], "the key has another owner by now"


def test_a_plan_that_was_found_decides_and_nobody_is_asked() -> None:
    class Never(MemoryClaims):
        def claim(self, keys: Mapping[str, str], now_s: int, expires_s: int) -> Mapping[str, str]:
            raise AssertionError(keys)

    here = Here(Never(), redriven=Never())
    marked = wrap(Redriven("r", "e"), b'{"eventType":"click"}')
    first = f"{record(b'').sequence}/0/0"
    hand = Hand({first: "duplicate"})
    outcome = here.outcome((0, "a"), (1, "a"), (2, marked), hand=hand)
    assert outcome.repeated == {first: "duplicate"}
    assert outcome.filtered_by == {("click", "duplicate"): 1}
    assert hand.seen == {}
    assert here.takes((0, "a"), (1, "a"), (2, marked), (3, marked), hand=Hand({})) == [0, 1, 2, 3]


def test_a_batch_beside_a_plan_that_was_found_knows_what_the_plan_let_pass() -> None:
    here = Here()
    found, beside = Hand({}), Hand()
    made = here.outcome((0, "a"), (1, "b"), hand=found)
    assert (made.stored, found.seen) == (2, {})
    here.stage(made, cast("Lane", found), beside.seen)
    assert len(beside.seen) == 2
    assert here.takes((2, "a"), (3, "c"), hand=beside) == [3]


def test_a_plan_of_another_edition_decides_what_goes_and_the_rest_is_asked_for() -> None:
    """Events that were rejected when the plan was made have asked for nothing, and may be sound by now."""
    claims, ledger = MemoryClaims(), LedgerClaims(MemoryLedger())
    assert Here(claims).takes((1, "a")) == [1]
    marked = wrap(Redriven("r", "e"), b'{"eventType":"click"}')
    here = Here(claims, redriven=ledger)
    left_out = {f"{int(record(b'').sequence) + 3}/0/0": "duplicate"}
    found: list[tuple[int, Any]] = [(0, "a"), (1, "a"), (2, "b"), (3, "c"), (4, "b"), (5, marked), (6, marked)]
    outcome = here.outcome(*found, hand=Hand(left_out, same_edition=False))
    assert outcome.filtered_by == {("click", "duplicate"): 3, ("click", "redriven"): 1}
    assert left_out.items() <= outcome.repeated.items()
    assert here.takes(*found, hand=Hand(left_out, same_edition=False)) == [1, 2, 5]
    assert here.takes((9, "c"), hand=Hand()) == [9], "what the plan left out has asked for nothing"


def test_what_was_answered_is_not_asked_again_when_another_key_must_wait() -> None:
    class Throttled(MemoryClaims):
        asked: ClassVar[list[int]] = []

        def claim(self, keys: Mapping[str, str], now_s: int, expires_s: int) -> Mapping[str, str]:
            self.asked.append(len(keys))
            if len(self.asked) == 2:
                raise WorldError("slow down")
            return super().claim(keys, now_s, expires_s)

    claims = Throttled()
    assert len(Here(claims).takes(*((at, f"e{at}") for at in range(ASKED_AT_ONCE + 5)))) == ASKED_AT_ONCE + 5
    assert claims.asked == [ASKED_AT_ONCE, 5, 5]


def test_an_event_that_was_sent_again_twice_is_stored_once_whatever_is_set() -> None:
    marked = wrap(Redriven("r", "e"), b'{"eventType":"click"}')
    ledger = MemoryLedger()
    for by in ("", "event_id"):
        here = Here(MemoryClaims(), by=by, redriven=LedgerClaims(ledger))
        outcome = here.outcome((0, marked), (1, marked), (2, marked))
        assert outcome.filtered_by == {("click", "redriven"): 2}
        assert set(outcome.repeated.values()) == {"redriven"}
        assert here.takes((3, marked), hand=Hand()) == []
        assert here.takes((0, marked), hand=Hand()) == [0]
    assert list(ledger.keys("")) == [f"redriven/{IDENTITY.epoch}/r"]


def test_what_had_its_mark_and_was_rejected_after_all_can_be_sent_again() -> None:
    """It was to be stored; its child died before the commit, and the heir rejected it."""
    marked = wrap(Redriven("r", "e"), b'{"eventType":"click"}')
    for by in ("", "event_id"):
        claims, kept = LedgerClaims(MemoryLedger()), MemoryClaims()
        assert Here(kept, by=by, redriven=claims).takes((0, marked)) == [0]
        (rejected_after_all,) = stored(pipeline()([record(marked, 0)]))
        heir = Here(kept, by=by, redriven=claims)
        assert heir.takes((1, marked)) == [], "nobody has said yet that it was rejected"
        claims.release(redriven_key(IDENTITY.epoch, "r"), rejected_after_all["row_id"])
        assert heir.takes((2, marked), hand=Hand()) == [2]
        assert heir.takes((3, marked), hand=Hand()) == []


class Away(MemoryClaims):
    """Answers after some tries; what it did before it failed stands."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    def claim(self, keys: Mapping[str, str], now_s: int, expires_s: int) -> Mapping[str, str]:
        owners = super().claim(keys, now_s, expires_s)
        if self.failures:
            self.failures -= 1
            raise WorldError("no answer")
        return owners


def test_a_service_that_is_away_is_waited_for() -> None:
    here = Here(Away(3))
    assert here.takes((0, "a"), (1, "a")) == [0]
    assert here.said == ["trouble claims"] * 3
    assert here.waited.now_s > 0


def test_patience_ends() -> None:
    here = Here(Away(10**6))
    with pytest.raises(WorldError, match="no answer"):
        here.takes((0, "a"))
    assert 30 <= here.waited.now_s < 60
    assert here.hand.seen == {}


def test_nobody_is_asked_about_nothing() -> None:
    here = Here(Away(10**6), redriven=Away(10**6))
    assert here.takes((0, None), (1, None)) == [0, 1]
