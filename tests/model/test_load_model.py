"""Loads, exhaustively: in every interleaving each plan lands once; and what goes wrong without each promise."""

from __future__ import annotations

from typing import Any

import pytest

from model.load_world import Model, Promises
from model.search import explore

WORLDS: dict[str, dict[str, Any]] = {
    "three in turn, two at once": {"generations": 3},
    "the warehouse is put back to an older state": {"generations": 2, "restores": True},
    "objects are compacted, and compacted again": {"compactions": 2, "loaders": 1},
    "two at once and a compaction": {"compactions": 1},
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_what_is_committed_lands_once_and_can_always_still_land(world: dict[str, Any]) -> None:
    found = explore(Model(**world))
    assert not found.wrong, f"{found.wrong} in {found.world}"
    assert found.worlds > 1_000, "a world this small shows nothing"


NEEDED = dict.fromkeys(("lock", "guard", "fresh_token"), "three in turn, two at once")
NEEDED |= {"seen": "the warehouse is put back to an older state"}
NEEDED |= dict.fromkeys(("follow", "one_view", "whole", "merge"), "objects are compacted, and compacted again")


@pytest.mark.parametrize("promise", Promises._fields)
def test_every_promise_is_needed(promise: str) -> None:
    assert explore(Model(Promises(**{promise: False}), **WORLDS[NEEDED[promise]])).wrong
