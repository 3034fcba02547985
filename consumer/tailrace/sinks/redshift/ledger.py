"""A warehouse's item in our ledger. Rule: every change is a law's, by compare-and-swap; a lost reply is asked again."""

from __future__ import annotations

from collections.abc import Callable

from tailrace.commit.patience import Patience
from tailrace.commit.ports import LedgerStore
from tailrace.commit.rules import Already, Refused
from tailrace.sinks.redshift.plan import Item, from_dict, to_dict
from tailrace.sinks.redshift.rules import Verdict
from tailrace.world import WorldError

Law = Callable[[Item], Verdict]


class Occupied(WorldError):
    """Another loader has the warehouse. The same may be tried again, later."""


class LoadLedger:
    """The item, as it stood when it was last seen."""

    def __init__(self, store: LedgerStore, key: str, patience: Callable[[], Patience]) -> None:
        self._store, self._key, self._patience = store, key, patience
        self.item = Item()

    def change(self, law: Law) -> Item:
        """Write what a law says; return the item. Raises Occupied where it refuses."""
        patience = self._patience()
        while True:
            patience.trying()
            try:
                if self._tried(law):
                    return self.item
            except Occupied:
                raise
            except WorldError as error:
                patience.wait(error)

    def _tried(self, law: Law) -> bool:
        found = self._store.read(self._key)
        revision, item = (0, Item()) if found is None else (found[0], from_dict(found[1]))
        verdict = law(item)
        if isinstance(verdict, Refused):
            raise Occupied(f"{self._key}: {verdict.why}")
        if isinstance(verdict, Already):
            self.item = item
            return True
        if self._store.swap(self._key, revision, to_dict(verdict.item)) is not None:
            return False  # somebody was quicker: look again
        self.item = verdict.item
        return True
