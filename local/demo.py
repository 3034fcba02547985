"""The whole system on this machine, watched. Rule: 0 only when every event sent is once where it belongs.

Nothing stays behind: all processes end with this one, also on Ctrl-C, and so does the folder of a run that went well.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from local import aws, compaction, dropped, formats, hot, roundtrip, warehouse
from local.consumer import Consumer, run_command
from local.process import LOOPBACK, NotComeTogetherError, environment, free_port
from local.readback import Account, Lake, Reason
from local.screen import Screen
from local.send import NotSentError, send
from local.standins import start_ministack
from local.traffic import parcels
from local.watch import Tally, watch
from tailrace import settings_load
from tailrace.world import WorldDenied, WorldError

EVENTS = 20_000
SHARDS = 2
SEED = 7
SENDING_S = 12.0  # the traffic is spread over so many seconds, so that there is something to see
RATE_MAX = 4000.0
EVENT_BYTES = 500  # about
REASONS_SHOWN = 8
ENRICHED_SHOWN = 8
EXAMPLE_CHARS = 100
ASKED = {"audit": "audit", "rejects": "quarantine stats"}  # what is offered where all runs on
ASKED_OF_LANES = {"hot table": "hot top acme", "lanes": "lane list"}
TROUBLES = (
    NotComeTogetherError,
    NotSentError,
    WorldError,
    WorldDenied,
    BotoCoreError,
    ClientError,
    FileNotFoundError,
    subprocess.TimeoutExpired,
)
DAY = aws.ROOT / "examples" / "day.jsonl"


def run(events: int, *, keep: bool = False, seed: int = SEED) -> int:
    """Show everything once; return the exit status."""
    screen = Screen()
    folder = Path(tempfile.mkdtemp(prefix="tailrace-demo-"))
    os.environ.clear()
    os.environ.update(environment())  # this process asks the stand-in too
    status = 1
    try:
        with ExitStack() as running:
            try:
                status = _Demo(screen, folder, events, seed, running).play(keep=keep)
            except KeyboardInterrupt:
                screen.say("Interrupted: stopping what was started.")
                status = 130
    except TROUBLES as error:
        screen.phase("It did not come together")
        screen.bad(str(error))
    if status in {0, 130}:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        screen.say(f"Logs and settings of this run are kept in {folder}")
    return status


class _Demo:
    """The parts of the demo, in order."""

    def __init__(self, screen: Screen, folder: Path, events: int, seed: int, running: ExitStack) -> None:
        self.screen, self.folder, self.events, self.seed = screen, folder, events, seed
        self._running = running
        self._schemas = roundtrip.schemas_of_its_own(folder)

    def play(self, *, keep: bool) -> int:
        """Go through all parts; return the exit status."""
        began = time.monotonic()
        world, file, consumer = self._start()
        day = self._day(file)
        tally = self._traffic(world, consumer)
        stage = roundtrip.Stage(self.screen, world, file, self._schemas, consumer, self.seed)
        back = roundtrip.play(stage, tally)
        self._stop(consumer)
        live = self._read_back(file, tally)
        warm = hot.play(self.screen, world, file, self.folder, self.events)
        dropped_in = dropped.play(self.screen, world, file)
        compacted = compaction.play(self.screen, file, self.folder)
        loaded = self._load(world, file)
        ok = day and back and live and warm and dropped_in and compacted and loaded
        self.screen.phase("Verdict")
        if ok:
            self.screen.good(f"Every one of {tally.events:,} events sent is stored or in quarantine, exactly once.")
            self.screen.say(f"The demo took {time.monotonic() - began:.0f} s.")
        else:
            self.screen.bad("Something above is not as it should be.")
        if keep:
            self._keep(world, file)
        return 0 if ok else 1

    def _start(self) -> tuple[aws.World, Path, Consumer]:
        say = self.screen.say
        self.screen.phase("A small AWS, and the consumer")
        megabytes = self.events * EVENT_BYTES / 1e6
        say(f"This run sends {self.events:,} events, about {megabytes:.0f} MB, over {SHARDS} shards.")
        server = self._running.enter_context(start_ministack(self.folder))
        world = aws.World(str(self.folder), server.url, server.url, server.url, port=free_port())
        aws.furnish(world, SHARDS)
        more = roundtrip.SETTINGS + hot.routes(self.folder, self.events)
        file = aws.settings(world, schemas=self._schemas, more=more)
        say(
            f"ministack plays Kinesis, DynamoDB, S3 and SQS on {server.url}: stream `{world.stream}`, lake {world.lake}"
        )
        hot.furnish(self.screen, world, file)
        consumer = Consumer(file, self.folder, world.port)
        self._running.callback(consumer.drain)
        say(
            f"tailrace consume starts KCL's MultiLangDaemon (a JVM); metrics and health on http://{LOOPBACK}:{world.port}"
        )
        return world, file, consumer

    def _day(self, file: Path) -> bool:
        """While the JVM starts: the same pipeline without it, over a file."""
        self.screen.phase(f"Meanwhile, a file: tailrace backfill {DAY.relative_to(aws.ROOT)}")
        own = self.folder / "day.toml"
        text = file.read_text()
        loaded = settings_load.load(str(file), {})
        lake_uri = f'"{loaded.lake.uri}"'
        own.write_text(text.replace(lake_uri, f'{json.dumps(str(self.folder / "day"))}\navro = ["*"]'))
        status, said = run_command(own, "backfill", str(DAY))
        self.screen.quote(said)
        if status:
            self.screen.bad(f"backfill ended with status {status}")
            return False
        settings = settings_load.load(str(own), {})
        lake = Lake.fetch(settings, self.folder / "day-read", file_run=True)
        stored, rejected, lines = len(lake.positions()), len(lake.rejected()), len(DAY.read_bytes().splitlines())
        self.screen.say(
            f"{stored:,} rows in {lake.objects} Parquet files; {rejected} events in quarantine, most of them for"
        )
        self._reasons(lake.reasons(3))
        if stored + rejected != lines:
            self.screen.bad(f"The file has {lines:,} lines.")
        twins = formats.compared(settings)
        self.screen.say(
            f"This once in Avro, too: {twins.pairs} files, read back by fastavro, held against Parquet's {twins.rows:,}"
            f" rows one by one: {f'{len(twins.differing)} files differ' if twins.differing else 'all are equal'}."
        )
        for name in twins.differing[:REASONS_SHOWN]:
            self.screen.bad(name)
        return stored + rejected == lines == twins.rows and not twins.differing

    def _traffic(self, world: aws.World, consumer: Consumer) -> Tally:
        self.screen.phase("Traffic through the real daemon")
        self.screen.say(
            'Visitors of eight tenants: single events, arrays, JSON lines and {"events": []}, most of them packed '
            "as the KPL packs; about 1 % broken."
        )
        made = parcels(self.events, self.seed, end_ms=int(time.time() * 1000))
        steps = send(world.putter(self.seed), made)
        rate = min(RATE_MAX, self.events / SENDING_S)
        tally = watch(self.screen, consumer, steps, self.events, rate, SHARDS)
        numbers = consumer.numbers()
        self.screen.say(
            f"{tally.events:,} events in {tally.records:,} records sent and committed: "
            f"{numbers.stored:,} stored, {numbers.rejected:,} rejected."
        )
        return tally

    def _stop(self, consumer: Consumer) -> None:
        self.screen.say("SIGTERM to the consumer: it finishes what it holds, checkpoints and ends.")
        status = consumer.drain()
        if status != 0:
            raise NotComeTogetherError(f"the consumer ended with status {status}:\n{consumer.tail()}")

    def _read_back(self, file: Path, tally: Tally) -> bool:
        screen = self.screen
        screen.phase("Read back with DuckDB")
        lake = Lake.fetch(settings_load.load(str(file), {}), self.folder / "read")
        screen.say(f"{lake.objects} Parquet objects, {lake.bytes / 1e6:.1f} MB. Events stored, by type and tenant:")
        self._totals(lake.totals())
        screen.say("What was read from them besides, the commonest:")
        heads = ("referer", "campaign", "robot", "browsers", "events", "fingerprints")
        screen.table(heads, lake.enriched(ENRICHED_SHOWN), right=frozenset({3, 4, 5}))
        screen.phase("Why events were rejected, with an example each")
        self._reasons(lake.reasons(REASONS_SHOWN))
        event = lake.some_event()
        found = 1
        if event is not None:
            screen.phase(f"Where is one of them: tailrace where {event}")
            found, said = run_command(file, "where", event)
            screen.quote(said)
        screen.phase("Does it all hold: tailrace audit")
        audit, said = run_command(file, "audit")
        screen.quote(said)
        account = Account.of(tally.sent, lake.positions(), lake.rejected(), lake.mended())
        screen.phase("Every event sent, held against every row stored")
        screen.say(f"{account.sent:,} sent = {account.stored:,} stored + {account.rejected:,} in quarantine")
        screen.say(f"{account.mended:,} of those in quarantine were mended, sent again and stored")
        for what, times in account.findings.most_common():
            screen.bad(f"{times:,} {what}:")
            screen.quote("\n".join(account.examples[what]))
        if account.holds:
            screen.good("Each by its position in the stream: none missing, none twice, the broken ones rejected.")
            screen.good("The mended ones under their own event_id, each once, though they were sent twice.")
        return account.holds and found == 0 and audit == 0

    def _load(self, world: aws.World, file: Path) -> bool:
        lake = Lake.fetch(settings_load.load(str(file), {}), self.folder / "loaded")
        return warehouse.play(
            self.screen, world, file, len(lake.positions()) + len(lake.mended()), len(lake.rejected())
        )

    def _totals(self, totals: Sequence[tuple[str, str, int]]) -> None:
        table: defaultdict[str, dict[str, int]] = defaultdict(dict)
        tenants: defaultdict[str, int] = defaultdict(int)
        for event_type, tenant, count in totals:
            table[event_type][tenant] = count
            tenants[tenant] += count
        heads = sorted(tenants, key=lambda tenant: -tenants[tenant])
        types = sorted(table, key=lambda event_type: -sum(table[event_type].values()))
        rows = [
            [name, *(f"{table[name].get(tenant, 0):,}" for tenant in heads), f"{sum(table[name].values()):,}"]
            for name in types
        ]
        rows.append(["all", *(f"{tenants[tenant]:,}" for tenant in heads), f"{sum(tenants.values()):,}"])
        self.screen.table(["type", *heads, "all"], rows, right=frozenset(range(1, len(heads) + 2)))

    def _reasons(self, reasons: Sequence[Reason]) -> None:
        for one in reasons:
            self.screen.say(f"{one.times:>6,} {one.stage}/{one.keyword}, for example {one.path}: {one.message}")
            self.screen.quote("      " + excerpt(one))

    def _keep(self, world: aws.World, file: Path) -> None:
        consumer = Consumer(file, self.folder, world.port)
        self._running.callback(consumer.drain)
        self.screen.phase("All of it runs on")
        tell(self.screen, world, file, ASKED | ASKED_OF_LANES)
        wait_until_stopped(consumer)


def tell(screen: Screen, world: aws.World, file: Path, commands: Mapping[str, str] = ASKED) -> None:
    """Say where everything is and how to go on."""
    at = f"http://{LOOPBACK}:{world.port}"
    screen.say(f"AWS        {world.kinesis_url}  (stream {world.stream}, bucket {world.bucket}, ledger {world.ledger})")
    screen.say(f"metrics    {at}/metrics   health  {at}/livez  {at}/readyz")
    screen.say(f"settings   {file}")
    screen.say(f"log        {Path(world.folder) / 'consumer.log'}")
    keys = "AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local"
    screen.say(f"traffic    .venv/bin/python -m local traffic --run {world.folder} --events 5000")
    for name, command in commands.items():
        screen.say(f"{name:<11}{keys} .venv/bin/tailrace {command} --config {file}")
    screen.say(f"stop       Ctrl-C here, or: kill {os.getpid()}")


def wait_until_stopped(consumer: Consumer) -> None:
    """Wait for Ctrl-C, or for the consumer to end."""
    while consumer.status is None:
        time.sleep(0.5)
    raise NotComeTogetherError(f"the consumer ended with status {consumer.status}:\n{consumer.tail()}")


def excerpt(reason: Reason, chars: int = EXAMPLE_CHARS) -> str:
    """Return the part of a rejected event that its reason speaks of, on one line."""
    text = reason.raw.decode(errors="backslashreplace")
    text = "".join(char if char.isprintable() else "\N{MIDDLE DOT}" for char in text)
    names = [*re.findall(r"\w+", reason.path)[-1:], *re.findall(r"'(\w+)'", reason.message)]
    found = [at for name in names if (at := text.find(f'"{name}":')) >= 0]
    start = max(0, found[0] - chars // 4) if found else 0
    cut = text[start : start + chars]
    more = "\N{HORIZONTAL ELLIPSIS}"
    return (more if start else "") + cut + (more if start + chars < len(text) else "")
