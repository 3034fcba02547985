"""Keys that belong to whoever asked first. Rule: an owner is told so again, however often it asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tailrace.commit.ports import LedgerStore

NOBODY: Final = ""


class LedgerClaims:
    """Claims in the ledger's own store. They never expire: for the few keys of which each must hold for good."""

    def __init__(self, store: LedgerStore) -> None:
        self._store = store

    def claim(self, keys: Mapping[str, str], now_s: int, expires_s: int) -> Mapping[str, str]:
        """Ask for keys; return who owns each. Time plays no part."""
        return {key: self._owner(key, owner) for key, owner in keys.items()}

    def _owner(self, key: str, owner: str) -> str:
        stands = self._store.swap(key, 0, {"owner": owner})
        while stands is not None and stands[1]["owner"] == NOBODY:
            stands = self._store.swap(key, stands[0], {"owner": owner})
        return owner if stands is None else str(stands[1]["owner"])

    def release(self, key: str, owner: str) -> None:
        """Free a key, if it is this owner's. Only for a row that is committed as rejected: it will never be stored."""
        stands = self._store.read(key)
        while stands is not None and stands[1]["owner"] == owner:
            stands = self._store.swap(key, stands[0], {"owner": NOBODY})
