"""Objects that no commit file names. Rule: rows that nothing has committed are told, unless a plan is about to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from tailrace.commit.audit_compacted import Reader
from tailrace.commit.audit_report import Finding, Report
from tailrace.commit.committed import SUFFIXES, Shard
from tailrace.commit.compaction import COMPACTED, table_key
from tailrace.commit.compaction import item_from_dict as table_item
from tailrace.commit.plan import item_from_dict, lane_key
from tailrace.commit.ports import LedgerStore, Place
from tailrace.nouns import LAKE

STEM = re.compile(rf"(?P<shard>.+)-(?P<chain>\d{{10}})(?:{'|'.join(map(re.escape, SUFFIXES))})")
FOLDER = re.compile(r"/[^/]+=")  # where the name of a table ends


def strays(
    ledger: LedgerStore, place: Place, reader: Reader, report: Report, shards: Sequence[Shard], named: set[int]
) -> None:
    """Look at every object that no commit file named."""
    by_stem = {
        f"{shard.identity.epoch}-{shard.identity.stream}-{shard.identity.shard}": (shard, one)
        for shard, one in zip(shards, report.shards, strict=True)
    }
    others = 0
    uncommitted: Counter[str] = Counter()
    for name in _unnamed(place, named):
        stem = STEM.fullmatch(name.rpartition("/")[2])
        if stem is None or not stem["shard"].startswith(report.epoch + "-"):
            others += 1
            continue
        if stem["shard"] == f"{report.epoch}-{COMPACTED}":
            if int(stem["chain"]) <= _compactions(ledger, report.epoch, name):
                report.findings.extend(_judge(reader, place, name, "named by no committed compaction"))
            continue
        shard, one = by_stem.get(stem["shard"], (None, None))
        if shard is None or one is None:
            report.findings.extend(_judge(reader, place, name, "of a shard without an item in the ledger"))
            continue
        one.compared["strays"] += 1
        # Preparing comes before writing, so the ledger as it stands now knows every plan that may have written this.
        if int(stem["chain"]) > shard.item.chain and _prepared(ledger, shard, int(stem["chain"])):
            uncommitted[stem["shard"]] += 1
        else:
            one.findings.extend(_judge(reader, place, name, "named by no committed plan"))
    for text, count in uncommitted.items():
        by_stem[text][1].notes.append(f"{count} uncommitted objects of a plan that is open, or was when this began")
    if others:
        report.notes.append(f"{others} objects of other epochs, other streams or other writers")


def _compactions(ledger: LedgerStore, epoch: str, name: str) -> int:
    """Return how many compactions of the object's table are committed."""
    found = ledger.read(table_key(epoch, FOLDER.split(name)[0]))
    return 0 if found is None else table_item(found[1]).chain


def _prepared(ledger: LedgerStore, shard: Shard, chain: int) -> bool:
    found = ledger.read(lane_key(shard.identity, LAKE))
    if found is None:
        return False
    item = item_from_dict(found[1])
    return chain <= item.chain or (item.plan is not None and item.plan.chain == chain)


def _unnamed(place: Place, named: set[int]) -> Iterator[str]:
    for name, _ in place.names(""):
        if not name.startswith("_") and hash(name) not in named:
            yield name


def _judge(reader: Reader, place: Place, name: str, why: str) -> list[Finding]:
    """An object without rows harms nobody: it was put at the name of a plan that its next owner filled otherwise."""
    try:
        rows = reader.rows(place, name)
    except (ValueError, FileNotFoundError) as error:
        return [Finding("strays", f"{name}, {why}, cannot be read: {error}")]
    return [Finding("strays", f"{name}, {why}, has {rows} rows")] if rows else []
