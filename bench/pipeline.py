"""The pure pipeline against a naive child. Rule: both in one run, in turn, from the same pipe; medians and their ratio.

Daemon lines go through a pipe into a process that writes Parquet files, or Parquet and Avro files. A process measures
itself after its imports and wiring, so that a start is not counted; the CPU of this process, which writes the lines, is
not in it either.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.events import events, lines
from bench.measure import Taken, read

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {"ours": {"ARROW_DEFAULT_MEMORY_POOL": "system"}, "naive": {}}  # ours: as the supervisor sets it
EVENTS, RUNS = 100_000, 3
CPU_MOST, RATIO_LEAST, PEAK_MOST_MB = {"parquet": 17.0, "both": 19.0}, 2.5, 250.0


def run(child: str, sent: Sequence[bytes], folder: Path, formats: str = "parquet") -> Taken:
    """Send lines to a child, `ours` or `naive`, and return what it took. `formats`: parquet or both."""
    figures = folder / f"{child}.json"
    paths = [str(ROOT / part) for part in ("consumer", "producer", "")]
    process = subprocess.Popen(
        [sys.executable, "-m", f"bench.{child}", str(folder / child), str(figures), formats],
        stdin=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | ENVIRONMENT[child],
        cwd=ROOT,
    )
    with process:
        assert process.stdin is not None
        process.stdin.writelines(sent)
        process.stdin.close()
    if process.returncode:
        raise SystemExit(f"bench.{child} ended with {process.returncode}")
    return read(figures)


def compare(sent: Sequence[bytes], runs: int, formats: str = "parquet") -> dict[str, list[Taken]]:
    """Run both children in turn."""
    taken: dict[str, list[Taken]] = {"ours": [], "naive": []}
    for _ in range(runs):
        for child, list_ in taken.items():
            with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder:
                list_.append(run(child, sent, Path(folder), formats))
    assert len({(one.rows, one.rejects) for list_ in taken.values() for one in list_}) == 1, "other rows came out"
    return taken


def report(name: str, count: int, taken: dict[str, list[Taken]], formats: str = "parquet") -> float:
    """Print a comparison; return our CPU-seconds per million events."""
    cpu = {child: statistics.median(one.cpu_s for one in list_) * 1e6 / count for child, list_ in taken.items()}
    ratio = statistics.median(b.cpu_s / a.cpu_s for a, b in zip(taken["ours"], taken["naive"], strict=True))
    first = taken["ours"][0]
    print(f"{name}: {count:,} events, {first.rejects:,} of them rejected; {len(taken['ours'])} runs, medians")
    for child, list_ in taken.items():
        peak = statistics.median(one.peak_mb for one in list_)
        start = statistics.median(one.start_cpu_s for one in list_)
        print(
            f"  {child:6} {cpu[child]:6.1f} CPU-s per million, {peak:4.0f} MB at its peak, {start:.1f} CPU-s to start"
        )
    print(f"  {ratio:.1f} times better")
    reached = {
        f"at most {CPU_MOST[formats]:g}": cpu["ours"] <= CPU_MOST[formats],
        f"at least {RATIO_LEAST:g} times": ratio >= RATIO_LEAST,
        f"under {PEAK_MOST_MB:g} MB": max(one.peak_mb for one in taken["ours"]) < PEAK_MOST_MB,
    }
    print("  " + "; ".join(f"{what}: {'yes' if yes else 'NO'}" for what, yes in reached.items()))
    return cpu["ours"]


def main(count: int = EVENTS, runs: int = RUNS) -> None:
    """Compare on six types (six tables), to Parquet and to Parquet and Avro, then on one."""
    six = lines(events(count))
    report("the pure pipeline, six event types", count, compare(six, runs))
    report("the pure pipeline, six event types, Parquet and Avro", count, compare(six, runs, "both"), "both")
    report("the pure pipeline, one event type", count, compare(lines(events(count, types=("page_view",))), runs))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
