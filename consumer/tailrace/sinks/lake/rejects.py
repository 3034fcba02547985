"""Rejects, read back. Rule: only what the ledger has committed, and never more than one row group in memory.

What cannot hold a wanted row is not opened: a folder by its day and stage, a row group by its statistics.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tailrace.commit.committed import QUARANTINE, CommitFile, Shard, StoredObject, commits_of, told_once
from tailrace.commit.compacted import NOTHING, View
from tailrace.commit.ports import Place
from tailrace.nouns import Reason
from tailrace.sinks.lake.groups import Group, opened
from tailrace.sinks.lake.layout import safe

ROWS_AT_ONCE: Final = 256  # turned into values
RAW: Final = "raw"
_EQUAL: Final = ("event_type", "tenant", "shard")
_IDS: Final = ("row_id", "event_id", "redrive_of")
_INSTANT: Final = timedelta(microseconds=1)
_SINCE_1970: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Wanted(NamedTuple):
    """Which rejects; what is empty asks nothing."""

    stage: str = ""  # of the first reason
    keyword: str = ""  # of any reason
    event_type: str = ""
    tenant: str = ""
    shard: str = ""
    text: str = ""  # in the path or message of any reason
    id: str = ""  # row_id, event_id, or the row_id of the first reject
    since: datetime | None = None  # arrival, this one included
    until: datetime | None = None  # arrival, this one not

    def fits(self, reasons: Iterable[Reason]) -> bool:
        """Say whether the reasons are wanted; the rest Arrow has judged."""
        return (not self.keyword or any(reason.keyword == self.keyword for reason in reasons)) and (
            not self.text or any(self.text in reason.path or self.text in reason.message for reason in reasons)
        )


class Reject(NamedTuple):
    """One row of the quarantine."""

    row_id: str
    received_at: datetime
    reasons: tuple[Reason, ...]
    event_type: str | None
    schema: str | None
    tenant: str | None
    event_id: str | None
    shard: str
    position: str
    redrive_of: str | None
    raw: bytes  # empty where it was not asked for
    object: str


class Rejects:
    """Committed rejects that are wanted, shard by shard, oldest plan first; counts what it reads."""

    def __init__(self, place: Place, wanted: Wanted, *, raw: bool = True, view: View = NOTHING) -> None:
        self._place, self._wanted, self._raw, self._view = place, wanted, raw, view
        self.objects = 0
        self.missing: list[str] = []  # what could not be looked at
        self.gone = 0  # objects that are not there: the quarantine may expire

    def run(self, shards: Iterable[Shard]) -> Iterator[Reject]:
        """Yield every wanted row: those of compactions last. Shards are to be asked for after the view."""
        moved: dict[str, StoredObject] = {}
        for shard in shards:
            if self._wanted.shard and shard.identity.shard != self._wanted.shard:
                continue
            for chain, commit in commits_of(self._place, shard):
                if not isinstance(commit, CommitFile):
                    self.missing.append(f"the commit file of {shard.identity.shard}, chain {chain}")
                    continue
                for entry in told_once(commit.objects):
                    if entry.table == QUARANTINE and _folder_may_hold(entry.name, self._wanted):
                        holder = self._view.holder(entry.name)
                        if holder is None:
                            yield from self._object(entry)
                        else:
                            moved.update((told.name, told) for told in told_once(holder.objects))
        for entry in moved.values():
            yield from self._object(entry)

    def _object(self, entry: StoredObject) -> Iterator[Reject]:
        self.objects += 1
        name, rows = entry.name, 0
        try:
            with self._place.open(name) as source, opened(name, source) as groups:
                for group in groups:
                    rows += group.rows
                    yield from self._group(group, name)
            if not rows:
                self.missing.append(f"{name}: it was replaced meanwhile, ask again")
        except FileNotFoundError:
            self.gone += 1
        except (ValueError, pa.ArrowException):
            self.missing.append(name)

    def _group(self, group: Group, name: str) -> Iterator[Reject]:
        statistics = group.statistics
        if not _group_may_hold(statistics, self._wanted):
            return
        asked = [column for column in _asked(self._wanted) if column in statistics]
        read = [column for column in statistics if self._raw or column != RAW]
        table = group.read(read)
        mask = _mask(table.select(asked), self._wanted)
        if mask is not None:
            table = table.filter(mask)
        for batch in table.to_batches(max_chunksize=ROWS_AT_ONCE):
            for values in batch.to_pylist():
                reasons = tuple(_reason(one) for one in json.loads(values["reasons"]))
                if self._wanted.fits(reasons):
                    yield _reject(values, reasons, name)


def _folder_may_hold(name: str, wanted: Wanted) -> bool:
    folders = dict(part.split("=", 1) for part in name.split("/") if "=" in part)
    stage, day = folders.get("stage"), folders.get("dt")
    if wanted.stage and stage is not None and stage != safe(wanted.stage):
        return False
    if day is None:
        return True
    if wanted.since is not None and day < wanted.since.astimezone(UTC).date().isoformat():
        return False
    return wanted.until is None or day <= (wanted.until.astimezone(UTC) - _INSTANT).date().isoformat()


def _group_may_hold(statistics: Mapping[str, pq.Statistics | None], wanted: Wanted) -> bool:
    def extremes(column: str) -> tuple[Any, Any] | None:
        known = statistics.get(column)
        return (known.min, known.max) if known is not None and known.has_min_max else None

    for column in _EQUAL:
        value, known = getattr(wanted, column), extremes(column)
        if value and known is not None and not known[0] <= value <= known[1]:
            return False
    if wanted.id:
        around = [extremes(column) for column in _IDS if column in statistics]
        if all(known is not None and not known[0] <= wanted.id <= known[1] for known in around):
            return False
    arrived = extremes("received_at")
    if arrived is None:
        return True
    if wanted.since is not None and _utc(arrived[1]) < wanted.since:
        return False
    return wanted.until is None or _utc(arrived[0]) < wanted.until


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _asked(wanted: Wanted) -> list[str]:
    """Return the columns that decide."""
    names = [column for column in _EQUAL if getattr(wanted, column)]
    names += ["stage"] * bool(wanted.stage) + ["reasons"] * bool(wanted.keyword or wanted.text)
    names += _IDS if wanted.id else ()
    return names + ["received_at"] * (wanted.since is not None or wanted.until is not None)


def _mask(table: pa.Table, wanted: Wanted) -> pa.ChunkedArray | None:
    """Return which rows may be wanted; None: all."""
    parts = [pc.equal(table[column], getattr(wanted, column)) for column in _EQUAL if getattr(wanted, column)]
    if wanted.stage:
        parts.append(pc.equal(table["stage"], wanted.stage))
    # The text of JSON is searched first, so that few rows are parsed.
    parts += [
        pc.match_substring(table["reasons"], json.dumps(text, ensure_ascii=False)[1:-1])
        for text in (wanted.keyword, wanted.text)
        if text
    ]
    if wanted.id:
        ids = [
            pc.fill_null(pc.equal(table[column], wanted.id), False) for column in table.column_names if column in _IDS
        ]
        either = ids[0]
        for one in ids[1:]:
            either = pc.or_(either, one)
        parts.append(either)
    if wanted.since is not None:
        parts.append(pc.greater_equal(_micros(table), _us(wanted.since)))
    if wanted.until is not None:
        parts.append(pc.less(_micros(table), _us(wanted.until)))
    whole = None
    for part in parts:
        sure = pc.fill_null(part, False)
        whole = sure if whole is None else pc.and_(whole, sure)
    return whole


def _micros(table: pa.Table) -> pa.ChunkedArray:
    return table["received_at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64())


def _us(moment: datetime) -> int:
    return (moment - _SINCE_1970) // _INSTANT


def _reason(raw: Mapping[str, str] | list[str]) -> Reason:
    return Reason(*raw) if isinstance(raw, list) else Reason(*(raw[field] for field in Reason._fields))


def _reject(values: Mapping[str, Any], reasons: tuple[Reason, ...], name: str) -> Reject:
    known: dict[str, Any] = {field: values.get(field) for field in Reject._fields}
    known |= {"reasons": reasons, "raw": values.get(RAW) or b"", "object": name}
    known["received_at"] = _utc(values["received_at"])
    return Reject(**known)
