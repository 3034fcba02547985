"""`tailrace ddl`: what is printed fits the lake, DuckDB runs it over a real one, and a change is only what is new."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb
import pytest

from support.pipelines import closed
from tailrace.cli import main

PAGE = closed(
    {
        "type": {"const": "page"},
        "tenant": {"type": "string"},
        "user_id": {"type": "string"},
        "timestamp": {"type": "string"},
        "path": {"type": "string", "maxLength": 100},
        "at": closed({"x": {"type": "integer"}}),
    },
    ["type"],
)
IGLU = closed({"dt": {"type": "string"}, "n": {"type": "integer"}})
TENANTS = ["north", "a b", "it's", "0042"]
NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)


class Work:
    """A folder of schemas and a lake."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.environ = {
            "TAILRACE_SCHEMAS_PATH": str(folder / "schemas"),
            "TAILRACE_LAKE_URI": str(folder / "it's a [lake]"),
            "TAILRACE_LEDGER_PATH": str(folder / "ledger.sqlite"),
        }
        self.put("page/1-0-0.json", PAGE)
        self.put("com.acme/click/jsonschema/1-0-0", IGLU)

    def put(self, path: str, schema: Mapping[str, Any]) -> None:
        file = self.folder / "schemas" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(schema))

    def ddl(self, *options: str, status: int = 0, environ: Mapping[str, str] = MappingProxyType({})) -> str:
        """Run the command; return what it said, on the other stream where it refused."""
        assert main(["ddl", *options], {**self.environ, **environ}) == status
        said = self._capsys.readouterr()
        return said.err if status else said.out


@pytest.fixture
def work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Work:
    return Work(tmp_path, capsys)


def events(seed: int) -> list[dict[str, Any]]:
    """Return events of both types, some with clocks that are wrong by years."""
    rng = random.Random(seed)
    out: list[dict[str, Any]] = []
    for n in range(300):
        if rng.random() < 0.3:
            data = {"dt": f"own {n}", "n": n}
            out.append({"schema": "iglu:com.acme/click/jsonschema/1-0-0", "data": data, "tenant": rng.choice(TENANTS)})
            continue
        ago = timedelta(seconds=rng.randrange(3 * 86_400)) + timedelta(days=rng.choice([0, 0, 0, 400, -400]))
        one = {"type": "page", "path": f"/{n}", "tenant": rng.choice(TENANTS), "timestamp": (NOW - ago).isoformat()}
        out.append(one | ({"user_id": f"u{rng.randrange(9)}"} if rng.random() < 0.8 else {}))
    return [*out, {"type": "nobody's"}, {"type": "page", "path": 1}]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("by_tenant", ["false", "true"])
