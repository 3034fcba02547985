"""A lane's item in a store. Rule: what goes in comes out equal; what is too large for an item stands in an object."""

from __future__ import annotations

import io
import itertools
import json
from hashlib import sha256
from typing import BinaryIO

from tailrace.commit.plan import (
    PLAN_INLINE_BYTES_MAX,
    Item,
    Plan,
    item_from_dict,
    item_to_dict,
    lane_key,
    shelf_name,
)
from tailrace.commit.ports import LedgerStore, Place
from tailrace.commit.protocol import meta
from tailrace.nouns import Identity
from tailrace.world import WorldError


class BytesBody:
    """A body that stands in memory."""

    def __init__(self, data: bytes, rows: int = 0) -> None:
        self._data = data
        self.rows = rows
        self.length = len(data)
        self.sha256 = sha256(data).hexdigest()

    def open(self) -> BinaryIO:
        return io.BytesIO(self._data)

    def close(self) -> None:
        self._data = b""


class LaneLedger:
    """One lane's item. Raises WorldError, as its store and place do."""

    def __init__(self, store: LedgerStore, place: Place, identity: Identity, lane: str) -> None:
        self._store = store
        self._place = place
        self._identity = identity
        self._lane = lane
        self._key = lane_key(identity, lane)

    def watermark(self) -> str | None:
        """Return the item's watermark, or None; a plan that stands in an object is not fetched for it."""
        found = self._store.read(self._key)
        return None if found is None else str(found[1]["watermark"])

    def read(self) -> tuple[int, Item] | None:
        """Return (revision, item), or None."""
        found = self._store.read(self._key)
        return None if found is None else (found[0], self._whole(item_from_dict(found[1])))

    def swap(self, expected: int, item: Item) -> tuple[int, Item] | None:
        """Write the item if the revision still stands; else return what does."""
        refused = self._store.swap(self._key, expected, item_to_dict(self._slim(item)))
        return None if refused is None else (refused[0], self._whole(item_from_dict(refused[1])))

    def _slim(self, item: Item) -> Item:
        plan = item.plan
        if plan is None or _bytes(plan) <= PLAN_INLINE_BYTES_MAX:
            return item
        name = shelf_name(self._identity, self._lane, plan.chain, plan.generation)
        shelved = {"names": plan.names, "repeated": dict(plan.repeated), "deltas": plan.deltas}
        body = BytesBody(json.dumps(shelved, separators=(",", ":")).encode())
        # Create-only: a name already taken is this same plan, whose reply was lost. Reading checks the digest.
        self._place.create(name, body, meta(self._identity.epoch, plan.chain, plan.generation))
        self._place.sync()  # an item that survives a power cut must not name a shelf that did not
        return item._replace(plan=plan._replace(names=(), repeated=(), deltas="", shelf=f"{name}#{body.sha256}"))

    def _whole(self, item: Item) -> Item:
        plan = item.plan
        return item if plan is None or not plan.shelf else item._replace(plan=self._unshelved(plan))

    def _unshelved(self, plan: Plan) -> Plan:
        name, _, digest = plan.shelf.partition("#")
        try:
            data = self._place.read(name)
        except FileNotFoundError as error:
            raise WorldError(f"the names of plan {plan.chain} are not at {name}") from error
        if sha256(data).hexdigest() != digest:
            raise WorldError(f"the names of plan {plan.chain} at {name} are damaged")
        found = json.loads(data)
        repeated = tuple(sorted(found["repeated"].items()))
        return plan._replace(names=tuple(found["names"]), repeated=repeated, deltas=found["deltas"], shelf="")


def _bytes(plan: Plan) -> int:
    """Return about how much of the item the plan's lists take."""
    texts = [*plan.names, *itertools.chain.from_iterable(plan.repeated)]
    return sum(map(len, texts)) + 4 * len(texts) + len(plan.deltas.encode())
