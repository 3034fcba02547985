"""`tailrace resolve`: a person's word on a shard that stopped. Rule: nothing is decided without --retry or --accept.

A shard stops when a replay brings other records than its open plan counted: the stream has lost some (retention), or
KCL dropped a damaged aggregate. Nothing was replaced, nothing checkpointed.
"""

from __future__ import annotations

import argparse
import sys

from tailrace.cli.selection import add_origins, opened
from tailrace.commit import rules
from tailrace.commit.committed import LAKE, shards_of
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.ports import LedgerStore, Place
from tailrace.nouns import Identity
from tailrace.sinks.lake.places import place_of

NAME = "resolve"
HELP = "Decide about a shard that stopped because a replay differed from its plan."
GROUP = "mend"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "shard", nargs="?", metavar="SHARD", help="the shard to decide about; without it, list the stopped ones"
    )
    add_origins(parser, "the shards of `{}`")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--retry", action="store_true", help="read the records once more: whatever hid them is mended")
    choice.add_argument(
        "--accept", action="store_true", help="take the records that come as the plan's; the hole is recorded"
    )


def run(args: argparse.Namespace) -> int:
    """List, or decide; return the exit status."""
    settings = args.settings
    store, origin, epoch = opened(args)
    known = list(shards_of(store, epoch, origin.stream))
    stopped = {shard.identity.shard: shard for shard in known if shard.item.stopped}
    if args.shard is None:
        for name, shard in stopped.items():
            print(f"{name}: {shard.item.stopped}")
        print(f"{len(stopped)} of {len(known)} shards stopped.")
        return 0
    if args.shard not in stopped:
        print(f"tailrace: the shard {args.shard} is not stopped", file=sys.stderr)
        return 1
    shard = stopped[args.shard]
    if not (args.retry or args.accept):
        print(f"{args.shard}: {shard.item.stopped}\nSay --retry or --accept.", file=sys.stderr)
        return 2
    if not decide(store, place_of(settings), shard.identity, accept=args.accept):
        print(f"tailrace: the shard {args.shard} is not stopped any more: somebody was faster", file=sys.stderr)
        return 1
    then = "the records that come are taken as the plan's" if args.accept else "the records are read once more"
    when = "when `tailrace backfill` is run again" if args.files else "once the daemon of its host has started again"
    when = "when the queue brings the file's message again" if args.drops else when
    print(f"{args.shard}: {then}, {when}.")
    return 0


def decide(store: LedgerStore, place: Place, identity: Identity, *, accept: bool) -> bool:
    """Write the decision into the ledger. False when somebody was faster."""
    ledger = LaneLedger(store, place, identity, LAKE)
    found = ledger.read()
    if found is None:
        return False
    while found is not None:
        revision, item = found
        verdict = rules.resolving(item, accept=accept)
        if not isinstance(verdict, rules.Next):
            return False
        found = ledger.swap(revision, verdict.item)
    return True
