"""`tailrace where EVENT_ID`. Rule: an event is where the committed view has it, or it is said to be nowhere.

Exit status: 0 found, 1 not found, 2 it could not be asked.
"""

from __future__ import annotations

import argparse
import json
import sys

from tailrace.cli import masking
from tailrace.cli.selection import add_origins, opened
from tailrace.commit.committed import QUARANTINE, shards_of
from tailrace.commit.compacted import view_of
from tailrace.nouns import Reason
from tailrace.sinks.lake.places import place_of
from tailrace.sinks.lake.read import Found, Search

NAME = "where"
HELP = "Find one event: its record, plan, object and row group, or its reject."
GROUP = "look"
TRIES = 3  # where a compaction replaces what is being read


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "event_id", metavar="EVENT_ID", help="the event's own id, or its row_id, derived from its position"
    )
    add_origins(parser, "look in what `{}` stored")
    parser.add_argument("--raw", action="store_true", help="show the values in reasons: they may be personal data")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Look the event up; return the exit status."""
    settings = args.settings
    ledger, origin, epoch = opened(args)
    place = place_of(settings)
    for _ in range(TRIES):
        search = Search(place, args.event_id, view_of(ledger, place, epoch))  # before the shards
        hits = list(search.run(list(shards_of(ledger, epoch, origin.stream))))
        if not search.changed:
            break
    found = len(hits)
    for one in hits:
        print(json.dumps(_plain(one, raw=args.raw)) if args.json else _text(one, raw=args.raw))
    if not args.json:
        print(f"{found or 'not'} found; read {search.objects} objects.")
    for name in search.missing:
        print(f"tailrace: could not be looked at: {name}", file=sys.stderr)
    return 0 if found else 1


def _plain(one: Found, *, raw: bool) -> dict[str, object]:
    facts = one.facts
    sequence, sub, index = str(one.values["position"]).split("/")
    plain: dict[str, object] = {
        "found": "rejected" if one.table == QUARANTINE else "stored",
        "table": one.table,
        "row_id": one.values["row_id"],
        "record": {
            "stream": facts.stream,
            "shard": facts.shard,
            "sequence": sequence,
            "sub": int(sub),
            "index": int(index),
        },
        "plan": {"epoch": facts.epoch, "chain": facts.chain, "generation": facts.generation, "records": facts.records},
        "object": {"name": one.object, "row_group": one.row_group, "row": one.row},
        "received_at": str(one.values["received_at"]),
    }
    if one.table == QUARANTINE:
        plain["reasons"] = [reason._asdict() for reason in _reasons(one, raw=raw)]
    return plain


def _text(one: Found, *, raw: bool) -> str:
    plain = _plain(one, raw=raw)
    facts = one.facts
    sequence, sub, index = str(one.values["position"]).split("/")
    lines = [
        f"{plain['found']} in {one.table}, received {plain['received_at']}",
        f"  record  {facts.stream} {facts.shard}, sequence {sequence}, sub-sequence {sub}, event {index}",
        f"  plan    chain {facts.chain}, generation {facts.generation}, {facts.records} records",
        f"  object  {one.object}",
        f"  row     {one.row} of row group {one.row_group}, row_id {plain['row_id']}",
    ]
    if one.table == QUARANTINE:
        lines += [
            f"  reason  {reason.stage}/{reason.keyword} {reason.path}: {masking.line(reason.message)}"
            for reason in _reasons(one, raw=raw)
        ]
    return "\n".join(masking.printable(line) for line in lines)


def _reasons(one: Found, *, raw: bool) -> list[Reason]:
    """Return the reasons, without the values that were found unless `raw`."""
    reasons = [Reason(**reason) for reason in json.loads(one.values["reasons"])]
    return reasons if raw else [reason._replace(message=masking.message(reason)) for reason in reasons]
