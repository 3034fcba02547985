"""What an audit says. Rule: plain values; whoever shows them decides how."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from tailrace.commit.plan import Counts


class Finding(NamedTuple):
    """Something that does not hold."""

    check: str
    text: str


class ShardReport(NamedTuple):
    """What was looked at in one shard, and what was found."""

    stream: str
    shard: str
    chain: int
    totals: Counts
    findings: list[Finding]
    compared: Counter[str]  # check -> comparisons
    numbers: dict[str, str]  # check -> the numbers, for a person
    notes: list[str]

    @property
    def holds(self) -> bool:
        return not self.findings

    @property
    def events(self) -> tuple[int, ...]:
        """Received, stored, rejected, filtered: the archive holds records, and is no part of the sum."""
        return tuple(self.totals.events.values())


class LaneReport(NamedTuple):
    """What was looked at in one lane beside the lake's, and what was found."""

    shard: str
    lane: str
    totals: Counts
    records: int
    findings: list[Finding]
    notes: list[str]  # what it left out, and what it waits for: no findings
    compared: bool  # with the lake's plans

    @property
    def holds(self) -> bool:
        return not self.findings


class Report(NamedTuple):
    """The whole lake."""

    epoch: str
    shards: list[ShardReport]
    findings: list[Finding]  # of no shard that the ledger knows
    notes: list[str]
    lanes: tuple[LaneReport, ...] = ()

    @property
    def holds(self) -> bool:
        return (
            not self.findings and all(shard.holds for shard in self.shards) and all(lane.holds for lane in self.lanes)
        )
