"""How a lane's item may change. Rule: each function is one law of the ledger, pure, and the same for every store.

Everyone who opened earlier is refused by the generation; everyone who looked too early, by the compare-and-swap. What
these two make impossible is asserted, not handled. A law looks at the item as it stands and answers `Next` (the item
to write, by compare-and-swap on its revision), `Already` (one's own write stands there: its reply was lost), or
`Refused` (somebody opened later).
"""

from __future__ import annotations

from typing import NamedTuple

from tailrace.commit.plan import Item, Plan, Since
from tailrace.nouns import told

CAREFUL_AFTER_FAILURES = 3  # opens in a row without a commit or a goodbye


class Next(NamedTuple):
    """Write this item."""

    item: Item


class Already(NamedTuple):
    """It is written: go on."""


class Refused(NamedTuple):
    """It must not be written."""

    why: str


Verdict = Next | Already | Refused


def opening(item: Item | None) -> Next:
    """A child takes the shard over: everyone who opened earlier is refused from now on."""
    item = item or Item()
    hot, poison = item.hot, item.poison
    if item.suspect:  # the last child died with these records in hand; that may have been chance
        alone = item.suspect[0] == item.suspect[-1]
        if alone and item.suspect == hot:  # but not twice, with one and the same record
            hot, poison = (), (*poison, item.suspect[0])
        else:
            hot = item.suspect
    return Next(
        item._replace(generation=item.generation + 1, failures=item.failures + 1, suspect=(), hot=hot, poison=poison)
    )


def preparing(item: Item, generation: int, plan: Plan) -> Verdict:
    """A cut becomes durable, before anything of it is written."""
    if item.generation != generation:
        return Refused("opened later by another")
    if item.plan is not None:
        assert item.plan == plan, "nobody else writes under this generation"
        return Already()
    assert (item.chain + 1, item.watermark) == (plan.chain, plan.after), "a plan follows what is committed"
    return Next(
        item._replace(plan=plan, suspect=(), hot=())
    )  # the records are processed: what kills now is none of them


def taking_over(item: Item, generation: int, plan: Plan) -> Verdict:
    """An open plan gets its new owner's generation and names, and keeps its own: the same cut, never fewer names."""
    if item.generation != generation:
        return Refused("opened later by another")
    if item.plan == plan:
        return Already()
    assert item.plan is not None, "nobody else commits under this generation"
    assert item.plan.covers(plan) or item.waived == plan.chain, "`cut` saw to it"
    assert set(item.plan.names) <= set(plan.names), "a name once planned stays planned"
    assert (item.plan.deltas, item.plan.sent) == (plan.deltas, plan.sent), "what may be applied, or sent, stays so"
    return Next(item._replace(plan=plan, suspect=(), hot=()))


def advancing(item: Item, generation: int, plan: Plan) -> Verdict:
    """Some of what the open plan sends has been sent: who comes later need not send it again."""
    if item.generation != generation:
        return Refused("opened later by another")
    if item.plan == plan:
        return Already()
    assert item.plan is not None, "nobody else commits under this generation"
    assert item.plan == plan._replace(sent=item.plan.sent), "nothing else of a plan moves"
    return Next(item._replace(plan=plan))


def committing(item: Item, generation: int, chain: int) -> Verdict:
    """What the open plan names is written: the watermark moves."""
    if item.generation != generation:
        return Refused("opened later by another")
    plan = item.plan
    if plan is None:
        assert (item.chain, item.committed_generation) == (chain, generation), "only our own commit clears our plan"
        return Already()
    assert plan.chain == chain, "only our own plan is open under our generation"
    return Next(
        item._replace(
            watermark=plan.last,
            chain=plan.chain,
            committed_generation=generation,
            plan=None,
            totals=item.totals.plus(plan.counts),
            records=item.records + plan.records,
            failures=0,
            suspect=(),
            hot=(),
            poison=tuple(m for m in item.poison if m > plan.last),
            waived=0,
        )
    )


def skipping(item: Item, generation: int, upto: str, why: str) -> Verdict:
    """A lane goes on after records it did not get: they do not come again, or a person leaves them out. That is noted.

    A plan that was open had perhaps begun, and cannot be brought to its end without its records: all of them are left
    out, or some might count twice; its chain is not used again. A lane that was stopped waits for nothing any more.
    """
    if item.generation != generation:
        return Refused("opened later by another")
    if item.watermark >= upto:
        return Already()
    chain = item.chain
    if item.plan is not None:
        chain, upto = item.plan.chain, max(upto, item.plan.last)
        why += f"; chain {chain} was open" + (f", its messages sent up to {item.plan.sent}" if item.plan.sent else "")
    noted = f"skipped after {told(item.watermark)} to {told(upto)}: {why}"
    return Next(
        item._replace(
            watermark=upto,
            chain=chain,
            plan=None,
            suspect=(),
            hot=(),
            stopped="",
            waived=0,
            resolved=(*item.resolved, noted),
            since=Since(upto, item.records, item.totals.received),
        )
    )


def suspecting(item: Item, generation: int, span: tuple[str, ...]) -> Verdict:
    """Careful mode: records from the first to the last mark are in hand; if no more is heard, it was one of them."""
    if item.generation != generation:
        return Refused("opened later by another")
    if item.suspect == span:
        return Already()
    return Next(item._replace(suspect=span))


def leaving(item: Item, generation: int) -> Verdict:
    """A child stops in good order: its open was no failure."""
    if item.generation != generation:
        return Refused("opened later by another")
    if item.failures == 0 and not item.suspect:
        return Already()
    return Next(item._replace(failures=0, suspect=()))


def stopping(item: Item, generation: int, why: str) -> Verdict:
    """The shard waits for a person: a replay delivered other records than the open plan counted."""
    if item.generation != generation:
        return Refused("opened later by another")
    if item.stopped:
        return Already()
    return Next(item._replace(stopped=why, failures=0))


def resolving(item: Item, *, accept: bool) -> Verdict:
    """A person decides for a stopped shard: try once more, or accept the records that come as the plan's.

    The generation rises, so that nobody who saw the item before acts on it.
    """
    if not item.stopped:
        return Refused("the shard is not stopped")
    resolved = item.resolved
    waived = 0
    if accept and item.plan is not None:
        waived = item.plan.chain
        resolved = (*resolved, f"chain {item.plan.chain}: {item.plan.records} records were planned; {item.stopped}")
    return Next(item._replace(generation=item.generation + 1, stopped="", waived=waived, resolved=resolved, failures=0))
