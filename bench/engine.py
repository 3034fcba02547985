"""The whole engine: a preloaded stream through the real daemon to objects. Rule: the stand-ins' own CPU is not counted.

Each run starts a fresh stand-in, loads the stream, starts `tailrace consume` and waits until all is committed. CPU is
read from /proc: the daemon's JVM and its children apart. A start costs seconds whatever follows, so two sizes are run
and the difference counts; the first figure, with the start in it, is printed beside it.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench.events import events
from local import aws
from local.consumer import Consumer, Numbers
from local.process import free_port
from local.standins import start_ministack
from tailrace_producer.aggregate import UserRecord

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
PATIENCE_S = 240.0
LOOK_S = 0.25
SETTINGS = {  # the demo's -> this bench's: no short timers, no half compiler; one lease a shard; flushes of 50,000 rows
    "quick_start = true": "quick_start = false",
    "max_leases = 4": "max_leases = 2\nline_mb = 16",
    "age_s = 5.0": "age_s = 20.0\nrows = 50000",
}


class Cpu(NamedTuple):
    """CPU-seconds and peak memory of one process."""

    seconds: float
    peak_mb: float


class Run(NamedTuple):
    """What one run took."""

    events: int
    jvm: Cpu
    children: list[Cpu]
    rate: float  # events/s between a tenth and nine tenths of the records

    @property
    def child_seconds(self) -> float:
        return sum(child.seconds for child in self.children)


def cpu_of(pid: int) -> Cpu | None:
    """Return what /proc says of a living process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    peak = next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)
    return Cpu((int(fields[11]) + int(fields[12])) / TICKS_A_SECOND, peak)


def children_of(pid: int) -> list[int]:
    """Return the process ids whose parent it is."""
    out: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        out += [int(word) for word in task.read_text().split()]
    return out


def run(count: int) -> Run:
    """Load `count` events, consume them all, return what it took."""
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="tailrace-bench-")))
        standin = running.enter_context(start_ministack(folder))
        world = aws.World(str(folder), standin.url, standin.url, standin.url, port=free_port())
        aws.furnish(world)
        _load(world, count)
        file = aws.settings(world)
        file.write_text(_as_in_production(file.read_text()))
        consumer = running.enter_context(Consumer(file, folder, world.port))
        numbers, times = _consumed(consumer, count)
        (jvm_pid,) = children_of(consumer.pid)
        jvm = cpu_of(jvm_pid)
        children = [cpu for pid in children_of(jvm_pid) if (cpu := cpu_of(pid)) is not None]
        assert jvm is not None, "the daemon is gone"
        assert numbers.restarts == 0, "the daemon was started again: the figures would be of two"
        consumer.drain()
    first = next(at for at, records in times if records >= count * 0.1)
    last = next(at for at, records in times if records >= count * 0.9)
    return Run(count, jvm, children, count * 0.8 / max(last - first, LOOK_S))


def _as_in_production(text: str) -> str:
    for demo, bench in SETTINGS.items():
        assert demo in text, f"the demo's settings have no {demo}"
        text = text.replace(demo, bench)
    return text


def _load(world: aws.World, count: int) -> None:
    putter = world.putter(seed=1)
    made = events(count)
    for at in range(0, count, 20_000):
        records = [UserRecord(f"u-{n % 5000}", data) for n, data in enumerate(made[at : at + 20_000], at)]
        failed = [result for result in putter.put(records) if not result.success]
        assert not failed, f"{len(failed)} records were not taken"


def _consumed(consumer: Consumer, count: int) -> tuple[Numbers, list[tuple[float, int]]]:
    """Wait until every event is committed; return the last numbers, and the records read over time."""
    times: list[tuple[float, int]] = []
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        numbers = consumer.numbers()
        times.append((time.monotonic(), numbers.records))
        if numbers.received >= count:
            return numbers, times
        time.sleep(LOOK_S)
    raise SystemExit(
        f"only {numbers.received} of {count} events were committed within {PATIENCE_S:.0f} s\n{consumer.tail()}"
    )


def main(small: int = 100_000, large: int = 400_000, runs: int = 3) -> None:
    """Run both sizes in turn; print medians."""
    pairs = [(run(small), run(large)) for _ in range(runs)]
    million = 1_000_000 / (large - small)
    jvm = statistics.median((b.jvm.seconds - a.jvm.seconds) * million for a, b in pairs)
    child = statistics.median((b.child_seconds - a.child_seconds) * million for a, b in pairs)
    whole = statistics.median((b.jvm.seconds + b.child_seconds) * 1_000_000 / large for _, b in pairs)
    rate = statistics.median(b.rate for _, b in pairs)
    print(f"the whole engine, 2 shards, aggregates of 50 KiB, {runs} runs of {small:,} and {large:,} events, medians:")
    print(f"  {jvm + child:6.1f} CPU-s per million events: JVM {jvm:.1f}, children {child:.1f} (a start not counted)")
    print(f"  {whole:6.1f} CPU-s per million events with the start in it, {large:,} events")
    print(f"  {rate:,.0f} events/s on {os.cpu_count()} cores, which the stand-in shares")
    print(
        f"  peak memory: JVM {max(b.jvm.peak_mb for _, b in pairs):.0f} MB, "
        f"the largest child {max(c.peak_mb for _, b in pairs for c in b.children):.0f} MB, at 50,000-row flushes"
    )


if __name__ == "__main__":
    main()
