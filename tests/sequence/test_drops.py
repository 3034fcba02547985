"""One dropped file, two announcements, and at each single effect a death or another worker: each row is stored once."""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError

from support.faked_drops import Time, record
from support.memory_ports import MemoryLedger
from tailrace import files
from tailrace.commit.committed import commits_of, shards_of
from tailrace.commit.patience import Patience
from tailrace.commit.ports import Body
from tailrace.drops.archive import Archive
from tailrace.drops.calls import Calls
from tailrace.drops.items import DONE, FILE, FileItems
from tailrace.drops.queue import Message
from tailrace.drops.work import Drops
from tailrace.edition import load as load_edition
from tailrace.filing import Filing
from tailrace.ops.clock import SystemClock
from tailrace.settings_load import load
from tailrace.sinks.lake.places.directory import DirectoryPlace
from tailrace.sinks.lake.read import LakeReader

ROWS = 30
DATA = b"n\n" + b"".join(b'%d"\n' % n if n % 10 == 9 else b"%d\n" % n for n in range(ROWS))
VISIBILITY_S = 30
EFFECTS_MIN = 30  # of one file and two messages


class KilledError(BaseException):
    """The process ends here."""


class Effects:
    """Counts what is done to the world; at one of them something happens, before it or after it."""

    def __init__(self, at: int = 0, happens: Callable[[], None] = lambda: None, *, after: bool = False) -> None:
        self.count, self._at, self._happens, self._after = 0, at, happens, after
        self._lock = threading.RLock()

    def __call__(self, effect: Callable[..., Any], *given: Any, **named: Any) -> Any:
        with self._lock:
            self.count += 1
            now = self.count == self._at
            if now and not self._after:
                self._happens()
            found = effect(*given, **named)
            if now and self._after:
                self._happens()
            return found


