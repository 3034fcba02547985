"""What a setting must be beyond its type. Rule: each check says in words what it expects."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

Check = tuple[Callable[[Any], bool], str]
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,237}")  # KCL appends up to 18 characters; DynamoDB takes 255
_TABLE_PATTERN = re.compile(r"[A-Za-z0-9_./*-]+")
_ENDPOINT = re.compile(r"https?://[^/\s?#]+/?")
_HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_COLUMN = re.compile(r"[^=]+(=[^=:]*(:(text|integer|number|boolean|json|drop))?)?")
_OPTION = re.compile(r"[^.=\s]+\.[^=\s]+=.*", re.DOTALL)
_PATH_KEYS = (
    "schema_version", "event_id", "event_time", "tenant", "user_id", "session_id", "user_agent", "url", "referer", "ip",
    "entities", "batch", "payload",
)  # fmt: skip
_WORKGROUP = re.compile(r"[a-z0-9-]{3,63}")
_CLUSTER = re.compile(r"(?=.{1,63}$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SCHEMA = re.compile(r"[a-z][a-z0-9_]{0,62}")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+(,arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+)*")
_FOLDER = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/+[^/].*")
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?")


def _between(low: float, high: float = math.inf) -> Check:
    bound = f"at least {low:g}" if high == math.inf else f"{low:g} to {high:.15g}"
    return (lambda value: low <= value <= high and math.isfinite(value), bound)


def _start_is_good(text: str) -> bool:
    if text in {"TRIM_HORIZON", "now"}:
        return True
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _lake_is_good(uri: str) -> bool:
    return "://" not in uri or _BUCKET.fullmatch(uri) is not None


def _source_is_good(uri: str) -> bool:
    return bool(uri.strip()) and _lake_is_good(uri)


def _paths_are_good(paths: tuple[str, ...]) -> bool:
    return all(part and part == part.strip() for path in paths for part in path.split("."))


_ENDPOINTS: Check = (lambda text: not text or bool(_ENDPOINT.fullmatch(text)), "http://host:port or https://host")
_MORE_THAN_0: Check = (lambda value: 0 < value < math.inf, "more than 0")
_PATHS: Check = (_paths_are_good, "dotted paths without empty parts, or spaces around one")
_TABLES: Check = (
    lambda tables: all(_TABLE_PATTERN.fullmatch(one) for one in tables),
    "tables, like page_view/v1, quarantine or page_view/*",
)
_MARK: Check = (lambda text: len(text) <= 1 and text not in {"\n", "\r"}, "one character, or nothing")
_PLAIN: Check = (lambda text: text.isprintable(), "printable characters")

CHECKS: Mapping[str, Check] = {
    "stream.name": (lambda text: not text or bool(_NAME.fullmatch(text)), "1 to 128 of A-Z a-z 0-9 _ . -"),
    "stream.region": (lambda text: bool(re.fullmatch(r"[a-z0-9-]+", text)), "a region, like eu-west-1"),
    "stream.start": (_start_is_good, "TRIM_HORIZON, now, or a time with its zone, like 2026-01-31T00:00:00Z"),
    "aws.credentials": (lambda text: bool(re.fullmatch(r"[^\s=]+(=[^\s=]+)?.*", text)), "a provider's class name"),
    "aws.kinesis_endpoint": _ENDPOINTS,
    "aws.dynamodb_endpoint": _ENDPOINTS,
    "aws.s3_endpoint": _ENDPOINTS,
    "aws.sqs_endpoint": _ENDPOINTS,
    "aws.redshift_endpoint": _ENDPOINTS,
    "aws.sns_endpoint": _ENDPOINTS,
    "aws.firehose_endpoint": _ENDPOINTS,
    "aws.lambda_endpoint": _ENDPOINTS,
    "kcl.application": (lambda text: bool(_TABLE.fullmatch(text)), "3 to 237 of A-Z a-z 0-9 _ . -"),
    "kcl.worker_id": _PLAIN,
    "kcl.max_records": _between(1, 10_000),
    "kcl.idle_ms": _between(200),
    "kcl.failover_ms": _between(2000),
    "kcl.lease_assignment_ms": _between(0),
    "kcl.max_leases": _between(1),
    "kcl.shutdown_grace_s": _between(1),
    "kcl.turn_timeout_s": _between(1),
    "kcl.heap_mb": (lambda value: value == 0 or value >= 64, "0, or at least 64"),
    "kcl.line_mb": _between(1),
    **{f"contract.{key}": _PATHS for key in _PATH_KEYS},
    "contract.event_type": (lambda paths: bool(paths) and _paths_are_good(paths), "one dotted path or more"),
    "contract.default_tenant": (lambda text: bool(text.strip()), "some text"),
    "limits.event_bytes_max": _between(1, 10 * 1024 * 1024),
    "limits.depth_max": _between(1, 250),  # orjson writes no more than 254 levels
    "limits.properties_max": _between(1),
    "limits.tenant_chars_max": _between(1, 1024),
    "schemas.path": (_source_is_good, "a folder or s3://bucket/prefix"),
    "enrich.internal_hosts": (lambda hosts: all(_HOST.fullmatch(host) for host in hosts), "host names"),
    "enrich.fingerprint": (lambda paths: bool(paths) and _paths_are_good(paths), "one dotted path or more"),
    "enrich.options": (lambda options: all(_OPTION.fullmatch(one) for one in options), "name.key=value"),
    "privacy.ip_v4_bits": _between(0, 32),
    "privacy.ip_v6_bits": _between(0, 128),
    "privacy.pseudonyms": _PATHS,
    "dedup.table": (lambda text: not text or bool(_TABLE.fullmatch(text)), "3 to 237 of A-Z a-z 0-9 _ . -"),
    "dedup.ttl_h": _MORE_THAN_0,
    "routes.path": (lambda text: not text or _source_is_good(text), "a file or s3://bucket/key"),
    "refresh.every_s": _between(0),
    "lake.uri": (_lake_is_good, "s3://bucket/prefix or a directory"),
    "lake.codec_level": _between(1, 22),
    "lake.parquet": _TABLES,
    "lake.avro": _TABLES,
    "lake.row_group_rows": _between(1),
    "lake.past_days": _between(0),
    "lake.future_hours": _between(0),
    "lake.late_hours": _between(0),
    "lake.spool_memory_mb": _between(1),
    "lake.upload_threads": _between(1, 64),
    "flush.rows": _between(1),
    "flush.bytes": _between(1),
    "flush.age_s": _MORE_THAN_0,
    "flush.objects": _between(1),
    "csv.delimiter": (
        lambda text: text == "tab" or (len(text) == 1 and text not in {"\n", "\r"}),
        "one character, or tab",
    ),
    "csv.quote": _MARK,
    "csv.escape": _MARK,
    "csv.columns": (
        lambda columns: all(
            _COLUMN.fullmatch(one) and _paths_are_good((one.partition("=")[2].partition(":")[0] or "member",))
            for one in columns
        ),
        "column, column=member or column=member:kind; kinds: text, integer, number, boolean, json, drop",
    ),
    "csv.event_types": (lambda types: all(re.fullmatch(r"[^=]+=.+", one) for one in types), "pattern=event type"),
    "drops.queue": (lambda text: not text or bool(re.fullmatch(r"https?://[^/\s]+/\S+", text)), "a queue's URL"),
    "drops.archive": (lambda text: not text or _FOLDER.fullmatch(text) is not None, "s3://bucket/prefix"),
    "drops.visibility_s": _between(5, 43_200),
    "drops.wait_s": _between(0, 20),
    "lanes.rows": _between(1),
    "lanes.bytes": _between(1),
    "lanes.age_s": _MORE_THAN_0,
    "lanes.idle_age_s": _MORE_THAN_0,
    "lanes.patience_s": _MORE_THAN_0,
    "lanes.retry_s": _MORE_THAN_0,
    "lanes.look_s": _MORE_THAN_0,
    "ledger.table": (lambda text: bool(_TABLE.fullmatch(text)), "3 to 237 of A-Z a-z 0-9 _ . -"),
    "ledger.path": (lambda text: bool(text.strip()), "a file"),
    "redshift.workgroup": (lambda text: not text or bool(_WORKGROUP.fullmatch(text)), "3 to 63 of a-z 0-9 -"),
    "redshift.cluster": (lambda text: not text or bool(_CLUSTER.fullmatch(text)), "1 to 63 of a-z 0-9 -"),
    "redshift.db_user": _PLAIN,
    "redshift.secret_arn": _PLAIN,
    "redshift.database": (lambda text: bool(text.strip()) and text.isprintable(), "the name of a database"),
    "redshift.schema": (
        lambda text: bool(_SCHEMA.fullmatch(text)),
        "a small letter, then small letters, digits, underscores",
    ),
    "redshift.iam_role": (lambda text: not text or bool(_ROLE.fullmatch(text)), "arn:aws:iam::<account>:role/<name>"),
    "redshift.tables": _TABLES,
    "redshift.load_bytes": _between(1),
    "redshift.lease_s": _MORE_THAN_0,
    "redshift.timeout_s": _MORE_THAN_0,
    "world.patience_s": _MORE_THAN_0,
    "serve.host": (lambda text: bool(text.strip()), "a host name or an address"),
    "serve.port": _between(0, 65_535),
    "serve.silence_s": _MORE_THAN_0,
}
