"""The command `tailrace`. Rule: a subcommand's module is imported only when it is the one that runs.

Every module named in COMMANDS has `NAME`, `HELP`, `GROUP`, `configure(parser)` and `run(args) -> int`; `args.settings`
holds the loaded settings, `args.config` the path of their file, or None. Exit status: 0 good, 1 a verdict against, 2
wrong usage or configuration, 75 a service that stayed away, 77 a service that refused, 130 interrupted.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from tailrace import __version__
from tailrace.settings import DEFAULT_PATH, SettingsError
from tailrace.settings_load import load as load_settings  # `load` is a subcommand, and its module an attribute here


class Command(NamedTuple):
    """A subcommand as the help lists it, without its module's weight."""

    name: str
    group: str
    help: str

    @property
    def module(self) -> str:
        """The module that runs it."""
        return f"tailrace.cli.{self.name.replace('-', '_')}"


class CommandModule(Protocol):
    """What a subcommand's module offers."""

    NAME: str
    HELP: str
    GROUP: str

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the subcommand's own arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; return the exit status."""


GROUPS = ("run", "look", "mend")
COMMANDS = (
    Command("consume", "run", "Read the stream through KCL into the lake, until stopped."),
    Command("backfill", "run", "Feed files of JSON lines or CSV, or an archive of records, through the same pipeline."),
    Command("drops", "run", "Bring in the files that a queue of S3 event messages announces, until stopped."),
    Command("load", "run", "Bring what is committed in the lake into Redshift, each row once."),
    Command("init", "run", "Write settings and schemas that fit a sample of events."),
    Command("check", "look", "Judge schemas, their fixtures and version steps, routes and settings, for CI."),
    Command("explain", "look", "Say what becomes of events: verdict, schema, every reason, and the row."),
    Command("ddl", "look", "Print the tables and views of a warehouse that fit the schemas, and what a change adds."),
    Command("quarantine", "look", "List, show or count what was rejected."),
    Command("audit", "look", "Prove from ledger, commit files and objects that each record is stored once."),
    Command("hot", "look", "Make or check the hot table; read a user, a type, or the day's top users."),
    Command("where", "look", "Find one event: its record, plan, object and row group, or its reject."),
    Command("redrive", "mend", "Mend what was rejected and send it again (dead letters: `tailrace dead`)."),
    Command("dead", "mend", "List what could not be forwarded, and send it to its destination once more."),
    Command("backup-dlq", "mend", "Write the messages of a queue to a file of JSON lines."),
    Command("compact", "mend", "Make few large files of the many small ones of hours that are over."),
    Command("lane", "mend", "List destinations, pause and resume them, or have them leave records out."),
    Command("resolve", "mend", "Decide about a shard or a lane that stopped because a replay differed from its plan."),
)

# Errors that are a sentence for the person, not a fault of the program: (module, class) -> exit status. Looked up
# by name, since importing them all would cost more than most commands.
SENTENCES: Mapping[tuple[str, str], int] = {
    ("tailrace.settings", "SettingsError"): 2,
    ("tailrace.schema.book", "BookError"): 2,
    ("tailrace.kcl.preflight", "Refused"): 2,
    ("tailrace.kcl.jars", "JarsError"): 2,
    ("tailrace.kcl.java", "JavaError"): 2,
    ("tailrace.commit.committed", "CommitFileError"): 2,
    ("tailrace.world", "WorldError"): 75,
    ("tailrace.world", "WorldDenied"): 77,
}


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run the command line; return the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _dispatch(arguments, os.environ if environ is None else environ)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except KeyboardInterrupt:
        return 130
    except SystemExit as end:  # argparse's own ends: help, version, wrong usage
        return end.code if isinstance(end.code, int) else 2
    except Exception as error:
        known = sentence(error)
        if known is None:
            raise
        return _say(str(error), known)
    return status


def available() -> list[Command]:
    """Return the commands whose module is there."""
    return [command for command in COMMANDS if importlib.util.find_spec(command.module) is not None]


def _dispatch(arguments: list[str], environ: Mapping[str, str]) -> int:
    top = _top_parser()
    if not arguments:
        sys.stdout.write(top.format_help())
        return 2
    first = top.parse_args(arguments)
    if not first.command:
        return _say("say what to do; `tailrace --help` lists the commands", 2)
    names = [command.name for command in available()]
    if first.command not in names:
        close = difflib.get_close_matches(first.command, names, n=1)
        near = f"did you mean {close[0]}?" if close else "`tailrace --help` lists them"
        return _say(f"{first.command} is no command ({near})", 2)
    command = next(command for command in COMMANDS if command.name == first.command)
    module = _module(command)
    parser = argparse.ArgumentParser(prog=f"tailrace {command.name}", description=module.HELP, allow_abbrev=False)
    _add_config(parser, first.config)
    module.configure(parser)
    args = parser.parse_args(first.rest)
    args.config = _settings_path(args.config)
    args.settings = load_settings(args.config, environ)
    return module.run(args)


def _top_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tailrace",
        usage="tailrace [--config FILE] COMMAND ...",
        description="Reads a Kinesis stream and leaves every event exactly once in the lake or in quarantine.\n"
        "By route, events also go into a hot table of DynamoDB, and on to other services.",
        epilog="`tailrace COMMAND --help` says more about one.",
        formatter_class=_Listing,
        allow_abbrev=False,
    )
    _add_config(parser, None)
    parser.add_argument("--version", action="version", version=f"tailrace {__version__}")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


class _Listing(argparse.RawDescriptionHelpFormatter):
    """argparse's help with the commands, by group, after the description."""

    def add_text(self, text: str | None) -> None:
        super().add_text(text)
        if text and text.startswith("Reads"):
            listed = available()
            width = max(len(command.name) for command in listed) + 2
            for group in GROUPS:
                lines = [f"  {command.name:<{width}}{command.help}" for command in listed if command.group == group]
                if lines:
                    super().add_text("\n".join([f"{group}:", *lines]))


def _add_config(parser: argparse.ArgumentParser, default: str | None) -> None:
    text = f"the settings file (default: {DEFAULT_PATH} where there is one)"
    parser.add_argument("--config", metavar="FILE", default=default, help=text)


def _settings_path(given: str | None) -> str | None:
    if given:
        return given
    return DEFAULT_PATH if Path(DEFAULT_PATH).exists() else None


def _module(command: Command) -> CommandModule:
    try:
        return importlib.import_module(command.module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "tailrace":
            raise
        raise SettingsError(
            f"{command.name} needs the package {error.name}: install tailrace with its extra, `tailrace[consumer]`"
        ) from None


def sentence(error: Exception) -> int | None:
    """Return the exit status of an error that is a sentence for the person; None for a fault of the program."""
    for kind in type(error).__mro__:
        status = SENTENCES.get((kind.__module__, kind.__qualname__))
        if status is not None:
            return status
    return None


def _say(text: str, status: int) -> int:
    sys.stderr.write(f"tailrace: {' '.join(text.splitlines())}\n")
    return status
