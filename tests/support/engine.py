"""The whole engine for a test: `tailrace consume`, its JVM, its children. Rule: every wait says what it waits for.

All of it is seen from outside: processes by their pids, pages over HTTP, logs as JSON lines, the ledger and KCL's lease
table as they stand. When the block ends nothing of it is left, however it ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from local import aws
from local.consumer import Numbers, parse, run_command
from local.process import Process, environment, free_port, get
from local.readback import Account, Lake, normal
from local.send import Sent, send
from local.standins import start_ministack
from local.traffic import parcels
from support.gate import Gate, gate
from tailrace import settings_load
from tailrace.commit.committed import CommitFile, commits_of, epoch_of, shards_of
from tailrace.commit.plan import Item
from tailrace.commit.stores import ledger_of
from tailrace.kcl import processes
from tailrace.nouns import mark
from tailrace.settings import Settings
from tailrace.sinks.lake.places import place_of

PATIENCE_S = 60.0  # a start takes 10 s here, on a busy machine twice that
DRAIN_S = 60.0
LOOK_S = 0.1
DAEMON = b"software.amazon.kinesis.multilang.MultiLangDaemon"
T = TypeVar("T")


class Engine(Process):
    """A running `tailrace consume` against a world of stand-ins."""

    def __init__(self, world: aws.World, file: Path, more: Mapping[str, str] | None = None) -> None:
        env = environment(
            PYTHONUNBUFFERED="1", TAILRACE_LOGS_FORMAT="json", TAILRACE_LOGS_LEVEL="debug", **(more or {})
        )
        command = [sys.executable, "-m", "tailrace", "consume", "--config", str(file)]
        super().__init__("consumer", command, Path(world.folder), env=env, new_log=False)
        self._port = world.port
        self._run_settings = str(Path(world.folder) / "consumer" / "settings.json")
        self._from = self.log.stat().st_size  # what an earlier run logged is not ours

    def __exit__(self, *_: object) -> None:
        seen = {*self.children(), *filter(None, [self.jvm()])}
        self.stop(DRAIN_S)
        give_up = time.monotonic() + DRAIN_S
        while (left := [pid for pid in seen if running(pid)]) and time.monotonic() < give_up:
            time.sleep(LOOK_S)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert not left, f"these outlived `tailrace consume`: {left}"

    def drain(self) -> int:
        """Ask it to finish what it holds and end; return its exit status."""
        return self.stop(DRAIN_S)

    def until(self, what: str, check: Callable[[], T | None], patience_s: float = PATIENCE_S) -> T:
        """Return the first true answer. AssertionError, with what is known, when the patience or the engine ends."""
        give_up = time.monotonic() + patience_s
        while not (answer := check()):
            if self.status is not None:
                raise AssertionError(f"ended with {self.status} while waiting for {what}:\n{self.tail(40)}")
            if time.monotonic() > give_up:
                raise AssertionError(f"waited {patience_s:.0f} s in vain for {what}:\n{self.told()}")
            time.sleep(LOOK_S)
        return answer

    def told(self) -> str:
        """Return what a person would look at first."""
        return f"{self.numbers()}\n/readyz: {self.page('/readyz')}\n{self.tail(40)}"

    def numbers(self) -> Numbers:
        """Return what /metrics says; zeros while nobody answers."""
        status, text = self.page("/metrics")
        return parse(text) if status == 200 else Numbers()

    def page(self, path: str) -> tuple[int, str]:
        """Return (status, text) of a page; (0, why) while nobody answers."""
        try:
            status, text = get(self._port, path)
        except OSError as error:
            return 0, str(error)
        return status, text.strip()

    def lines(self, msg: str = "", **fields: object) -> list[dict[str, Any]]:
        """Return the log lines of this run with this message and these fields, oldest first."""
        out = []
        for raw in self.log.read_bytes()[self._from :].splitlines():
            try:
                line = json.loads(raw)
            except ValueError:  # half a line, or one of a program that knows no JSON
                continue
            if msg in {"", line.get("msg")} and all(line.get(name) == value for name, value in fields.items()):
                out.append(line)
        return out

    def jvm(self) -> int | None:
        """Return the pid of the living daemon."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError, ValueError, IndexError):  # it ended while we looked
                state, parent = stat.read_text().rpartition(")")[2].split()[:2]
                if int(parent) == self.pid and state != "Z" and DAEMON in (stat.parent / "cmdline").read_bytes():
                    return int(stat.parent.name)
        return None

    def children(self) -> set[int]:
        """Return the pids of the living children."""
        return {child.pid for child in processes.children(self._run_settings)}


