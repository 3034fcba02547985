"""`tailrace dead list|send`: what could not be forwarded. Rule: each event is sent once more, however often this runs.

`send` goes to the destination as the routes have it now. What is sent is noted in the ledger, before and after; a run
that was cut off goes on. The letters stay where they are, until they expire.

Exit status: 0 done, 1 there is none, or not all was taken; else it could not be asked.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from tailrace.commit.committed import epoch_of
from tailrace.commit.ports import LedgerStore, Place
from tailrace.commit.redrives import SENT, Redrives
from tailrace.commit.stores import ledger_of
from tailrace.edition import load
from tailrace.nouns import Destination
from tailrace.ops.aws import alike
from tailrace.ops.clock import Clock, SystemClock
from tailrace.settings import Settings, SettingsError
from tailrace.sinks.forward import dead
from tailrace.sinks.forward.dead import Found
from tailrace.sinks.forward.sender import Sender, Trouble
from tailrace.sinks.forward.sink import TARGETS, parts_of, sender_of
from tailrace.sinks.lake.places import place_of

NAME = "dead"
HELP = "List what could not be forwarded, and send it to its destination once more."
GROUP = "mend"
BATCH: Final = 500  # letters noted and sent together
KINDS_SHOWN: Final = 10
NOTES: Final = "dead/"  # of the ledger


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    does = parser.add_subparsers(dest="does", metavar="list|send", required=True)
    listed = does.add_parser("list", help="count dead letters by destination and error", allow_abbrev=False)
    listed.add_argument(
        "destination", metavar="NAME", nargs="?", default="", help="the destination_name of a route; else of all"
    )
    listed.add_argument("--json", action="store_true", help="print one JSON object a kind")
    sent = does.add_parser("send", help="send them to their destination again, each once", allow_abbrev=False)
    sent.add_argument("destination", metavar="NAME", help="the destination_name of its route")
    sent.add_argument("--dry-run", action="store_true", help="say what would be sent")
    sent.add_argument("--again", action="store_true", help="also what was sent before")
    for one in (listed, sent):
        one.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help="the settings file")


def run(args: argparse.Namespace) -> int:
    """List or send; return the exit status."""
    settings: Settings = args.settings
    store, application = ledger_of(settings, file_run=False), settings.kcl.application
    epoch = epoch_of(store, application)
    if epoch is None:
        raise SettingsError(f"the ledger knows no application `{application}`")
    place = place_of(settings)
    if args.does == "list":
        return _list(store, place, epoch, args.destination, as_json=args.json)
    destination = _destination(settings, args.destination)
    options, target = parts_of(destination, settings.aws)
    clock = SystemClock()
    sender = sender_of(destination, options, target, clock, lambda *_, **__: None, blocks=False)
    work = Work(store, place, epoch, destination.name, None if args.dry_run else sender, clock, again=args.again)
    try:
        work.run()
    except BaseException:
        print(f"tailrace: cut off: {work.text()}; run again, it goes on", file=sys.stderr)
        raise
    finally:
        sender.close()
    print(work.text())
    for error, count in work.errors.most_common(KINDS_SHOWN):
        print(f"tailrace: {count:,} not taken: {error}", file=sys.stderr)
    return 1 if work.errors or not work.counts["found"] else 0


def _destination(settings: Settings, name: str) -> Destination:
    known = {one.name: one for one in load(settings).destinations if one.service in TARGETS}
    if name not in known:
        raise SettingsError(
            f"found {name}, expected a destination of the routes: {', '.join(known) or 'there is none'}"
        )
    return known[name]


def _list(store: LedgerStore, place: Place, epoch: str, destination: str, *, as_json: bool) -> int:
    kinds: Counter[tuple[str, str, str]] = Counter()
    sent: Counter[tuple[str, str, str]] = Counter()
    notes: dict[str, Redrives] = {}
    for one in _each(place, epoch, destination):
        kind = (one.destination, one.why, alike(one.error))
        kinds[kind] += 1
        if one.destination not in notes:
            notes[one.destination] = _notes(store, epoch, one.destination)
        sent[kind] += notes[one.destination].state(one.row_id) == SENT
    for kind, count in kinds.most_common():
        facts: dict[str, Any] = dict(zip(("destination", "why", "error"), kind, strict=True))
        facts |= {"letters": count, "sent_since": sent[kind]}
        print(json.dumps(facts) if as_json else _line(facts))
    if not kinds and not as_json:
        others = sorted({name.split("/")[2] for name, _ in place.names(dead.prefix_of(epoch))}) if destination else []
        print(f"No dead letters of {destination}; there are of: {', '.join(others)}." if others else "No dead letters.")
    return 0 if kinds else 1


def _line(facts: dict[str, Any]) -> str:
    since = f"  ({facts['sent_since']:,} sent since)" if facts["sent_since"] else ""
    return f"{facts['letters']:>9,}  {facts['destination']}  {facts['why']}: {facts['error']}{since}"


def _each(place: Place, epoch: str, destination: str) -> Iterator[Found]:
    """Yield each letter once, though several owners of a plan may have written it."""
    seen: set[tuple[str, bytes]] = set()
    for one in dead.read(place, epoch, destination):
        key = (one.destination, bytes.fromhex(one.row_id))
        if key not in seen:
            seen.add(key)
            yield one


def _notes(store: LedgerStore, epoch: str, destination: str) -> Redrives:
    return Redrives(store, f"{epoch}/{destination}", NOTES)


class Work:
    """Letters on their way back."""

    def __init__(
        self,
        store: LedgerStore,
        place: Place,
        epoch: str,
        destination: str,
        sender: Sender | None,
        clock: Clock,
        *,
        again: bool = False,
    ) -> None:
        """`sender` None: nothing is sent."""
        self._letters = _each(place, epoch, destination)
        self._notes = _notes(store, epoch, destination)
        self._sender, self._clock, self._again = sender, clock, again
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    def run(self) -> None:
        """Send some hundreds at a time, until none is left or the destination takes nothing."""
        batch = list[Found]()
        for one in self._letters:
            self.counts["found"] += 1
            if self._notes.state(one.row_id) == SENT and not self._again:
                self.counts["before"] += 1
                continue
            batch.append(one)
            if len(batch) == BATCH:
                if not self._send(batch):
                    return
                batch = []
        if batch:
            self._send(batch)

    def _send(self, batch: list[Found]) -> bool:
        """Send a batch; return whether it is worth going on."""
        if self._sender is None:
            self.counts["would"] += len(batch)
            return True
        key = self._notes.sending([one.row_id for one in batch], self._clock.now_ms())
        letters = self._sender.send([one.message for one in batch], Trouble())
        left = {one.message.row_id for one in letters}
        taken = [one.row_id for one in batch if one.row_id not in left]
        self._notes.sent(key, taken, self._clock.now_ms())
        self.counts["sent"] += len(taken)
        self.errors.update(alike(one.failure.why) for one in letters)
        return bool(taken) or all(one.failure.final for one in letters)

    def text(self) -> str:
        """Return the sums for a person."""
        if not self.counts["found"]:
            return "No dead letters found."
        done = f"{self.counts['sent']:,} sent" if self._sender else f"{self.counts['would']:,} would be sent"
        before = f", {self.counts['before']:,} were sent before" if self.counts["before"] else ""
        return f"{self.counts['found']:,} dead letters: {done}{before}"
