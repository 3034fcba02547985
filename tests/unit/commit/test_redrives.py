"""What was sent again. Rule: a crash at any point loses no note that it was sent, and invents none."""

from __future__ import annotations

import pytest

from support.memory_ports import MemoryLedger
from tailrace.commit.redrives import SENDING, SENT, Redrives

A, B, C = (digit * 32 for digit in "abc")


def test_nothing_is_noted_at_first() -> None:
    assert Redrives(MemoryLedger(), "e").state(A) == ""


def test_a_batch_is_noted_before_and_after() -> None:
    ledger = MemoryLedger()
    redrives = Redrives(ledger, "e")
    key = redrives.sending([A, B], 1)
    assert [Redrives(ledger, "e").state(row) for row in (A, B, C)] == [SENDING, SENDING, ""]
    redrives.sent(key, [A, B], 2)
    for one in (redrives, Redrives(ledger, "e")):
        assert [one.state(row) for row in (A, B, C)] == [SENT, SENT, ""]
    assert ledger.read(key) == (2, {"state": SENT, "rows": A + B, "at": 2})


def test_what_of_a_batch_did_not_get_through_is_not_sent() -> None:
    ledger = MemoryLedger()
    redrives = Redrives(ledger, "e")
    redrives.sent(redrives.sending([A, B], 1), [B], 2)
    assert [Redrives(ledger, "e").state(row) for row in (A, B)] == ["", SENT]
    redrives.sent(redrives.sending([A], 3), [A], 4)
    assert [Redrives(ledger, "e").state(row) for row in (A, B)] == [SENT, SENT]


def test_a_note_that_it_was_sent_is_never_taken_back() -> None:
    ledger = MemoryLedger()
    one, two = Redrives(ledger, "e"), Redrives(ledger, "e")
    key = one.sending([A, B], 1)
    assert two.sending([B, A], 2) == key
    one.sent(key, [A], 3)
    two.sent(key, [B], 4)
    assert two.sending([A, B], 5) == key
    assert [Redrives(ledger, "e").state(row) for row in (A, B)] == [SENT, SENT]


def test_another_epoch_is_another_world() -> None:
    ledger = MemoryLedger()
    redrives = Redrives(ledger, "e")
    redrives.sent(redrives.sending([A], 1), [A], 2)
    assert Redrives(ledger, "f").state(A) == ""


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_after_a_crash_between_the_notes_it_is_sent_again_or_not_at_all(writes: int) -> None:
    ledger = MemoryLedger()
    redrives = Redrives(ledger, "e")
    if writes > 0:
        key = redrives.sending([A], 1)
    if writes > 1:
        redrives.sent(key, [A], 2)
    assert Redrives(ledger, "e").state(A) == ("", SENDING, SENT)[writes]
