"""The stand-in of Redshift refuses what Redshift would: in manifests, in files, in statements."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local.redshift import RefusedError, Service
from local.redshift_sql import Engine, SqlError

TABLE = """CREATE TABLE IF NOT EXISTS "t"."a" (
  "row_id" VARCHAR(2) NOT NULL PRIMARY KEY,
  "n" BIGINT
)
DISTKEY ("row_id")
SORTKEY ("n");"""
COPY = "COPY \"s\" FROM 's3://b/m' IAM_ROLE default FORMAT AS PARQUET MANIFEST"
STAGE = 'CREATE TEMP TABLE "s" AS SELECT "row_id", "n" FROM "t"."a" WHERE 1 = 0'
INTO = 'INSERT INTO "t"."a" ("row_id", "n") SELECT "row_id", "n" FROM "s"'


def parquet(columns: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


GOOD = parquet({"row_id": ["1"], "n": [7]})


def entry(data: bytes, **more: Any) -> dict[str, Any]:
    return {"url": "s3://b/o", "mandatory": True, "meta": {"content_length": len(data)}} | more


class Lake:
    """One object and its manifest."""

    def __init__(self, data: bytes = GOOD, manifest: object = None) -> None:
        plain = {"entries": [entry(data)]} if manifest is None else manifest
        self.objects = {"s3://b/m": json.dumps(plain).encode(), "s3://b/o": data}

    def read(self, url: str) -> bytes:
        if url not in self.objects:
            raise FileNotFoundError(url)
        return self.objects[url]

    def engine(self) -> Engine:
        made = Engine(self.read)
        made.transaction(
            [
                'CREATE SCHEMA IF NOT EXISTS "t"',
                TABLE,
            ]
        )
        return made


def test_a_good_load_lands_and_its_session_ends() -> None:
    engine = Lake().engine()
    for _ in range(2):
        engine.transaction([STAGE, COPY, INTO])
    assert engine.transaction(['SELECT "n" FROM "t"."a" WHERE 1 = 1']) == [(7,), (7,)]


@pytest.mark.parametrize(
    ("lake", "said"),
    [
        (Lake(manifest=[]), "no entries"),
        (Lake(manifest={"entries": []}), "no entries"),
        (Lake(manifest={"entries": [entry(GOOD), entry(GOOD)]}), "one twice"),
        (Lake(manifest={"entries": [entry(GOOD, mandatory=False)]}), "has the entry"),
        (Lake(manifest={"entries": [entry(GOOD, more=1)]}), "has the entry"),
        (Lake(manifest={"entries": [entry(GOOD, meta={})]}), "has the entry"),
        (Lake(manifest={"entries": [entry(GOOD, meta={"content_length": 1})]}), "the manifest says"),
        (Lake(manifest={"entries": [entry(GOOD, url="s3://b/gone")]}), "key does not exist"),
        (Lake(parquet({"row_id": ["1"]})), "1 columns"),
        (Lake(parquet({"n": [7], "row_id": ["1"]})), "column row_id is varchar"),
        (Lake(parquet({"row_id": ["éé"], "n": [7]})), "exceeds DDL length"),
        (Lake(parquet({"row_id": ["\0"], "n": [7]})), "null byte"),
        (Lake(parquet({"row_id": pa.array([None], pa.string()), "n": [7]})), "NOT NULL"),
    ],
)
def test_what_copy_does_not_take_undoes_the_transaction(lake: Lake, said: str) -> None:
    engine = lake.engine()
    with pytest.raises(SqlError, match=said):
        engine.transaction([STAGE, COPY, INTO])
    assert engine.transaction(['SELECT "n" FROM "t"."a" WHERE 1 = 1']) == []
    with pytest.raises(SqlError, match='"s" does not exist'):
        engine.transaction([COPY])


@pytest.mark.parametrize(
    "sql", ["DROP TABLE x", "TRUNCATE x", 'CREATE TABLE "a" ("b" TEXT)', "", 'LOCK "t"."none"', COPY + " MAXERROR 5"]
)
def test_other_statements_are_refused(sql: str) -> None:
    with pytest.raises(SqlError):
        Lake().engine().transaction([sql])


NAMED = {"WorkgroupName": "local", "Database": "dev"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({**NAMED, "Sqls": []}, "0 statements"),
        ({**NAMED, "Sqls": ["SELECT 1"] * 41}, "41 statements"),
        ({**NAMED, "Sqls": ["x" * 100_001]}, "longer"),
        ({**NAMED, "Sqls": ["SELECT 1"], "Database": "other"}, "expected"),
        ({**NAMED, "Sqls": ["SELECT 1"], "Parameters": []}, "expected"),
    ],
)
def test_requests_out_of_bounds_are_refused(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        Service(Lake().read).answer("BatchExecuteStatement", asked)


def test_a_client_token_names_one_request() -> None:
    service = Service(Lake().read)
    asked = {**NAMED, "Sqls": ["DROP x", "DROP y"], "ClientToken": "k"}
    first = service.answer("BatchExecuteStatement", asked)["Id"]
    assert service.answer("BatchExecuteStatement", asked)["Id"] == first
    assert service.answer("DescribeStatement", {"Id": first})["Status"] == "FAILED"
    with pytest.raises(RefusedError, match="other statements"):
        service.answer("BatchExecuteStatement", {**asked, "Sqls": ["DROP z"]})
