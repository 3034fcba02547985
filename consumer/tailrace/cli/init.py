"""`tailrace init`: settings and schemas from a sample of events. Rule: what it writes stores every sound event of it.

Nothing that is there is overwritten unless asked for. What it chose, and what it could not, it says.
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tailrace.cli.checks import BAD, GOOD
from tailrace.cli.documents import Document, documents, read
from tailrace.cli.drafts import Draft, Sample, draft
from tailrace.cli.guess import Choice, NoTypeError, chosen, guessed
from tailrace.cli.tables import table
from tailrace.cli.trial import printable, told
from tailrace.files import CSV_SUFFIXES
from tailrace.schema.book import BookError
from tailrace.settings import Contract, Csv, Settings, SettingsError

NAME = "init"
HELP = "Write settings and schemas that fit a sample of events."
GROUP = "run"
BYTES_MAX = 64 * 1024 * 1024
LINES_MAX = 20_000
SHOWN_MAX = 10


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--from",
        dest="sample",
        metavar="FILE",
        required=True,
        help="events as JSON lines, or as CSV by its ending; plain or gzip; - for stdin",
    )
    parser.add_argument("--into", metavar="DIR", default=".", help="where to write (default: here)")
    parser.add_argument("--type", metavar="PATH", help="the member that says of what type an event is")
    parser.add_argument(
        "--lines",
        metavar="N",
        type=int,
        default=LINES_MAX,
        help=f"look at so many lines at most (default: {LINES_MAX})",
    )
    parser.add_argument("--force", action="store_true", help="overwrite what is there")


def run(args: argparse.Namespace) -> int:
    """Look at the sample and write; return the exit status."""
    into = Path(args.into)
    if args.lines < 1:
        raise SettingsError(f"--lines: found {args.lines}, expected 1 or more")
    if not args.force:
        _refuse(into)
    data, whole = _read(args.sample)
    settings: Settings = args.settings
    if args.sample.endswith(CSV_SUFFIXES):
        csv, found = table(args.sample, data, settings, args.type)
    else:
        csv, found = Csv(), documents(data)
    looked = found[: args.lines]
    sample = Sample(looked, Contract(), settings.limits)
    if not sample.events.values:
        expected = "JSON objects, or rows of CSV by the file's ending"
        raise SettingsError(f"{args.sample}: found no event in {_count(len(looked), 'line')}, expected {expected}")
    try:
        choices = guessed(sample.events.values, sample.contract, args.type)
        made = draft(sample, chosen(sample.contract, choices))
    except (NoTypeError, BookError) as error:
        raise SettingsError(f"{args.sample}: {error}") from None
    if not made.kinds:
        raise SettingsError(f"{args.sample}: {_no_kind(made)}")
    print(_of_sample(args.sample, looked, whole=whole and len(looked) == len(found), events=len(sample.events.values)))
    print(_of_choices(choices))
    print(_of_kinds(made))
    _write(into, made, csv)
    lines = csv != Csv() or all(b"\n" not in one.data for one in looked)
    print(_of_result(into, made, args.sample, lines=lines))
    return 0


def _no_kind(made: Draft) -> str:
    if made.rejected:
        _, reason = made.rejected[0]
        return f"found no event that a schema could judge; the first: {told(reason._asdict())}"
    return "found no event that a schema could judge"


def _refuse(into: Path) -> None:
    for path in (into / "tailrace.toml", into / "schemas"):
        if path.exists():
            raise SettingsError(f"{path} is there already: say --force to overwrite it, or --into another folder")


def _read(path: str) -> tuple[bytes, bool]:
    """Return the beginning of a file, cut at the end of a line, and whether it is all of it."""
    data = read(path, BYTES_MAX)
    if len(data) <= BYTES_MAX:
        return data, True
    return data[: data.rfind(b"\n", 0, BYTES_MAX) + 1], False


# ---- what is written


def _write(into: Path, made: Draft, csv: Csv) -> None:
    schemas = into / "schemas"
    for path, data in made.files.items():
        file = schemas / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    schemas.mkdir(parents=True, exist_ok=True)
    (into / "tailrace.toml").write_text(_toml(into, made.contract, csv), encoding="utf-8")


def _toml(into: Path, contract: Contract, csv: Csv) -> str:
    """Return the settings that differ from the defaults. Paths are as seen from where init was run."""
    lines = ["# What differs from the defaults. Paths are seen from where tailrace is run.", ""]
    for name, section in (("contract", contract), ("csv", csv)):
        defaults = type(section)()
        differing = [key for key in section.__struct_fields__ if getattr(section, key) != getattr(defaults, key)]
        if differing:
            lines += [f"[{name}]", *(f"{key} = {_value(getattr(section, key))}" for key in differing), ""]
    lines += ["[schemas]", f"path = {_value(str(into / 'schemas'))}", ""]
    lines += ["[lake]", f"uri = {_value(str(into / 'lake'))}  # or s3://bucket/prefix", ""]
    lines += ["[ledger]", f"path = {_value(str(into / '.tailrace' / 'ledger.sqlite'))}  # of backfills", ""]
    return "\n".join(lines)


def _value(value: object) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    return json.dumps(plain, ensure_ascii=False).replace("\x7f", "\\u007f")


# ---- what is said


def _of_sample(name: str, looked: Sequence[Document], *, whole: bool, events: int) -> str:
    part = "" if whole else ", its beginning: more was not looked at"
    return f"{name}: {_count(events, 'event')} in {_count(len(looked), 'line')}{part}."


def _of_choices(choices: Sequence[Choice]) -> str:
    lines = ["", "Where things stand:"]
    for one in choices:
        paths = ", ".join(one.held or one.paths) if one.share else "-"
        share = f", in {one.share:.0%} of events" if one.share else ""
        lines.append(f"  {one.field:<15} {paths}  ({one.why}{share})")
    return printable_lines(lines)


def _of_kinds(made: Draft) -> str:
    lines = ["", "Schemas:"]
    wide = max((len(kind.path) for kind in made.kinds), default=0)
    for kind in made.kinds:
        closed = "closed" if kind.closed else "open: too few events to know all members"
        facts = f"{_count(kind.events, 'event')}, {_count(kind.members, 'member')}, {kind.required} required, {closed}"
        lines.append(f"  {kind.path:<{wide}}  {facts}")
        for path, kinds in kind.mixed[:SHOWN_MAX]:
            mixed = ", ".join(f"{count:,} {name}" for name, count in Counter(kinds).most_common())
            lines.append(f"  {'':<{wide}}  mixed: {path}: {mixed}")
    lines += [f"  no schema for the type {name}: {why}" for name, why in list(made.unnamed.items())[:SHOWN_MAX]]
    return printable_lines(lines)


def _of_result(into: Path, made: Draft, name: str, *, lines: bool) -> str:
    schemas = sum(path.endswith(".json") for path in made.files)
    fixtures = sum(path.endswith((GOOD, BAD)) for path in made.files)
    out = ["", f"Of the sample, {made.stored:,} would be stored and {len(made.rejected):,} rejected."]
    out += [
        f"  line {line}: {reason.path}: {reason.message} ({reason.stage}/{reason.keyword})"
        for line, reason in made.rejected[:SHOWN_MAX]
    ]
    if len(made.rejected) > SHOWN_MAX:
        out.append(f"  and {len(made.rejected) - SHOWN_MAX:,} more")
    out += [
        "",
        f"Wrote {into / 'tailrace.toml'}, {_count(schemas, 'schema')} and {_count(fixtures, 'file')} of fixtures.",
    ]
    out.append("Fixtures are lines of the sample: mind personal data before they go anywhere.")
    config = shlex.quote(str(into / "tailrace.toml"))
    out += ["Next:", f"  tailrace --config {config} check"]
    if lines and name != "-":
        out.append(f"  tailrace --config {config} backfill {shlex.quote(name)}")
    return printable_lines(out)


def printable_lines(lines: Sequence[str]) -> str:
    """Return lines that do nothing to a terminal."""
    return "\n".join(map(printable, lines))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
