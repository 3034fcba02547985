"""Plans without objects, exhaustively: counters are right and nothing is left unsent; then each guard taken out."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

from model.effects_world import EffectsModel
from model.mutants import Mutant, built, mutants
from model.search import explore
from model.test_ledger_model import IN_PIECES
from tailrace.commit import protocol, rules

WORLDS_MAX = 200_000
LINES = ("deltas=opened.deltas", "sent=opened.sent")  # of `cut`: what a new owner takes over


def test_counters_are_right_and_every_message_is_sent() -> None:
    found = explore(EffectsModel(protocol, records=2, opens=3), worlds_max=WORLDS_MAX)
    assert not found.wrong, f"{found.wrong} in {found.world}"
    assert found.worlds > 100_000, "a world this small shows nothing"


def test_a_counter_that_does_not_look_at_the_chain_is_wrong() -> None:
    model = EffectsModel(protocol, records=1, opens=3)
    model.guard_compares = False
    assert "the counter says" in explore(model, worlds_max=WORLDS_MAX).wrong


@pytest.mark.parametrize("line", LINES)
def test_a_new_owner_takes_over_what_may_be_applied_and_what_is_sent(line: str) -> None:
    source = inspect.getsource(protocol)
    assert source.count(f"{line},") == 1
    altered = ModuleType("protocol")
    exec(compile(source.replace(f"{line},", ""), "protocol", "exec"), altered.__dict__)
    assert explore(EffectsModel(altered, records=1, opens=3), worlds_max=WORLDS_MAX).wrong


@pytest.mark.parametrize("mutant", list(mutants({rules: ("advancing",)})), ids=lambda m: m.name)
def test_every_condition_is_needed(mutant: Mutant) -> None:
    assert explore(EffectsModel(built(mutant), records=1, opens=3), worlds_max=WORLDS_MAX).wrong


def test_a_plan_is_committed_once_its_last_piece_is_sent() -> None:
    (mutant,) = (m for m in mutants() if m.name == IN_PIECES)
    wrong = explore(EffectsModel(built(mutant), records=2, opens=1), worlds_max=WORLDS_MAX).wrong
    assert "committed are [1, 2], sent were [1]" in wrong
