"""`python -m local demo|up|traffic`. Rule: a signal ends it as Ctrl-C does, so nothing started here stays."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Never

from local import aws, demo
from local.consumer import Consumer
from local.process import NotComeTogetherError, environment, free_port
from local.screen import Screen
from local.send import paced, send
from local.standins import start_ministack
from local.traffic import day, parcels

DAY_END_MS = 1_760_054_400_000  # 2025-10-10T00:00Z: the day of examples/day.jsonl is the one before


def main() -> int:
    """Run the command line; return the exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    args = _parser().parse_args()
    try:
        return int(args.run_it(args))
    except KeyboardInterrupt:
        return 130
    except NotComeTogetherError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("demo", help="the whole system once, watched")
    events = os.environ.get("EVENTS") or str(demo.EVENTS)
    one.add_argument("--events", type=_count, default=events, help="how many to send (default: EVENTS, or %(default)s)")
    one.add_argument("--seed", type=int, default=demo.SEED)
    one.add_argument("--keep", action="store_true", help="leave all of it running afterwards, until Ctrl-C")
    one.set_defaults(run_it=lambda args: demo.run(args.events, keep=args.keep, seed=args.seed))
    two = commands.add_parser("up", help="stand-in AWS and a consumer, until Ctrl-C")
    two.add_argument("--shards", type=int, default=demo.SHARDS)
    two.set_defaults(run_it=_up)
    three = commands.add_parser("traffic", help="send to what `up` or `demo --keep` runs, or write a file")
    where = three.add_mutually_exclusive_group(required=True)
    where.add_argument("--run", type=Path, metavar="FOLDER", help="the folder that `up` or `demo --keep` names")
    where.add_argument("--file", type=Path, help="write JSON lines instead of sending")
    three.add_argument("--events", type=_count, default=2000, help="how many (default: %(default)s)")
    three.add_argument("--seed", type=int, default=demo.SEED)
    three.add_argument("--rate", type=float, default=2000.0, help="events a second (default: %(default)s)")
    three.set_defaults(run_it=_traffic)
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number of at least 1")
    return int(text)


def _up(args: argparse.Namespace) -> int:
    screen, folder = Screen(), Path(tempfile.mkdtemp(prefix="tailrace-up-"))
    with ExitStack() as running:
        running.callback(shutil.rmtree, folder, ignore_errors=True)
        server = running.enter_context(start_ministack(folder))
        world = aws.World(str(folder), server.url, server.url, server.url, port=free_port())
        aws.furnish(world, args.shards)
        file = aws.settings(world)
        consumer = Consumer(file, folder, world.port)
        running.callback(consumer.drain)
        screen.phase("Running")
        demo.tell(screen, world, file)
        demo.wait_until_stopped(consumer)
    return 0


def _traffic(args: argparse.Namespace) -> int:
    if args.file:
        lines = [made.raw for made in day(args.events, args.seed, DAY_END_MS)]
        args.file.write_bytes(b"\n".join(lines) + b"\n")
        print(f"{len(lines):,} events in {args.file}")
        return 0
    os.environ.update(environment())
    world = aws.load_world(args.run)
    made = parcels(args.events, args.seed, end_ms=int(time.time() * 1000))
    sent = sum(len(step) for step in paced(send(world.putter(args.seed), made), args.rate))
    print(f"{sent:,} events sent to {world.stream}")
    return 0


def _interrupt(number: int, frame: object) -> Never:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
