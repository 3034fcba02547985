"""What a command that runs and ends tells Prometheus. Rule: the file is whole, and is written however the command ends.

node exporter reads it as a text file. It says what the last run did: a process that starts anew has no counters.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tailrace.cli import sentence
from tailrace.ops.clock import SystemClock

SUFFIX: Final = ".prom"  # node exporter reads no other
BROKEN: Final = 1  # the status of an error that nobody expected


class Run:
    """What the command did, as it fills it in."""

    def __init__(self) -> None:
        self.status = 0
        self.problems = 0
        self.rows: Mapping[str, int] = {}  # by what became of them


def add_metrics(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names the file."""
    text = f"write what the run did for node exporter, to a path that ends in {SUFFIX}"
    parser.add_argument("--metrics", metavar="FILE", type=_file, help=text)


def _file(text: str) -> Path:
    if not text.endswith(SUFFIX):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a path that ends in {SUFFIX}")
    return Path(text)


@contextmanager
def told(command: str, file: Path | None) -> Iterator[Run]:
    """Do the block, then write the file, if there is to be one."""
    run, clock = Run(), SystemClock()
    began = clock.monotonic()
    try:
        yield run
    except BaseException as error:
        run.status = (sentence(error) if isinstance(error, Exception) else None) or BROKEN
        raise
    finally:
        if file is not None:
            _write(file, command, run, clock.now_ms() / 1000, clock.monotonic() - began)


def _write(file: Path, command: str, run: Run, now_s: float, seconds: float) -> None:
    from prometheus_client import CollectorRegistry, write_to_textfile  # noqa: PLC0415  as slow as the command

    from tailrace.ops import metrics  # noqa: PLC0415

    registry = CollectorRegistry()
    for named, value in (
        (metrics.RUN_END, now_s),
        (metrics.RUN_SECONDS, seconds),
        (metrics.RUN_STATUS, run.status),
        (metrics.RUN_PROBLEMS, run.problems),
    ):
        metrics.alone(registry, named, "command").labels(command).set(value)
    rows = metrics.alone(registry, metrics.RUN_ROWS, "command", "kind")
    for kind, number in run.rows.items():
        rows.labels(command, kind).set(number)
    try:
        write_to_textfile(str(file), registry)
    except OSError as error:
        print(f"tailrace: --metrics {file}: {error.strerror or error}", file=sys.stderr)
