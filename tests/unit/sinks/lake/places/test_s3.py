"""What only S3 can get wrong: refusals, conflicts, limits. Its 409 cannot be had here; its recorded shape is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError
from botocore.stub import ANY, Stubber

from tailrace.commit.compaction import SWEPT
from tailrace.commit.ledger import BytesBody
from tailrace.ops import aws
from tailrace.settings import Aws, Lake, Settings
from tailrace.sinks.lake.places import place_of
from tailrace.sinks.lake.places.directory import DirectoryPlace
from tailrace.sinks.lake.places.s3 import PUT_BYTES_MAX, SWEPT_TAG, S3Place
from tailrace.world import WorldDenied, WorldError


class Answers:
    """A client whose every call fails in one way."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.asked: list[dict[str, Any]] = []

    def put_object(self, **asked: Any) -> None:
        self.asked.append(asked)
        raise self._error

    head_object = get_object = put_object


def refusal(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Call")


def place(error: Exception) -> S3Place:
    return S3Place(Answers(error), "lake", "p")  # type: ignore[arg-type]


BODY = BytesBody(b"{}")


def test_a_condition_that_does_not_hold_is_an_answer_not_an_error() -> None:
    taken = place(refusal("PreconditionFailed", 412))
    assert taken.create("n", BODY, {}) is False
    assert taken.replace("n", BODY, "tag", {}) is False
    assert place(refusal("NoSuchKey", 404)).replace("n", BODY, "tag", {}) is False


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusal("ConditionalRequestConflict", 409), WorldError),
        (refusal("SlowDown", 503), WorldError),
        (refusal("InternalError", 500), WorldError),
        (refusal("RequestTimeout", 400), WorldError),
        (refusal("ExpiredToken", 400), WorldError),
        (refusal("429", 429), WorldError),
        (ConnectTimeoutError(endpoint_url="http://x"), WorldError),
        (refusal("AccessDenied", 403), WorldDenied),
        (refusal("NoSuchBucket", 404), WorldDenied),
        (refusal("InvalidAccessKeyId", 403), WorldDenied),
        (NoCredentialsError(), WorldDenied),
    ],
)
def test_troubles_are_told_apart(error: Exception, kind: type[Exception]) -> None:
    troubled = place(error)
    for call in (
        lambda: troubled.create("n", BODY, {}),
        lambda: troubled.replace("n", BODY, "tag", {}),
        lambda: troubled.head("n"),
        lambda: troubled.read("n"),
    ):
        with pytest.raises(kind, match=r"s3://lake/p/n: "):
            call()


def test_every_write_is_conditional() -> None:
    client = Answers(refusal("PreconditionFailed", 412))
    writer = S3Place(client, "lake")  # type: ignore[arg-type]
    writer.create("n", BODY, {"generation": "3"})
    writer.replace("n", BODY, '"tag"', {"generation": "3"})
    first, second = client.asked
    assert (first["IfNoneMatch"], first["Metadata"], first["Key"]) == ("*", {"generation": "3"}, "n")
    assert (second["IfMatch"], "IfNoneMatch" in second) == ('"tag"', False)


def test_only_what_stands_for_a_replaced_object_is_tagged() -> None:
    client = Answers(refusal("PreconditionFailed", 412))
    writer = S3Place(client, "lake")  # type: ignore[arg-type]
    writer.create("n", BODY, {"generation": "3"})
    writer.replace("n", BODY, '"tag"', {"generation": "3", SWEPT: "1"})
    assert [put.get("Tagging") for put in client.asked] == [None, SWEPT_TAG]


@pytest.mark.parametrize(
    ("lake", "asked"),
    [
        ({}, {}),
        ({"encryption": "AES256"}, {"ServerSideEncryption": "AES256"}),
        ({"encryption": "aws:kms"}, {"ServerSideEncryption": "aws:kms"}),
        (
            {"encryption": "aws:kms", "kms_key": "arn:aws:kms:eu-west-1:123456789012:key/k"},
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "arn:aws:kms:eu-west-1:123456789012:key/k"},
        ),
    ],
)
def test_every_put_asks_for_the_encryption_that_is_set(lake: dict[str, Any], asked: dict[str, str]) -> None:
    writer = place_of(Settings(lake=Lake(uri="s3://lake/p", **lake)))
    assert isinstance(writer, S3Place)
    client: Any = Answers(refusal("PreconditionFailed", 412))
    writer._client = client
    writer.create("n", BODY, {})
    writer.replace("n", BODY, "tag", {})
    for put in client.asked:
        assert {name: put[name] for name in put if name.startswith("S")} == asked


def test_botocore_takes_what_is_asked() -> None:
    client = aws.client("s3", region="us-east-1", endpoint="http://127.0.0.1:9")
    wanted = {
        "Bucket": "lake", "Key": "n", "Body": ANY, "ContentLength": 2, "Metadata": {}, "IfNoneMatch": "*",
        "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "k",
    }  # fmt: skip
    with Stubber(client) as stub:
        stub.add_response("put_object", {}, wanted)
        writer = S3Place(client, "lake", "", {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "k"})
        assert writer.create("n", BODY, {})
        stub.assert_no_pending_responses()


def test_a_body_that_no_single_put_takes_is_refused_at_once() -> None:
    class Huge(BytesBody):
        def __init__(self) -> None:
            super().__init__(b"")
            self.length = PUT_BYTES_MAX + 1

    with pytest.raises(WorldDenied, match=r"lower flush\.bytes"):
        place(refusal("x", 500)).create("n", Huge(), {})


def test_the_settings_choose_the_place(tmp_path: Path) -> None:
    assert isinstance(place_of(Settings(lake=Lake(uri=str(tmp_path / "lake")))), DirectoryPlace)
    cloud = place_of(Settings(lake=Lake(uri="s3://b/a/b/"), aws=Aws(s3_endpoint="http://127.0.0.1:9")))
    assert isinstance(cloud, S3Place)
    with pytest.raises(WorldError, match="s3://b/a/b/n: "):
        cloud.head("n")
    for uri in ("", "gs://b"):
        with pytest.raises(ValueError, match=r"lake\.uri"):
            place_of(Settings(lake=Lake(uri=uri)))