class World:
    """A bucket, a queue, a ledger and a lake that outlive who works on them."""

    def __init__(self, folder: Path) -> None:
        (folder / "schemas" / "row").mkdir(parents=True)
        (folder / "schemas" / "row" / "1.json").write_text('{"type": "object"}')
        self.folder, self.time, self.ledger = folder, Time(), MemoryLedger()
        self.objects = {("b", "in/a.csv"): DATA}
        self.messages: list[dict[str, Any]] = []
        for _ in range(2):
            body = json.dumps({"Records": [record("in/a.csv", len(DATA))]})
            self.messages.append({"body": body, "seen_at": 0.0, "receipt": "", "times": 0})

    # ---- the queue, as SQS: what is taken is hidden for a time, and only the last receipt counts

    def receive(self) -> Message | None:
        for number, one in enumerate(self.messages):
            if one["seen_at"] <= self.time.now:
                one["times"] += 1
                one |= {"seen_at": self.time.now + VISIBILITY_S, "receipt": f"{id(one)}-{number}-{one['times']}"}
                return Message(one["body"], one["receipt"], 0, one["times"])
        return None

    def hide(self, receipt: str, seconds: int) -> None:
        for one in self.messages:
            if one["receipt"] == receipt:
                one["seen_at"] = self.time.now + seconds

    def delete(self, receipt: str) -> None:
        self.messages = [one for one in self.messages if one["receipt"] != receipt]

    # ---- the bucket

    def get_object(self, **asked: Any) -> dict[str, Any]:
        return {"Body": io.BytesIO(self._there(asked["Bucket"], asked["Key"]))}

    def copy_object(self, **asked: Any) -> None:
        source = asked["CopySource"]
        self.objects[asked["Bucket"], asked["Key"]] = self._there(source["Bucket"], source["Key"])

    def delete_object(self, **asked: Any) -> None:
        self._there(asked["Bucket"], asked["Key"])
        del self.objects[asked["Bucket"], asked["Key"]]

    def head_object(self, **asked: Any) -> None:
        self._there(asked["Bucket"], asked["Key"])

    def _there(self, bucket: str, key: str) -> bytes:
        if (bucket, key) not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "x")
        return self.objects[bucket, key]

    # ---- who works on them

    def worker(self, name: str, effects: Effects) -> Callable[[], bool]:
        """Return the step of a worker whose effects all go through `effects`."""
        settings = load(
            None,
            {
                "TAILRACE_LAKE_URI": str(self.folder / "lake"),
                "TAILRACE_SCHEMAS_PATH": str(self.folder / "schemas"),
                "TAILRACE_CSV_EVENT_TYPES": "*=row",
                "TAILRACE_FLUSH_ROWS": "10",
            },
        )
        ledger, say = Through(self.ledger, effects), Mock()
        filing = Filing(
            settings,
            load_edition(settings),
            stream="drops",
            epoch="e",
            store=ledger,
            place=Lake(self.folder / "lake", effects),
            clock=SystemClock(),
            claims=None,
            say=say,
        )
        bucket, queue = Through(self, effects), Through(self, effects)
        return Drops(
            queue,
            filing,
            FileItems(ledger, "e"),
            bucket,
            Archive(bucket, "s3://old/kept"),
            own=["s3://old/kept"],
            holder=name,
            visibility_s=VISIBILITY_S,
            calls=Calls(lambda: Patience(self.time, 5.0, lambda: 0.0), self.time, say),
            clock=self.time,
            say=say,
        ).step

    def finish(self, step: Callable[[], bool]) -> None:
        """Work until the queue is empty, time going by."""
        for _ in range(50):
            while step():
                pass
            if not self.messages:
                return
            self.time.now += VISIBILITY_S
        raise AssertionError(self.messages)

    def holds(self) -> None:
        """Check that the file is done and archived, and every row of it committed once."""
        found = Counter(
            position
            for shard in shards_of(self.ledger, "e", "drops")
            for _, commit in commits_of(DirectoryPlace(self.folder / "lake"), shard)
            for entry in commit.objects  # type: ignore[union-attr]
            for position in LakeReader().contents(DirectoryPlace(self.folder / "lake"), entry.name).positions
        )
        assert (len(found), set(found.values())) == (ROWS, {1})
        (item,) = [one[1] for key in self.ledger.keys(FILE) if (one := self.ledger.read(key))]
        assert (item["status"], item["received"], item["rejected"]) == (DONE, ROWS, ROWS // 10)
        assert (item["archived"], self.objects) == ("s3://old/kept/in/e1-a.csv", {("old", "kept/in/e1-a.csv"): DATA})


class Through:
    """Has every call counted."""

    def __init__(self, real: Any, effects: Effects) -> None:
        self._real, self._effects = real, effects

    def __getattr__(self, name: str) -> Any:
        return lambda *given, **named: self._effects(getattr(self._real, name), *given, **named)


class Lake(DirectoryPlace):
    """A folder whose writes are counted."""

    def __init__(self, folder: Path, effects: Effects) -> None:
        super().__init__(folder)
        self._effects = effects

    def create(self, name: str, body: Body, meta: Mapping[str, str]) -> bool:
        return bool(self._effects(super().create, name, body, meta))

    def replace(self, name: str, body: Body, etag: str, meta: Mapping[str, str]) -> bool:
        return bool(self._effects(super().replace, name, body, etag, meta))


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[object], World]:
    monkeypatch.setattr(files, "CHUNK_RECORDS", 10)
    return lambda name: World(tmp_path / str(name))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_whoever_dies_at_an_effect_the_next_one_finishes(folders: Callable[[object], World], after: bool) -> None:
    def dies() -> None:
        raise KilledError

    for at in range(1, 1000):
        world = folders(at)
        effects = Effects(at, dies, after=after)
        try:
            world.finish(world.worker("first", effects))
        except KilledError:
            world.time.now += VISIBILITY_S
            world.finish(world.worker("second", Effects()))
            world.holds()
        else:
            world.holds()
            break
    assert at > EFFECTS_MIN


@pytest.mark.parametrize("late", [False, True], ids=["at once", "after its time"])
def test_another_works_at_an_effect_and_the_first_goes_on(folders: Callable[[object], World], late: bool) -> None:
    for at in range(1, 1000):
        world = folders(at)
        second = world.worker("second", Effects())

        def meanwhile(world: World = world, second: Callable[[], bool] = second) -> None:
            if late:
                world.time.now += VISIBILITY_S
                world.finish(second)
            while second():
                pass

        effects = Effects(at, meanwhile)
        world.finish(world.worker("first", effects))
        world.holds()
        if effects.count < at:
            break
    assert at > EFFECTS_MIN
