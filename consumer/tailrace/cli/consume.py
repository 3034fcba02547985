"""`tailrace consume`. Rule: everything is checked before the daemon starts; from then on the supervisor decides.

Exit status: 0 drained cleanly, 1 not cleanly, 2 refused to start, 75 a service stayed away before the start.
"""

from __future__ import annotations

import argparse
import os

from tailrace.commit.stores import ledger_of
from tailrace.kcl import preflight
from tailrace.kcl.run_dir import RunDirBusyError
from tailrace.kcl.supervisor import Supervisor
from tailrace.ops import logs
from tailrace.ops.clock import SystemClock
from tailrace.settings import Settings

NAME = "consume"
HELP = "Read the stream through KCL into the lake, until stopped."
GROUP = "run"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's own arguments."""
    parser.add_argument("--check", action="store_true", help="look at everything a start needs, then end")


def run(args: argparse.Namespace) -> int:
    """Consume until SIGTERM or Ctrl-C; SIGHUP starts the daemon anew."""
    settings: Settings = args.settings
    logs.configure(settings.logs.format, settings.logs.level)
    clock = SystemClock()
    ready = preflight.check(settings, lambda: ledger_of(settings, file_run=False), clock, args.config)
    if args.check:
        logs.get("consume").info("ready to start", epoch=ready.epoch, leases=ready.leases)
        return 0
    try:
        return Supervisor(settings, ready, clock, os.environ).run()
    except (RunDirBusyError, preflight.Refused) as error:
        raise preflight.Refused(f"{args.config}: {error}" if args.config else str(error)) from None
