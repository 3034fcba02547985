"""Which folder of the lake a row belongs to. Rule: decided by the row alone, so that a replay names the same objects.

`<table>/[p_tenant=<tenant>/]dt=YYYY-MM-DD/hh=HH` by event time in UTC; the quarantine goes
`quarantine/dt=<day of arrival>/stage=<first stage>`, the archive of records `raw/dt=/hh=` by arrival. An event time
outside the window counts as a broken clock: such rows go by their arrival and say so in `time_source`. So do events
that come late, where the settings say what late is.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from tailrace.commit.committed import ARCHIVE, QUARANTINE
from tailrace.nouns import Rows

TOO_OLD, FUTURE, LATE = "too_old", "future", "late"
NULL_VALUE = "__HIVE_DEFAULT_PARTITION__"  # what Hive, Athena and Spark read as null
VALUE_CHARS_MAX = 64  # Redshift's load logs cut names at 256
DIGEST_CHARS = 16
PARTIAL = re.compile("%[0-9A-F]?$")  # an escape that the cut went through
TIME = pa.timestamp("us", "UTC")
HOUR_US = 3600 * 1_000_000
DAY_US = 24 * HOUR_US
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Integer division truncates towards zero; shifted by 2,000 years every time a calendar knows is positive.
SHIFT_HOURS = 24 * 366 * 2000
YEAR_1_US = -62_135_596_800 * 1_000_000
FOREVER_US = 2**63 - 1


class Layout(NamedTuple):
    """How rows are laid out in folders."""

    past_days: int = 30  # 0: no limit
    future_hours: int = 1
    tenant_partition: bool = False
    late_hours: int = 0  # 0: nothing is late


def safe(value: str | None) -> str:
    """Return the value as one path segment's part; two different values never give the same text.

    Everything but letters, digits, `.`, `_` and `-` is percent-encoded. Long values are cut and end in a digest, and
    are then longer than any whole one. Empty counts as null, as in Hive.
    """
    if not value:
        return NULL_VALUE
    if value == NULL_VALUE:
        return "%5F" + value[1:]
    if not value.strip("."):  # `.` and `..` are no folders
        return "%2E" * len(value) if len(value) * 3 <= VALUE_CHARS_MAX else _cut("%2E" * len(value), value)
    text = quote(value, safe="").replace("~", "%7E")
    return text if len(text) <= VALUE_CHARS_MAX else _cut(text, value)


def _cut(text: str, value: str) -> str:
    digest = hashlib.sha256(value.encode()).hexdigest()[:DIGEST_CHARS]
    return f"{PARTIAL.sub('', text[:VALUE_CHARS_MAX])}-{digest}"


def keys(table: str, layout: Layout) -> tuple[str, ...]:
    """Return the partition keys in the folders of a table, the outermost first."""
    if table == QUARANTINE:
        return ("dt", "stage")
    if table == ARCHIVE:
        return ("dt", "hh")
    return ("p_tenant", "dt", "hh") if layout.tenant_partition else ("dt", "hh")


def table_of(name: str) -> str:
    """Return the table of an object's name: the folders before the first partition."""
    parts = name.split("/")[:-1]
    keys = [i for i, part in enumerate(parts) if "=" in part]
    return "/".join(parts[: keys[0]] if keys else parts)


class _Parted(NamedTuple):
    """Rows, the number of each one's folder, and the folders by number."""

    batch: pa.RecordBatch
    keys: pa.Array | None  # None: there is one folder
    folders: dict[int, str]


def folders(rows: Rows, layout: Layout) -> tuple[str, ...]:
    """Return the folders that the rows go to. Cheaper than `split`, which copies the rows."""
    return tuple(_parted(rows, layout).folders.values())


def split(rows: Rows, layout: Layout) -> list[tuple[str, pa.RecordBatch]]:
    """Return the rows by folder, each folder's in their old order, folders in name order."""
    batch, keys, names = _parted(rows, layout)
    if keys is None or len(names) == 1:
        return [(name, batch) for name in names.values()]
    ordered = batch.take(pc.array_sort_indices(keys))  # stable
    counts = {count["values"]: count["counts"] for count in pc.value_counts(keys).to_pylist()}
    out, start = [], 0
    for key in sorted(names):
        # A slice alone would hold the whole chunk in memory until its last folder is written; this copies it.
        out.append((names[key], pa.concat_batches([ordered.slice(start, counts[key])])))
        start += counts[key]
    return sorted(out, key=lambda pair: pair[0])


