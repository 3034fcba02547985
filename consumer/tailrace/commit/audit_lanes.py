"""Lanes beside the lake's, held against what the lake committed. Rule: they are compared where both stand at one place.

A lane has no commit files. Its item says how many records it has had since it began, or skipped; the lake's plans
between these marks say how many there were.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tailrace.commit.audit_report import Finding, LaneReport
from tailrace.commit.committed import Shard, lanes_of
from tailrace.commit.plan import CommitFacts, Item
from tailrace.commit.ports import LedgerStore
from tailrace.commit.switches import Switch, read
from tailrace.nouns import LAKE


class Beside:
    """All of them, read before the lake's items are: these may go on meanwhile."""

    def __init__(self, ledger: LedgerStore, epoch: str, stream: str) -> None:
        self._said = read(ledger, epoch).lanes
        self._lanes: defaultdict[str, list[_Lane]] = defaultdict(list)
        for name, shard in lanes_of(ledger, epoch, stream):
            if name != LAKE:
                self._lanes[shard.identity.shard].append(_Lane(name, shard))

    def see(self, shard: str, facts: CommitFacts) -> None:
        """Take a plan of the lake in, in their order."""
        for lane in self._lanes.get(shard, ()):
            lane.see(facts)

    def reports(self, shards: Sequence[Shard]) -> Iterator[LaneReport]:
        """Yield what was found, once all plans were seen."""
        lake = {shard.identity.shard: shard.item.watermark for shard in shards}
        for shard, lanes in sorted(self._lanes.items()):
            for lane in lanes:
                yield lane.report(lake.get(shard), self._said)


class _Lane:
    """One of them, in one shard."""

    def __init__(self, name: str, shard: Shard) -> None:
        self._name, self._shard, self._item = name, shard.identity.shard, shard.item
        item = shard.item
        self._begins = self._ends = item.since.mark == item.watermark  # among the lake's plans
        self._records = self._received = 0

    def see(self, facts: CommitFacts) -> None:
        item = self._item
        if item.since.mark <= facts.after and facts.last <= item.watermark:
            self._begins |= facts.after == item.since.mark
            self._ends |= facts.last == item.watermark
            self._records += facts.records
            self._received += facts.received

    def report(self, lake: str | None, said: Mapping[str, Switch]) -> LaneReport:
        item, findings, notes = self._item, [], []
        counts = item.totals
        right = counts.stored + counts.rejected + counts.filtered
        if counts.received != right:
            findings.append(Finding("sums", f"{counts.received} received, but {right} stored, rejected or filtered"))
        compared = self._begins and self._ends
        if compared:
            had, held = item.records - item.since.records, counts.received - item.since.received
            if had != self._records:
                findings.append(Finding("lanes", f"it has had {had} records where the lake committed {self._records}"))
            elif held != self._received:
                notes.append(f"it counted {held} events where the lake counted {self._received}")
        else:
            notes.append("it begins or ends in the middle of a plan of the lake: not compared")
        notes += self._state(item, lake, said.get(self._name, Switch()))
        return LaneReport(self._shard, self._name, counts, item.records, findings, notes, compared)

    def _state(self, item: Item, lake: str | None, switch: Switch) -> Iterator[str]:
        if lake is not None and item.watermark < lake:
            yield "it is behind the lake"
        if item.plan is not None:
            yield f"chain {item.plan.chain} is open: {item.plan.records} records"
        if switch.paused:
            yield f"paused: {switch.paused}"
        if item.stopped:
            yield f"stopped, waits for `tailrace resolve --lane {self._name}`: {item.stopped}"
        yield from item.resolved
