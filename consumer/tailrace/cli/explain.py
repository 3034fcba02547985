"""`tailrace explain`: what becomes of events, and why. Rule: nothing is stored, and nothing is hidden.

The events are the person's own, so their values are shown as they are. Exit status: 0 every event would be stored or
filtered, 1 some would be rejected, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from tailrace.cli.documents import Document, documents, read, rows
from tailrace.cli.trial import LENIENT, REJECTED, STORED, Judged, Trial, printable
from tailrace.edition import load
from tailrace.files import CSV_SUFFIXES
from tailrace.settings import Settings, SettingsError

NAME = "explain"
HELP = "Say what becomes of events: verdict, schema, every reason, and the row."
GROUP = "look"
BYTES_MAX = 64 * 1024 * 1024
PATH_CHARS_MAX = 40
WHYS: Mapping[str, str] = {
    "schema": "it breaks its schema, and the verdict of its type is drop",
    "unknown_type": "its type has no schema, and such are dropped",
    "route": "no route takes it to the lake",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "file",
        metavar="FILE",
        help="JSON lines, an array, or documents over many lines, or CSV by its ending; plain or gzip; - for stdin",
    )
    parser.add_argument("--record", action="store_true", help="the bytes are one record, as the stream holds it")
    parser.add_argument("--all", action="store_true", help="show the row's nulls too")
    parser.add_argument("--json", action="store_true", help="print one JSON object an event, a line each")


def run(args: argparse.Namespace) -> int:
    """Explain every event; return the exit status."""
    settings: Settings = args.settings
    data = _read(args.file, unpack=not args.record)
    if args.record:
        found = [Document(1, data)]
    else:
        found = rows(args.file, data, settings) if args.file.endswith(CSV_SUFFIXES) else documents(data)
    if not found:
        raise SettingsError(f"{args.file}: found no event, expected JSON, or rows of CSV in a file that ends in .csv")
    trial = Trial(settings, load(settings), arrival_ms=time.time_ns() // 1_000_000)
    verdicts: Counter[str] = Counter()
    for document in found:
        events = trial(document.data, document.fault)
        for one in events:
            verdicts[one.verdict] += 1
            print(_plain(document, one) if args.json else _text(document, one, several=len(events) > 1, nulls=args.all))
    if not args.json:
        counts = ", ".join(f"{count:,} {verdict}" for verdict, count in verdicts.most_common())
        print(f"{verdicts.total():,} event{'s' * (verdicts.total() != 1)}: {counts}.")
    return 1 if verdicts[REJECTED] else 0


def _read(path: str, *, unpack: bool) -> bytes:
    data = read(path, BYTES_MAX, unpack=unpack)
    if len(data) > BYTES_MAX:
        raise SettingsError(f"{path}: found more than {BYTES_MAX:,} bytes, expected a few events: see `backfill`")
    return data


def _text(document: Document, one: Judged, *, several: bool, nulls: bool) -> str:
    where = f"line {document.line}" + (f", event {one.at}" if several else "")
    lines = [f"{where}: {_verdict(one)}", *_reasons(one.reasons)]
    if one.row is not None:
        shown = one.row if nulls else _without_nulls(one.row)
        wide = max(map(len, shown), default=0)
        lines += [f"  {name:<{wide}}  {_shown(value)}" for name, value in shown.items()]
    return "\n".join([*lines, ""])


def _verdict(one: Judged) -> str:
    by = f", judged by {one.schema}" if one.schema else ""
    if one.verdict == STORED:
        return f"stored in {one.table}{by or ', without a schema'}"
    if one.verdict == LENIENT:
        return f"stored leniently in {one.table}{by}, although it breaks its schema"
    if one.verdict == REJECTED:
        return f"rejected{by or ', before a schema was asked'}"
    return f"filtered{by}: {WHYS.get(str(one.why), one.why)}"


def _reasons(reasons: Sequence[Mapping[str, str]]) -> list[str]:
    """Return reasons as lines whose parts stand below each other."""
    paths = [len(reason["path"]) for reason in reasons if len(reason["path"]) <= PATH_CHARS_MAX]
    rules = [f"{reason['stage']}/{reason['keyword']}" for reason in reasons]
    wide, wide_rule = max(paths, default=0), max(map(len, rules), default=0)
    return [
        printable(f"  {rule:<{wide_rule}}  {reason['path']:<{wide}}  {reason['message']}")
        for rule, reason in zip(rules, reasons, strict=True)
    ]


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, datetime | date):
        return _default(value)
    return printable(json.dumps(value, ensure_ascii=False, default=_default))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def _plain(document: Document, one: Judged) -> str:
    facts = {"line": document.line, "event": one.at, **one._asdict()}
    del facts["at"]
    return json.dumps(facts, ensure_ascii=False, default=_default)


def _default(value: Any) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime | date) else str(value)
