"""Laws of the layout: rows are filed by themselves alone, none is lost, and no two values share a folder."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from tailrace.nouns import Rows, Table
from tailrace.sinks.ddl.views import FILED
from tailrace.sinks.lake.layout import NULL_VALUE, VALUE_CHARS_MAX, Layout, folders, keys, safe, split, table_of

TIME = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [
        ("tenant", pa.string()),
        ("event_time", TIME),
        ("time_source", pa.string()),
        ("received_at", TIME),
        ("n", pa.int64()),
    ]
)
TABLE = Table("click/v2", SCHEMA, ())
QUARANTINE = Table("quarantine", pa.schema([("received_at", TIME), ("stage", pa.string()), ("n", pa.int64())]), ())
ARCHIVE = Table("raw", pa.schema([("received_at", TIME), ("n", pa.int64())]), ())
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

values = st.one_of(
    st.text(max_size=200),
    st.sampled_from(["", ".", "..", "/", "a/b", "a%2Fb", "~", NULL_VALUE, "%5F" + NULL_VALUE[1:], "x" * 64, "x" * 65]),
    st.text("./%~-_aé", max_size=90),
)
arrivals = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001
aways = st.one_of(
    st.timedeltas(timedelta(days=-40), timedelta(hours=3)),
    st.timedeltas(timedelta(hours=-2), timedelta()),
    st.sampled_from(
        [
            timedelta(hours=1),
            timedelta(days=-30),
            timedelta(hours=1, microseconds=1),
            timedelta(days=-30, microseconds=-1),
            timedelta(hours=-48),
            timedelta(hours=-48, microseconds=-1),
        ]
    ),
    st.timedeltas(timedelta(days=-365 * 1900), timedelta(days=365 * 7000)),
)
events = st.tuples(st.text("ab/é", max_size=3), arrivals, aways, st.sampled_from(["event", "absent"]))


def rows_of(made: list[tuple[str, datetime, timedelta, str]]) -> Rows:
    rows = [
        {"tenant": tenant, "event_time": at + away, "time_source": source, "received_at": at, "n": n}
        for n, (tenant, at, away, source) in enumerate(made)
    ]
    return Rows(TABLE, pa.RecordBatch.from_pylist(rows, SCHEMA))


def expected(row: dict[str, Any], layout: Layout) -> tuple[str, str]:
    """The same decision as one would say it in words."""
    at, received = row["event_time"], row["received_at"]
    source = row["time_source"]
    if at - received > timedelta(hours=layout.future_hours):
        at, source = received, "future"
    elif layout.past_days and received - at > timedelta(days=layout.past_days):
        at, source = received, "too_old"
    elif layout.late_hours and received - at > timedelta(hours=layout.late_hours):
        at, source = received, "late"
    tenant = f"p_tenant={safe(row['tenant'])}/" if layout.tenant_partition else ""
    return f"click/v2/{tenant}dt={at.date().isoformat()}/hh={at.hour:02d}", source


@given(st.lists(events, max_size=40), st.booleans(), st.sampled_from([0, 30]), st.sampled_from([0, 48, 800]))
def test_each_row_lies_in_its_own_folder_and_none_is_lost(
    made: list[tuple[str, datetime, timedelta, str]], by_tenant: bool, past_days: int, late_hours: int
) -> None:
    layout = Layout(past_days, 1, by_tenant, late_hours)
    rows = rows_of(made)
    before = rows.batch.to_pylist()
    parts = split(rows, layout)
    assert [folder for folder, _ in parts] == sorted(folders(rows, layout))
    seen: Counter[int] = Counter()
    for folder, batch in parts:
        assert batch.schema == SCHEMA
        numbers = batch["n"].to_pylist()
        assert numbers == sorted(numbers)  # the old order
        for row in batch.to_pylist():
            old = before[row["n"]]
            assert (folder, row["time_source"]) == expected(old, layout)
            assert {**row, "time_source": ""} == {**old, "time_source": ""}
            seen[row["n"]] += 1
    assert seen == Counter(range(len(made)))


def test_a_folders_rows_hold_no_memory_of_the_others() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    long = [(f"tenant-{at}" * 1000, noon, timedelta(0), "") for at in range(20)]
    rows = rows_of(long)
    parts = split(rows, Layout(tenant_partition=True))
    assert len(parts) == 20
    assert sum(batch.get_total_buffer_size() for _, batch in parts) < 2 * rows.batch.get_total_buffer_size()


@given(st.lists(events, min_size=1, max_size=40), st.integers(0, 40))
def test_where_a_row_lies_does_not_hang_on_its_neighbours(
    made: list[tuple[str, datetime, timedelta, str]], cut: int
) -> None:
    def where(rows: Rows) -> Counter[tuple[str, str]]:
        return Counter((folder, str(row)) for folder, batch in split(rows, Layout()) for row in batch.to_pylist())

    rows = rows_of(made)
    halves = [Rows(TABLE, rows.batch.slice(0, cut)), Rows(TABLE, rows.batch.slice(cut))]
    assert where(halves[0]) + where(halves[1]) == where(rows)


@given(st.lists(events, max_size=40), st.sampled_from([0, 48]))
def test_the_views_count_a_row_in_the_hour_of_its_folder(
    made: list[tuple[str, datetime, timedelta, str]], late_hours: int
) -> None:
    for folder, batch in split(rows_of(made), Layout(late_hours=late_hours)):
        for row in batch.to_pylist():
            at = row["received_at" if f"'{row['time_source']}'" in FILED else "event_time"]
            assert folder == f"click/v2/dt={at.date().isoformat()}/hh={at.hour:02d}"


@given(st.lists(events, max_size=60), st.integers(1, 100))
def test_of_late_events_no_folder_is_older_than_the_hours_they_are_late_by(
    made: list[tuple[str, datetime, timedelta, str]], hours: int
) -> None:
    for folder, batch in split(rows_of(made), Layout(late_hours=hours)):
        day, hour = folder.split("dt=")[1].split("/hh=")
        start = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(hours=int(hour))
        assert all(start + timedelta(hours=hours + 1) > at for at in batch["received_at"].to_pylist())


@given(st.lists(st.tuples(arrivals, st.booleans()), max_size=30))
def test_records_lie_by_hour_of_arrival_whatever_else_the_settings_say(made: list[tuple[datetime, bool]]) -> None:
    rows = [{"received_at": at, "n": n} for n, (at, _) in enumerate(made)]
    batch = pa.RecordBatch.from_pylist(rows, ARCHIVE.schema)
    parts = split(Rows(ARCHIVE, batch), Layout(1, 1, tenant_partition=True, late_hours=1))
    found = {row["n"]: folder for folder, part in parts for row in part.to_pylist()}
    assert found == {n: f"raw/dt={at.date().isoformat()}/hh={at.hour:02d}" for n, (at, _) in enumerate(made)}
    assert keys("raw", Layout(tenant_partition=True)) == ("dt", "hh")


@given(st.lists(st.tuples(arrivals, st.sampled_from(["parse", "schema", "a/b"])), max_size=30))
def test_rejects_lie_by_day_of_arrival_and_stage(made: list[tuple[datetime, str]]) -> None:
    rows = [{"received_at": at, "stage": stage, "n": n} for n, (at, stage) in enumerate(made)]
    parts = split(Rows(QUARANTINE, pa.RecordBatch.from_pylist(rows, QUARANTINE.schema)), Layout())
    found = {row["n"]: folder for folder, batch in parts for row in batch.to_pylist()}
    assert found == {
        n: f"quarantine/dt={at.date().isoformat()}/stage={safe(stage)}" for n, (at, stage) in enumerate(made)
    }


@given(values, values)
@example("x" * 64, "x" * 65)
@example("..", "%2E%2E")
@example("." * 40, "." * 41)
def test_two_values_never_share_a_folder(one: str, other: str) -> None:
    assert (safe(one) == safe(other)) == (one == other)


@given(values)
def test_a_safe_value_is_one_short_segment(value: str) -> None:
    text = safe(value)
    assert re.fullmatch(r"(?:[A-Za-z0-9._-]|%[0-9A-F]{2})+", text)
    assert text not in {".", ".."}
    assert len(text) <= VALUE_CHARS_MAX + 17


@given(values)
def test_plain_values_stay_as_they_are(value: str) -> None:
    plain = re.sub(r"[^A-Za-z0-9_-]", "", value)[:VALUE_CHARS_MAX]
    if plain and plain != NULL_VALUE:
        assert safe(plain) == plain


@given(st.lists(events, min_size=1, max_size=5), st.booleans())
def test_a_folder_tells_its_table(made: list[tuple[str, datetime, timedelta, str]], by_tenant: bool) -> None:
    for folder, _ in split(rows_of(made), Layout(tenant_partition=by_tenant)):
        assert table_of(f"{folder}/object.parquet") == "click/v2"


@given(st.lists(events, min_size=1, max_size=5), st.sampled_from(["parse", "a/b"]), st.booleans())
def test_a_folder_has_the_keys_that_are_said_in_their_order(
    made: list[tuple[str, datetime, timedelta, str]], stage: str, by_tenant: bool
) -> None:
    layout = Layout(tenant_partition=by_tenant)
    rejects = [{"received_at": at, "stage": stage, "n": 0} for _, at, _, _ in made]
    rejected = Rows(QUARANTINE, pa.RecordBatch.from_pylist(rejects, QUARANTINE.schema))
    for rows in (rows_of(made), rejected):
        for folder, _ in split(rows, layout):
            found = folder.removeprefix(f"{rows.table.name}/").split("/")
            assert tuple(part.partition("=")[0] for part in found) == keys(rows.table.name, layout)
