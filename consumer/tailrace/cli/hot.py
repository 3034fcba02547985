"""`tailrace hot`: the hot table, made, checked and read. Rule: but for `init` and `pending --publish` it only reads.

Exit status: 0 good, 1 the table differs from what it must be, or nothing was found, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from tailrace.cli import masking
from tailrace.edition import load
from tailrace.nouns import Destination
from tailrace.ops.clock import SystemClock
from tailrace.settings import Settings, SettingsError
from tailrace.sinks.hot.alerts import Alerts
from tailrace.sinks.hot.crew import Crew
from tailrace.sinks.hot.dynamodb import NEVER_EXPIRES, DynamoTable
from tailrace.sinks.hot.options import Options, options_of
from tailrace.sinks.hot.publish import Publisher
from tailrace.sinks.hot.read import Event, Reader, Window, dumped
from tailrace.sinks.hot.service import Service

NAME = "hot"
HELP = "Make or check the hot table; read a user, a type, or the day's top users."
GROUP = "look"
LAST = 20
MOST = 10
PORT = 9465
PORT_MAX = 65_535
TOKEN_CHARS_MIN = 16


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _add_common(parser)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="init|user|type|top|aggregate|serve|pending")
    init = verbs.add_parser("init", help="make the table, or check the one that is there", allow_abbrev=False)
    init.add_argument(
        "--provisioned",
        nargs=2,
        type=_count,
        metavar=("READS", "WRITES"),
        help="units a second; else billed by request",
    )
    user = verbs.add_parser("user", help="a user's profile, days and newest events", allow_abbrev=False)
    user.add_argument("tenant", metavar="TENANT")
    user.add_argument("user", metavar="USER")
    user.add_argument("--last", type=_count, default=LAST, metavar="N", help=f"events (default: {LAST})")
    events = verbs.add_parser("type", help="the newest events of a type, in the order of time", allow_abbrev=False)
    events.add_argument("tenant", metavar="TENANT")
    events.add_argument("type", metavar="TYPE")
    events.add_argument("--last", type=_count, default=LAST, metavar="N", help=f"events (default: {LAST})")
    top = verbs.add_parser("top", help="the users of a day with most events, or most value", allow_abbrev=False)
    top.add_argument("tenant", metavar="TENANT")
    top.add_argument("--day", type=_day, metavar="YYYY-MM-DD", help="in UTC (default: today)")
    top.add_argument("--by", choices=("event_count", "total_value"), default="event_count")
    top.add_argument("--most", type=_count, default=MOST, metavar="N", help=f"users (default: {MOST})")
    sums = verbs.add_parser("aggregate", help="the windows of a declared aggregate's key", allow_abbrev=False)
    sums.add_argument("name", metavar="NAME")
    sums.add_argument("values", nargs="*", metavar="VALUE", help="of its key's columns, in their order")
    sums.add_argument("--window", default="", metavar="TEXT", help="what it begins with, like 2026-01-31T12")
    serve = verbs.add_parser("serve", help="the same over HTTP, for those who hold a token", allow_abbrev=False)
    serve.add_argument("--token-file", required=True, metavar="FILE", help="holds the token, 16 characters or more")
    serve.add_argument("--host", default="127.0.0.1", metavar="ADDRESS")
    serve.add_argument("--port", type=_port, default=PORT, metavar="N", help=f"0: any free one (default: {PORT})")
    pending = verbs.add_parser("pending", help="alerts that are not known to have been published", allow_abbrev=False)
    pending.add_argument(
        "--publish", action="store_true", help="publish them first, 100 that wait for a minute or more"
    )
    for one in (init, user, events, top, sums, serve, pending):
        one.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help="the settings file")
        _add_common(one, default=argparse.SUPPRESS)


def _add_common(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add what may be said before and after the verb."""
    text = "the route, where several name a table of DynamoDB"
    parser.add_argument("--destination", metavar="NAME", default=default, help=text)
    text = "print JSON, events with all that is in them"
    parser.add_argument("--json", action="store_true", default=default or False, help=text)


