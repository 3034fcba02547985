import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from support.editions import schema, settings_of
from support.ministack import ministack
from tailrace import settings as s
from tailrace.cli import main
from tailrace.commit import claims_dynamodb
from tailrace.commit.ledger_dynamodb import DynamoLedger, create_table
from tailrace.commit.plan import app_key, lane_key
from tailrace.commit.switches import Switch, Switches
from tailrace.kcl import preflight, refusals
from tailrace.kcl.preflight import Refused
from tailrace.nouns import Identity, mark
from tailrace.world import WorldError

NOW_MS = 1_800_000_000_000


class Ledger:
    """A ledger in memory; `first` is written by someone else just before our first write."""

    def __init__(self, first: Mapping[str, Any] | None = None) -> None:
        self.items: dict[str, tuple[int, dict[str, Any]]] = {}
        self._first = first

    def read(self, key: str) -> tuple[int, dict[str, Any]] | None:
        return self.items.get(key)

    def swap(self, key: str, expected: int, item: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
        if self._first is not None:
            self.items[key], self._first = (1, dict(self._first)), None
        stands = self.items.get(key)
        if (stands[0] if stands else 0) != expected:
            return stands
        self.items[key] = (expected + 1, dict(item))
        return None

    def keys(self, prefix: str) -> Iterator[str]:
        return iter(sorted(key for key in self.items if key.startswith(prefix)))


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def now_ms(self) -> int:
        return NOW_MS + int(self.at * 1000)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


def settings(**stream: Any) -> s.Settings:
    return s.Settings(stream=s.Stream(**{"name": "clicks", **stream}), lake=s.Lake(uri="s3://lake/events/"))


class TestMint:
    def test_the_first_start_makes_the_item_once(self) -> None:
        ledger = Ledger()
        item = preflight.mint(ledger, settings(), 5, NOW_MS)
        assert int(item["epoch"][:6], 36) * 1000 == NOW_MS
        assert len(item["epoch"]) == 10
        assert {**item, "epoch": ""} == {
            "epoch": "",
            "stream": "clicks",
            "stream_created_at": 5,
            "first_start": NOW_MS,
            "start": "TRIM_HORIZON",
            "lake": "s3://lake/events",
        }
        assert preflight.mint(ledger, settings(start="now"), 6, NOW_MS + 1) == item
        assert ledger.items[app_key("tailrace")] == (1, item)

    def test_two_epochs_of_one_second_differ(self) -> None:
        assert len({preflight.mint(Ledger(), settings(), 5, NOW_MS)["epoch"] for _ in range(20)}) > 15

    def test_whoever_comes_second_takes_what_stands(self) -> None:
        ledger = Ledger({"epoch": "theirs"})
        assert preflight.mint(ledger, settings(), 5, NOW_MS) == {"epoch": "theirs"}

    def test_now_and_a_time_become_a_time(self) -> None:
        assert preflight.first_start("now", NOW_MS) == ("AT_TIMESTAMP", NOW_MS)
        assert preflight.first_start("2026-01-01T00:00:00+01:00", NOW_MS) == ("AT_TIMESTAMP", 1_767_222_000_000)
        assert preflight.first_start("TRIM_HORIZON", NOW_MS) == ("TRIM_HORIZON", NOW_MS)

    def test_a_first_start_in_the_future_is_refused_and_nothing_is_kept(self) -> None:
        ledger = Ledger()
        with pytest.raises(Refused, match="future"):
            preflight.mint(ledger, settings(start="2100-01-01T00:00:00Z"), 5, NOW_MS)
        assert ledger.items == {}


def test_one_name_for_all_ways_to_write_a_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert preflight.lake_name("s3://b/p/") == preflight.lake_name("s3://b/p") == "s3://b/p"
    assert preflight.lake_name("lake/") == preflight.lake_name("./lake") == str(tmp_path / "lake")


def test_the_epoch_of_an_application_that_never_started() -> None:
    ledger = Ledger()
    with pytest.raises(Refused, match="not started yet"):
        preflight.epoch_of(settings(), ledger)
    item = preflight.mint(ledger, settings(), 5, NOW_MS)
    assert preflight.epoch_of(settings(), ledger) == item["epoch"]


def test_watermarks_by_shard() -> None:
    ledger = Ledger()
    ledger.swap(lane_key(Identity("clicks", "e1", "s1"), "lake"), 0, {"watermark": "5"})
    ledger.swap(lane_key(Identity("clicks", "e1", "s1"), "hot"), 0, {"watermark": "6"})
    ledger.swap(lane_key(Identity("clicks", "e1", "s2"), "lake"), 0, {"watermark": ""})
    ledger.swap(lane_key(Identity("clicks2", "e1", "s1"), "lake"), 0, {"watermark": "7"})
    ledger.swap(lane_key(Identity("clicks", "e2", "s1"), "lake"), 0, {"watermark": "8"})
    assert preflight.watermarks(ledger, "e1", "clicks") == {"lake": {"s1": "5", "s2": ""}, "hot": {"s1": "6"}}


class World:
    """ministack with all that a start needs, and settings that fit."""

    def __init__(self, url: str, schemas: Path) -> None:
        self.url = url
        keys: dict[str, Any] = {
            "aws_access_key_id": "local",
            "aws_secret_access_key": "local",
            "region_name": "us-east-1",
        }
        self.dynamodb: Any = boto3.client("dynamodb", endpoint_url=url, **keys)
        self.kinesis: Any = boto3.client("kinesis", endpoint_url=url, **keys)
        self.kinesis.create_stream(StreamName="clicks", ShardCount=1)
        boto3.client("s3", endpoint_url=url, **keys).create_bucket(Bucket="lake")
        create_table(self.dynamodb, "ledger")
        self.ledger = DynamoLedger(self.dynamodb, "ledger")
        self.schemas = schemas
        self.application = 0

    def settings(self, **change: Any) -> s.Settings:
        """Return settings of an application of their own."""
        self.application += 1
        sections: dict[str, Any] = {
            "stream": s.Stream(name="clicks"),
            "aws": s.Aws(kinesis_endpoint=self.url, dynamodb_endpoint=self.url, s3_endpoint=self.url),
            "kcl": s.Kcl(application=f"app-{self.application}"),
            "lake": s.Lake(uri="s3://lake/events"),
            "ledger": s.Ledger(table="ledger"),
            "schemas": s.Schemas(path=str(self.schemas)),
            "world": s.World(patience_s=0.5),
        }
        return s.Settings(**{**sections, **change})

    def check(self, settings: s.Settings, clock: Time | None = None) -> preflight.Ready:
        return preflight.check(settings, lambda: self.ledger, clock or Time())

    def lease(self, settings: s.Settings, checkpoint: str) -> None:
        name = settings.kcl.application
        self.dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "leaseKey", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        row = {
            "leaseKey": {"S": "shardId-0"},
            "checkpoint": {"S": checkpoint},
            "checkpointSubSequenceNumber": {"N": "2"},
        }
        self.dynamodb.put_item(TableName=name, Item=row)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_EC2_METADATA_DISABLED": "true"}
    folder = tmp_path_factory.mktemp("preflight")
    schemas = folder / "schemas"
    schemas.mkdir()
    with pytest.MonkeyPatch.context() as patch, ministack(folder) as aws:
        for name, value in keys.items():
            patch.setenv(name, value)
        yield World(aws.url, schemas)


def _sections(settings: s.Settings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.__struct_fields__}


class TestCheck:
    def test_when_all_is_there_it_says_what_a_start_needs(self, world: World) -> None:
        settings = world.settings()
        ready = world.check(settings)
        assert ready.first.start == "TRIM_HORIZON"
        assert ready.java.major >= 17
        assert ready.leases == 0
        assert ready.epoch == preflight.epoch_of(settings, world.ledger)
        assert world.check(settings)._replace(files=None) == ready._replace(files=None)

    def test_the_first_starts_time_is_kept(self, world: World) -> None:
        settings = world.settings(stream=s.Stream(name="clicks", start="now"))
        first = world.check(settings).first
        assert first == ("AT_TIMESTAMP", NOW_MS)
        later = Time()
        later.sleep(3600)
        assert world.check(settings, later).first == first

    def test_a_start_that_was_changed_later_is_told_and_not_followed(
        self, world: World, capfd: pytest.CaptureFixture[str]
    ) -> None:
        settings = world.settings(stream=s.Stream(name="clicks", start="now"))
        first = world.check(settings).first
        changed = s.Settings(**{**_sections(settings), "stream": s.Stream(name="clicks", start="TRIM_HORIZON")})
        assert "start counts" not in capfd.readouterr().err
        assert world.check(changed).first == first
        assert "start counts at an application's first start alone" in capfd.readouterr().err

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"stream": s.Stream(name="none")}, r"there is no stream none in us-east-1: create it"),
            ({"ledger": s.Ledger(table="none")}, r"there is no table none in us-east-1 for the ledger: create it"),
            (
                {"dedup": s.Dedup(by="event_id", table="none")},
                r"there is no table none in us-east-1 for de-duplication",
            ),
            ({"lake": s.Lake(uri="s3://none/x")}, r"there is no bucket none for the lake: create it"),
            ({"lake": s.Lake(uri=__file__)}, r"is no directory"),
            ({"lake": s.Lake(uri=f"{__file__}/lake")}, r"^\[lake\] uri: .*/lake cannot be written: Not a directory"),
            ({"lake": s.Lake(uri="/proc")}, r"^\[lake\] uri: /proc cannot be written: "),  # root may not either
            ({"kcl": s.Kcl(heap_mb=100)}, r"\[kcl\] heap_mb is 100"),
            ({"kcl": s.Kcl(java="/none")}, r"\[kcl\] java: /none"),
        ],
    )
    def test_what_is_missing_is_one_line(self, world: World, change: dict[str, Any], why: str) -> None:
        with pytest.raises(Refused, match=why) as error:
            world.check(world.settings(**change))
        assert "\n" not in str(error.value)

    def test_a_table_that_is_no_ledger(self, world: World) -> None:
        settings = world.settings()
        world.lease(settings, "TRIM_HORIZON")
        with pytest.raises(Refused, match="its key is not `pk`"):
            world.check(world.settings(ledger=s.Ledger(table=settings.kcl.application)))

    def test_the_table_of_de_duplication(self, world: World) -> None:
        settings = world.settings(dedup=s.Dedup(by="event_id", table="dedup"))
        world.lease(settings, "TRIM_HORIZON")
        claims_dynamodb.create_table(world.dynamodb, "dedup")
        world.check(settings)
        world.check(world.settings(dedup=s.Dedup(table="none")))  # nobody asks it
        wrong = world.settings(dedup=s.Dedup(by="event_id", table=settings.kcl.application))
        with pytest.raises(Refused, match=r"is not for de-duplication: its key is not `pk`; mend \[dedup\] table"):
            world.check(wrong)

    def test_a_checkpoint_without_a_ledger_item(self, world: World) -> None:
        settings = world.settings()
        world.lease(settings, "49")
        with pytest.raises(Refused, match=r"shardId-0 has a checkpoint \(49\) but no ledger item"):
            world.check(settings)

    def test_a_checkpoint_and_the_watermark(self, world: World) -> None:
        settings = world.settings()
        world.check(settings)  # makes the application's item
        world.lease(settings, "49")
        key = lane_key(Identity("clicks", preflight.epoch_of(settings, world.ledger), "shardId-0"), "lake")
        assert world.ledger.swap(key, 0, {"watermark": mark("49", 1)}) is None
        with pytest.raises(Refused, match="after what the ledger has committed"):
            world.check(settings)
        assert world.ledger.swap(key, 1, {"watermark": mark("49", 2)}) is None
        assert world.check(settings).leases == 1
        world.dynamodb.delete_item(TableName="ledger", Key={"pk": {"S": key}})

    def test_a_lease_table_without_positions(self, world: World) -> None:
        settings = world.settings()
        world.lease(settings, "TRIM_HORIZON")
        assert world.check(settings).leases == 1

    def test_a_stream_made_anew(self, world: World) -> None:
        settings = world.settings()
        world.check(settings)
        revision, item = world.ledger.read(app_key(settings.kcl.application)) or (0, {})
        world.ledger.swap(app_key(settings.kcl.application), revision, {**item, "stream_created_at": 1})
        with pytest.raises(Refused, match="was made anew"):
            world.check(settings)

    def test_another_lake(self, world: World, tmp_path: Path) -> None:
        settings = world.settings(lake=s.Lake(uri=str(tmp_path / "a" / "lake")))
        world.check(settings)
        assert list((tmp_path / "a" / "lake").iterdir()) == [], "the probe leaves nothing behind"
        other = s.Settings(**{**_sections(settings), "lake": s.Lake(uri=str(tmp_path / "b"))})
        with pytest.raises(Refused, match=f"stores into the lake {tmp_path}/a/lake, not into {tmp_path}/b"):
            world.check(other)
        revision, item = world.ledger.read(app_key(settings.kcl.application)) or (0, {})
        del item["lake"]
        world.ledger.swap(app_key(settings.kcl.application), revision, item)
        assert world.check(other).epoch == item["epoch"], "an item that does not say its lake is accepted"

    def test_a_service_that_stays_away_is_waited_for_and_then_named(self, world: World) -> None:
        clock = Time()
        away = s.Aws(kinesis_endpoint="http://127.0.0.1:9", dynamodb_endpoint=world.url, s3_endpoint=world.url)
        with pytest.raises(WorldError, match="find stream clicks"):
            world.check(world.settings(aws=away), clock)
        assert clock.at >= 0.5


