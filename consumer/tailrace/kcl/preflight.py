"""Before anything starts. Rule: everything a run needs is looked at first; what is missing or wrong is one line.

The judgments are pure (`refusals`); here is the asking. Nothing is created but the application's item in the ledger,
and the folder of a lake that is a directory.
"""

from __future__ import annotations

import random
import secrets
import tempfile
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from tailrace.commit import committed, switches
from tailrace.commit.patience import Patience
from tailrace.commit.plan import app_key, lanes_prefix
from tailrace.commit.ports import LedgerStore
from tailrace.kcl import jars, java, refusals
from tailrace.kcl.properties import First
from tailrace.nouns import LAKE, Destination
from tailrace.ops import logs
from tailrace.ops.clock import Clock
from tailrace.settings import Settings, SettingsError
from tailrace.world import WorldError

if TYPE_CHECKING:
    from tailrace.edition import Edition
    from tailrace.editions import Read
    from tailrace.schema.source import Files

EPOCH_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
EPOCH_LETTERS_COUNT: Final = 4
_BASE36: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
log = logs.get("preflight")
T = TypeVar("T")


class Refused(Exception):
    """A reason not to start; one line for a person."""


class Ready(NamedTuple):
    """What a start needs to know."""

    java: java.Java
    jars: Path
    first: First
    epoch: str
    leases: int  # rows in KCL's lease table; 0 before the first start
    files: Files | None = None  # what the edition was read from


def check(settings: Settings, store: Callable[[], LedgerStore], clock: Clock, file: str | None = None) -> Ready:
    """Look at everything; raise Refused, or WorldError for a service that stayed away. `file`: holds the settings."""
    _refuse(refusals.of_settings(settings), file)
    found, folder = _engine(settings)
    patient = bearing(settings, clock)
    found_edition = patient(lambda: _edition(settings))
    lanes = [one.name for one in found_edition.edition.destinations]
    _refuse(refusals.of_turn(settings, len(lanes)), file)
    aws = _Aws(settings)
    patient(lambda: aws.check_lake(settings.lake.uri))
    created_ms = patient(aws.stream_created_ms)
    patient(aws.check_ledger)
    patient(aws.check_dedup)
    log.info("found the stream, the ledger's table and the lake", stream=settings.stream.name, lake=settings.lake.uri)
    ledger = store()
    item = patient(lambda: mint(ledger, settings, created_ms, clock.now_ms()))
    lake = lake_name(settings.lake.uri)
    _refuse(refusals.of_application(settings.kcl.application, item, settings.stream.name, created_ms, lake))
    leases = patient(aws.leases)
    marks = patient(lambda: watermarks(ledger, item["epoch"], settings.stream.name))
    _refuse(refusals.of_checkpoints(leases, marks.get(LAKE, {})))
    _check_destinations(found_edition.edition.destinations, settings, aws.stream_arn, marks)
    _tell_lanes(lanes, marks, leases, patient(lambda: switches.read(ledger, item["epoch"])))
    first = First(item["start"], item["first_start"])
    if settings.stream.start != "now" and (wanted := first_start(settings.stream.start, first.at_ms)) != first:
        log.warning("[stream] start counts at an application's first start alone", kept=first, set=wanted)
    return Ready(found, folder, first, item["epoch"], len(leases), found_edition.files)


def _tell_lanes(
    lanes: Sequence[str],
    marks: Mapping[str, Mapping[str, str]],
    leases: Sequence[refusals.Lease],
    said: switches.Switches,
) -> None:
    """Name the lanes beside the lake's, and those that are there no more."""
    for lane in lanes:
        switch = said.lanes.get(lane)
        if switch is not None and switch.paused:
            log.warning("the lane is paused", lane=lane, why=switch.paused)
        elif lane in marks:
            log.info("found the lane", lane=lane, shards=len(marks[lane]))
        else:
            log.info("the lane is new: it begins where the slowest of the others stands", lane=lane)
    for lane in sorted(marks.keys() - {LAKE, *lanes}):
        log.info("no route names the lane any more: its destination gets nothing", lane=lane, shards=len(marks[lane]))
    for lane, shard, at in refusals.left_behind(leases, {lane: marks.get(lane, {}) for lane in lanes}):
        log.warning("the lane was away: it goes on at KCL's checkpoint", lane=lane, shard=shard, checkpoint=at)


def epoch_of(settings: Settings, store: LedgerStore) -> str:
    """Return the application's epoch. Raises Refused before its first start."""
    found = committed.epoch_of(store, settings.kcl.application)
    if found is None:
        raise Refused(f"the application {settings.kcl.application} has not started yet: the ledger has no item of it")
    return found