def run(args: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    settings: Settings = args.settings
    options = options_of(_destination(settings, args.destination))
    table = DynamoTable.connect(options.table, region=options.region, endpoint=settings.aws.dynamodb_endpoint)
    if args.verb == "init":
        return _init(table, tuple(args.provisioned) if args.provisioned else None)
    clock = SystemClock()
    if args.verb == "serve":
        return _serve(args, lambda: Reader(table, options, clock.now_ms() // 1000))
    reader = Reader(table, options, clock.now_ms() // 1000)
    match args.verb:
        case "user":
            return _user(reader, args)
        case "type":
            return _type(reader, args)
        case "top":
            return _top(reader, args)
        case "aggregate":
            return _aggregate(reader, options, args)
    return _pending(reader, Alerts(table, options, Publisher(settings.aws), clock, _say, Crew(_say, "", 1)), args)


def _destination(settings: Settings, name: str | None) -> Destination:
    """Return the route that names the table."""
    found = {one.name: one for one in load(settings).destinations if one.service == "dynamodb"}
    if name is not None and name in found:
        return found[name]
    if name is not None or len(found) != 1:
        expected = "one of " + ", ".join(found) if found else "a route to arn:aws:dynamodb:...:table/..., enabled"
        raise SettingsError(f"--destination: found {name or 'none'}, expected {expected}")
    return next(iter(found.values()))


def _init(table: DynamoTable, provisioned: Any) -> int:
    differences = table.differences()
    if differences is None:
        table.create(provisioned)
        print(f"made table {table.name}")
        return 0
    if differences == [NEVER_EXPIRES]:  # an `init` that was cut off
        table.expire()
        print(f"{table.name}: time to live: turned on")
        return 0
    for one in differences:
        print(f"{table.name}: {one}")
    if not differences:
        print(f"table {table.name} is as it must be")
    return 1 if differences else 0


def _serve(args: argparse.Namespace, reader: Callable[[], Reader]) -> int:
    """Answer until a signal comes."""
    try:
        token = Path(args.token_file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--token-file: {args.token_file}: {error}") from None
    if len(token) < TOKEN_CHARS_MIN or token.split() != [token]:
        raise SettingsError(
            f"--token-file: found {len(token)} characters, expected {TOKEN_CHARS_MIN} or more, none of them a space"
        )
    try:
        service = Service(reader, token, args.host, args.port)
    except OSError as error:  # taken, not allowed, or no address of this host
        raise SettingsError(f"--port {args.port} on --host {args.host}: {error.strerror or error}") from None
    with service:
        print(f"http://{args.host}:{service.port}/v1/hot/", flush=True)
        signal.signal(signal.SIGTERM, lambda *_: service.stop())
        service.run()
    return 0


def _user(reader: Reader, args: argparse.Namespace) -> int:
    found = reader.user(args.tenant, args.user, args.last)
    if args.json:
        print(dumped(found.plain()))
    else:
        if found.profile is not None:
            print(f"first seen       {found.profile.first_seen}")
            print(f"last seen        {found.profile.last_seen}, {_line(found.profile.last_event_type)}")
            for name, value in found.profile.attributes.items():
                print(f"{name:<17}{_line(value)}")
        _print_days(found.days)
        for event in found.events:
            print(_event_line(event))
    return 0 if found.profile or found.days or found.events else _none(f"{args.tenant} has no user {args.user} here")


def _none(what: str) -> int:
    """Say that nothing was found; return the exit status."""
    print(f"tailrace: {masking.printable(what)}", file=sys.stderr)
    return 1


def _type(reader: Reader, args: argparse.Namespace) -> int:
    found = list(islice(reader.newest(args.tenant, args.type), args.last))[::-1]
    for event in found:
        print(dumped(event._asdict()) if args.json else _event_line(event))
    return 0 if found else _none(f"{args.tenant} has no events of type {args.type} here")


def _top(reader: Reader, args: argparse.Namespace) -> int:
    day = args.day or reader.today
    try:
        found = reader.top(args.tenant, day, args.by, args.most)
    except KeyError:
        wanted = "`daily`, and `value` for total_value"
        raise SettingsError(f"--by: {args.by} is not kept: the route's options need {wanted}") from None
    for one in found:
        values = {**one.key, **one.values}
        print(dumped(values) if args.json else f"{_line(one.key['user']):<40}{_sums(one)}")
    return 0 if found else _none(f"{args.tenant} has no users on {day}")


def _aggregate(reader: Reader, options: Options, args: argparse.Namespace) -> int:
    known = {one.name: one for one in options.aggregates}
    if args.name not in known:
        expected = f"one of {', '.join(known)}" if known else "one that the route's options declare"
        raise SettingsError(f"found the aggregate {args.name}, expected {expected}")
    key = known[args.name].key
    if len(args.values) != len(key):
        expected = f"one each of {', '.join(key)}" if key else "none: it has no key"
        raise SettingsError(f"{args.name}: found {len(args.values)} values, expected {expected}")
    found = reader.aggregate(args.name, args.values, args.window)
    for one in found:
        print(dumped({"window": one.window, **one.values}) if args.json else f"{one.window:<20}{_sums(one)}")
    of = " ".join([args.name, *args.values]) + (f" in {args.window}..." if args.window else "")
    return 0 if found else _none(f"nothing was added up for {of}")


def _pending(reader: Reader, alerts: Alerts, args: argparse.Namespace) -> int:
    if args.publish:
        alerts.sweep()
    found = reader.pending()
    for one in found:
        print(dumped(one._asdict()) if args.json else f"{one.id}  {one.name:<32}{one.window}")
    if not found and not args.json:
        print("No alert waits.")
    return 0


def _say(_what: str, /, **facts: object) -> None:
    print(f"tailrace: {facts['error']}", file=sys.stderr)


def _print_days(days: list[Window]) -> None:
    for one in days:
        print(f"{one.window:<17}{_sums(one)}")


def _sums(one: Window) -> str:
    return "  ".join(f"{name} {_line(value)}" for name, value in sorted(one.values.items()))


def _event_line(event: Event) -> str:
    size = f"  {event.oversize:,} bytes, in the lake alone" if event.oversize else ""
    return f"{event.time}  {event.row_id}  {_line(event.event_type)}{size}"


def _line(value: object) -> str:
    if isinstance(value, Decimal):
        text = f"{value:f}"
        value = text.rstrip("0").rstrip(".") if "." in text else text
    return masking.printable(str(value))


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number of at least 1")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > PORT_MAX:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected 0 to {PORT_MAX}")
    return int(text)


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a day like 2026-01-31") from None
