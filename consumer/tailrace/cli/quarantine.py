"""`tailrace quarantine list|show|stats`. Rule: of what a person sent only names are shown, unless --raw is said.

Exit status: 0 found, 1 nothing found; else it could not be asked.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from tailrace.cli import masking
from tailrace.cli.selection import Chosen, add_filters, add_origins
from tailrace.nouns import Reason
from tailrace.sinks.lake.rejects import Reject

NAME = "quarantine"
HELP = "List, show or count what was rejected."
GROUP = "look"
LIMIT: Final = 20
LIMIT_MAX: Final = 10_000  # they are held in memory
GROUPS_MAX: Final = 1000  # what is more is counted under OTHER: a broken sender may invent names without end
TENANTS_MAX: Final = 20  # named of one group
NAME_CHARS: Final = 64  # shown of a tenant's or a type's name
ALSO_MAX: Final = 4  # further reasons shown of an example
EXAMPLE_CHARS: Final = 160
OTHER: Final = "(others)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="list|show|stats")
    listed = kinds.add_parser("list", help="the newest, one line each", allow_abbrev=False)
    listed.add_argument("--limit", type=_count, default=LIMIT, help="how many (default: %(default)s)")
    show = kinds.add_parser("show", help="everything about one", allow_abbrev=False)
    show.add_argument("id", metavar="ROW_ID|EVENT_ID", type=_id)
    add_origins(show, "what `{}` rejected")
    stats = kinds.add_parser("stats", help="by reason, with an example each", allow_abbrev=False)
    for one in (listed, stats):
        add_filters(one, pending=True)
    for one in (listed, show, stats):
        one.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help="the settings file")
        one.add_argument("--raw", action="store_true", help="show values too: they may be personal data")
        one.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Show it; return the exit status."""
    return {"list": _list, "show": _show, "stats": _stats}[args.kind](args)


