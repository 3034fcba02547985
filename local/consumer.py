"""The consumer as the demo sees it. Rule: from outside only: a process, its metrics, its commands."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from local.process import Process, environment, get
from tailrace.nouns import LAKE

DRAIN_S = 60.0
COMMAND_S = 120.0


@dataclass(frozen=True)
class Numbers:
    """What /metrics says, added up over shards."""

    up: bool = False  # somebody answers on /metrics
    daemon: bool = False
    leases: int = 0
    records: int = 0  # user records read
    received: int = 0  # events of committed plans; the next two make it up
    stored: int = 0
    rejected: int = 0
    # Of the shard that is furthest behind, as KCL says or by arrival: the larger. It grows where nothing moves.
    lag_s: float = field(default=0.0, compare=False)
    restarts: int = 0
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)  # (stage, keyword)
    edition_s: float = 0.0  # when the schemas in use were taken up, by the last of the shards; 0: not said


class Consumer(Process):
    """A running `tailrace consume`."""

    def __init__(self, settings: Path, folder: Path, port: int) -> None:
        super().__init__(
            "consumer",
            [sys.executable, "-m", "tailrace", "consume", "--config", str(settings)],
            folder,
            env=environment(PYTHONUNBUFFERED="1", TAILRACE_LOGS_FORMAT="text"),
            new_log=False,
        )
        self._port = port

    def numbers(self) -> Numbers:
        """Scrape it; nothing but zeros while nobody answers."""
        try:
            status, text = get(self._port, "/metrics")
        except OSError:
            return Numbers()
        return parse(text) if status == 200 else Numbers()

    def ready(self) -> str:
        """Return what /readyz says."""
        try:
            return get(self._port, "/readyz")[1].strip()
        except OSError as error:
            return f"no answer: {error}"

    def drain(self) -> int:
        """Ask it to finish what it holds and end; return its exit status."""
        return self.stop(DRAIN_S)


def parse(text: str) -> Numbers:
    """Return the numbers of a metrics page."""
    sums: Counter[str] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    lag = 0.0
    editions: list[float] = []
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "tailrace_rejects_total":
                reasons[sample.labels["stage"], sample.labels["keyword"]] += int(sample.value)
            elif sample.name == "tailrace_edition_timestamp_seconds":
                editions.append(sample.value)
            elif sample.name in {"tailrace_behind_seconds", "tailrace_arrival_lag_seconds"}:
                lag = max(lag, sample.value)
            elif sample.labels.get("lane", LAKE) == LAKE:
                sums[sample.name] += sample.value  # type: ignore[assignment]
    return Numbers(
        up=True,
        daemon=sums["tailrace_daemon_up"] > 0,
        leases=int(sums["tailrace_leases_held"]),
        records=int(sums["tailrace_records_total"]),
        received=int(sums["tailrace_events_received_total"]),
        stored=int(sums["tailrace_events_stored_total"]),
        rejected=int(sums["tailrace_events_rejected_total"]),
        lag_s=lag,
        restarts=int(sums["tailrace_jvm_restarts_total"] or sums["tailrace_jvm_restarts"]),
        reasons=reasons,
        edition_s=min(editions, default=0.0),
    )


def run_command(settings: Path, *arguments: str) -> tuple[int, str]:
    """Run a `tailrace` command to its end; return (exit status, what it printed)."""
    name, *rest = arguments
    done = subprocess.run(
        [sys.executable, "-m", "tailrace", name, "--config", str(settings), *rest],
        env=environment(COLUMNS="110"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=COMMAND_S,
        check=False,
    )
    return done.returncode, done.stdout.decode(errors="replace").rstrip()
