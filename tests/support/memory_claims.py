"""Claims in memory. Rule: they answer as the claims of a table do."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock


class MemoryClaims:
    """Claims of one process, gone with it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.standing: dict[str, tuple[str, int]] = {}  # key -> (owner, when it expires)

    def claim(self, keys: Mapping[str, str], now_s: int, expires_s: int) -> Mapping[str, str]:
        """Ask for keys; return who owns each."""
        with self._lock:
            for key, owner in keys.items():
                standing = self.standing.get(key)
                if standing is None or standing[0] == owner or standing[1] < now_s:
                    self.standing[key] = owner, expires_s
            return {key: self.standing[key][0] for key in keys}