class TestCommand:
    def test_a_check_alone_starts_nothing(
        self, world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        environ = {
            "TAILRACE_STREAM_NAME": "clicks",
            "TAILRACE_LAKE_URI": "s3://lake/events",
            "TAILRACE_LEDGER_TABLE": "ledger",
            "TAILRACE_KCL_APPLICATION": "command",
            "TAILRACE_KCL_RUN_DIR": str(tmp_path / "run"),
            "TAILRACE_SCHEMAS_PATH": str(world.schemas),
            **{f"TAILRACE_AWS_{name}_ENDPOINT": world.url for name in ("KINESIS", "DYNAMODB", "S3")},
        }
        assert main(["consume", "--check"], environ) == 0
        assert '"msg":"ready to start"' in capfd.readouterr().err
        assert not (tmp_path / "run").exists()

    def test_a_refusal_is_one_line_and_status_2(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "t.toml"
        file.write_text('[lake]\nuri = "lake"\n')
        assert main(["--config", str(file), "consume"], {}) == 2
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith(f"tailrace: {file}: [stream] name: say which stream to read")


def test_a_route_that_names_no_known_event_is_told_and_refuses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema(tmp_path, "click", "1")
    lake = {"destination_name": "lake", "destination_arn": "", "enabled_events": ["click", "clik"]}
    told: list[object] = []
    monkeypatch.setattr(preflight.log, "warning", lambda _text, **facts: told.append(facts["enabled_events"]))
    preflight._edition(settings_of(tmp_path, json=json.dumps([lake])))
    assert told == ["clik"]


def test_lanes_are_named_before_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, str]] = []
    for level in ("info", "warning"):
        monkeypatch.setattr(preflight.log, level, lambda text, /, **facts: said.append((facts["lane"], text[:16])))
    marks = {"lake": {"s": mark("9", 0)}, "gone": {"s": ""}, "back": {"s": mark("3", 0)}, "paused": {"s": mark("9", 0)}}
    paused = Switches({"paused": Switch("it is mended")})
    preflight._tell_lanes(["new", "back", "paused"], marks, [refusals.Lease("s", "5", 0)], paused)
    assert said == [
        ("new", "the lane is new:"),
        ("back", "found the lane"),
        ("paused", "the lane is paus"),
        ("gone", "no route names t"),
        ("back", "the lane was awa"),
    ]