def _id(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("found nothing, expected an id")
    return text


def _count(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= LIMIT_MAX):
        raise argparse.ArgumentTypeError(f"found {text}, expected a number from 1 to {LIMIT_MAX}")
    return int(text)


# ---- list


def _list(args: argparse.Namespace) -> int:
    chosen, order = Chosen(args, raw=False), itertools.count()
    found = 0
    newest: list[tuple[datetime, int, Reject]] = []
    for one in chosen:
        found += 1
        push = heapq.heappush if len(newest) < args.limit else heapq.heappushpop
        push(newest, (one.received_at, next(order), one))
    for _, _, one in sorted(newest, reverse=True):
        state = chosen.redrives.state(one.row_id)
        print(_line(plain(one, state, raw=args.raw)) if args.json else _listed(one, state, raw=args.raw))
    if not args.json:
        print(f"{len(newest):,} of {found:,} rejects." if found else "No rejects found.")
    return 0 if found else 1


def _listed(one: Reject, state: str, *, raw: bool) -> str:
    first = one.reasons[0]
    more = f" (+{len(one.reasons) - 1})" if len(one.reasons) > 1 else ""
    mark = f"  [{state}]" if state else ""
    said = first.message if raw else masking.message(first)
    what = f"{_name(one.event_type)}  {_name(one.tenant)}  {masking.line(f'{_what(first)}: {said}')}{more}"
    return f"{_when(one.received_at)}  {one.row_id}  {what}{mark}"


def _name(text: str | None) -> str:
    """Return a name that a sender chose, as a line can hold it."""
    shown = masking.line(text or "-")
    return shown if len(shown) <= NAME_CHARS else shown[:NAME_CHARS] + "..."


def _what(reason: Reason) -> str:
    return f"{reason.stage}/{reason.keyword} {reason.path}"


# ---- show


def _show(args: argparse.Namespace) -> int:
    chosen = Chosen(args, id_=args.id)
    found = 0
    for one in chosen:
        found += 1
        state = chosen.redrives.state(one.row_id)
        facts = plain(one, state, raw=args.raw) | {"raw": _raw(one, masked=not args.raw)}
        print(_line(facts) if args.json else _shown(facts, one))
    if not found and not args.json:
        print("Not found.")
    return 0 if found else 1


def _shown(facts: dict[str, Any], one: Reject) -> str:
    names = ("row_id", "event_id", "event_type", "schema", "tenant", "received_at", "shard", "position", "object")
    lines = [f"{name:<12}{facts[name] if facts[name] is not None else '-'}" for name in names]
    lines += [f"{'redrive_of':<12}{one.redrive_of}"] if one.redrive_of else []
    lines += [f"{'redriven':<12}{facts['redriven'] or 'no'}"]
    for reason in facts["reasons"]:
        head, *rest = reason["message"].splitlines() or [""]
        lines.append(f"{'reason':<12}{reason['stage']}/{reason['keyword']} {reason['path']}: {head}")
        lines += [f"{'':<12}{line}" for line in rest]
    return "\n".join(masking.printable(line) for line in [*lines, f"{'raw':<12}{facts['raw']}"])


def _raw(one: Reject, *, masked: bool) -> str:
    return masking.event(one.raw) if masked else masking.unmasked(one.raw)


def plain(one: Reject, state: str, *, raw: bool) -> dict[str, Any]:
    """Return a reject as plain values, without its bytes."""
    facts = one._asdict()
    del facts["raw"]
    facts["received_at"] = one.received_at.isoformat()
    facts["reasons"] = [
        (reason if raw else reason._replace(message=masking.message(reason)))._asdict() for reason in one.reasons
    ]
    return facts | {"redriven": state}


# ---- stats


class Kind(NamedTuple):
    """What rejects of one group have in common."""

    event_type: str
    stage: str
    keyword: str
    path: str
    message: str

    @classmethod
    def of(cls, event_type: str | None, reason: Reason) -> Kind:
        """Return the group of a reject by its first reason."""
        return cls(event_type or "-", reason.stage, reason.keyword, *masking.shape(reason))


@dataclass
class Sum:
    """What is known of one group."""

    example: str  # row_id
    raw: str
    message: str
    also: tuple[str, ...]  # its other reasons
    count: int = 0
    redriven: int = 0
    first: datetime | None = None
    last: datetime | None = None
    tenants: set[str] = field(default_factory=set)

    def add(self, one: Reject, *, redriven: bool) -> None:
        """Count one reject."""
        self.count += 1
        self.redriven += redriven
        self.first = min(self.first or one.received_at, one.received_at)
        self.last = max(self.last or one.received_at, one.received_at)
        if len(self.tenants) <= TENANTS_MAX:
            self.tenants.add(one.tenant or "-")


def _stats(args: argparse.Namespace) -> int:
    chosen = Chosen(args)
    sums: dict[Kind, Sum] = {}
    for one in chosen:
        kind = Kind.of(one.event_type, one.reasons[0])
        if kind not in sums and len(sums) >= GROUPS_MAX:
            kind = Kind(OTHER, OTHER, OTHER, "", "")
        if kind not in sums:
            first = one.reasons[0]
            said = first.message if args.raw else masking.message(first)
            also = tuple(masking.line(_what(reason)) for reason in one.reasons[1:])
            sums[kind] = Sum(one.row_id, _excerpt(_raw(one, masked=not args.raw), first.path), said, also)
        sums[kind].add(one, redriven=bool(chosen.redrives.state(one.row_id)))
    order = sorted(sums.items(), key=lambda pair: (-pair[1].count, pair[0]))
    for kind, one_sum in order:
        print(_line(_counted(kind, one_sum)) if args.json else _group(kind, one_sum))
    if not args.json:
        total, redriven = sum(one.count for one in sums.values()), sum(one.redriven for one in sums.values())
        groups = f"{len(sums):,} group{'s' * (len(sums) != 1)}"
        print(f"{total:,} rejects in {groups}, {redriven:,} sent again." if sums else "No rejects found.")
    return 0 if sums else 1


def _excerpt(text: str, path: str) -> str:
    """Return the part of an event that a path leads to, with a little before it."""
    names = re.findall(r"\w+", path)[-1:]
    at = max((text.find(f'"{name}":') for name in names), default=-1)
    start = max(0, at - EXAMPLE_CHARS // 4)
    end = start + EXAMPLE_CHARS
    return "..." * (start > 0) + text[start:end] + "..." * (end < len(text))


def _counted(kind: Kind, one: Sum) -> dict[str, Any]:
    assert one.first is not None
    assert one.last is not None
    return {
        **kind._asdict(),
        "count": one.count,
        "redriven": one.redriven,
        "first": one.first.isoformat(),
        "last": one.last.isoformat(),
        "tenants": sorted(one.tenants)[:TENANTS_MAX],
        "example": {"row_id": one.example, "message": one.message, "also": one.also, "raw": one.raw},
    }


def _group(kind: Kind, one: Sum) -> str:
    assert one.first is not None
    assert one.last is not None
    tenants = sorted(one.tenants)
    named = ", ".join(_name(tenant) for tenant in tenants[:TENANTS_MAX]) + ", ..." * (len(tenants) > TENANTS_MAX)
    again = f", {one.redriven:,} sent again" if one.redriven else ""
    first, last = _when(one.first), _when(one.last)
    times = first if first == last else f"{first} to {last}"
    what = masking.line(f"{kind.stage}/{kind.keyword} {kind.path}: {one.message}")
    lines = [f"{_name(kind.event_type)}  {what}", f"{times}{again}; tenants: {named}"]
    lines.append(f"for example {one.example}: {one.raw}")
    if one.also:
        lines.append(f"which has also {', '.join(one.also[:ALSO_MAX])}{', ...' * (len(one.also) > ALSO_MAX)}")
    return "\n".join(f"{f'{one.count:,}' if not at else '':>9}  {line}" for at, line in enumerate(lines))


def _when(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _line(facts: dict[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False)
