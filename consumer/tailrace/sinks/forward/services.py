"""What the targets of AWS share. Rule: a refusal of content is told from one of the caller, and from a bad moment."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.nouns import Destination
from tailrace.ops import aws
from tailrace.ops.wire import Wire
from tailrace.settings import Aws
from tailrace.sinks.forward.options import refused
from tailrace.sinks.forward.target import Failure, Unfit

_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:(?P<service>[a-z0-9-]+):(?P<region>[a-z0-9-]*):(?P<account>[0-9]*):(?P<resource>\S+)"
)
READ_S: Final = 5.0  # for an answer: shorter than a shard may be kept waiting
# Words for what is in a message, or in a call.
CONTENT: Final = frozenset(
    {
        "BatchRequestTooLong",
        "InvalidArgumentException",
        "InvalidAttributeValue",
        "InvalidMessageContents",
        "InvalidParameter",
        "InvalidParameterValue",
        "InvalidParameterValueException",
        "InvalidRequestContentException",
        "MessageTooLong",
        "RequestEntityTooLargeException",
        "RequestTooLargeException",
        "SerializationException",
        "ValidationException",
    }
)


class Address(NamedTuple):
    """An ARN, taken apart."""

    arn: str
    region: str
    account: str
    resource: str


def address_of(destination: Destination, expected: str, pattern: str) -> Address:
    """Return where a destination is. Raises SettingsError where its resource does not fit the pattern."""
    found = _ARN.fullmatch(destination.address)
    sound = found is not None and found["service"] == destination.service and found["region"] and found["account"]
    if found is None or not sound or not re.fullmatch(pattern, found["resource"]):
        raise refused(destination, f"found {destination.address}, expected {expected}")
    return Address(destination.address, found["region"], found["account"], found["resource"])


class Client:
    """A service's client, made when it is first asked."""

    def __init__(self, service: str, region: str, endpoint: str, *, connections: int = 10, read_s: float = 0.0) -> None:
        """`read_s`: how long an answer may take, where that is longer than is usual."""
        self._service, self._region, self._endpoint = service, region, endpoint
        self._connections, self._read_s = connections, read_s
        self._made: Any = None
        self._wire: Wire | None = None

    def ask(self, what: str, call: Callable[[Any], Any]) -> Any:
        """Return the answer. Raises Unfit, WorldError, WorldDenied."""
        try:
            if self._made is None:
                self._made = aws.client(
                    self._service,
                    region=self._region,
                    endpoint=self._endpoint,
                    connections=self._connections,
                    read_s=self._read_s or READ_S,
                )
            return call(self._made)
        except ClientError as error:
            if word(aws.code(error)) in CONTENT:
                said = str(error.response.get("Error", {}).get("Message", ""))
                raise Unfit(f"{what}: {word(aws.code(error))}", said) from error
            aws.raise_world(error, what)
        except BotoCoreError as error:
            aws.raise_world(error, what)

    def call(self, what: str, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer of a service with a JSON protocol, by the short way. Raises as `ask` does."""

        def act(made: Any) -> Any:
            self._wire = self._wire or Wire(made)
            return self._wire.ask(operation, body)

        answer: dict[str, Any] = self.ask(what, act)
        return answer


def endpoint_of(settings: Aws, service: str) -> str:
    """Return the address of a service, where the settings have another than AWS's."""
    return str(getattr(settings, f"{service}_endpoint"))


def word(code: str) -> str:
    """Return a service's word for a refusal, without the name of the service before it."""
    return code.rpartition(".")[2]


def failure_of(code: str, message: str = "", *, theirs: bool = True) -> Failure:
    """Return what became of one message that its service did not take. `theirs`: the service says so of itself."""
    return Failure(word(code), final=not theirs and word(code) in CONTENT, detail=message)


def by_place(failed: Mapping[int, Failure], count: int) -> list[Failure | None]:
    """Return one result a message."""
    return [failed.get(at) for at in range(count)]
