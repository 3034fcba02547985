"""AWS errors as the kind of trouble they are, with the number of the call."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from tailrace.ops import aws
from tailrace.world import WorldDenied, WorldError


def refused(code: str, status: int, request: str = "") -> ClientError:
    metadata: dict[str, Any] = {"HTTPStatusCode": status, **({"RequestId": request} if request else {})}
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": metadata}
    return ClientError(answer, "PutObject")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refused("SlowDown", 503), WorldError),
        (refused("TransactionConflictException", 400), WorldError),
        (refused("ReplicatedWriteConflictException", 400), WorldError),
        (refused("Odd", 500), WorldError),
        (refused("Odd", 429), WorldError),
        (refused("ConditionalRequestConflict", 409), WorldError),
        (refused("AccessDenied", 403), WorldDenied),
        (EndpointConnectionError(endpoint_url="http://s3.invalid"), WorldError),
        (NoCredentialsError(), WorldDenied),
    ],
    ids=str,
)
def test_what_passes_and_what_is_final(error: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"^put a: ") as raised:
        aws.raise_world(error, "put a")
    assert raised.type is kind


def test_the_text_names_the_request() -> None:
    with pytest.raises(WorldError) as raised:
        aws.raise_world(refused("SlowDown", 503, "4442587FB7D0A2F9"), "put a")
    assert str(raised.value) == "put a: SlowDown: no (request 4442587FB7D0A2F9)"


def test_a_refusal_without_a_request_number() -> None:
    with pytest.raises(WorldDenied) as raised:
        aws.raise_world(refused("AccessDenied", 403), "put a")
    assert str(raised.value) == "put a: AccessDenied: no"
