"""What was sent again, remembered in the ledger. Rule: noted before it is sent and after; no note is ever taken back.

One item a batch, `redrive/<epoch>/<digest of its row_ids>`: two writes for some hundreds of events, and a ledger that
can still be listed. A batch that was noted as `sending` and never as `sent` may be in the stream or not: its events
are sent once more, which the consumer notices by their mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

from tailrace.commit.ports import LedgerStore

SENDING: Final = "sending"
SENT: Final = "sent"
ROW_ID_BYTES: Final = 16
_DIGEST_BYTES: Final = 16


class Redrives:
    """The batches of one epoch. `row_ids` are those of rejects, 32 hex digits each."""

    def __init__(self, ledger: LedgerStore, epoch: str, prefix: str = "redrive/") -> None:
        """Read what is noted; about 100 bytes of memory for each event that was ever sent again.

        `prefix`: of other notes than those on rejects.
        """
        self._ledger, self._prefix = ledger, f"{prefix}{epoch}/"
        self._sent: set[bytes] = set()
        self._sending: set[bytes] = set()
        for key in ledger.keys(self._prefix):
            found = ledger.read(key)
            if found is not None:
                rows = _rows(found[1]["rows"])
                (self._sent if found[1]["state"] == SENT else self._sending).update(rows)

    def state(self, row_id: str) -> str:
        """Return `sent`, `sending`, or nothing."""
        row = bytes.fromhex(row_id)
        if row in self._sent:
            return SENT
        return SENDING if row in self._sending else ""

    def sending(self, row_ids: Sequence[str], now_ms: int) -> str:
        """Note that a batch is about to be sent; return its key."""
        rows = "".join(sorted(row_ids))
        key = self._prefix + blake2b(rows.encode(), digest_size=_DIGEST_BYTES).hexdigest()
        self._write(key, {"state": SENDING, "rows": rows, "at": now_ms})
        self._sending.update(_rows(rows))
        return key

    def sent(self, key: str, row_ids: Sequence[str], now_ms: int) -> None:
        """Note what of a batch is in the stream."""
        rows = "".join(sorted(row_ids))
        self._write(key, {"state": SENT, "rows": rows, "at": now_ms})
        self._sent.update(_rows(rows))

    def _write(self, key: str, item: dict[str, Any]) -> None:
        stands = self._ledger.read(key)
        while True:
            if stands is not None and stands[1]["state"] == SENT:
                # Of the same batch, another run has sent some or all: what it noted holds as well.
                item = item | {"state": SENT, "rows": "".join(sorted({*_texts(item), *_texts(stands[1])}))}
                if item["rows"] == stands[1]["rows"]:
                    return
            stands = self._ledger.swap(key, stands[0] if stands else 0, item)
            if stands is None:
                return


def _texts(item: dict[str, Any]) -> list[str]:
    """Return the row_ids that an item says were sent."""
    return [row.hex() for row in _rows(item["rows"])] if item["state"] == SENT else []


def _rows(text: str) -> list[bytes]:
    data = bytes.fromhex(text)
    return [data[at : at + ROW_ID_BYTES] for at in range(0, len(data), ROW_ID_BYTES)]
