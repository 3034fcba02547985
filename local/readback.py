"""Reads back what was stored. Rule: only what the ledger has committed, asked with DuckDB."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

import duckdb

from local.send import Sent
from local.traffic import Made
from tailrace.commit.committed import ARCHIVE, QUARANTINE, CommitFile, commits_of, epoch_of, shards_of, told_once
from tailrace.commit.compacted import view_of
from tailrace.commit.stores import ledger_of
from tailrace.settings import Settings
from tailrace.sinks.lake.places import place_of

NAMED_MAX = 5  # of what is wrong, so many are named
COLUMNS = (
    "row_id", "event_type", "tenant", "event_id", "shard", "position", "redrive_of",
    "ua_family", "bot", "utm_campaign", "referer_class", "fingerprint",
)  # fmt: skip
NO_EVENTS = "SELECT " + ", ".join(f"'' AS {name}" for name in COLUMNS) + " WHERE false"
NO_REJECTS = (
    "SELECT '' AS row_id, '' AS shard, '' AS position, '' AS stage, '' AS keyword, '' AS path, '' AS message, "
    "''::BLOB AS raw WHERE false"
)


class Reason(NamedTuple):
    """A reason for rejection, how often it came first, and one example."""

    stage: str
    keyword: str
    path: str
    message: str
    times: int
    raw: bytes


class Lake:
    """The committed objects, fetched into a folder, behind one DuckDB connection."""

    def __init__(self, files: Mapping[str, list[str]], bytes_: int) -> None:
        self.files = files
        self.bytes = bytes_
        self.objects = sum(len(names) for names in files.values())
        self._duck = duckdb.connect()
        tables = [
            f"SELECT {', '.join(COLUMNS)} FROM read_parquet({names!r}, union_by_name = true)"
            for table, names in sorted(files.items())
            if table != QUARANTINE
        ]
        self._duck.execute(f"CREATE VIEW events AS {' UNION ALL '.join(tables) or NO_EVENTS}")
        rejects = files.get(QUARANTINE)
        query = f"SELECT * FROM read_parquet({rejects!r}, union_by_name = true)" if rejects else NO_REJECTS
        self._duck.execute(f"CREATE VIEW rejects AS {query}")

    @classmethod
    def fetch(cls, settings: Settings, folder: Path, *, file_run: bool = False) -> Self:
        """Fetch every committed object that holds rows."""
        ledger, place = ledger_of(settings, file_run=file_run), place_of(settings)
        epoch = epoch_of(ledger, settings.kcl.application) or ""
        files: defaultdict[str, list[str]] = defaultdict(list)
        size = 0
        view = view_of(ledger, place, epoch)
        live = list(told_once(stored for _, stored in view.outputs()))
        for shard in shards_of(ledger, epoch, "" if file_run else settings.stream.name):
            for chain, commit in commits_of(place, shard):
                if not isinstance(commit, CommitFile):
                    raise FileNotFoundError(f"the commit file of {shard.identity.shard}, chain {chain}: {commit}")
                live += told_once(view.live(one for one in commit.objects if one.table != ARCHIVE))
        for stored in live:
            data = place.read(stored.name)
            size += len(data)
            target = folder / stored.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            files[stored.table].append(str(target))
        return cls(files, size)

    def positions(self) -> list[tuple[str, str]]:
        """Return (shard, position) of every stored row, but for those of events that were sent again."""
        return self._duck.execute("SELECT shard, position FROM events WHERE redrive_of IS NULL").fetchall()

    def row_ids(self) -> list[tuple[str, str, str]]:
        """Return (row_id, shard, position) of every stored row."""
        return self._duck.execute("SELECT row_id, shard, position FROM events").fetchall()

    def mended(self) -> list[tuple[str, str, str]]:
        """Return (shard, position) of the reject of every event that was sent again and stored, and its event_id."""
        query = """
            SELECT rejects.shard, rejects.position, events.event_id
            FROM events LEFT JOIN rejects ON rejects.row_id = events.redrive_of WHERE events.redrive_of IS NOT NULL"""
        return self._duck.execute(query).fetchall()

    def enriched(self, most: int) -> list[tuple[str, ...]]:
        """Return the commonest of what was read from events: referer, campaign, robot or not; with counts."""
        query = """
            SELECT referer_class, utm_campaign, bot, count(DISTINCT ua_family), count(*), count(DISTINCT fingerprint)
            FROM events GROUP BY ALL ORDER BY count(*) DESC, 1, 2, 3 LIMIT ?"""
        rows = self._duck.execute(query, [most]).fetchall()
        return [
            tuple("-" if value is None else f"{value:,}" if type(value) is int else str(value) for value in row)
            for row in rows
        ]

    def row_ids_of(self, event_type: str) -> list[str]:
        """Return the row ids of a type's stored events."""
        query = "SELECT row_id FROM events WHERE event_type = ?"
        return [row_id for (row_id,) in self._duck.execute(query, [event_type]).fetchall()]

    def rejected(self) -> list[tuple[str, str, str]]:
        """Return (shard, position, stage) of every row of the quarantine."""
        return self._duck.execute("SELECT shard, position, stage FROM rejects").fetchall()

    def totals(self) -> list[tuple[str, str, int]]:
        """Return (event type, tenant, events stored)."""
        query = "SELECT event_type, tenant, count(*) FROM events GROUP BY ALL ORDER BY ALL"
        return self._duck.execute(query).fetchall()

    def reasons(self, most: int) -> list[Reason]:
        """Return the commonest first reasons, each with an example: one of its commonest path."""
        query = """
            WITH alike AS (SELECT *, count(*) OVER (PARTITION BY stage, keyword, path) AS times FROM rejects)
            SELECT stage, keyword, first(path ORDER BY times DESC, path, position),
                   first(message ORDER BY times DESC, path, position), count(*),
                   first(raw ORDER BY times DESC, path, position)
            FROM alike GROUP BY stage, keyword ORDER BY count(*) DESC, stage, keyword LIMIT ?"""
        return [Reason(*row) for row in self._duck.execute(query, [most]).fetchall()]

    def some_event(self) -> str | None:
        """Return the id of one stored event, a purchase if there is one."""
        query = "SELECT event_id FROM events ORDER BY event_type = 'purchase' DESC, event_id LIMIT 1"
        found = self._duck.execute(query).fetchone()
        return None if found is None else str(found[0])


