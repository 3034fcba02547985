"""Compaction, exhaustively: the shipped code in every interleaving of a small world, then each condition taken out."""

from __future__ import annotations

from typing import Any

import pytest

from model.compaction_world import Model, Ports
from model.mutants import COMPACTION, Mutant, built, mutants
from model.search import explore
from tailrace.commit import compaction, protocol

WORLDS: dict[str, dict[str, Any]] = {
    "two compactors, zombies, lost replies": {"opens": 3, "fold_every": 9},
    "an object that comes late, and a fold after each of two compactions": {"late": True},
    "a late put of an older owner, and names that expire": {"zombie": 1, "late": True, "fold_every": 9},
    "the same put once more after its name has expired": {"zombie": 2, "late": True, "fold_every": 9},
    "a reader, and an object that comes late": {"reader": True, "late": True, "fold_every": 9},
}
WORLDS_MAX = 200_000
# Without these the end is the same, only dearer.
ECONOMIES = {
    "compaction._granted: `compactor.item.swept < compactor.item.chain` -> True": "nothing is swept, and noted",
    "compaction._rested: `due` -> True": "what is folded is folded again",
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_nobody_sees_a_row_twice_or_not_at_all_and_the_end_can_be_reached(world: dict[str, Any]) -> None:
    found = explore(Model(compaction, protocol, **world), worlds_max=WORLDS_MAX)
    assert not found.wrong, f"{found.wrong} in {found.world}"
    assert found.worlds > 4_000, "a world this small shows nothing"


@pytest.mark.parametrize("mutant", list(mutants(COMPACTION)), ids=lambda m: m.name)
def test_every_condition_of_the_code_is_needed(mutant: Mutant) -> None:
    assert what_goes_wrong(mutant) or mutant.name in ECONOMIES


def what_goes_wrong(mutant: Mutant) -> str:
    altered = built(mutant)
    for world in WORLDS.values():
        try:
            wrong = explore(Model(altered, protocol, **world), worlds_max=WORLDS_MAX).wrong
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            return f"it breaks: {error!r}"
        if wrong:
            return wrong
    return ""


def test_the_mutants_cover_the_laws() -> None:
    names = {m.name.split(":")[0].removeprefix("compaction.") for m in mutants(COMPACTION)}
    assert names == {"preparing", "committing", "sweeping", "folding", "take", "after", "_granted", "_rested"}


@pytest.mark.parametrize("promise", Ports._fields)
def test_every_promise_is_needed(promise: str) -> None:
    broken = Ports(**{promise: False})
    assert any(explore(Model(compaction, protocol, broken, **w), worlds_max=WORLDS_MAX).wrong for w in WORLDS.values())
