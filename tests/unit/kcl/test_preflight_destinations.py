"""Before a start: destinations that are missing, denied or not understood."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest

from support.editions import schema, settings_of
from support.ministack import ministack
from tailrace import edition
from tailrace import settings as s
from tailrace.editions import Editions, first, read
from tailrace.kcl import preflight
from tailrace.kcl.preflight import Refused
from tailrace.nouns import Destination

QUEUE = "arn:aws:sqs:us-east-1:000000000000:nowhere"
NOBODY = "http://127.0.0.1:9/"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ministack(tmp_path_factory.mktemp("aws")) as running:
        yield running.url


def start(url: str, service: str, address: str, stream: str = "", begun: str = "", **options: Any) -> None:
    """Look at one destination; `begun`: a lane that is there already."""
    found = [Destination("to", service, address, options)]
    preflight._check_destinations(found, s.Settings(aws=s.Aws(sqs_endpoint=url)), stream, {begun})


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    said: list[tuple[str, Any]] = []
    monkeypatch.setattr(preflight.log, "warning", lambda text, **facts: said.append((text, facts)))
    return said


def test_one_that_is_missing_is_told_where_its_events_become_dead_letters(
    url: str, told: list[tuple[str, Any]]
) -> None:
    start(url, "sqs", QUEUE)
    ((text, facts),) = told
    assert (text, facts["its_events"]) == ("a destination cannot be used", "become dead letters")
    assert facts["why"].startswith("route to: find the queue nowhere: ")


def test_one_that_is_missing_refuses_the_start_where_it_blocks(url: str) -> None:
    with pytest.raises(Refused, match=r"^route to: find the queue nowhere") as caught:
        start(url, "sqs", QUEUE, on_failure="block")
    assert "\n" not in str(caught.value)


def test_the_lake_does_not_wait_for_one_that_went_missing(url: str, told: list[tuple[str, Any]]) -> None:
    start(url, "sqs", QUEUE, begun="to", on_failure="block")
    ((_, facts),) = told
    assert facts["its_events"] == "wait in the stream"


@pytest.mark.parametrize(("on_failure", "events"), [("block", "wait in the stream"), ("dead_letter", "become dead")])
def test_one_that_does_not_answer_is_told(url: str, told: list[tuple[str, Any]], on_failure: str, events: str) -> None:
    start(url, "https", NOBODY, on_failure=on_failure)
    ((_, facts),) = told
    assert facts["its_events"].startswith(events)
    assert facts["why"].startswith("http://127.0.0.1:9/: NewConnectionError")


def test_its_queue_of_dead_letters_is_looked_at_too(url: str, told: list[tuple[str, Any]]) -> None:
    boto3.client("sqs", region_name="us-east-1", endpoint_url=url).create_queue(QueueName="here")
    start(url, "sqs", QUEUE.replace("nowhere", "here"), dead_letter_queue=QUEUE)
    ((_, facts),) = told
    assert "nowhere" in facts["why"]


def test_a_secret_that_is_not_there_refuses_the_start(url: str) -> None:
    with pytest.raises(s.SettingsError, match="the environment has no NO_SUCH"):
        start(url, "https", "https://example.org/", headers={"A": {"env": "NO_SUCH"}})


STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/clicks"


def route(name: str, address: str) -> dict[str, Any]:
    return {"destination_name": name, "destination_arn": address, "enabled_events": ["*"]}


def test_the_stream_that_is_read_is_no_destination(url: str) -> None:
    with pytest.raises(Refused, match="is the stream that is read: its events would go round"):
        start(url, "kinesis", STREAM, stream=STREAM)


@pytest.mark.parametrize(
    ("addresses", "said"),
    [
        ([STREAM], f"route to-0: {STREAM} is the stream that is read: its events would go round"),
        ([STREAM.replace("000000000000", "1")], ""),  # another account's, of the same name
        ([QUEUE] * 3, "[kcl] turn_timeout_s is 340, but a turn may take "),
        ([QUEUE] * 2, ""),
    ],
    ids=["round", "their own", "too many", "as many as there is time for"],
)
def test_what_a_start_refuses_of_routes_is_no_edition_while_it_runs_either(
    url: str, tmp_path: Path, addresses: list[str], said: str
) -> None:
    client = boto3.client("kinesis", region_name="us-east-1", endpoint_url=url)
    if "clicks" not in client.list_streams()["StreamNames"]:
        client.create_stream(StreamName="clicks", ShardCount=1)
        client.get_waiter("stream_exists").wait(StreamName="clicks", WaiterConfig={"Delay": 1})
    schema(tmp_path / "schemas", "click", "1")
    file = tmp_path / "routes.json"
    file.write_text(json.dumps([route("lake", "")]))
    where = s.Aws(kinesis_endpoint=url, s3_endpoint=url, dynamodb_endpoint=url)
    settings = msgspec.structs.replace(
        settings_of(tmp_path / "schemas", path=str(file)),
        aws=where,
        stream=s.Stream(name="clicks", region="us-east-1"),
        kcl=s.Kcl(turn_timeout_s=340),
        world=s.World(patience_s=100),
    )
    errors: list[str] = []

    def say(what: str, /, **facts: Any) -> None:
        errors.extend([facts["error"]] if what == "edition_refused" else [])

    judge = preflight.judging(settings)
    running = Editions(settings, read(settings), say, tmp_path / "copy", judge)
    file.write_text(json.dumps([route("lake", ""), *(route(f"to-{n}", one) for n, one in enumerate(addresses))]))
    running.look()
    assert (running.ready() is None) is bool(said)
    assert [one[: len(said)] for one in errors] == ([said] if said else [])
    if said:
        with pytest.raises(s.SettingsError) as refused:
            first(settings, tmp_path / "copy", lambda call: call(), lambda *_, **__: None, judge)
        assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("address", "options", "said"),
    [
        (QUEUE, {"patience": 1}, "route to: patience is no option of sqs"),
        (QUEUE, {"partition": ["usr_id"]}, "to: partition: no table has the column usr_id, did you mean user_id?"),
        (QUEUE, {"partition": ["data"]}, "to: partition: no table has the column data, expected a column of some"),
        ("arn:aws:sqs:us-east-1:1:a/b", {}, "route to: found arn:aws:sqs:us-east-1:1:a/b, expected"),
        ("arn:aws:iam::1:role/a", {}, 'route 2 (to): destination_arn: found "iam", expected one of'),
        ("http://example.org/?key=s3cret", {}, "destination_arn: expected an ARN, or https://..., found"),
        ("http://u:s3cret@example.org/", {}, 'expected an ARN, or https://..., found "http://example.org/"'),
        ("http://127.0.0.1@example.org/", {}, "route 2 (to): destination_arn: expected an ARN, or https://"),
    ],
)
def test_routes_with_what_is_not_understood_are_no_edition(
    tmp_path: Path, address: str, options: dict[str, Any], said: str
) -> None:
    schema(tmp_path, "click", "1")
    lake = {"destination_name": "lake", "destination_arn": "", "enabled_events": ["*"]}
    to = {"destination_name": "to", "destination_arn": address, "enabled_events": ["*"], "options": options}
    with pytest.raises(s.SettingsError) as caught:
        edition.load(settings_of(tmp_path, json=json.dumps([lake, to])))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)
