"""Which shards and rejects a command is about. Rule: the same words mean the same in every command that has them."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from tailrace.commit.committed import epoch_of, shards_of
from tailrace.commit.compacted import view_of
from tailrace.commit.ports import LedgerStore
from tailrace.commit.redrives import SENT, Redrives
from tailrace.commit.stores import Origin, ledger_of, origin_of
from tailrace.settings import Settings, SettingsError
from tailrace.sinks.lake.places import place_of
from tailrace.sinks.lake.rejects import Reject, Rejects, Wanted
from tailrace.world import WorldDenied, WorldError

STAGES: Final = ("decode", "parse", "contract", "schema", "columns", "internal")
OR_FILES: Final = " (what `backfill` stored is found with --files)"
_AGO: Final = re.compile(r"(\d+)([mhd])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def add_filters(parser: argparse.ArgumentParser, *, pending: bool) -> None:
    """Add the arguments that choose rejects."""
    group = parser.add_argument_group("which rejects")
    group.add_argument("--stage", choices=STAGES, default="", help="the stage of the first reason")
    group.add_argument("--reason", metavar="KEYWORD", default="", help="any reason's keyword: required, json, ...")
    group.add_argument("--type", metavar="TYPE", default="", help="the event type")
    group.add_argument("--tenant", default="")
    group.add_argument("--shard", default="")
    group.add_argument("--text", default="", help="text in the path or the message of any reason")
    group.add_argument("--since", metavar="TIME", type=moment, help="arrived then or later: 2026-01-31T08:00Z, 2h, 3d")
    group.add_argument("--until", metavar="TIME", type=moment, help="arrived before then")
    if pending:
        group.add_argument("--pending", action="store_true", help="only what `redrive` has not sent yet")
    add_origins(parser, "what `{}` rejected")


def add_origins(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the arguments that say whose shards are meant, if not the consumer's."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--files", action="store_true", help=f"{what.format('backfill')}, by its local ledger")
    either.add_argument("--drops", action="store_true", help=what.format("drops"))


class Opened(NamedTuple):
    """A ledger, and whose shards in it are meant."""

    ledger: LedgerStore
    origin: Origin
    epoch: str


def opened(args: argparse.Namespace) -> Opened:
    """Open the ledger that the arguments mean. Raises SettingsError where it knows no such application."""
    settings: Settings = args.settings
    hint = "" if args.files or args.drops else OR_FILES
    if args.files and not Path(settings.ledger.path).exists():
        raise SettingsError(f"found no ledger at {settings.ledger.path}: has a `backfill` run here?")
    origin = origin_of(settings, files=args.files, drops=args.drops)
    ledger: LedgerStore = ledger_of(settings, file_run=origin.file_run)
    try:
        epoch = epoch_of(ledger, origin.application)
    except (WorldError, WorldDenied) as error:
        raise type(error)(f"{error}{hint}") from error
    if epoch is None:
        raise SettingsError(f"the ledger knows no application `{origin.application}`{hint}")
    return Opened(ledger, origin, epoch)


def moment(text: str) -> datetime:
    """Return a time: ISO 8601 (UTC where no zone is named), or so long ago."""
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return _sane(datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])}))
        found = datetime.fromisoformat(text)
        return _sane(found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        message = f"found {text!r}, expected a time like 2026-01-31T08:00Z, or how long ago: 30m, 2h, 3d"
        raise argparse.ArgumentTypeError(message) from None


def _sane(found: datetime) -> datetime:
    """Raises ValueError for times at whose ends a calculation would leave the calendar."""
    if not MINYEAR < found.year < MAXYEAR:
        raise ValueError(found.year)
    return found


class Chosen:
    """The rejects that arguments choose, in one lake."""

    def __init__(self, args: argparse.Namespace, *, id_: str = "", raw: bool = True) -> None:
        """Raises SettingsError where the ledger knows no such application."""
        settings: Settings = args.settings
        self.ledger, origin, self.epoch = opened(args)
        self.redrives = Redrives(self.ledger, self.epoch)
        self._stream = origin.stream
        place = place_of(settings)
        view = view_of(self.ledger, place, self.epoch)  # before the shards
        self._rejects = Rejects(place, self._wanted(args, id_), raw=raw, view=view)
        self._pending = getattr(args, "pending", False)

    @staticmethod
    def _wanted(args: argparse.Namespace, id_: str) -> Wanted:
        if id_:
            return Wanted(id=id_)
        return Wanted(
            args.stage, args.reason, args.type, args.tenant, args.shard, args.text, "", args.since, args.until
        )

    def __iter__(self) -> Iterator[Reject]:
        """Yield each, and say at the end what could not be looked at."""
        for one in self._rejects.run(shards_of(self.ledger, self.epoch, self._stream)):
            if not (self._pending and self.redrives.state(one.row_id) == SENT):
                yield one
        if self._rejects.gone:
            print(f"tailrace: {self._rejects.gone:,} objects of the quarantine are gone: expired?", file=sys.stderr)
        for name in self._rejects.missing:
            print(f"tailrace: could not be looked at: {name}", file=sys.stderr)

    @property
    def whole(self) -> bool:
        """Say whether everything that is there could be looked at."""
        return not self._rejects.missing
