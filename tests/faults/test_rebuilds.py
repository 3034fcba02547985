"""An archive read back by runs that die anywhere, with files that are there or not: nothing is lost without a word."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import pytest

from support.memory_ports import MemoryLedger, MemoryPlace
from support.rebuilt import AGAIN, EPOCH, Lakes, settings_of
from tailrace import archived
from tailrace.commit.ports import Body
from tailrace.files import Source, UnfinishedFile
from tailrace.nouns import Record

SHARD = "shardId-000000000000"
HOUR_MS = 3_600_000
NOON_MS = 1_760_011_200_000
SEEDS = range(60)


class Killed(BaseException):
    """The process is gone."""


class Effects:
    """Counts what is done to the world; dies before or after one of them."""

    def __init__(self) -> None:
        self.left = -1
        self.after = False

    def __call__(self, act: Callable[[], Any]) -> Any:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Killed
        done = act()
        if self.left == 0:
            raise Killed
        return done


class Ledger(MemoryLedger):
    def __init__(self, effects: Effects) -> None:
        super().__init__()
        self._effects = effects

    def swap(self, key: str, expected: int, item: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
        swap = super().swap
        refused: tuple[int, dict[str, Any]] | None = self._effects(lambda: swap(key, expected, item))
        return refused


class Place(MemoryPlace):
    def __init__(self, effects: Effects) -> None:
        super().__init__()
        self._effects = effects

    def create(self, name: str, body: Body, meta: Mapping[str, str]) -> bool:
        create = super().create
        return bool(self._effects(lambda: create(name, body, meta)))


class Target(Lakes):
    """A lake whose runs can be killed."""

    def __init__(self) -> None:
        super().__init__()
        self.effects = Effects()
        self.store, self.place = Ledger(self.effects), Place(self.effects)

    def bring(self, files: list[Source], rows: int, *, kill_at: int = -1, after: bool = False) -> dict[str, str]:
        """Run once; return what was told: of files, or of the run under no name."""
        self.effects.left, self.effects.after = kill_at, after
        (archive,) = self.archives(*files)
        try:
            self.filing(settings_of(rows=rows)).bring_archive(archive, lambda _done: None)
        except UnfinishedFile as error:
            return {"": str(error)}
        finally:
            self.effects.left = -1
        return archive.refused


def first_lake(rng: Random) -> Lakes:
    made, at = Lakes(), 100
    plans = []
    for _ in range(rng.randint(2, 4)):
        plan = []
        for _ in range(rng.randint(1, 5)):
            data = rng.choice((b'{"eventType":"click"}', b"no JSON", b'[{"eventType":"click"},{"eventType":"click"}]'))
            plan.append(Record(data, str(at), 0, NOON_MS + rng.randrange(2) * HOUR_MS))
            at += 1
        plans.append(plan)
    made.stream(SHARD, plans, settings_of())
    return made


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archived, "CHUNK_RECORDS", 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_that_dies_anywhere_is_gone_on_with(seed: int) -> None:
    rng = Random(seed)
    lake, target, rows = first_lake(rng), Target(), rng.randint(1, 9)
    for _ in range(rng.randint(1, 4)):
        with contextlib.suppress(Killed):
            assert target.bring(lake.files(), rows, kill_at=rng.randint(1, 25), after=rng.random() < 0.5) == {}
    assert target.bring(lake.files(), rows) == {}
    assert target.rows(AGAIN) == lake.rows(EPOCH)
    assert target.findings(AGAIN) == []
    assert len(target.archived(AGAIN)) == len(lake.archived(EPOCH))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_not_stored_was_told(seed: int) -> None:
    rng = Random(seed)
    lake, target, rows = first_lake(rng), Target(), rng.randint(1, 9)
    files = lake.files()
    for _ in range(rng.randint(1, 4)):
        some = [one for one in files if rng.random() < 0.7]
        if some:
            with contextlib.suppress(Killed):
                target.bring(some, rows, kill_at=rng.choice((-1, rng.randint(1, 25))), after=rng.random() < 0.5)
    told = target.bring(files, rows)
    stored, wanted = target.rows(AGAIN), lake.rows(EPOCH)
    assert stored.items() <= wanted.items()
    assert target.findings(AGAIN) == []
    if "" not in told:
        kept = [one for one in files if one.uri not in told]
        assert lost(lake, stored) <= (positions(lake.files()) - positions(kept))


def test_some_story_shows_what_a_run_that_remembers_less_would_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archived.Known, "missed", lambda _known, _at: False)
    wrong = 0
    for seed in SEEDS:
        try:
            test_what_is_not_stored_was_told(seed)
        except AssertionError:
            wrong += 1
    assert wrong > 10


def positions(files: list[Source]) -> set[str]:
    """Return the places of the records that some files hold."""
    return {f"{row['sequence']}/{row['sub']}" for one in files for row in archived._rows(one)}


def lost(lake: Lakes, stored: Mapping[str, Any]) -> set[str]:
    """Return the places of records of which not all rows are stored."""
    return {row["position"].rpartition("/")[0] for id_, (_, row) in lake.rows(EPOCH).items() if id_ not in stored}
