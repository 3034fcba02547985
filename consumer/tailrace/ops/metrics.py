"""The metrics. Rule: every metric is named here, once; labels come from closed sets, never from the data.

Counted per chunk or per plan, never per record (an `inc` costs 3 us). Children write to files below
PROMETHEUS_MULTIPROC_DIR, which must be set before this module is imported; `metrics_server` adds them up.
`events_*` are counted when their plan is committed, so they agree with the ledger; `records` and `bytes` when they
arrive. Label `type` is an event type of the schema book, else `other`.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_FRESH = (1, 2, 5, 10, 20, 30, 60, 90, 120, 180, 300, 600, 1800, 3600)
_ROWS = (1, 10, 100, 1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)
_BYTES = tuple(4.0**n for n in range(5, 16))  # 1 KiB to 1 GiB


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"tailrace_{name}", text, labels)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    # The newest value among living children: a shard that moved is told by its new owner alone.
    return Gauge(f"tailrace_{name}", text, labels, multiprocess_mode="livemostrecent")


# What arrives.
RECORDS = _counter("records_total", "User records received from the daemon.", "shard")
BYTES = _counter("record_bytes_total", "Bytes of record data received from the daemon.", "shard")
LINE_BYTES = _counter("line_bytes_total", "Bytes of protocol lines received from the daemon.", "shard")
TURNS = _counter("turns_total", "Turns of the daemon answered.", "shard", "action")
REPLAYED = _counter("records_replayed_total", "Records at or before the watermark, skipped.", "shard")
BEHIND = _gauge("behind_seconds", "How far the last message was behind the stream's tip, as KCL says.", "shard")
ARRIVAL_LAG = _gauge("arrival_lag_seconds", "Now minus the arrival time of the newest record received.", "shard")
LAST_MESSAGE = _gauge("last_message_timestamp_seconds", "When the daemon's last message came.", "shard")

# What became of it: received == stored + rejected + filtered.
EVENTS_RECEIVED = _counter("events_received_total", "Events in committed plans.", "shard", "lane")
EVENTS_STORED = _counter("events_stored_total", "Events stored as rows.", "shard", "lane")
EVENTS_REJECTED = _counter("events_rejected_total", "Events kept in quarantine.", "shard", "lane")
EVENTS_FILTERED = _counter("events_filtered_total", "Events filtered on purpose.", "shard", "lane")
RECORDS_ARCHIVED = _counter("records_archived_total", "Records kept as they came.", "shard", "lane")
REJECTS = _counter("rejects_total", "Rejected events by their first reason.", "type", "stage", "keyword")
STORED = _counter("stored_total", "Stored events by type.", "type")
FILTERED = _counter(
    "filtered_total",
    "Filtered events by type and why: schema, unknown_type, route, duplicate, redriven.",
    "type",
    "why",
)

# Plans.
PLAN_ROWS = Histogram("tailrace_plan_rows", "Rows of a plan.", ("lane",), buckets=_ROWS)
PLAN_BYTES = Histogram("tailrace_plan_bytes", "Bytes of a plan's objects.", ("lane",), buckets=_BYTES)
PLAN_SECONDS = Histogram(
    "tailrace_plan_seconds", "Time of a plan's stage: prepare, write, commit.", ("stage", "lane"), buckets=_SECONDS
)
FRESHNESS = Histogram(
    "tailrace_freshness_seconds", "Arrival of a plan's oldest record to its commit.", ("lane",), buckets=_FRESH
)
LAST_COMMIT = _gauge("last_commit_timestamp_seconds", "When the last plan was committed.", "shard", "lane")
LAST_CHECKPOINT = _gauge("last_checkpoint_timestamp_seconds", "When KCL took the last checkpoint.", "shard")
CHECKPOINTS = _counter("checkpoints_total", "Checkpoints asked for: ok, retry, lost, invalid.", "shard", "result")

# Sinks and the world.
OBJECTS_PUT = _counter("objects_put_total", "Objects stored.", "lane")
OBJECT_BYTES = _counter("object_bytes_total", "Bytes of objects stored.", "lane")
PUT_RETRIES = _counter("put_retries_total", "Puts that were tried again.", "lane")
WORLD_ERRORS = _counter("world_errors_total", "Calls that failed and may be tried again.", "service")

# Forwards.
FORWARD_MESSAGES = _counter(
    "forward_messages_total",
    "Messages by what became of them: sent; refused for good, or given up, and so dead letters.",
    "lane",
    "result",
)
FORWARD_RETRIES = _counter("forward_retries_total", "Messages that were sent again.", "lane")
FORWARD_CALLS = _counter("forward_calls_total", "Calls made to a destination.", "lane")
FORWARD_AWAY = _gauge(
    "forward_away", "1 while a destination takes nothing, and its events become dead letters.", "shard", "lane"
)
DEAD_LETTERS_UNCOPIED = _counter(
    "dead_letters_uncopied_total", "Dead letters that stand beside the lake but not in their queue.", "lane"
)

# The hot tier.
HOT_WRITES = _counter(
    "hot_writes_total", "Items written: events, oversize (without their body), profiles, aggregates.", "lane", "kind"
)
HOT_UNITS = _counter("hot_write_units_total", "Write units that DynamoDB says it took.", "lane")
HOT_ALERTS = _counter("hot_alerts_total", "Alerts: fired, waits (could not be published yet).", "lane", "result")

# Editions: schemas, routes and lookup files.
EDITION_TIME = _gauge("edition_timestamp_seconds", "When the edition in use was taken up.", "shard")
EDITION_SUCCESS = _gauge(
    "edition_last_success_timestamp_seconds", "When schemas, routes and lookup files were last found sound.", "shard"
)
EDITION_COPY = _gauge("edition_from_copy", "1 while the edition is a copy, since its source is away.", "shard")
EDITION_REFRESHES = _counter(
    "edition_refreshes_total",
    "Looks at schemas, routes and lookups: adopted, unchanged, changing, failed.",
    "shard",
    "result",
)

# Ownership and trouble.
OPENS = _counter("opens_total", "Times a child took a shard over: normal, careful.", "shard", "mode")
POISON = _counter(
    "poison_records_total", "Records quarantined since our own code fails on them: alert on any.", "shard"
)
SHARD_STOPPED = _gauge("shard_stopped", "1 while the shard waits for `tailrace resolve`.", "shard")
LANE_WAITS = _gauge(
    "lane_waits",
    "1 while a lane beside the lake's takes nothing in: parked (given up for now), paused, stopped.",
    "shard",
    "lane",
    "state",
)
LANE_LAG = _gauge("lane_lag_seconds", "Age of the oldest record that the lane has not committed.", "shard", "lane")
LANE_SKIPS = _counter("lane_skips_total", "Times a lane left records out, by a person's word or away.", "shard", "lane")
LOST_TURNS = _counter("lost_turns_total", "Turns answered without work, since another child owns the shard.", "shard")


# `tailrace drops`. Its events, plans and rejects stand above, as of the shard "drops".
DROP_MESSAGES = _counter("drop_messages_total", "Messages by what became of them: deleted, kept, unknown.", "result")
DROP_FILES = _counter(
    "drop_files_total",
    "Announced files by what was found: done, repeated, refused, gone, unfinished, busy, failed, ignored.",
    "result",
)
DROP_AGE = _gauge("drop_message_age_seconds", "Age of the last message when it came, 0 when the queue had none.")

# Commands that run and end, `load` and `compact`: what the last run did. (name, help), see cli/once.py.
RUN_END: Final = ("tailrace_run_end_timestamp_seconds", "When the command's last run ended.")
RUN_SECONDS: Final = ("tailrace_run_seconds", "How long the last run took.")
RUN_STATUS: Final = ("tailrace_run_status", "The last run's exit status.")
RUN_PROBLEMS: Final = ("tailrace_run_problems", "What the last run could not do, as it said on standard error.")
RUN_ROWS: Final = ("tailrace_run_rows", "Rows of the last run: landed, rejected, missing; compacted.")


def alone(registry: CollectorRegistry, named: tuple[str, str], *labels: str) -> Gauge:
    """Return a gauge of one of these, in a registry of its own."""
    return Gauge(*named, labels, registry=registry)


def name_of(metric: Gauge | Counter) -> str:
    """Return the name under which a metric's values are found."""
    return next(iter(metric.describe())).name


# Told by the supervisor itself: (name, help), see metrics_server.
JVM_RESTARTS: Final = ("tailrace_jvm_restarts", "Times the daemon was started again.")
DAEMON_UP: Final = ("tailrace_daemon_up", "1 while the daemon runs.")
LEASES_HELD: Final = ("tailrace_leases_held", "Shards this host works on: children alive.")
START_TIME: Final = ("tailrace_start_time_seconds", "When the supervisor started.")
