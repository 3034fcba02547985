"""The daemon's properties file and flags. Rule: a pure function of the settings; every trap of KCL is closed here.

KCL ignores unknown keys without a word, and false and 0 where a value is primitive; without `retrievalMode` it uses
(paid) fan-out, without a position LATEST, without a timeout it waits for ever. So each of these is always written,
LATEST never, and a test looks every key up in the daemon's own classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from tailrace.settings import Settings

MAIN_CLASS: Final = "software.amazon.kinesis.multilang.MultiLangDaemon"
HEAP_BASE_MB: Final = 128  # classes, SDK clients, leases
HEAP_LINES: Final = 4  # a lease's share: the line as text and as bytes, its records, and what is prefetched
HEAP_FLOOR_MB: Final = 256
HEAP_CEILING_MB: Final = 4096
MARGIN_S: Final = 20  # of a turn: work that goes well, beside two patiences
CALL_S: Final = 40  # of one call to AWS that fails: see ops.aws, two tries with their timeouts

QUICK: Final = {  # the first record after 10 s; for one machine: it polls DynamoDB often
    "leaseAssignmentIntervalMillis": "2000",
    "workerMetricsReporterFreqInMillis": "500",
    "inMemoryWorkerMetricsCaptureFrequencyMillis": "200",
    "parentShardPollIntervalMillis": "1000",
    "shardSyncIntervalMillis": "5000",
}


class Place(NamedTuple):
    """Where the child's program and its settings are. No path holds a blank: KCL splits the command at each."""

    python: str
    settings: str


class First(NamedTuple):
    """Where a first start begins, kept in the ledger: KCL is told the same ever after."""

    start: str  # TRIM_HORIZON or AT_TIMESTAMP
    at_ms: int


def properties(settings: Settings, place: Place, worker_id: str, first: First) -> dict[str, str]:
    """Return the keys of the properties file, in its order."""
    kcl, stream = settings.kcl, settings.stream
    out = {
        "executableName": f"{place.python} -m tailrace.kcl.child {place.settings}",
        "applicationName": kcl.application,
        "streamName": stream.name,
        "regionName": stream.region,
        "AwsCredentialsProvider": settings.aws.credentials,
        "workerId": worker_id,
        "maxRecords": str(kcl.max_records),
        "idleTimeBetweenReadsInMillis": str(kcl.idle_ms),
        "callProcessRecordsEvenForEmptyRecordList": "true",  # the child's tick
        "failoverTimeMillis": str(kcl.failover_ms),
        "maxLeasesForWorker": str(kcl.max_leases),
        "timeoutInSeconds": str(kcl.turn_timeout_s),
        "shutdownGraceMillis": str(kcl.shutdown_grace_s * 1000),
        "gracefulLeaseHandoffTimeoutMillis": str(kcl.shutdown_grace_s * 1000),
        "metricsLevel": "NONE",  # CloudWatch costs money; Prometheus has it all
        "retrievalMode": stream.retrieval,
    }
    if first.start == "AT_TIMESTAMP":  # alone: with initialPositionInStream beside it, chance decides
        out["initialPositionInStreamExtended"] = str(first.at_ms // 1000)
    else:
        out["initialPositionInStream"] = "TRIM_HORIZON"
    if stream.retrieval == "FANOUT":
        out["fanoutConfig.consumerName"] = kcl.application
    if kcl.quick_start:
        out |= QUICK
    if kcl.lease_assignment_ms:
        out["leaseAssignmentIntervalMillis"] = str(kcl.lease_assignment_ms)
    if settings.aws.kinesis_endpoint:
        out["kinesisEndpoint"] = settings.aws.kinesis_endpoint
    if settings.aws.dynamodb_endpoint:
        out["dynamoDBEndpoint"] = settings.aws.dynamodb_endpoint
    return out


def text(keys: Mapping[str, str]) -> str:
    """Return the file: Java's own format, in which a backslash, a blank at the start and `é` need an escape."""
    return "".join(f"{key}={_escaped(value)}\n" for key, value in keys.items())


def _escaped(value: str) -> str:
    out = []
    for char in value:
        if char == "\\":
            out.append("\\\\")
        elif " " <= char <= "~":
            out.append(char)
        else:
            units = char.encode("utf-16-be")
            out.extend(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
    escaped = "".join(out)
    return "\\" + escaped if escaped.startswith(" ") else escaped


def heap_needed_mb(settings: Settings) -> int:
    """Return the heap with which every lease may hold a largest line at once.

    `128 + leases * line * 4` MiB: with 2 leases and lines of 36 MB, of records of 60 bytes, the daemon ran out of
    memory at 306 MiB and lived at 376. It takes what it needs, not what it may: lines of 3 MB made 265 MB of memory in
    all, lines of 16 MB 530, whatever the limit.
    """
    return HEAP_BASE_MB + settings.kcl.max_leases * settings.kcl.line_mb * HEAP_LINES


def heap_mb(settings: Settings) -> int:
    """Return the heap the daemon gets: the one that is set, else the needed one, between floor and ceiling."""
    if settings.kcl.heap_mb:
        return settings.kcl.heap_mb
    return min(max(heap_needed_mb(settings), HEAP_FLOOR_MB), HEAP_CEILING_MB)


def turn_needed_s(settings: Settings, destinations: int = 0) -> float:
    """Return the longest that a turn can take: the open plan's patience, then the queued batch's, then the work.

    Each destination beside the lake may make it wait for `[lanes] patience_s`. A plan's patience runs from its first
    trouble; the call that is under way when it ends may take CALL_S more. De-duplication across plans asks its table
    before either, with a patience of its own.
    """
    patiences = 3 if settings.dedup.by and settings.dedup.table else 2
    return patiences * (settings.world.patience_s + CALL_S) + destinations * settings.lanes.patience_s + MARGIN_S


def flags(settings: Settings, java_major: int) -> list[str]:
    """Return the JVM's flags."""
    out = [
        "-Dfile.encoding=UTF-8",  # else Java 17 under LANG=C turns `é` into `?`
        "-XX:+UseSerialGC",  # the least memory and CPU here
        "-Xms32m",
        f"-Xmx{heap_mb(settings)}m",
        "-XX:MinHeapFreeRatio=10",
        "-XX:MaxHeapFreeRatio=30",  # give back what a rare large line took
        "-XX:+ExitOnOutOfMemoryError",  # a daemon that limps holds its leases
    ]
    if settings.aws.kinesis_endpoint:
        out.append("-Daws.cborEnabled=false")  # stand-ins speak JSON
    if settings.kcl.quick_start:
        out.append("-XX:TieredStopAtLevel=1")  # starts sooner, runs slower
    if java_major >= 24:
        out += ["--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"]  # netty's; else warnings
    return out


def command(java: str, jvm_flags: Sequence[str], jars: str, properties_file: str, logback_file: str) -> list[str]:
    """Return the daemon's command line."""
    return [
        java,
        *jvm_flags,
        "-cp",
        f"{jars}/*",
        MAIN_CLASS,
        "--properties-file",
        properties_file,
        "--log-configuration",
        logback_file,
    ]
