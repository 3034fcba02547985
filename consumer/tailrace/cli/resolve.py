"""`tailrace resolve`: a person's word on a shard that stopped. Rule: nothing is decided without --retry or --accept.

A shard stops when a replay brings other records than its open plan counted: the stream has lost some (retention), or
KCL dropped a damaged aggregate. Nothing was replaced, nothing checkpointed.
"""

from __future__ import annotations

import argparse
import difflib
import sys

from tailrace.cli.selection import add_origins, opened
from tailrace.commit import rules
from tailrace.commit.committed import lanes_of, shards_of
from tailrace.commit.ledger import LaneLedger
from tailrace.commit.ports import LedgerStore, Place
from tailrace.nouns import LAKE, Identity
from tailrace.settings import SettingsError
from tailrace.sinks.lake.places import place_of

NAME = "resolve"
HELP = "Decide about a shard or a lane that stopped because a replay differed from its plan."
GROUP = "mend"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "shard", nargs="?", metavar="SHARD", help="the shard to decide about; without it, list the stopped ones"
    )
    parser.add_argument(
        "--lane",
        default=LAKE,
        metavar="NAME",
        help="of a destination besides the lake: its lane stops without the shard",
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
    if args.shard is None:
        return _list(store, epoch, origin.stream)
    known = {one.identity.shard: one for one in shards_of(store, epoch, origin.stream, args.lane)}
    if not known:
        lanes = sorted({lane for lane, _ in lanes_of(store, epoch, origin.stream)})
        raise SettingsError(f"--lane: found {args.lane}, expected one of: {', '.join(lanes)}")
    if args.shard not in known:
        near = difflib.get_close_matches(args.shard, known, n=1)
        raise SettingsError(
            f"found {args.shard}, expected a shard of the lane {args.lane}, such as {(*near, *known)[0]}"
        )
    shard = known[args.shard]
    whose = f"the shard {args.shard}" if args.lane == LAKE else f"the lane {args.lane} of {args.shard}"
    if not shard.item.stopped:
        print(f"tailrace: {whose} is not stopped", file=sys.stderr)
        return 1
    if not (args.retry or args.accept):
        print(f"{args.shard}: {shard.item.stopped}\nSay --retry or --accept.", file=sys.stderr)
        return 2
    if not decide(store, place_of(settings), shard.identity, accept=args.accept, lane=args.lane):
        print(f"tailrace: {whose} is not stopped any more: somebody was faster", file=sys.stderr)
        return 1
    then = "the records that come are taken as the plan's" if args.accept else "the records are read once more"
    when = "when `tailrace backfill` is run again" if args.files else "once the daemon of its host has started again"
    when = "when the queue brings the file's message again" if args.drops else when
    print(f"{args.shard}: {then}, {when}.")
    return 0


def _list(store: LedgerStore, epoch: str, stream: str) -> int:
    """Print what is stopped: shards, whose lake's lane is, and lanes beside it."""
    shards = stopped = 0
    for lane, shard in lanes_of(store, epoch, stream):
        shards += lane == LAKE
        stopped += lane == LAKE and bool(shard.item.stopped)
        if shard.item.stopped:
            print(f"{shard.identity.shard}{'' if lane == LAKE else f' --lane {lane}'}: {shard.item.stopped}")
    print(f"{stopped} of {shards} shards stopped.")
    return 0


def decide(store: LedgerStore, place: Place, identity: Identity, *, accept: bool, lane: str = LAKE) -> bool:
    """Write the decision into the ledger. False when somebody was faster."""
    ledger = LaneLedger(store, place, identity, lane)
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