def mint(store: LedgerStore, settings: Settings, stream_created_ms: int, now_ms: int) -> dict[str, Any]:
    """Return the application's item; made now if there is none, by whoever comes first."""
    key = app_key(settings.kcl.application)
    found = store.read(key)
    if found is not None:
        return found[1]
    first = first_start(settings.stream.start, now_ms)
    _refuse(refusals.of_start(first.at_ms, now_ms))
    item = {
        "epoch": epoch(now_ms, "".join(secrets.choice(EPOCH_LETTERS) for _ in range(EPOCH_LETTERS_COUNT))),
        "stream": settings.stream.name,
        "stream_created_at": stream_created_ms,
        "first_start": first.at_ms,
        "start": first.start,
        "lake": lake_name(settings.lake.uri),
    }
    stands = store.swap(key, 0, item)
    if stands is not None:
        return stands[1]
    log.info("first start of the application", application=settings.kcl.application, **item)
    return item


def lake_name(uri: str) -> str:
    """Return one name for all ways to write the same lake."""
    return uri.rstrip("/") if uri.startswith("s3://") else str(Path(uri).absolute())


def epoch(now_ms: int, letters: str) -> str:
    """Return a new epoch: the second in base 36, then letters of chance."""
    seconds, digits = now_ms // 1000, ""
    while seconds:
        seconds, digit = divmod(seconds, 36)
        digits = _BASE36[digit] + digits
    return digits + letters


def first_start(start: str, now_ms: int) -> First:
    """Return what the setting means at a first start. `now` is a time as well: KCL's LATEST would move."""
    if start == "TRIM_HORIZON":
        return First(start, now_ms)
    if start == "now":
        return First("AT_TIMESTAMP", now_ms)
    return First("AT_TIMESTAMP", int(datetime.fromisoformat(start).timestamp() * 1000))


def watermarks(store: LedgerStore, epoch: str, stream: str) -> dict[str, dict[str, str]]:
    """Return, by lane and shard, the watermark of each that has an item."""
    out: dict[str, dict[str, str]] = {}
    prefix = lanes_prefix(epoch, stream)
    for key in store.keys(prefix):
        found = store.read(key)
        if found is not None:
            shard, _, lane = key.removeprefix(prefix).partition("/")
            out.setdefault(lane, {})[shard] = str(found[1]["watermark"])
    return out


def _refuse(reasons: list[str], file: str | None = None) -> None:
    if reasons:
        raise Refused((f"{file}: " if file else "") + "; ".join(reasons))


def _check_folder(uri: str) -> None:
    """See that a file can be written in the lake's folder, which is made when it is not there."""
    folder = Path(uri).absolute()
    if folder.exists() and not folder.is_dir():
        raise Refused(f"[lake] uri: {uri} is no directory")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"probe")
    except OSError as error:
        raise Refused(f"[lake] uri: {folder} cannot be written: {error.strerror or error}") from None


def _engine(settings: Settings) -> tuple[java.Java, Path]:
    try:
        folder = jars.folder()
        count = jars.check(folder, jars.table())
        found = java.find(settings.kcl.java)
    except (jars.JarsError, java.JavaError) as error:
        raise Refused(str(error)) from None
    log.info("checked the daemon's jars", jars=count, java=found.path, version=found.major, source=found.source)
    return found, folder


def _edition(settings: Settings) -> Read:
    """Return the edition and what it was read from. Raises BookError, SettingsError: one line."""
    from tailrace.editions import read  # noqa: PLC0415  heavy
    from tailrace.rows.route import unknown_events  # noqa: PLC0415

    found = read(settings)
    tables = len(found.edition.book.tables())
    log.info("read the schemas", path=settings.schemas.path, tables=tables, digests=dict(found.edition.digests))
    routes = found.edition.treatment.routes
    for destination, pattern in unknown_events(routes, found.edition.book.types()) if routes else ():
        log.warning("a route names events that no schema knows", destination=destination, enabled_events=pattern)
    return found


def _check_destinations(
    destinations: Sequence[Destination], settings: Settings, stream_arn: str, begun: Container[str]
) -> None:
    """Look at where routes send events. One that blocks must be there before its lane has begun; else it is told.

    From then on the lake does not wait for it: it is parked, as it would be while the consumer runs.
    """
    from tailrace.sinks.destinations import blocks, look  # noqa: PLC0415  heavy

    _refuse(refusals.of_destinations(destinations, stream_arn))
    for one in destinations:
        try:
            why, away = look(one, settings), False
        except WorldError as error:
            why, away = str(error), True
        if why and blocks(one) and not away and one.name not in begun:
            raise Refused(why)
        if why:
            events = "wait in the stream" if blocks(one) else "become dead letters"
            log.warning("a destination cannot be used", destination=one.name, its_events=events, why=why)


def judging(settings: Settings) -> Callable[[Edition], None]:
    """Return what raises SettingsError, or WorldError, for destinations that a start would refuse.

    For editions that come while the daemon runs. The stream's own ARN is asked for only where one looks like it.
    """

    def judge(new: Edition) -> None:
        found = refusals.of_turn(settings, len(new.destinations)) if new.destinations else []
        if any(one.address.endswith(f":stream/{settings.stream.name}") for one in new.destinations):
            found += refusals.of_destinations(new.destinations, _stream_arn(settings))
        if found:
            raise SettingsError(found[0])

    return judge


