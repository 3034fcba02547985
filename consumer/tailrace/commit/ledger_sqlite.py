"""The ledger in a local SQLite file, for file runs. Rule: the same laws as on DynamoDB, on one host.

A swap holds the file's write lock from its read to its write; `synchronous=FULL` makes it durable before it answers.
"""

from __future__ import annotations

import json
import sqlite3
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from tailrace.world import WorldDenied, WorldError

BUSY_TIMEOUT_S = 10.0
PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL})
PRIMARY_CODE = 0xFF  # the low byte; the rest says more of the same
SCHEMA = "CREATE TABLE IF NOT EXISTS ledger (key TEXT PRIMARY KEY, revision INTEGER NOT NULL, item TEXT NOT NULL)"


class SqliteLedger:
    """Items in one table of one file. Threads share it; processes open their own."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._guard = Lock()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"ledger {path}: {error}"
            raise WorldDenied(message) from error
        with self._trouble():
            self._db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
            try:
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.execute(SCHEMA)
            except sqlite3.Error:
                self._db.close()
                raise
        weakref.finalize(self, self._db.close)  # an open file of a ledger that nobody holds is a warning

    def read(self, key: str) -> tuple[int, dict[str, Any]] | None:
        """Return (revision, item) as it stands now, or None."""
        with self._guard, self._trouble():
            return self._row(key)

    def swap(self, key: str, expected: int, item: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """Write the item if the revision is still `expected` (0: no item yet); else return what stands."""
        text = json.dumps(dict(item), allow_nan=False)
        with self._guard, self._trouble(), self._transaction():
            now = self._row(key)
            if (now[0] if now else 0) != expected:
                if now is None:
                    message = f"ledger {self._path}: the item {key} is gone"
                    raise WorldDenied(message)  # deleted by hand: never silently a new start
                return now
            self._db.execute("INSERT OR REPLACE INTO ledger VALUES (?, ?, ?)", (key, expected + 1, text))
            return None

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield every key that starts with the prefix, in order."""
        with self._guard, self._trouble():
            rows = self._db.execute(
                "SELECT key FROM ledger WHERE substr(key, 1, ?) = ? ORDER BY key", (len(prefix), prefix)
            ).fetchall()
        for (key,) in rows:
            yield key

    def close(self) -> None:
        self._db.close()

    def _row(self, key: str) -> tuple[int, dict[str, Any]] | None:
        row = self._db.execute("SELECT revision, item FROM ledger WHERE key = ?", (key,)).fetchone()
        return None if row is None else (row[0], json.loads(row[1]))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            primary = getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE
            message = f"ledger {self._path}: {error}"
            raise (WorldError if primary in PASSING else WorldDenied)(message) from error
