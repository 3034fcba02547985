"""Views over all tables of events, the same in every engine. Rule: an event counts where its file lies.

That is its event time, or its arrival where its clock was wrong (`time_source`): so a view's minutes and days never
leave the folders that a query on `dt` looks into, and no broken clock draws a point in another year.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tailrace.sinks.ddl.model import quoted
from tailrace.sinks.lake.layout import FUTURE, LATE, TOO_OLD

EVENTS: Final = "events"
EVENTS_PER_MINUTE: Final = "events_per_minute"
DAILY_USERS: Final = "daily_users"
COLUMNS: Final = (
    "row_id", "event_id", "tenant", "event_type", "schema_version",
    "event_time", "time_source", "received_at", "user_id", "session_id",
)  # fmt: skip
FILED: Final = f"CASE WHEN time_source IN ('{TOO_OLD}', '{FUTURE}', '{LATE}') THEN received_at ELSE event_time END"


def views(
    tables: Sequence[tuple[str, Mapping[str, str]]], database: str, utc: Callable[[str], str] = lambda time: time
) -> str:
    """Return the views' statements. `tables`: names in the engine, and what the views' partition columns are there.

    `utc` makes a time of the engine one without a zone, in UTC.
    """
    if not tables:
        return ""
    keys = list(tables[0][1])
    more = "".join(f", {key}" for key in keys)
    grouped = ", ".join(["1", "2", "3", *(str(5 + at) for at in range(len(keys)))])
    days = ", ".join(["1", "2", *(str(5 + at) for at in range(len(keys)))])
    head, events = f"CREATE OR REPLACE VIEW {quoted(database)}.", f"{quoted(database)}.{quoted(EVENTS)}"
    every = "\nUNION ALL\n".join(_all(name, partitions, database, utc) for name, partitions in tables)
    minute = f"date_trunc('minute', filed_at) AS {quoted('minute')}, event_type, tenant, count(*) AS events{more}"
    day = f"CAST(filed_at AS DATE) AS {quoted('day')}, tenant, count(DISTINCT user_id) AS users, count(*) AS events"
    statements = (
        f"{head}{quoted(EVENTS)} AS\n{every};",
        f"{head}{quoted(EVENTS_PER_MINUTE)} AS\nSELECT {minute}\nFROM {events} GROUP BY {grouped};",
        f"{head}{quoted(DAILY_USERS)} AS\nSELECT {day}{more}\nFROM {events} GROUP BY {days};",
    )
    return "\n\n".join(statements)


def _all(name: str, partitions: Mapping[str, str], database: str, utc: Callable[[str], str]) -> str:
    more = "".join(f", {column} AS {key}" for key, column in partitions.items())
    columns = ", ".join(COLUMNS)
    return f"SELECT {columns},\n  {utc(FILED)} AS filed_at{more}\nFROM {quoted(database)}.{quoted(name)}"
