"""An edition: what the settings name, read once, and named by its digests."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from support.editions import schema, settings_of
from tailrace.edition import load
from tailrace.rows.route import RouteError
from tailrace.schema.book import BookError
from tailrace.schema.source import Files
from tailrace.settings import Dedup, Enrich, Lake, Settings, SettingsError

LAKE = {"destination_name": "lake", "destination_arn": "", "enabled_events": ["*"]}
ROOT = Path(__file__).parents[2]


def test_digests_name_all_that_decides(tmp_path: Path) -> None:
    schema(tmp_path, "click", "1")
    first = load(settings_of(tmp_path))
    assert [name for name, _ in first.digests] == ["book", "code", "enrich/user_agent"]
    routed = load(settings_of(tmp_path, json=json.dumps([LAKE])))
    assert set(routed.digests) - set(first.digests) == {("routes", dict(routed.digests)["routes"])}
    schema(tmp_path, "click", "2")
    assert dict(load(settings_of(tmp_path)).digests)["book"] != dict(first.digests)["book"]


def test_a_fingerprint_that_no_step_makes_is_refused_in_one_line(tmp_path: Path) -> None:
    schema(tmp_path, "click", "1")
    wanted = msgspec.structs.replace(settings_of(tmp_path), dedup=Dedup(by="fingerprint"))
    with pytest.raises(SettingsError, match=r'^\[dedup\] by: found "fingerprint", expected the step "fingerprint" in'):
        load(wanted)
    assert load(msgspec.structs.replace(wanted, enrich=Enrich(steps=("fingerprint",)))).treatment.enrichers
    assert load(msgspec.structs.replace(wanted, dedup=Dedup(by="event_id"))).treatment.enrichers


def test_routes_come_from_a_file_or_from_the_settings_which_win(tmp_path: Path) -> None:
    schema(tmp_path / "schemas", "click", "1")
    file = tmp_path / "routes.json"
    file.write_text(json.dumps([LAKE | {"enabled_events": ["click"]}]))
    of_file = load(settings_of(tmp_path / "schemas", path=str(file))).treatment.routes
    assert of_file is not None
    assert of_file.lake.enabled_events == ("click",)
    both = load(settings_of(tmp_path / "schemas", path=str(file), json=json.dumps([LAKE]))).treatment.routes
    assert both is not None
    assert both.lake.takes_all
    assert load(settings_of(tmp_path / "schemas")).treatment.routes is None


def test_everything_that_was_read_is_in_the_stamp(tmp_path: Path) -> None:
    schema(tmp_path / "schemas", "click", "1")
    (tmp_path / "routes.json").write_text(json.dumps([LAKE]))
    (tmp_path / "tenants.json").write_text("{}")
    wanted = settings_of(tmp_path / "schemas", path=str(tmp_path / "routes.json"))
    enrich = Enrich(steps=("tenant",), tenants=str(tmp_path / "tenants.json"))
    files = Files.of(wanted)
    load(Settings(schemas=wanted.schemas, routes=wanted.routes, enrich=enrich), files)
    assert [Path(uri).name for uri, _ in files.stamp] == ["routes.json", "schemas", "tenants.json"]


def test_a_refusal_names_its_file(tmp_path: Path) -> None:
    schema(tmp_path / "schemas", "click", "1")
    routes = tmp_path / "routes.json"
    routes.write_text("[]")
    with pytest.raises(RouteError, match=r"routes\.json: expected a list of 1 to 100 routes"):
        load(settings_of(tmp_path / "schemas", path=str(routes)))
    with pytest.raises(RouteError, match=r"\[routes\] json: expected a list of 1 to 100 routes"):
        load(settings_of(tmp_path / "schemas", json="[]"))
    with pytest.raises(BookError, match="nowhere: no such folder"):
        load(settings_of(tmp_path / "nowhere"))
    with pytest.raises(RouteError, match=r"^\[routes\] path: .*none\.json: no such file"):
        load(settings_of(tmp_path / "schemas", path=str(tmp_path / "none.json")))


def test_the_lakes_arn_is_the_lakes_bucket(tmp_path: Path) -> None:
    schema(tmp_path, "click", "1")
    base = settings_of(tmp_path, json=json.dumps([LAKE | {"destination_arn": "arn:aws:s3:::mine"}]))
    for uri in ("", "s3://mine/lake"):
        load(Settings(schemas=base.schemas, routes=base.routes, lake=Lake(uri=uri)))
    with pytest.raises(RouteError, match=r"names the bucket mine, but \[lake\] uri is s3://yours/lake"):
        load(Settings(schemas=base.schemas, routes=base.routes, lake=Lake(uri="s3://yours/lake")))


def test_the_shipped_routes_send_everything_to_the_lake(tmp_path: Path) -> None:
    schema(tmp_path, "click", "1")
    routes = load(settings_of(tmp_path, path=str(ROOT / "properties" / "routes.json"))).treatment.routes
    assert routes is not None
    assert list(routes.by_name) == ["lake", "quarantine"]
    assert routes.lake.takes_all
