"""Lookups and keys in an edition: read once, named by digests, and secrets shown nowhere."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from support.geo import database
from support.pipelines import IDENTITY, OPEN, records, stored
from tailrace import edition
from tailrace.rows.pipeline import Pipeline
from tailrace.settings import Enrich, Privacy, Schemas, Settings, SettingsError

SECRET = bytes(range(32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "schemas" / "open").mkdir(parents=True)
    (tmp_path / "schemas" / "open" / "1-0-0.json").write_text(json.dumps(OPEN))
    (tmp_path / "geo.mmdb").write_bytes(database(6))
    (tmp_path / "tenants.json").write_text('{"none": {"tier": "free"}}')
    (tmp_path / "keys.json").write_text(json.dumps({"q1": base64.b64encode(SECRET).decode()}))
    return tmp_path


def made(folder: Path, **privacy: Any) -> Settings:
    given: dict[str, Any] = {"anonymise_ip": True, "pseudonyms": ("email",), "keys": f"{folder}/keys.json", "key": "q1"}
    return Settings(
        schemas=Schemas(path=f"{folder}/schemas"),
        enrich=Enrich(steps=("url", "geo", "tenant"), geo=f"{folder}/geo.mmdb", tenants=f"{folder}/tenants.json"),
        privacy=Privacy(**(given | privacy)),
    )


def test_an_edition_enriches_with_the_whole_address_and_stores_the_cut_one(folder: Path) -> None:
    settings = made(folder)
    one = edition.load(settings)
    pipeline = Pipeline(settings.contract, one.book, settings.limits, IDENTITY, one.treatment)
    (row,) = stored(pipeline(records({"type": "open", "ip": "203.0.113.77", "email": "a@b.example", "url": "/a"})))
    assert (row["geo_city"], row["url_path"], row["tenant_attributes"]) == ("Vienna", "/a", '{"tier":"free"}')
    extra = json.loads(row["extra"])
    assert extra["ip"] == "203.0.113.0"
    assert extra["email"].startswith("q1:")


def test_each_file_has_its_digest_and_a_change_is_seen_there_alone(folder: Path) -> None:
    settings = made(folder)
    before = dict(edition.load(settings).digests)
    assert list(before) == ["book", "code", "enrich/geo", "enrich/tenant", "enrich/url", "privacy"]
    for name, key, data in (
        ("tenants.json", "enrich/tenant", b'{"none": {"tier": "gold"}}'),
        ("geo.mmdb", "enrich/geo", database(4)),
        ("keys.json", "privacy", json.dumps({"q1": base64.b64encode(bytes(32)).decode()}).encode()),
    ):
        (folder / name).write_bytes(data)
        after = dict(edition.load(settings).digests)
        assert [one for one in after if after[one] != before[one]] == [key]
        before = after


def test_no_digest_shows_a_secret(folder: Path) -> None:
    shown = repr(edition.load(made(folder)).digests)
    assert base64.b64encode(SECRET).decode() not in shown
    assert SECRET.hex() not in shown


def test_without_privacy_nothing_is_masked(folder: Path) -> None:
    one = edition.load(made(folder, anonymise_ip=False, pseudonyms=()))
    assert one.treatment.mask is None
    assert "privacy" not in dict(one.digests)


def test_what_is_refused_is_one_line(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"^\[privacy\] key: found 'q9', expected one of: q1\Z"):
        edition.load(made(folder, key="q9"))
    (folder / "geo.mmdb").write_bytes(b"no database")
    with pytest.raises(SettingsError, match=r"^\[enrich\] geo: .*geo\.mmdb: found [0-9]+ bytes that are no MaxMind DB"):
        edition.load(made(folder))
