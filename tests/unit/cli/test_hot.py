"""`tailrace hot`: the table made and checked, and what is in it read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from socket import create_server
from typing import Any
from urllib.request import Request, urlopen

import pytest

from support.dynamodb_local import dynamodb_local
from support.hot_rows import TOPIC, Published, Tier, options, row, rows_of
from support.hot_table import FOREVER
from tailrace.cli import main
from tailrace.ops.clock import SystemClock
from tailrace.sinks.hot.dynamodb import DynamoTable
from tailrace.sinks.hot.publish import Publisher
from tailrace.world import WorldError

ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/"
AGGREGATES = [{"name": "types", "key": ["tenant", "type"], "window": "hour", "measures": {"n": {"op": "count"}}}]
OPTIONS: dict[str, Any] = {
    "aggregates": AGGREGATES,
    **FOREVER,
    "profile": {"view": ["url_path"]},
}
LAKE = {"destination_name": "lake", "destination_arn": "", "enabled_events": ["*"]}


class Command:
    """The command, run in a folder with a schema, against DynamoDB Local."""

    def __init__(self, folder: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        schema = folder / "schemas" / "view" / "1-0-0.json"
        schema.parent.mkdir(parents=True, exist_ok=True)
        schema.write_text('{"type": "object"}')
        self.url, self._capsys = url, capsys
        self.environ = {"TAILRACE_SCHEMAS_PATH": str(folder / "schemas"), "TAILRACE_AWS_DYNAMODB_ENDPOINT": url}

    def run(self, *arguments: str, tables: tuple[str, ...] = ("hot",), status: int = 0) -> str:
        """Run it; return what it said, on the other stream where it was refused."""
        routes = [LAKE] + [
            {"destination_name": name, "destination_arn": ARN + name, "enabled_events": ["*"], "options": OPTIONS}
            for name in tables
        ]
        environ = self.environ | {"TAILRACE_ROUTES_JSON": json.dumps(routes)}
        assert main(["hot", *arguments], environ) == status
        said = self._capsys.readouterr()
        return said.err if status == 2 or not said.out else said.out

    def table(self, name: str = "hot") -> DynamoTable:
        return DynamoTable.connect(name, region="eu-west-1", endpoint=self.url)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "local")
        with dynamodb_local(tmp_path_factory.mktemp("ddb")) as running:
            table = DynamoTable.connect("hot", region="eu-west-1", endpoint=running.url)
            table.create()
            tier = Tier(table, options(**OPTIONS), threads=4)
            rows = [row(n, user_id="ann" if n % 3 else "bob", url_path=f"/{n}") for n in range(30)]
            tier.deliver(1, rows_of(rows))
            yield running.url


@pytest.fixture
def command(tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(tmp_path, url, capsys)


def test_init_makes_the_table_once_and_then_checks_it(command: Command) -> None:
    assert command.run("init", tables=("fresh",)) == "made table fresh\n"
    assert command.run("init", tables=("fresh",)) == "table fresh is as it must be\n"


def test_init_ends_what_was_cut_off(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DynamoTable, "expire", lambda _table: None)
    command.run("init", tables=("half",))
    monkeypatch.undo()
    assert command.run("init", tables=("half",)) == "half: time to live: turned on\n"
    assert command.run("init", tables=("half",)) == "table half is as it must be\n"


@pytest.mark.parametrize("verb", [("user", "north", "ann"), ("top", "north"), ("type", "north", "view"), ("pending",)])
def test_a_table_that_is_missing_is_told_in_one_line(command: Command, verb: tuple[str, ...]) -> None:
    said = command.run(*verb, tables=("nowhere",), status=77)
    assert said == "tailrace: table nowhere: there is none: `tailrace hot init` makes it\n"


def test_init_may_provision(command: Command) -> None:
    assert command.run("init", "--provisioned", "3", "4", tables=("fixed",)) == "made table fixed\n"
    assert "found '0', expected a whole number" in command.run("init", "--provisioned", "0", "4", status=2)
    found = command.table("fixed")._client.describe_table(TableName="fixed")["Table"]
    assert found["ProvisionedThroughput"]["WriteCapacityUnits"] == 4


def test_init_says_how_a_table_differs(command: Command) -> None:
    command.table()._client.create_table(
        TableName="odd-one",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    said = command.run("init", tables=("odd-one",), status=1)
    assert "odd-one: key: found id (S), expected PK and SK, texts" in said
    assert len(said.splitlines()) == 4


def test_a_user(command: Command) -> None:
    said = command.run("user", "north", "ann", "--last", "2").splitlines()
    assert said[:4] == [
        "first seen       2026-01-31T00:00:01.000000Z",
        "last seen        2026-01-31T00:00:29.000000Z, view",
        "url_path         /29",
        "2026-01-31       event_count 20  last_event_type view",
    ]
    assert [line[:27] for line in said[4:]] == ["2026-01-31T00:00:29.000000Z", "2026-01-31T00:00:28.000000Z"]
    assert command.run("user", "north", "carl", status=1) == "tailrace: north has no user carl here\n"
    assert command.run("user", "north", "ann", "--last", "99999999999").count("view") == 20 + 2


def test_a_user_of_whom_days_alone_are_kept(command: Command) -> None:
    command.run("init", tables=("days",))
    kept = options(**FOREVER, profiles=False, events=[])
    Tier(command.table("days"), kept).deliver(1, rows_of([row(1)]))
    said = command.run("user", "north", "ann", tables=("days",))
    assert said == "2026-01-31       event_count 1  last_event_type view\n"


def test_a_user_as_json_with_what_the_events_hold(command: Command) -> None:
    found = json.loads(command.run("--json", "user", "north", "bob", "--last", "1"))
    assert (found["profile"]["last_seen"], found["days"][0]["event_count"]) == ("2026-01-31T00:00:27.000000Z", 10)
    assert found["events"][0]["body"]["url_path"] == "/27"


def test_a_type_in_the_order_of_time(command: Command) -> None:
    said = command.run("type", "north", "view", "--last", "25").splitlines()
    assert [int(line[17:19]) for line in said] == list(range(5, 30))
    assert command.run("type", "north", "view", "--last", "99999999999").count("\n") == 30
    assert command.run("type", "north", "no", status=1) == "tailrace: north has no events of type no here\n"


def test_the_days_top_users(command: Command) -> None:
    said = command.run("top", "north", "--day", "2026-01-31").splitlines()
    assert [line.split()[:3] for line in said] == [["ann", "event_count", "20"], ["bob", "event_count", "10"]]
    assert "tailrace: north has no users on 20" in command.run("top", "north", status=1)
    assert "total_value is not kept" in command.run("top", "north", "--by", "total_value", status=2)
    assert "expected a day like 2026-01-31" in command.run("top", "north", "--day", "today", status=2)


def test_an_aggregate(command: Command) -> None:
    assert command.run("aggregate", "types", "north", "view") == "2026-01-31T00       n 30\n"
    assert "found 1 values, expected one each of tenant, type" in command.run("aggregate", "types", "north", status=2)
    said = command.run("aggregate", "nope", status=2)
    assert said == "tailrace: found the aggregate nope, expected one of types, DAILY\n"
    said = command.run("aggregate", "types", "north", "view", "--window", "2027", status=1)
    assert said == "tailrace: nothing was added up for types north view in 2027...\n"


def test_nothing_is_pending(command: Command) -> None:
    assert command.run("pending") == "No alert waits.\n"
    assert command.run("pending", "--json") == ""


def test_options_may_come_after_the_verb(command: Command) -> None:
    before = command.run(
        "--json", "--destination", "hot", "top", "north", "--day", "2026-01-31", tables=("hot", "other")
    )
    assert json.loads(before.splitlines()[0])["user"] == "ann"
    after = command.run(
        "top", "north", "--day", "2026-01-31", "--json", "--destination", "hot", tables=("hot", "other")
    )
    assert after == before


def test_what_is_pending_is_published_where_that_is_said(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    command.run("init", tables=("told",))
    alert = {"name": "busy", "aggregate": "DAILY", "measure": "event_count", "threshold": 1, "publish": TOPIC}
    away, clock = Published(), SystemClock()
    away.trouble = WorldError("away")
    monkeypatch.setattr(clock, "now_ms", lambda: SystemClock().now_ms() - 90_000)
    tier = Tier(command.table("told"), options(**FOREVER, alerts=[alert]), publish=away, clock=clock)
    tier.deliver(1, rows_of([row(1)]))
    listed = command.run("pending", tables=("told",))
    assert listed.split()[1:] == ["busy", "2026-01-31"]
    told: list[str] = []
    monkeypatch.setattr(Publisher, "__call__", lambda _self, _arn, identity, _text: told.append(identity))
    assert command.run("pending", "--publish", tables=("told",)) == "No alert waits.\n"
    assert told == [listed.split()[0]]


def test_to_serve_takes_a_token(command: Command, tmp_path: Path) -> None:
    assert "No such file" in command.run("serve", "--token-file", str(tmp_path / "none"), status=2)
    short = tmp_path / "short"
    short.write_text("secret\n")
    said = command.run("serve", "--token-file", str(short), status=2)
    assert "--token-file: found 6 characters, expected 16 or more" in said
    short.write_bytes(b"\xff" * 20)
    assert "can't decode" in command.run("serve", "--token-file", str(short), status=2)
    short.write_text("0123456789 abcdef")
    assert "none of them a space" in command.run("serve", "--token-file", str(short), status=2)


def test_an_address_that_cannot_be_served_is_told_in_one_line(command: Command, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef")
    with create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = command.run("serve", "--token-file", str(token), "--port", port, status=2)
    assert said == f"tailrace: --port {port} on --host 127.0.0.1: Address already in use\n"
    said = command.run("serve", "--token-file", str(token), "--port", "99999", status=2)
    assert "argument --port: found '99999', expected 0 to 65535" in said


def test_it_serves_until_a_signal(command: Command, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    routes = json.dumps([LAKE, {"destination_name": "hot", "destination_arn": ARN + "hot", "enabled_events": ["*"]}])
    child = subprocess.Popen(
        [sys.executable, "-m", "tailrace", "hot", "serve", "--token-file", str(token), "--port", "0"],
        env={**os.environ, **command.environ, "TAILRACE_ROUTES_JSON": routes},
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        try:
            assert child.stdout is not None
            address = child.stdout.readline().strip()
            asked = Request(f"{address}user/north/ann?last=1", headers={"Authorization": "Bearer 0123456789abcdef"})
            with urlopen(asked, timeout=30) as reply:
                assert json.load(reply)["profile"]["last_event_type"] == "view"
            child.send_signal(signal.SIGTERM)
            assert child.wait(30) == 0
        finally:
            child.kill()


def test_which_table_is_meant_is_said_where_there_are_several(command: Command) -> None:
    said = command.run("pending", tables=("hot", "other"), status=2)
    assert "--destination: found none, expected one of hot, other" in said
    assert command.run("--destination", "hot", "pending", tables=("hot", "other")) == "No alert waits.\n"
    assert "expected a route to arn:aws:dynamodb" in command.run("pending", tables=(), status=2)
