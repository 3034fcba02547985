"""`tailrace audit`. Rule: the exit status is the verdict.

0: all holds. 1: something does not, of the lake or of a lane beside it. 2: it could not be asked. A lane that is
behind, paused, stopped, or told to leave records out is a note.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from tailrace.cli.selection import add_origins, opened
from tailrace.commit.audit import CHECKS, audit
from tailrace.commit.audit_report import Finding, LaneReport, Report, ShardReport
from tailrace.sinks.lake.places import place_of
from tailrace.sinks.lake.read import LakeReader

NAME = "audit"
HELP = "Prove from ledger, commit files and objects that each record is stored once."
GROUP = "look"
HEADINGS = ("shard", "plans", "received", "stored", "rejected", "filtered", "verdict")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_origins(parser, "audit what `{}` stored")
    parser.add_argument("--explain", action="store_true", help="say for each check what was compared, with numbers")
    parser.add_argument(
        "--expired",
        type=int,
        metavar="DAYS",
        help="what came longer ago may be gone from quarantine and archive: they expire",
    )
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Audit the lake that the settings name; return the exit status."""
    settings = args.settings
    ledger, origin, epoch = opened(args)
    expired = "" if args.expired is None else (datetime.now(UTC) - timedelta(days=args.expired)).date().isoformat()
    report = audit(ledger, place_of(settings), LakeReader(), epoch, origin.stream, expired_before=expired)
    if args.json:
        print(json.dumps(_to_json(report), indent=1))
    else:
        _print(report, explain=args.explain)
    return 0 if report.holds else 1


def _print(report: Report, *, explain: bool) -> None:
    lines = [HEADINGS, *[_line(shard) for shard in report.shards]]
    if len(report.shards) > 1:
        totals = [sum(column) for column in zip(*(shard.events for shard in report.shards), strict=True)]
        plans = sum(shard.chain for shard in report.shards)
        lines.append(("all", f"{plans:,}", *[f"{n:,}" for n in totals], _verdict(holds=report.holds)))
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    for line in lines:
        first, *numbers, verdict = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        print(first.strip().ljust(widths[0]), *numbers, verdict.strip(), sep="  ")
    for shard in report.shards:
        if explain:
            _explain(shard)
        for finding in shard.findings:
            print(f"! {shard.shard}: {finding.check}: {finding.text}")
        for note in shard.notes:
            print(f"  {shard.shard}: {note}")
    for lane in report.lanes:
        print("\n".join(_beside(lane)))
    for finding in report.findings:
        print(f"! {finding.check}: {finding.text}")
    for note in report.notes:
        print(f"  {note}")
    print(_sentence(report))


def _line(shard: ShardReport) -> tuple[str, ...]:
    numbers = [f"{n:,}" for n in shard.events]
    return (shard.shard, f"{shard.chain:,}", *numbers, _verdict(holds=shard.holds))


def _beside(lane: LaneReport) -> Iterator[str]:
    received, stored, rejected, filtered, _ = lane.totals
    agrees = ", agrees with the lake" if lane.compared and lane.holds else ""
    law = f"{received:,} received = {stored:,} delivered + {rejected:,} rejected + {filtered:,} filtered"
    yield f"{lane.shard} {lane.lane}: {law}, of {lane.records:,} records{agrees}"
    for finding in lane.findings:
        yield f"! {lane.shard} {lane.lane}: {finding.check}: {finding.text}"
    for note in lane.notes:
        yield f"  {lane.shard} {lane.lane}: {note}"


def _verdict(*, holds: bool) -> str:
    return "holds" if holds else "DOES NOT HOLD"


def _explain(shard: ShardReport) -> None:
    print(f"\n{shard.shard}")
    for check, meaning in CHECKS.items():
        broken = sum(finding.check == check for finding in shard.findings)
        state = f"{broken} findings" if broken else "holds"
        print(f"  {check:<10}{meaning}")
        numbers = shard.numbers.get(check, f"{shard.compared[check]} objects outside the committed plans")
        print(f"  {'':<10}{numbers}; {shard.compared[check]:,} comparisons: {state}")


def _sentence(report: Report) -> str:
    findings = sum(
        map(len, [report.findings, *(s.findings for s in report.shards), *(b.findings for b in report.lanes)])
    )
    if not report.shards:
        return "Nothing is committed yet." if report.holds else f"{findings} findings."
    if not report.holds:
        return f"{findings} findings: the lake is not what the ledger says."
    received, stored, rejected, filtered = (sum(c) for c in zip(*(s.events for s in report.shards), strict=True))
    return (
        f"{received:,} received = {stored:,} stored + {rejected:,} rejected + {filtered:,} filtered: each exactly once."
    )


def _to_json(report: Report) -> dict[str, object]:
    """Return the report as plain values."""
    return {
        "holds": report.holds,
        "epoch": report.epoch,
        "findings": _plain(report.findings),
        "notes": report.notes,
        "shards": [
            {
                "stream": shard.stream,
                "shard": shard.shard,
                "chain": shard.chain,
                "holds": shard.holds,
                **shard.totals._asdict(),
                "compared": dict(shard.compared),
                "findings": _plain(shard.findings),
                "notes": shard.notes,
            }
            for shard in report.shards
        ],
        "lanes": [
            {
                "shard": lane.shard,
                "lane": lane.lane,
                "holds": lane.holds,
                **lane.totals._asdict(),
                "records": lane.records,
                "compared": lane.compared,
                "findings": _plain(lane.findings),
                "notes": lane.notes,
            }
            for lane in report.lanes
        ],
    }


def _plain(findings: Iterable[Finding]) -> list[dict[str, str]]:
    return [finding._asdict() for finding in findings]
