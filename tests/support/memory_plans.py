"""Plans and items for tests of the protocol. Rule: each is complete, and what matters is said by the test."""

from __future__ import annotations

from typing import Any

from tailrace.commit.plan import Counts, Item, Plan
from tailrace.nouns import mark


def plan(chain: int = 1, generation: int = 1, after: int = 0, last: int = 3, **other: Any) -> Plan:
    """Return a plan of the records after one number up to another."""
    made = Plan(
        chain=chain,
        generation=generation,
        after=mark(str(after), 0) if after else "",
        last=mark(str(last), 0),
        records=last - after,
        positions_digest=f"digest of {after}-{last}",
        counts=Counts(last - after, last - after),
        names=(f"events/p=0/e-s-0-{chain:010d}.parquet", f"_commits/e/s/0/{chain:010d}.json"),
        digests=(("code", "1"),),
    )
    return made._replace(**other)


def item(generation: int = 1, **other: Any) -> Item:
    """Return an item that somebody has opened."""
    return Item(generation=generation, failures=1)._replace(**other)