def test_duckdb_reads_a_lake_and_its_views_add_up(work: Work, seed: int, by_tenant: str) -> None:
    work.environ["TAILRACE_LAKE_TENANT_PARTITION"] = by_tenant
    duck = duckdb.connect()
    duck.execute(work.ddl("duckdb"))  # the views are there before the lake is
    assert duck.execute("SELECT count(*) FROM tailrace.events").fetchall() == [(0,)]
    made = events(seed)
    (work.folder / "in.jsonl").write_text("\n".join(map(json.dumps, made)))
    assert main(["backfill", "--quiet", str(work.folder / "in.jsonl")], work.environ) == 0

    stored = duck.execute("SELECT event_type, tenant, user_id, filed_at FROM tailrace.events").fetchall()
    assert Counter((row[0], row[1], row[2]) for row in stored) == Counter(
        ("page" if "type" in one else "com.acme.click", one["tenant"], one.get("user_id")) for one in made[:-2]
    )
    minutes = Counter((row[3].replace(second=0, microsecond=0), row[0], row[1]) for row in stored)
    found = duck.execute('SELECT "minute", event_type, tenant, events FROM tailrace.events_per_minute').fetchall()
    assert {row[:3]: row[3] for row in found} == minutes
    assert len(found) == len(minutes)
    users: defaultdict[tuple[Any, str], set[str]] = defaultdict(set)
    for _, tenant, user, filed in stored:
        users[filed.date(), tenant] |= {user} - {None}
    found = duck.execute('SELECT "day", tenant, users, events FROM tailrace.daily_users').fetchall()
    assert {(row[0], row[1]): row[2] for row in found} == {key: len(value) for key, value in users.items()}
    assert len(found) == len(users)
    assert sum(row[3] for row in found) == len(stored)
    assert duck.execute("SELECT count(*) FROM tailrace.events WHERE dt = CAST(filed_at AS DATE)").fetchall() == [
        (len(stored),)
    ]

    assert duck.execute("SELECT stage, count(*) FROM tailrace.quarantine GROUP BY 1 ORDER BY 1").fetchall() == [
        ("contract", 1),
        ("schema", 1),
    ]
    assert duck.execute("SELECT count(*) FROM tailrace.page_v1 WHERE hh BETWEEN 0 AND 23 AND dt > DATE '2000-01-01'"
                        ).fetchall()[0][0] == sum("type" in one for one in made[:-2])  # fmt: skip
    if by_tenant == "true":
        pairs = duck.execute("SELECT DISTINCT p_tenant, tenant FROM tailrace.page_v1").fetchall()
        assert sorted(pairs) == sorted((tenant, tenant) for tenant in TENANTS)
    own = duck.execute("SELECT dt FROM tailrace.com_acme_click_v1").fetchall()  # the member's, not the folder's
    assert {row[0] for row in own} == {one["data"]["dt"] for one in made if "data" in one}


def test_tables_are_those_of_the_schemas_and_the_quarantine_is_last(work: Work) -> None:
    said = json.loads(work.ddl("redshift", "--json"))
    assert (said["engine"], said["database"]) == ("redshift", "tailrace")
    assert [(one["table"], one["name"]) for one in said["tables"]] == [
        ("com.acme.click/v1", "com_acme_click_v1"),
        ("page/v1", "page_v1"),
        ("quarantine", "quarantine"),
    ]
    (page,) = (one for one in said["tables"] if one["table"] == "page/v1")
    assert page["columns"][-2:] == [{"name": "path", "type": "VARCHAR(400)"}, {"name": "at", "type": "SUPER"}]


def test_lenient_and_altered_texts_have_the_common_width(work: Work) -> None:
    assert '"path" VARCHAR(400)' in work.ddl("redshift", "--table", "page/v1")
    assert '"path" VARCHAR(4096)' in work.ddl(
        "redshift", "--table", "page/v1", environ={"TAILRACE_VERDICTS_LENIENT": "pa*"}
    )
    keys = work.folder / "keys.json"
    keys.write_text(json.dumps({"k": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}))
    privacy = {
        "TAILRACE_PRIVACY_PSEUDONYMS": "path",
        "TAILRACE_PRIVACY_KEYS": str(keys),
        "TAILRACE_PRIVACY_KEY": "k",
    }
    assert '"path" VARCHAR(4096)' in work.ddl("redshift", "--table", "page/v1", environ=privacy)


def test_one_table_comes_without_views_and_a_wrong_one_is_guessed(work: Work) -> None:
    said = work.ddl("redshift", "--table", "page/v1", "--table", "page/v1", "--database", "web")
    assert said.count("CREATE TABLE") == 1
    assert '"web"."page_v1"' in said
    assert "VIEW" not in said
    refused = work.ddl("redshift", "--table", "pge/v1", status=2)
    assert refused == "tailrace: --table: found 'pge/v1', expected a table of the schemas, as page/v1\n"


def test_athena_and_glue_need_a_bucket(work: Work) -> None:
    assert "expected s3://bucket/prefix" in work.ddl("athena", status=2)
    lake = {"TAILRACE_LAKE_URI": "s3://bucket/lake"}
    assert "'s3://bucket/lake/page/v1/'" in work.ddl("athena", environ=lake)
    lines = work.ddl("glue", "--since", "2026-01-01", environ=lake).splitlines()
    assert [json.loads(line)["TableInput"]["Name"] for line in lines] == ["com_acme_click_v1", "page_v1", "quarantine"]
    assert '"2026-01-01,NOW+1DAYS"' in lines[0]


