"""The short way to AWS: what it gives and raises is what boto3's clients give and raise."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from support.dynamodb_local import dynamodb_local
from support.http_service import PEM, Answer, Call, Service, serving
from support.ministack import ministack
from tailrace.ops import aws
from tailrace.ops.wire import Wire

REGION = "eu-west-1"
KEY = {"PK": {"S": 'ü/\u2028 "quoted"'}, "SK": {"S": "1"}}
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "put": ("PutItem", {"Item": {**KEY, "n": {"N": "1"}, "yes": {"BOOL": True}, "l": {"L": [{"S": ""}]}}}),
    "put, on a condition that does not hold": (
        "PutItem",
        {
            "Item": KEY,
            "ConditionExpression": "attribute_not_exists(PK)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        },
    ),
    "update": (
        "UpdateItem",
        {
            "Key": KEY,
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1e3"}},
            "ReturnConsumedCapacity": "TOTAL",
            "ReturnValues": "ALL_NEW",
        },
    ),
    "get": ("GetItem", {"Key": KEY, "ConsistentRead": True}),
    "get none": ("GetItem", {"Key": {**KEY, "SK": {"S": "2"}}}),
    "query": ("Query", {"KeyConditionExpression": "PK = :p", "ExpressionAttributeValues": {":p": KEY["PK"]}}),
    "an expression that is none": ("UpdateItem", {"Key": KEY, "UpdateExpression": "SETT n :one"}),
    "a key that is too short": ("GetItem", {"Key": {"PK": {"S": ""}, "SK": {"S": ""}}}),
    "a table that is missing": ("GetItem", {"TableName": "nowhere", "Key": KEY}),
}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials of tests before
    with serving() as one:
        yield one


def wire_to(service: Service) -> Wire:
    return Wire(aws.client("dynamodb", region=REGION, endpoint=service.url))


def outcome(ask: Any) -> tuple[str, Any]:
    """Return what a call gave or raised, without what differs each time."""
    try:
        answer = ask()
    except ClientError as error:
        answer = dict(error.response)
        status = answer.pop("ResponseMetadata")["HTTPStatusCode"]
        return f"{aws.code(error)} {status}", answer
    answer.pop("ResponseMetadata", None)
    return "given", answer


def alike(found: Any, table: str) -> str:
    return json.dumps(found, sort_keys=True).replace(table, "T")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with dynamodb_local(tmp_path_factory.mktemp("ddb")) as running, pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "local")
        yield aws.client("dynamodb", region=REGION, endpoint=running.url)


def test_answers_and_refusals_are_those_of_a_client(client: Any) -> None:
    made = iter(range(10))

    def table() -> str:
        name = f"wire-{next(made)}"
        client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": one, "AttributeType": "S"} for one in ("PK", "SK")],
            BillingMode="PAY_PER_REQUEST",
        )
        return name

    wire, tables = Wire(client), (table(), table())
    for what, (operation, body) in ASKED.items():
        method = getattr(client, xform_name(operation))
        theirs = outcome(lambda: method(**{"TableName": tables[0], **body}))  # noqa: B023 - called at once
        ours = outcome(lambda: wire.ask(operation, {"TableName": tables[1], **body}))  # noqa: B023
        assert alike(ours, tables[1]) == alike(theirs, tables[0]), what
    assert outcome(lambda: wire.ask(*ASKED["a table that is missing"]))[0] == "ResourceNotFoundException 400"


def test_a_queues_refusal_has_the_clients_word(tmp_path_factory: pytest.TempPathFactory) -> None:
    with ministack(tmp_path_factory.mktemp("stack")) as running:
        sqs = aws.client("sqs", region="us-east-1", endpoint=running.url)
        url, wire = sqs.create_queue(QueueName="q")["QueueUrl"], Wire(sqs)
        entries = [{"Id": str(at), "MessageBody": f"ü{at}"} for at in range(3)]
        answer = wire.ask("SendMessageBatch", {"QueueUrl": url, "Entries": entries})
        assert [one["Id"] for one in answer["Successful"]] == ["0", "1", "2"]
        assert {one["Body"] for one in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]} <= {
            "ü0", "ü1", "ü2",
        }  # fmt: skip
        asked = {"QueueUrl": f"{url}-gone", "Entries": entries}
        theirs, _ = outcome(lambda: sqs.send_message_batch(**asked))
        assert outcome(lambda: wire.ask("SendMessageBatch", asked))[0] == theirs


def test_a_call_is_signed_as_the_service_reckons_it(service: Service) -> None:
    wire_to(service).ask("GetItem", {"TableName": "t", "Key": KEY})
    (call,) = service.calls
    assert call.headers["X-Amz-Target"] == "DynamoDB_20120810.GetItem"
    assert call.headers["Content-Type"] == "application/x-amz-json-1.0"
    assert json.loads(call.body) == {"TableName": "t", "Key": KEY}
    assert signature_of(call, "test") in call.headers["Authorization"]
    assert signature_of(call, "tset") not in call.headers["Authorization"]


def signature_of(call: Call, secret: str) -> str:
    """Reckon a call's signature from what arrived, by AWS's Signature Version 4."""
    found = re.search(r"Credential=[^/]+/(\S+), SignedHeaders=(\S+),", call.headers["Authorization"])
    assert found is not None
    scope, names = found.groups()
    said = {name.lower(): value for name, value in call.headers.items()}
    lines = "".join(f"{name}:{said[name]}\n" for name in names.split(";"))
    body = hashlib.sha256(call.body).hexdigest()
    request = hashlib.sha256(f"POST\n/\n\n{lines}\n{names}\n{body}".encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{said['x-amz-date']}\n{scope}\n{request}"
    return hmac.digest(key, text.encode(), "sha256").hex()


def test_who_listens_before_it_is_sent_may_answer(service: Service) -> None:
    client = aws.client("dynamodb", region=REGION, endpoint=service.url)
    heard: list[str] = []

    def listen(event_name: str, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        heard.append(f"{event_name} {request.body!r}")
        headers: Any = HeadersDict()
        refused = AWSResponse(request.url, 400, headers, Raw(b'{"__type":"a#Denied"}'))
        return refused if "GetItem" in event_name else None

    client.meta.events.register("before-send.dynamodb", listen)
    wire = Wire(client)
    assert wire.ask("ListTables", {}) == {}
    with pytest.raises(ClientError, match="Denied"):
        wire.ask("GetItem", {})
    assert heard == ["before-send.dynamodb.ListTables b'{}'", "before-send.dynamodb.GetItem b'{}'"]
    assert len(service.calls) == 1


class Raw(BytesIO):
    """A body as an HTTP library hands it over."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def test_credentials_are_asked_for_with_each_call(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = wire_to(service)
    for name in ("first", "second"):
        session = boto3.Session(aws_access_key_id=name, aws_secret_access_key="s", aws_session_token=f"t-{name}")
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
        wire.ask("ListTables", {})
    assert [re.findall(r"Credential=(\w+)/", call.headers["Authorization"]) for call in service.calls] == [
        ["first"],
        ["second"],
    ]
    assert [call.headers["X-Amz-Security-Token"] for call in service.calls] == ["t-first", "t-second"]


