"""A Lambda function. Rule: one call brings an array of events; asynchronous ones end with the service's word for it.

`invoke: "sync"` waits for the function, which names what it could not do: `{"batchItemFailures": [{"itemIdentifier":
"<row_id>"}]}`, as queues and streams have it. A function that fails has done nothing of its array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import orjson
from msgspec import Meta

from tailrace.nouns import Destination
from tailrace.settings import KIB, MIB, Aws
from tailrace.sinks.forward.messages import Message
from tailrace.sinks.forward.options import Parallel
from tailrace.sinks.forward.services import Client, address_of, endpoint_of
from tailrace.sinks.forward.target import Failure, Limits, Result, shortened

BILLED_BYTES: Final = 256 * KIB  # an asynchronous call with more counts as several
BRACKETS: Final = 2  # of the array, and a comma a message


class Options(Parallel, frozen=True):
    """How the function is called."""

    invoke: Literal["async", "sync"] = "async"
    batch: Annotated[int, Meta(ge=1, le=10_000)] = 100  # messages a call
    timeout_s: Annotated[float, Meta(gt=0, le=900)] = 15.0  # of a synchronous call


OPTIONS: Final = Options


class Function:
    """One function."""

    ordered = False

    def __init__(self, client: Client, arn: str, batch: int, *, waits: bool) -> None:
        self._client, self._arn, self._waits = client, arn, waits
        most = 6 * MIB if waits else 1_000_000
        self.limits = Limits(batch, (most if waits else BILLED_BYTES) - BRACKETS, most - BRACKETS, overhead=1)

    def send(self, messages: Sequence[Message]) -> list[Result]:
        """Call the function once."""
        payload = b"[" + b",".join([one.data for one in messages]) + b"]"
        kind = "RequestResponse" if self._waits else "Event"

        def call(functions: Any) -> tuple[bool, bytes]:
            answer = functions.invoke(FunctionName=self._arn, InvocationType=kind, Payload=payload)
            return bool(answer.get("FunctionError")), answer[
                "Payload"
            ].read()  # to its end: the connection is used again

        failed, said = self._client.ask(f"call {self._arn}", call)
        return _results(messages, said, failed=failed) if self._waits else [None] * len(messages)

    def look(self) -> None:
        """Ask whether it is there."""
        self._client.ask(f"find {self._arn}", lambda functions: functions.get_function(FunctionName=self._arn))


def _results(messages: Sequence[Message], said: bytes, *, failed: bool) -> list[Result]:
    if failed:
        return [Failure("the function failed", detail=shortened(said))] * len(messages)
    try:
        found = orjson.loads(said or b"null")
        failures = found.get("batchItemFailures") or [] if isinstance(found, dict) else []
        bad = {one["itemIdentifier"] for one in failures}
    except (ValueError, KeyError, TypeError, AttributeError):
        bad = {""}
    if bad - {one.row_id for one in messages}:  # of what is it speaking?
        return [Failure("the function's batchItemFailures name no message of the call")] * len(messages)
    return [Failure("named in batchItemFailures") if one.row_id in bad else None for one in messages]


def target(destination: Destination, options: Options, aws: Aws) -> Function:
    """Return the function of an ARN."""
    expected = "arn:aws:lambda:<region>:<account>:function:<name>"
    where = address_of(destination, expected, r"function:[A-Za-z0-9_-]{1,140}(:[A-Za-z0-9$_-]{1,128})?")
    waits = options.invoke == "sync"
    client = Client(
        "lambda",
        where.region,
        endpoint_of(aws, "lambda"),
        connections=options.concurrency,
        read_s=options.timeout_s if waits else 0.0,
    )
    return Function(client, where.arn, options.batch, waits=waits)
