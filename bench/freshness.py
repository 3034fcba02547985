"""From sent to seen: single events through the real daemon into the hot table. Rule: one clock, in one process.

Events are sent a few at a time, as PutRecords takes them; a reader asks for the newest of their type again and again.
What is measured holds the stream's own time, the daemon's idle time between reads, the lane's age and the writes.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from local import aws, hot
from local.consumer import Consumer, run_command
from local.process import environment, free_port
from local.standins import start_ministack
from tailrace import settings_load
from tailrace.edition import load
from tailrace.sinks.hot.dynamodb import DynamoTable
from tailrace.sinks.hot.options import options_of
from tailrace.sinks.hot.read import Reader
from tailrace_producer.aggregate import UserRecord

WARM, EVENTS, AT_ONCE, EVERY_S = 20, 600, 3, 0.2
LOOK_S = 0.02
NEWEST = 90  # events a look: six seconds of them
WAIT_S = 90.0
AGE_S = 0.5  # of the lane's batches
GOAL_S, READ_GOAL_S = 2.0, 0.2
TENANT, TYPE = "none", "score"


class Seen:
    """Looks at the table until it has seen all; notes when, and how long each look took."""

    def __init__(self, reader: Reader, count: int) -> None:
        self._reader, self._count = reader, count
        self.at: dict[int, float] = {}
        self.reads: list[float] = []
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.over = False

    def _look(self) -> None:
        while len(self.at) < self._count and not self.over:
            began = time.monotonic()
            newest = islice(self._reader.newest(TENANT, TYPE), NEWEST)
            found = [int((event.body or {}).get("value", -1)) for event in newest]
            now = time.monotonic()
            self.reads.append(now - began)
            for number in found:
                self.at.setdefault(number, now)
            time.sleep(LOOK_S)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that so many hundredths do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def main() -> None:
    """Measure, and print it beside the goals."""
    os.environ.update(environment())  # the reader stands in this process
    count = WARM + EVENTS
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="tailrace-bench-")))
        standin = running.enter_context(start_ministack(folder))
        world = aws.World(str(folder), standin.url, standin.url, standin.url, port=free_port())
        aws.furnish(world, 1)
        more = f"{hot.routes(folder, count)}\n[lanes]\nage_s = {AGE_S}\n"
        file = aws.settings(world, more=more)
        status, said = run_command(file, "hot", "init")
        if status:
            raise SystemExit(f"tailrace hot init ended with status {status}: {said}")
        hot.furnish_queues(world)
        consumer = running.enter_context(Consumer(file, folder, world.port))
        settings = settings_load.load(str(file), {})
        options = options_of(load(settings).destinations[0])
        table = DynamoTable.connect(options.table, region=options.region, endpoint=settings.aws.dynamodb_endpoint)
        seen = Seen(Reader(table, options, int(time.time())), count)
        seen.thread.start()
        sent = _sent(world, seen, count)
        seen.thread.join(WAIT_S)
        seen.over = True
        if len(seen.at) < count:
            raise SystemExit(f"only {len(seen.at)} of {count} events were seen\n{consumer.tail()}")
        consumer.drain()
    waited = [seen.at[number] - at for number, at in sent.items() if number >= WARM]
    fresh, reads = percentile(waited, 99), percentile(seen.reads, 99)
    pace = f"{AT_ONCE} each {EVERY_S:g} s, batches of {AGE_S:g} s"
    print(f"from sent to seen in the hot table: {EVENTS} events, {pace}, beside the lake and a queue:")
    print(f"  {percentile(waited, 50):6.2f} s p50, {fresh:.2f} s p99, {max(waited):.2f} s at most")
    print(f"  p99 under {GOAL_S:g} s: {'yes' if fresh < GOAL_S else 'NO'}")
    middle = percentile(seen.reads, 50)
    print(f"  {len(seen.reads)} reads of the {NEWEST} newest: {middle * 1000:.0f} ms p50, {reads * 1000:.0f} ms p99")
    print(f"  p99 under {READ_GOAL_S * 1000:.0f} ms: {'yes' if reads < READ_GOAL_S else 'NO'}")


def _sent(world: aws.World, seen: Seen, count: int) -> dict[int, float]:
    """Send all, the first few until they are seen: then the daemon runs. Return when each was sent."""
    putter, sent = world.putter(seed=1), {}
    until = time.monotonic() + WAIT_S
    for number in range(count):
        data = {
            "event_type": TYPE,
            "user_id": f"u-{number % 50}",
            "timestamp": int(time.time() * 1000),
            "value": number,
        }
        if number % AT_ONCE == 0:
            time.sleep(EVERY_S)
        (result,) = putter.put([UserRecord(f"u-{number % 50}", json.dumps(data).encode())], aggregate=False)
        assert result.success, result
        sent[number] = time.monotonic()
        while number == WARM - 1 and len(seen.at) < WARM and time.monotonic() < until:
            time.sleep(LOOK_S)
    return sent
