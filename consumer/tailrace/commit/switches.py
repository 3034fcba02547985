"""What persons say of lanes while they run. Rule: one item an application, swapped where it stands, with its history.

A lane that is paused takes nothing in. One that is told to skip leaves out what it has not got, up to a mark a shard;
its owner does so, under its own generation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from tailrace.commit.ports import LedgerStore
from tailrace.nouns import START

HISTORY_MAX: Final = 100  # entries kept: each child reads the item every few seconds


class Skip(NamedTuple):
    """What a lane leaves out in one shard."""

    upto: str = START  # mark of the last record
    why: str = ""


class Switch(NamedTuple):
    """What was said of one lane."""

    paused: str = ""  # why; "" while it is not
    skips: Mapping[str, Skip] = MappingProxyType({})  # by shard
    resumed: int = 0  # how often: who looks now and then may have missed the pause, and must not miss this


class Order(NamedTuple):
    """What was said of one lane, as far as it concerns one shard."""

    paused: str = ""
    skip: Skip = Skip()
    resumed: int = 0


class Switches(NamedTuple):
    """All of them, by lane, and what was said when, by whom and why, oldest first."""

    lanes: Mapping[str, Switch] = MappingProxyType({})
    history: tuple[str, ...] = ()

    def of(self, shard: str) -> dict[str, Order]:
        """Return what concerns a shard, by lane."""
        return {name: Order(one.paused, one.skips.get(shard, Skip()), one.resumed) for name, one in self.lanes.items()}

    def said(self, lane: str, new: Switch, words: str) -> Switches:
        """Return them with one lane's changed, and that noted."""
        return Switches({**self.lanes, lane: new}, (*self.history, words)[-HISTORY_MAX:])


def switches_key(epoch: str) -> str:
    """Return the ledger key. The epoch is the application's: what was said before a rewind is of another."""
    return f"switch/{epoch}"


def read(store: LedgerStore, epoch: str) -> Switches:
    """Return what was said up to now. Raises WorldError, as the store does."""
    found = store.read(switches_key(epoch))
    return Switches() if found is None else _of(found[1])


def change(store: LedgerStore, epoch: str, law: Callable[[Switches], Switches]) -> Switches:
    """Write what the law makes of what stands there, and return it; where somebody was faster, of theirs."""
    key = switches_key(epoch)
    found = store.read(key)
    while True:
        revision, before = (0, Switches()) if found is None else (found[0], _of(found[1]))
        new = law(before)
        if new == before:
            return before
        found = store.swap(key, revision, _plain(new))
        if found is None:
            return new


def _plain(switches: Switches) -> dict[str, Any]:
    lanes = {
        name: one._asdict() | {"skips": {shard: skip._asdict() for shard, skip in one.skips.items()}}
        for name, one in switches.lanes.items()
    }
    return {"lanes": lanes, "history": list(switches.history)}


def _of(raw: Mapping[str, Any]) -> Switches:
    lanes = {
        name: Switch(**one | {"skips": {shard: Skip(**skip) for shard, skip in one["skips"].items()}})
        for name, one in raw["lanes"].items()
    }
    return Switches(lanes, tuple(raw["history"]))