def test_without_credentials_nothing_is_sent(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    class Poor:
        def get_credentials(self) -> None:
            return None

    wire = wire_to(service)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", Poor())
    with pytest.raises(NoCredentialsError):
        wire.ask("ListTables", {})
    assert service.calls == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(500, b"<html>oh</html>"), "500"),
        (Answer(503, b""), "503"),
        (Answer(400, b"[]"), "400"),
        (Answer(400, b'{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}'), "ThrottlingException"),
        (Answer(302, b"", (("Location", "http://127.0.0.1:9/"),)), "302"),
    ],
)
def test_any_refusal_is_a_clients_error(service: Service, answer: Answer, code: str) -> None:
    service.answer = lambda _: answer
    with pytest.raises(ClientError) as caught:
        wire_to(service).ask("ListTables", {})
    assert aws.code(caught.value) == code
    assert aws.status(caught.value) == answer.status


@pytest.mark.parametrize("answer", [Answer(200, b'{"TableNames":['), Answer(200, b""), Answer(200, b"<html>")])
def test_an_answer_that_is_none_is_the_worlds_trouble(service: Service, answer: Answer) -> None:
    service.answer = lambda _: answer
    with pytest.raises(BotoCoreError):
        wire_to(service).ask("ListTables", {})


def test_nobody_there_is_the_worlds_trouble() -> None:
    wire = Wire(aws.client("dynamodb", region=REGION, endpoint="http://127.0.0.1:9"))
    with pytest.raises(BotoCoreError):
        wire.ask("ListTables", {})


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_a_certificate_counts_where_a_bundle_says_so(
    service: Service, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    service.encrypt()
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(BotoCoreError, match="SSL"):
        wire_to(service).ask("ListTables", {})
    assert service.calls == []
    monkeypatch.setenv(variable, str(PEM))
    assert wire_to(service).ask("ListTables", {}) == {}


def test_connections_are_used_again_and_shared_by_threads(service: Service) -> None:
    wire = wire_to(service)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda at: wire.ask("ListTables", {"Limit": at}), range(1, 41))) == [{}] * 40
    assert len({call.peer for call in service.calls}) <= 4
    assert sorted(json.loads(call.body)["Limit"] for call in service.calls) == list(range(1, 41))