def _stream_arn(settings: Settings) -> str:
    aws = _Aws(settings)
    try:
        aws.stream_created_ms()
    except Refused as error:
        raise SettingsError(str(error)) from None
    return aws.stream_arn


def bearing(settings: Settings, clock: Clock) -> Callable[[Callable[[], T]], T]:
    """Return a caller that bears a bad world for the stated patience, and says that it waits."""

    def run(call: Callable[[], T]) -> T:
        patience = Patience(clock, settings.world.patience_s, random.Random().random)  # noqa: S311  jitter
        while True:
            try:
                return call()
            except WorldError as error:
                log.warning("waiting", why=str(error))
                patience.wait(error)

    return run


class _Aws:
    """The questions asked of AWS."""

    def __init__(self, settings: Settings) -> None:
        from tailrace.ops import aws  # noqa: PLC0415  heavy: children import this module for `epoch_of` alone

        self._settings = settings
        self._aws = aws
        self.stream_arn = ""  # once it was found
        where = settings.aws
        region = settings.stream.region
        self._kinesis = aws.client("kinesis", region=region, endpoint=where.kinesis_endpoint)
        self._dynamodb = aws.client("dynamodb", region=region, endpoint=where.dynamodb_endpoint)
        self._s3 = aws.client("s3", region=region, endpoint=where.s3_endpoint)

    def stream_created_ms(self) -> int:
        """Return when the stream was made, in ms since 1970."""
        name = self._settings.stream.name
        missing = f"there is no stream {name} in {self._settings.stream.region}: create it, or mend [stream] name"
        answer = self._ask(
            lambda: self._kinesis.describe_stream_summary(StreamName=name), f"find stream {name}", missing
        )
        summary = answer["StreamDescriptionSummary"]
        self.stream_arn = str(summary["StreamARN"])
        if summary["StreamStatus"] == "CREATING":
            raise WorldError(f"the stream {name} is still being created")
        if summary["StreamStatus"] == "DELETING":
            raise Refused(f"the stream {name} is being deleted")
        return round(float(summary["StreamCreationTimestamp"].timestamp()) * 1000)

    def check_ledger(self) -> None:
        """See that the ledger's table is there and has the right key."""
        self._check_table(self._settings.ledger.table, "the ledger", "[ledger] table")

    def check_dedup(self) -> None:
        """See that the table of de-duplication, where one is used, is there and has the right key."""
        dedup = self._settings.dedup
        if dedup.by and dedup.table:
            self._check_table(dedup.table, "de-duplication", "[dedup] table")

    def _check_table(self, name: str, use: str, setting: str) -> None:
        missing = (
            f"there is no table {name} in {self._settings.stream.region} for {use}: create it with the partition"
            f" key `pk` (string), or mend {setting}"
        )
        answer = self._ask(lambda: self._dynamodb.describe_table(TableName=name), f"find table {name}", missing)
        keys = [(part["AttributeName"], part["KeyType"]) for part in answer["Table"]["KeySchema"]]
        if keys != [("pk", "HASH")]:
            raise Refused(f"the table {name} is not for {use}: its key is not `pk`; mend {setting}")

    def check_lake(self, uri: str) -> None:
        """See that the lake's bucket, or the folder, can be used."""
        if not uri.startswith("s3://"):
            _check_folder(uri)
            return
        bucket = uri.removeprefix("s3://").partition("/")[0]
        missing = f"there is no bucket {bucket} for the lake: create it, or mend [lake] uri"
        self._ask(lambda: self._s3.head_bucket(Bucket=bucket), f"find bucket {bucket}", missing)

    def leases(self) -> list[refusals.Lease]:
        """Return the rows of KCL's lease table; none when KCL has not made it yet."""
        return list(self._leases())

    def _leases(self) -> Iterator[refusals.Lease]:
        name = self._settings.kcl.application
        start: Mapping[str, Any] = {}
        while True:
            try:
                page = self._ask(
                    lambda: self._dynamodb.scan(TableName=name, ConsistentRead=True, **start),  # noqa: B023
                    f"read the leases in {name}",
                    "",
                )
            except Refused:
                return
            for row in page["Items"]:
                if "checkpoint" in row:
                    sub = row.get("checkpointSubSequenceNumber", {}).get("N", "0")
                    yield refusals.Lease(row["leaseKey"]["S"], row["checkpoint"]["S"], int(sub))
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _ask(self, call: Callable[[], Any], what: str, missing: str) -> Any:
        """Ask; what is not there is Refused with `missing`, the rest as `ops.aws` sorts it."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            return call()
        except ClientError as error:
            if self._aws.code(error) in {"ResourceNotFoundException", "NoSuchBucket", "404"}:
                raise Refused(missing) from None
            self._aws.raise_world(error, what)
        except BotoCoreError as error:
            self._aws.raise_world(error, what)
