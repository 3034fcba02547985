"""The lifecycle rules that are shipped. Rule: what expires is what came as it was, and what holds no rows."""

from __future__ import annotations

import json
from pathlib import Path

import boto3

from local.aws import options
from support.ministack import ministack
from tailrace.commit import committed
from tailrace.nouns import Identity, Reason, Record, Rejected
from tailrace.rows.archive import archive_rows
from tailrace.rows.rejects import quarantine_rows
from tailrace.schema import book
from tailrace.sinks.forward import dead
from tailrace.sinks.lake.layout import Layout, split
from tailrace.sinks.lake.places.s3 import SWEPT_TAG

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "deploy" / "s3-lifecycle.json"
LAKE = "lake/"  # of s3://my-bucket/lake, as README and docs have it


def rules() -> list[dict[str, object]]:
    return json.loads(FILE.read_text())["Rules"]


def test_what_expires_is_where_rejects_and_records_are_or_was_replaced() -> None:
    expiring = [rule["Filter"] for rule in rules() if "Expiration" in rule]
    key, value = SWEPT_TAG.split("=")
    assert expiring == [
        {"Prefix": f"{LAKE}{committed.QUARANTINE}/"},
        {"Prefix": f"{LAKE}{committed.ARCHIVE}/"},
        {"Prefix": f"{LAKE}{dead.FOLDER}/"},
        {"And": {"Prefix": LAKE, "Tags": [{"Key": key, "Value": value}]}},
    ]
    assert book.QUARANTINE.name == committed.QUARANTINE
    one = Rejected((Reason("parse", "json", "$", "no"),), "1", 0, 0, 1_760_000_000_000, b"{")
    ((folder, _),) = split(quarantine_rows([one], Identity("s", "e", "i")), Layout())
    assert folder.startswith(f"{committed.QUARANTINE}/")
    assert book.ARCHIVE.name == committed.ARCHIVE
    ((folder, _),) = split(archive_rows([Record(b"{", "1", 0, 0)], Identity("s", "e", "i")), Layout())
    assert folder.startswith(f"{committed.ARCHIVE}/")


def test_no_table_of_events_can_be_called_so() -> None:
    for name in (committed.QUARANTINE, committed.ARCHIVE):
        assert book.safe(name) != name
        assert book.safe(name.title()).casefold() != name


def test_s3_takes_the_file(tmp_path: Path) -> None:
    with ministack(tmp_path) as server:
        s3 = boto3.client("s3", **options(server.url))
        s3.create_bucket(Bucket="my-bucket")
        s3.put_bucket_lifecycle_configuration(Bucket="my-bucket", LifecycleConfiguration=json.loads(FILE.read_text()))
        stands = s3.get_bucket_lifecycle_configuration(Bucket="my-bucket")["Rules"]
    assert [rule["ID"] for rule in stands] == [rule["ID"] for rule in rules()]


def test_the_docs_name_the_file_and_its_prefixes() -> None:
    for page, table in (("quarantine.md", committed.QUARANTINE), ("archive.md", committed.ARCHIVE)):
        text = (ROOT / "docs" / page).read_text()
        assert "deploy/s3-lifecycle.json" in text
        assert f"{LAKE}{table}/" in text