@dataclass
class Account:
    """Every event sent, held against what is stored. All is well when nothing is named."""

    sent: int = 0
    stored: int = 0
    rejected: int = 0
    mended: int = 0  # of those rejected, stored when they were sent again
    findings: Counter[str] = field(default_factory=Counter)
    examples: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def holds(self) -> bool:
        """Say whether each event is exactly once where it belongs."""
        return not self.findings

    def _find(self, what: str, example: str) -> None:
        self.findings[what] += 1
        if len(self.examples[what]) < NAMED_MAX:
            self.examples[what].append(example)

    @classmethod
    def of(
        cls,
        sent: Iterable[Sent],
        stored: Iterable[tuple[str, str]],
        rejected: Sequence[tuple[str, str, str]],
        mended: Sequence[tuple[str, str, str]] = (),
    ) -> Self:
        """Compare by position: a position is one event's, in the stream and in the lake.

        `mended` are (shard, position, event_id) of events that were sent again and stored, by where they came first.
        """
        expected = {(one.shard, normal(one.position)): one.made for one in sent}
        rows = Counter((shard, normal(at)) for shard, at in stored)
        stages = {(shard, normal(at)): stage for shard, at, stage in rejected}
        rejects = Counter((shard, normal(at)) for shard, at, _ in rejected)
        account = cls(len(expected), rows.total(), rejects.total(), len(mended))
        account._mended(expected, mended)
        for place, made in expected.items():
            name = f"{place[0]} {place[1]} ({made.type}{', ' + made.flaw.name if made.flaw else ''})"
            times = rows[place] + rejects[place]
            if times == 0:
                account._find("sent and found nowhere", name)
            elif times > 1:
                account._find("found more than once", name)
            elif made.flaw is None and rejects[place]:
                account._find("good, but rejected", name)
            elif made.flaw is not None and rows[place]:
                account._find("broken, but stored", name)
            elif made.flaw is not None and stages[place] != made.flaw.stage:
                account._find(f"rejected at {stages[place]}, expected {made.flaw.stage}", name)
        for place in (rows + rejects).keys() - expected.keys():
            account._find("found, but never sent", f"{place[0]} {place[1]}")
        return account

    def _mended(self, expected: Mapping[tuple[str, str], Made], mended: Sequence[tuple[str, str, str]]) -> None:
        again: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for shard, at, event_id in mended:
            again[shard, normal(at) if at else "?"].append(event_id)
        for place, made in expected.items():
            ids, name = again.pop(place, []), f"{place[0]} {place[1]} ({made.type})"
            wanted = made.flaw is not None and made.flaw.mended
            if wanted and not ids:
                self._find("mended, but not stored", name)
            elif ids and not wanted:
                self._find("stored as mended, but never mended", name)
            elif len(ids) > 1:
                self._find("mended, but stored more than once", name)
            elif ids and ids[0] != made.event_id:
                self._find("mended, but stored under another event_id", name)
        for place in again:
            self._find("stored as mended, but never sent", f"{place[0]} {place[1]}")


def normal(position: str) -> str:
    """Return a position without leading zeros."""
    sequence, sub, index = position.split("/")
    return f"{sequence.lstrip('0') or '0'}/{int(sub)}/{int(index)}"