def running(pid: int) -> bool:
    """Say whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


class Stage:
    """A world, its settings file, and everything that was sent into it."""

    def __init__(self, world: aws.World, shards: Sequence[str], before_s3: Gate) -> None:
        self.world = world
        self.gate = before_s3
        self.shards = tuple(shards)
        self.sent: list[Sent] = []
        self.file = aws.settings(world)
        self._reads = 0
        self.putter = world.putter(seed=1)  # one for all: its shard map ages as a real sender's does

    def send(self, events: int, seed: int) -> list[Sent]:
        """Send traffic: plain and aggregated records, one or many events each, about 1 % broken."""
        made = parcels(events, seed, end_ms=int(time.time() * 1000))
        new = [sent for step in send(self.putter, made) for sent in step]
        self.sent += new
        return new

    def set(self, *, flush_age_s: float = 1.0, lines: Mapping[str, str] | None = None) -> Self:
        """Write the settings file anew; `lines` replace those of the same key."""
        self.file = aws.settings(self.world, flush_age_s=flush_age_s)
        text = self.file.read_text()
        for key, line in (lines or {}).items():
            old = [one for one in text.splitlines() if one.startswith(f"{key} = ")]
            assert len(old) == 1, f"{key} stands {len(old)} times in the settings"
            text = text.replace(old[0], line)
        self.file.write_text(text)
        return self

    def looking(self) -> Path:
        """Return a settings file for whoever looks at the lake: past the gate, which may be closed."""
        file = self.file.with_name("looking.toml")
        file.write_text(self.file.read_text().replace(self.world.s3_url, self.world.dynamodb_url))
        return file

    def settings(self) -> Settings:
        return settings_load.load(str(self.looking()), {})

    @contextmanager
    def engine(self, **more: str) -> Iterator[Engine]:
        """Run the consumer for the block; `more` goes into its environment."""
        with Engine(self.world, self.file, more) as running_engine:
            yield running_engine

    def events_sent(self) -> int:
        return len(self.sent)

    def records_sent(self) -> int:
        return len({(one.shard, one.position.rpartition("/")[0]) for one in self.sent})

    def wait_until(self, what: str, check: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        """Return once it is true; for what no running engine is needed for."""
        give_up = time.monotonic() + patience_s
        while not check():
            assert time.monotonic() < give_up, f"waited {patience_s:.0f} s in vain for {what}"
            time.sleep(LOOK_S)

    # ---- what stands in the tables and in the lake

    def items(self) -> dict[str, Item]:
        """Return the ledger's items by shard."""
        ledger, settings = ledger_of(self.settings(), file_run=False), self.settings()
        epoch = epoch_of(ledger, settings.kcl.application)
        if epoch is None:
            return {}
        return {shard.identity.shard: shard.item for shard in shards_of(ledger, epoch, settings.stream.name)}

    def received(self) -> int:
        """Return the events of all committed plans, as the ledger knows them."""
        return sum(item.totals.received for item in self.items().values())

    def watermarks(self) -> dict[str, str]:
        """Return the ledger's watermarks by shard."""
        return {shard: item.watermark for shard, item in self.items().items()}

    def leases(self) -> dict[str, str]:
        """Return KCL's checkpoints by shard: a mark as the ledger writes it, or a word."""
        rows = self.world.dynamodb().scan(TableName=self.world.application, ConsistentRead=True)["Items"]
        out = {}
        for row in rows:
            at = row["checkpoint"]["S"]
            out[row["leaseKey"]["S"]] = mark(at, int(row["checkpointSubSequenceNumber"]["N"])) if at.isdigit() else at
        return out

    def commit_files(self) -> dict[str, list[CommitFile]]:
        """Return every committed plan's file by shard, oldest first."""
        settings = self.settings()
        ledger, place = ledger_of(settings, file_run=False), place_of(settings)
        out: dict[str, list[CommitFile]] = {}
        for shard in shards_of(ledger, epoch_of(ledger, settings.kcl.application) or "", settings.stream.name):
            found = [commit for _, commit in commits_of(place, shard)]
            out[shard.identity.shard] = [commit for commit in found if isinstance(commit, CommitFile)]
            assert len(out[shard.identity.shard]) == len(found), "a commit file is missing or damaged"
        return out

    def lake(self) -> Lake:
        """Fetch what is committed."""
        self._reads += 1
        return Lake.fetch(self.settings(), Path(self.world.folder) / f"read-{self._reads}")

    def quarantine(self, lake: Lake) -> dict[tuple[str, str], tuple[str, bytes]]:
        """Return (stage, raw) of every reject by its (shard, position)."""
        rows = lake._duck.execute("SELECT shard, position, stage, raw FROM rejects").fetchall()
        return {(shard, normal(position)): (stage, raw) for shard, position, stage, raw in rows}

    def command(self, *arguments: str) -> tuple[int, str]:
        """Run a `tailrace` command; return (exit status, what it said)."""
        return run_command(self.looking(), *arguments)

    # ---- what must hold in the end

    def assert_each_event_once(self) -> Lake:
        """Every event sent is once in its table or once in quarantine, and nothing else is; the audit agrees."""
        lake = self.lake()
        account = Account.of(self.sent, lake.positions(), lake.rejected())
        assert account.holds, f"{dict(account.findings)}: {dict(account.examples)}"
        assert account.sent == account.stored + account.rejected == self.events_sent()
        status, said = self.command("audit")
        assert status == 0, said
        return lake

    def assert_checkpoints_are_watermarks(self) -> None:
        """KCL's checkpoint of each shard is the ledger's watermark."""
        assert self.leases() == self.watermarks()


@contextmanager
def stage(folder: Path, *, kinesis_url: str = "", shards: int = 2) -> Iterator[Stage]:
    """Run ministack, with a gate before S3, and furnish it; `kinesis_url` takes the stream elsewhere."""
    with start_ministack(folder) as server, gate(server.url) as before_s3:
        world = aws.World(str(folder), kinesis_url or server.url, server.url, before_s3.url, port=free_port())
        yield Stage(world, aws.furnish(world, shards), before_s3)
