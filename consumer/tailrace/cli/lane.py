"""`tailrace lane list|pause|resume|skip`: destinations by hand, while they run. Rule: nothing is said without a reason.

What is said stands in the ledger with who said it, when and why. Every child sees it within `[lanes] look_s`.

Exit status: 0 done, or listed; 1 there is nothing to do; 2 wrong usage, or no such lane.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from tailrace.commit import switches
from tailrace.commit.committed import Shard, epoch_of, lanes_of
from tailrace.commit.ports import LedgerStore
from tailrace.commit.stores import ledger_of
from tailrace.commit.switches import Skip, Switch, Switches
from tailrace.nouns import END, LAKE, START, SUB_MAX, mark, told
from tailrace.settings import Settings, SettingsError

NAME = "lane"
HELP = "List destinations, pause and resume them, or have them leave records out."
GROUP = "mend"
HISTORY_SHOWN: Final = 20
WHY_CHARS_MAX: Final = 300  # all of it stands in one item of the ledger, which every child reads every few seconds
SHARDS_NAMED_MAX: Final = 3

Lanes = Mapping[str, Mapping[str, Shard]]  # by lane and shard


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="list|pause|resume|skip")
    listed = kinds.add_parser("list", help="where each stands, and what was said of it", allow_abbrev=False)
    listed.add_argument("--json", action="store_true", help="print one JSON object")
    pause = kinds.add_parser("pause", help="take nothing in any more; the lake goes on", allow_abbrev=False)
    resume = kinds.add_parser("resume", help="go on from where it stands", allow_abbrev=False)
    skip = kinds.add_parser("skip", help="leave out what it has not got", allow_abbrev=False)
    skip.add_argument(
        "--upto",
        required=True,
        metavar="now|TIMESTAMP|SEQUENCE",
        help="all that the lake has by now; what came before a time with its zone; a sequence number of --shard",
    )
    skip.add_argument("--shard", metavar="SHARD", help="in this shard alone")
    for one in (pause, resume, skip):
        one.add_argument("lane", metavar="NAME", help="the destination_name of its route")
        one.add_argument("--why", required=True, type=_words, metavar="TEXT", help="kept in the ledger")
    for one in (listed, pause, resume, skip):
        one.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help="the settings file")


def _words(text: str) -> str:
    if not text.strip() or not text.isprintable() or len(text) > WHY_CHARS_MAX:
        raise argparse.ArgumentTypeError(
            f"expected a reason in words, in one line of {WHY_CHARS_MAX} characters at most"
        )
    return text.strip()


def run(args: argparse.Namespace) -> int:
    """List, or say it; return the exit status."""
    settings: Settings = args.settings
    store = ledger_of(settings, file_run=False)
    epoch = epoch_of(store, settings.kcl.application)
    if epoch is None:
        return _refuse(f"the ledger knows no application `{settings.kcl.application}`")
    lanes: dict[str, dict[str, Shard]] = {}
    for lane, shard in lanes_of(store, epoch, settings.stream.name):
        lanes.setdefault(lane, {})[shard.identity.shard] = shard
    if args.kind == "list":
        return _list(lanes, switches.read(store, epoch), as_json=args.json)
    if args.lane == LAKE:
        return _refuse("the lake's lane is the intake itself: to stop it, stop `tailrace consume`")
    others = sorted(lanes.keys() - {LAKE})
    if args.lane not in others:
        return _refuse(f"no lane {args.lane} has begun, expected one of: {', '.join(others) or 'none yet'}")
    return {"pause": _pause, "resume": _resume, "skip": _skip}[args.kind](_Hand(args, store, epoch, lanes))


def _refuse(why: str) -> int:
    print(f"tailrace: {why}", file=sys.stderr)
    return 2


# ---- list


def _list(lanes: Lanes, said: Switches, *, as_json: bool) -> int:
    lake = {shard: one.item.watermark for shard, one in lanes.get(LAKE, {}).items()}
    listed = [_plain(lane, shards, said.lanes.get(lane, Switch()), lake) for lane, shards in sorted(lanes.items())]
    if as_json:
        print(json.dumps({"lanes": listed, "history": list(said.history)}, indent=1))
        return 0
    for one in listed:
        where = f"behind the lake in {one['behind']} of {one['shards']} shards" if one["lane"] != LAKE else "the intake"
        print(f"{one['lane']}: {one['state']}; {one['received']:,} received, {one['stored']:,} delivered; {where}")
        for shard, what in [
            *one["stopped"].items(),
            *((s, w) for s, several in one["left_out"].items() for w in several),
        ]:
            print(f"  {shard}: {what}")
    for words in said.history[-HISTORY_SHOWN:]:
        print(words)
    return 0


def _plain(lane: str, shards: Mapping[str, Shard], switch: Switch, lake: Mapping[str, str]) -> dict[str, Any]:
    stopped = {shard: one.item.stopped for shard, one in shards.items() if one.item.stopped}
    state = f"paused ({switch.paused})" if switch.paused else "goes on"
    return {
        "lane": lane,
        "state": f"{state}, stopped in {len(stopped)} shards" if stopped else state,
        "paused": switch.paused,
        "shards": len(shards),
        "behind": sum(one.item.watermark < lake.get(shard, START) for shard, one in shards.items()),
        "received": sum(one.item.totals.received for one in shards.values()),
        "stored": sum(one.item.totals.stored for one in shards.values()),
        "stopped": stopped,
        "left_out": {shard: list(one.item.resolved) for shard, one in shards.items() if one.item.resolved},
    }


# ---- pause, resume, skip


class _Hand(NamedTuple):
    """Whoever speaks, and of what."""

    args: argparse.Namespace
    store: LedgerStore
    epoch: str
    lanes: Lanes

    @property
    def lane(self) -> str:
        return str(self.args.lane)

    def say(self, what: str, law: Callable[[Switch], Switch]) -> bool:
        """Write it with its history; False where it is so already."""
        words = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {_who()}: {self.lane} {what}: {self.args.why}"
        changed = [False]

        def of_all(said: Switches) -> Switches:
            before = said.lanes.get(self.lane, Switch())
            new = law(before)
            changed[0] = new != before
            return said.said(self.lane, new, words) if changed[0] else said

        switches.change(self.store, self.epoch, of_all)
        return changed[0]


def _who() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user often has no name
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def _pause(hand: _Hand) -> int:
    if not hand.say("paused", lambda one: one._replace(paused=one.paused or hand.args.why)):
        return _nothing(f"{hand.lane} is paused already")
    look_s = hand.args.settings.lanes.look_s
    print(
        f"{hand.lane}: takes nothing in from {look_s:g} s on; the lake goes on.\n"
        "KCL's checkpoint stays where it stands: a start reads again from there, and what the stream's retention ends\n"
        "is lost to it. A shard that ends waits for it: the shards after it are not read until it is resumed, or skips."
    )
    return 0


def _resume(hand: _Hand) -> int:
    if not hand.say("resumed", lambda one: one._replace(paused="", resumed=one.resumed + 1) if one.paused else one):
        return _nothing(f"{hand.lane} is not paused")
    print(f"{hand.lane}: goes on from where it stands; each daemon starts anew for it.")
    return 0


def _skip(hand: _Hand) -> int:
    marks = _marks(hand)
    if not marks:
        return _nothing(f"{hand.lane} has all of it already")

    def law(one: Switch) -> Switch:
        further = {shard: upto for shard, upto in marks.items() if upto > one.skips.get(shard, Skip()).upto}
        return one._replace(skips={**one.skips, **{s: Skip(upto, hand.args.why) for s, upto in further.items()}})

    named = [f"{shard} to {told(upto)}" for shard, upto in marks.items()]
    whole = len(named) <= SHARDS_NAMED_MAX
    if not hand.say(f"skips {', '.join(named) if whole else f'{len(named)} shards to {hand.args.upto}'}", law):
        return _nothing(f"{hand.lane} has been told so already")
    for shard, upto in marks.items():
        stands = hand.lanes[hand.lane][shard].item.watermark
        print(f"{hand.lane}: leaves out {shard} after {told(stands)} to {told(upto)}")
    print("A plan that is open is left out whole. Each daemon starts anew for it, and its lane notes what it left out.")
    return 0


def _nothing(why: str) -> int:
    print(f"tailrace: {why}", file=sys.stderr)
    return 1


def _marks(hand: _Hand) -> dict[str, str]:
    """Return, by shard, the mark up to which the lane leaves out what it has not got: never more than the lake has."""
    args, lane, lake = hand.args, hand.lanes[hand.lane], hand.lanes.get(LAKE, {})
    shards = sorted(lane.keys() & lake.keys())
    if args.shard is not None:
        if args.shard not in shards:
            raise SettingsError(f"--shard: found {args.shard}, expected one of: {', '.join(shards)}")
        shards = [args.shard]
    upto = _upto(args)
    found = {shard: min(upto(shard), lake[shard].item.watermark) for shard in shards}
    return {shard: at for shard, at in found.items() if at > lane[shard].item.watermark}


def _upto(args: argparse.Namespace) -> Callable[[str], str]:
    """Return what tells a shard's mark."""
    if args.upto == "now":
        return lambda _shard: END
    if args.upto.isascii() and args.upto.isdigit():
        if args.shard is None:
            raise SettingsError("--upto: found a sequence number, expected --shard with it: it means nothing elsewhere")
        return lambda _shard: mark(args.upto, SUB_MAX)
    try:
        at = datetime.fromisoformat(args.upto)
    except ValueError:
        at = datetime.min  # noqa: DTZ901  refused below: it has no zone
    if at.tzinfo is None:
        raise SettingsError(f"--upto: found {args.upto}, expected now, a time like 2026-01-31T00:00:00Z, or a number")
    from tailrace.kcl.times import before  # noqa: PLC0415  boto3 is slow to load

    return before(args.settings, at)
