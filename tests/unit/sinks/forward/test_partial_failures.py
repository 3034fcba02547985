"""What services say of single messages of a call, in the shapes of their API."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from support.memory_target import ShortWay, messages
from tailrace.nouns import Destination
from tailrace.settings import Aws
from tailrace.sinks.forward import sink
from tailrace.sinks.forward.target import Failure, Unfit
from tailrace.world import WorldDenied, WorldError


class Stub:
    """A client that answers whatever is asked with one thing."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        def ask(**given: Any) -> Any:
            if name == "get_queue_url":
                return {"QueueUrl": "https://queue"}
            self.asked.append(given)
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return ask


def target(service: str, resource: str, answer: Any, **options: Any) -> Any:
    found = Destination("there", service, f"arn:aws:{service}:eu-west-1:123456789012:{resource}", options)
    _, made = sink.parts_of(found, Aws())
    made._client._made = Stub(answer)
    made._client._wire = ShortWay(made._client._made)
    return made


TARGETS = [
    ("sqs", "queue"),
    ("sns", "topic"),
    ("kinesis", "stream/feed"),
    ("firehose", "deliverystream/hose"),
    ("lambda", "function:work"),
]


@pytest.mark.parametrize(("service", "resource"), TARGETS[:2])
def test_a_batch_names_what_failed_and_whose_fault_it_was(service: str, resource: str) -> None:
    failed = [
        {"Id": "1", "SenderFault": True, "Code": "InvalidMessageContents", "Message": "no"},
        {"Id": "2", "SenderFault": False, "Code": "InternalError", "Message": "later"},
        {"Id": "3", "SenderFault": True, "Code": "AWS.SimpleQueueService.RequestThrottled", "Message": "slow"},
    ]
    found = target(service, resource, {"Successful": [{"Id": "0"}], "Failed": failed}).send(messages(4))
    assert found == [
        None,
        Failure("InvalidMessageContents", final=True, detail="no"),
        Failure("InternalError", detail="later"),
        Failure("RequestThrottled", detail="slow"),
    ]


def test_a_stream_says_it_of_each_record() -> None:
    slow = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow"}
    found = target("kinesis", "stream/feed", {"FailedRecordCount": 1, "Records": [{"SequenceNumber": "1"}, slow]})
    assert found.send(messages(2)) == [None, Failure("ProvisionedThroughputExceededException", detail="slow")]


def test_so_does_firehose() -> None:
    slow = {"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "slow"}
    found = target("firehose", "deliverystream/hose", {"RequestResponses": [slow, {"RecordId": "1"}]})
    assert found.send(messages(2)) == [Failure("ServiceUnavailableException", detail="slow"), None]


class Payload:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self) -> bytes:
        return self._data


QUIET = [b"", b"null", b"{}", b'"done"', b"[1]", b'{"batchItemFailures":[]}', b'{"batchItemFailures":null}']


@pytest.mark.parametrize("said", QUIET)
def test_a_function_that_names_nothing_has_done_it(said: bytes) -> None:
    made = target("lambda", "function:work", {"Payload": Payload(said)}, invoke="sync")
    assert made.send(messages(2)) == [None, None]


@pytest.mark.parametrize(
    "said",
    [
        b"{",
        b'{"batchItemFailures":[{"itemIdentifier":"elsewhere"}]}',
        b'{"batchItemFailures":[{"itemIdentifier":""}]}',
        b'{"batchItemFailures":[{"id":"1"}]}',
        b'{"batchItemFailures":7}',
    ],
)
def test_a_function_that_speaks_of_something_else_has_done_nothing(said: bytes) -> None:
    made = target("lambda", "function:work", {"Payload": Payload(said)}, invoke="sync")
    assert [one.why[:14] for one in made.send(messages(2))] == ["the function's"] * 2


def test_a_function_that_fails_at_length_is_not_quoted_at_length_in_each_letter() -> None:
    answer = {"Payload": Payload(b"x" * 100_000), "FunctionError": "Unhandled"}
    found = target("lambda", "function:work", answer, invoke="sync").send(messages(2))
    assert [(one.why, len(one.detail)) for one in found] == [("the function failed", 500)] * 2


class Broken:
    def read(self) -> bytes:
        raise ReadTimeoutError(endpoint_url="https://x")


def test_a_function_whose_answer_breaks_off_is_asked_again_and_its_lane_is_not_given_up() -> None:
    made = target("lambda", "function:work", {"Payload": Broken()}, invoke="sync")
    with pytest.raises(WorldError, match=r"call arn:aws:lambda:.*ReadTimeoutError"):
        made.send(messages(2))


def refusal(code: str, status: int) -> ClientError:
    said: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, "op")


@pytest.mark.parametrize(("service", "resource"), TARGETS)
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusal("AccessDeniedException", 400), WorldDenied),
        (refusal("ResourceNotFoundException", 404), WorldDenied),
        (refusal("ThrottlingException", 400), WorldError),
        (refusal("InternalFailure", 500), WorldError),
        (ReadTimeoutError(endpoint_url="https://x"), WorldError),
        (refusal("ValidationException", 400), Unfit),
        (refusal("AWS.SimpleQueueService.BatchRequestTooLong", 400), Unfit),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else one.__name__,
)
def test_a_call_that_fails_as_a_whole_is_sorted(
    service: str, resource: str, error: Exception, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        target(service, resource, error).send(messages(2))