@pytest.mark.parametrize(
    ("engine", "formats", "without"),
    [
        ("athena", {"AVRO": "page/*"}, {"page_v1"}),
        ("glue", {"AVRO": "page/*,quarantine", "PARQUET": "*"}, {"page_v1", "quarantine"}),
        ("duckdb", {"AVRO": "page/*"}, set()),
        ("duckdb", {"AVRO": "page/*", "PARQUET": "com*"}, {"page_v1"}),
        ("redshift", {"AVRO": "page/*", "PARQUET": "com*"}, set()),
    ],
)
def test_tables_whose_files_an_engine_cannot_read_are_left_out_and_said(
    work: Work, engine: str, formats: dict[str, str], without: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lake = {"TAILRACE_LAKE_URI": "s3://bucket/lake"} | {f"TAILRACE_LAKE_{key}": value for key, value in formats.items()}
    assert main(["ddl", engine, "--json"], work.environ | lake) == 0
    said = capsys.readouterr()
    names = {"page_v1", "com_acme_click_v1", "quarantine"}
    assert {one["name"] for one in json.loads(said.out)["tables"]} == names - without
    assert len(said.err.splitlines()) == len(without)
    assert ("tailrace: left out: page/v1: " in said.err) is bool(without)
    if without:
        assert "--table: page/v1: " in work.ddl(engine, "--table", "page/v1", environ=lake, status=2)


def test_what_is_new_since_a_model(work: Work) -> None:
    (work.folder / "old.json").write_text(work.ddl("redshift", "--json"))
    since = ["redshift", "--previous", str(work.folder / "old.json")]
    assert work.ddl(*since) == "-- nothing is new\n"
    work.put("page/1-0-1.json", PAGE | {"properties": PAGE["properties"] | {"order": {"type": "number"}}})
    assert work.ddl(*since).splitlines() == [
        'ALTER TABLE "tailrace"."page_v1" ADD COLUMN "order" DOUBLE PRECISION;',
    ]
    work.put("scroll/1-0-0.json", PAGE)
    said = work.ddl(*since)
    assert 'CREATE TABLE IF NOT EXISTS "tailrace"."scroll_v1" (' in said
    assert 'CREATE OR REPLACE VIEW "tailrace"."events" AS' in said
    work.put("page/1-0-0.json", PAGE | {"properties": PAGE["properties"] | {"path": {"type": "integer"}}})
    work.put("page/1-0-1.json", PAGE | {"properties": PAGE["properties"] | {"path": {"type": "integer"}}})
    refused = work.ddl(*since, status=1)
    assert 'found "path" BIGINT, expected "path" VARCHAR(400) as before: columns are only added, at the end' in refused


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["duckdb", "--previous", "x"], "--previous: expected redshift or athena"),
        (["redshift", "--previous", "x", "--json"], "--previous: expected no --json beside it"),
        (["redshift", "--previous", "nowhere.json"], "nowhere.json: no such file or directory"),
        (["redshift", "--database", 'a"b'], "--database: found 'a\"b', expected a small letter"),
        (["athena", "--since", "yesterday"], "--since: found 'yesterday', expected a day like 2020-01-01"),
        (["athena", "--since", "20260101"], "--since: found '20260101', expected a day like 2020-01-01"),
        (["redshift", "--since", "2026-01-01"], "--since: found redshift, expected athena or glue"),
        (["duckdb", "--tenants", "a,b"], "--tenants: found duckdb, expected athena or glue"),
        (["snowflake"], "invalid choice: 'snowflake'"),
    ],
)
def test_wrong_usage_is_refused_in_one_line(work: Work, options: list[str], said: str) -> None:
    assert said in work.ddl(*options, status=2)
