"""The exactly-once protocol, exhaustively: the shipped code in every interleaving, then each condition taken out."""

from __future__ import annotations

from typing import Any

import pytest

from model.mutants import Mutant, built, mutants
from model.search import explore
from model.world import Model, Ports
from tailrace.commit import protocol

WORLDS: dict[str, dict[str, Any]] = {
    "two owners, two versions of the code, zombies, lost replies": {"records": 2, "opens": 3},
    "the stream loses a record, a person decides": {"records": 1, "opens": 6, "trims": True, "versions": (0,)},
}
# Without these the end is the same, only dearer.
ECONOMIES = {
    "protocol.uploaded: `generation == upload.generation` -> False": "the same bytes are put once more",
}
IN_PIECES = "protocol.after: `isinstance(reply, Sent)` -> False"  # no plan with objects is; see the model of effects
WORLDS_MAX = 400_000


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_what_is_committed_stands_exactly_once_and_the_end_can_be_reached(world: dict[str, Any]) -> None:
    found = explore(Model(protocol, **world), worlds_max=WORLDS_MAX)
    assert not found.wrong, f"{found.wrong} in {found.world}"
    assert found.worlds > 100_000, "a world this small shows nothing"


@pytest.mark.parametrize("mutant", [m for m in mutants() if m.name != IN_PIECES], ids=lambda m: m.name)
def test_every_condition_of_the_code_is_needed(mutant: Mutant) -> None:
    assert what_goes_wrong(mutant) or mutant.name in ECONOMIES


def what_goes_wrong(mutant: Mutant) -> str:
    altered = built(mutant)
    for world in WORLDS.values():
        try:
            wrong = explore(Model(altered, **world), worlds_max=WORLDS_MAX).wrong
        except (AttributeError, TypeError, ValueError) as error:
            return f"it breaks: {error!r}"
        if wrong:
            return wrong
    return ""


def test_the_mutants_cover_the_rules() -> None:
    names = {m.name.split(":")[0] for m in mutants()}
    assert names == {
        "rules.preparing",
        "rules.taking_over",
        "rules.committing",
        "protocol.cut",
        "protocol.after",
        "protocol.uploaded",
    }
    assert {*ECONOMIES, IN_PIECES} <= {m.name for m in mutants()}


@pytest.mark.parametrize("promise", Ports._fields)
def test_every_promise_of_the_ports_is_needed(promise: str) -> None:
    broken = Ports(**{promise: False})
    assert explore(Model(protocol, broken, records=2, opens=3), worlds_max=WORLDS_MAX).wrong
