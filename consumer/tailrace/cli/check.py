"""`tailrace check`: schemas, fixtures, version steps, routes and settings, before they are used. Rule: it only reads.

Exit status: 0 nothing is wrong, 1 findings, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tailrace.cli.checks import Finding, Report, Taken, examine
from tailrace.settings import Schemas, Settings, SettingsError

NAME = "check"
HELP = "Judge schemas, their fixtures and version steps, routes and settings, for CI."
GROUP = "look"
WHERE_CHARS_MAX = 60


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--schemas", metavar="PATH", help="look at this folder in place of the settings'")
    parser.add_argument("--strict", action="store_true", help="notes, as on schemas without fixtures, are findings")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Look at everything; return the exit status."""
    settings: Settings = args.settings
    if args.schemas is not None:
        if not args.schemas.startswith("s3://") and not Path(args.schemas).is_dir():
            raise SettingsError(f"--schemas: found {args.schemas!r}, expected a folder or s3://bucket/prefix")
        settings = msgspec.structs.replace(settings, schemas=Schemas(path=args.schemas))
    report = examine(settings)
    if args.strict:
        report.findings.extend(report.notes)
        report.notes.clear()
    print(json.dumps(_plain(report), indent=2) if args.json else _text(report))
    return 1 if report.findings else 0


def _text(report: Report) -> str:
    lines = _aligned("", report.findings) + _aligned("note: ", report.notes)
    return "\n".join([*lines, _summary(report)])


def _aligned(start: str, findings: Sequence[Finding]) -> list[str]:
    wide = max((len(one.where) for one in findings if len(one.where) <= WHERE_CHARS_MAX), default=0)
    return [f"{start}{one.where:<{wide}}  {one.message}" for one in findings]


def _summary(report: Report) -> str:
    types = {name.rpartition("/")[0] for name in report.schemas}
    looked = len(report.schemas) + len(report.broken)
    steps = Counter(step.found.word for step in report.steps)
    kinds = ", ".join(f"{count} {word}" for word, count in steps.most_common())
    parts = [
        f"{_count(looked, 'schema')} of {_count(len(types), 'type')}",
        f"{_count(len(report.fixtures), 'file')} of fixtures ({report.lines['good']} good, {report.lines['bad']} bad)",
        _count(len(report.steps), "step") + (f" ({kinds})" if kinds else ""),
    ]
    return f"{', '.join(parts)}: {_count(len(report.findings), 'finding') if report.findings else 'nothing wrong'}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _plain(report: Report) -> dict[str, Any]:
    return {
        "ok": not report.findings,
        "schemas": report.schemas,
        "broken": report.broken,
        "fixtures": {"files": report.fixtures, **report.lines},
        "steps": [_plain_step(step) for step in report.steps],
        "findings": [one._asdict() for one in report.findings],
        "notes": [one._asdict() for one in report.notes],
    }


def _plain_step(step: Taken) -> dict[str, Any]:
    return {
        "event_type": step.event_type,
        "old": step.old,
        "new": step.new,
        "found": step.found.word,
        "said": step.said.word,
        "changes": [one._asdict() | {"step": one.step.word} for one in step.changes],
    }