def _parted(rows: Rows, layout: Layout) -> _Parted:
    if rows.batch.num_rows == 0:
        return _Parted(rows.batch, None, {})
    if rows.table.name == QUARANTINE:
        return _by_stage(rows)
    received = _micros(rows.batch.column("received_at"))
    if rows.table.name == ARCHIVE:
        return _by_hour(rows, rows.batch, received)
    moment = _micros(rows.batch.column("event_time"))
    batch = rows.batch
    if moment.null_count:
        moment = pc.coalesce(moment, received)
    ahead = pc.subtract(moment, received)
    least, most = _ends(ahead)
    past = min(span for span in (layout.past_days * DAY_US, layout.late_hours * HOUR_US, FOREVER_US) if span)
    if most > layout.future_hours * HOUR_US or least < -past or pc.min(moment).as_py() < YEAR_1_US:
        batch, moment = _by_arrival(batch, moment, received, ahead, layout)
    if not layout.tenant_partition:
        return _by_hour(rows, batch, moment)
    hours = _hours(moment)
    tenants = _plain(batch.column("tenant")).dictionary_encode("encode")
    # One number a folder: hours have 25 bits, tenants of one batch the bits above them.
    keys = pc.bit_wise_or(pc.shift_left(tenants.indices.cast(pa.int64()), 32), hours)
    names = [safe(value) for value in tenants.dictionary.to_pylist()]
    paths = {key: f"{rows.table.name}/p_tenant={names[key >> 32]}/{_hour(key & 0xFFFFFFFF)}" for key in _distinct(keys)}
    return _Parted(batch, keys, paths)


def _by_hour(rows: Rows, batch: pa.RecordBatch, moment: pa.Array) -> _Parted:
    first, last = (moment_us // HOUR_US + SHIFT_HOURS for moment_us in _ends(moment))
    if first == last:
        return _Parted(batch, None, {first: f"{rows.table.name}/{_hour(first)}"})
    hours = _hours(moment)
    return _Parted(batch, hours, {hour: f"{rows.table.name}/{_hour(hour)}" for hour in _distinct(hours)})


def _by_stage(rows: Rows) -> _Parted:
    hours = _hours(_micros(rows.batch.column("received_at")))
    days = pc.divide(hours, 24)
    stages = _plain(rows.batch.column("stage")).dictionary_encode("encode")
    keys = pc.bit_wise_or(pc.shift_left(stages.indices.cast(pa.int64()), 32), days)
    names = [safe(value) for value in stages.dictionary.to_pylist()]
    paths = {
        key: f"{rows.table.name}/dt={_time((key & 0xFFFFFFFF) * 24).date().isoformat()}/stage={names[key >> 32]}"
        for key in _distinct(keys)
    }
    return _Parted(rows.batch, keys, paths)


def _by_arrival(
    batch: pa.RecordBatch, moment: pa.Array, received: pa.Array, ahead: pa.Array, layout: Layout
) -> tuple[pa.RecordBatch, pa.Array]:
    """Mark the rows whose event time is outside the window, or late; return the time each row is filed under."""
    future = pc.greater(ahead, layout.future_hours * HOUR_US)
    old = pc.less(moment, YEAR_1_US)
    if layout.past_days:
        old = pc.or_(old, pc.less(ahead, -layout.past_days * DAY_US))
    place = batch.schema.get_field_index("time_source")
    source, astray = _plain(batch.column(place)), pc.or_(future, old)
    if layout.late_hours:
        late = pc.less(ahead, -layout.late_hours * HOUR_US)
        source, astray = pc.if_else(late, LATE, source), pc.or_(astray, late)
    source = pc.if_else(future, FUTURE, pc.if_else(old, TOO_OLD, source))
    field = batch.schema.field(place)
    return batch.set_column(place, field, source.cast(field.type)), pc.if_else(astray, received, moment)


def _distinct(keys: pa.Array) -> list[int]:
    least, most = _ends(keys)
    if least == most:
        return [least]
    distinct: list[int] = pc.unique(keys).to_pylist()
    return distinct


def _ends(numbers: pa.Array) -> tuple[int, int]:
    found = pc.min_max(numbers).as_py()
    return found["min"], found["max"]


def _hours(moment: pa.Array) -> pa.Array:
    return pc.divide(pc.add(moment, SHIFT_HOURS * HOUR_US), HOUR_US)


def _micros(column: pa.Array) -> pa.Array:
    return column.cast(TIME).view(pa.int64())


def _plain(column: pa.Array) -> pa.Array:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _time(shifted_hour: int) -> datetime:
    return EPOCH + timedelta(hours=shifted_hour - SHIFT_HOURS)


def _hour(shifted_hour: int) -> str:
    time = _time(shifted_hour)
    return f"dt={time.date().isoformat()}/hh={time.hour:02d}"
