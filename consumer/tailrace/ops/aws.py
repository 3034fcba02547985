"""What every AWS client here shares. Rule: an AWS error leaves as WorldError (try again) or WorldDenied (final).

botocore tries twice by itself; longer patience is the caller's, who knows when to give up.
"""

from __future__ import annotations

import re
from threading import Lock
from typing import Any, Final, NoReturn

import boto3
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    DataNotFoundError,
    InvalidConfigError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
)

from tailrace.world import WorldDenied, WorldError

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 15

_MAKING = Lock()  # of clients: boto3's session is not for several threads, its clients are

# Refusals that pass: throttling, a race that S3 wants repeated, and credentials that are renewed behind our back.
PASSING = frozenset(
    {
        "ConditionalRequestConflict",
        "ExpiredToken",
        "ExpiredTokenException",
        "InternalError",
        "InternalServerError",
        "LimitExceededException",
        "OperationAborted",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
FINAL = (
    ConfigNotFound,
    DataNotFoundError,
    InvalidConfigError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
)
STATUS_PASSING_MIN = 500
STATUS_THROTTLED = 429
_NUMBER: Final = re.compile(r" \(request [^()\s]+\)")


def config(connections: int = 10, *, s3_path_style: bool = False, read_s: float = 0.0) -> Config:
    """Return the configuration of a client that at most `connections` threads share.

    `read_s`: how long an answer may take, where its service works on it; such a call is not repeated unasked.
    """
    return Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=read_s or READ_TIMEOUT_S,
        max_pool_connections=connections,
        retries={"total_max_attempts": 1 if read_s else 2, "mode": "standard"},
        s3={"addressing_style": "path" if s3_path_style else "auto"},
    )


def client(service: str, *, region: str, endpoint: str = "", connections: int = 10, read_s: float = 0.0) -> Any:
    """Return a client of a service. An endpoint other than AWS's is addressed by path, which matters to S3."""
    with _MAKING:
        return boto3.client(
            service,  # type: ignore[call-overload]  # the stubs want a literal
            region_name=region,
            endpoint_url=endpoint or None,
            config=config(connections, s3_path_style=bool(endpoint), read_s=read_s),
        )


def credentials() -> Credentials:
    """Return those that all clients share; they renew themselves. Raises NoCredentialsError."""
    with _MAKING:
        if boto3.DEFAULT_SESSION is None:
            boto3.setup_default_session()
        session: Any = boto3.DEFAULT_SESSION
        found: Credentials | None = session.get_credentials()
    if found is None:
        raise NoCredentialsError
    return found


def code(error: ClientError) -> str:
    """Return the service's word for what went wrong, or the HTTP status when it has none."""
    return str(error.response.get("Error", {}).get("Code") or status(error))


def status(error: ClientError) -> int:
    """Return the HTTP status of the refusal, 0 when unknown."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)


def _request(error: ClientError) -> str:
    """Return the service's own number of the call, which its support asks for."""
    number = error.response.get("ResponseMetadata", {}).get("RequestId")
    return f" (request {number})" if number else ""


def alike(text: str) -> str:
    """Return what an error says without the call's number, which keeps equal ones apart."""
    return _NUMBER.sub("", text)


def raise_world(error: ClientError | BotoCoreError, what: str) -> NoReturn:
    """Raise the AWS error as the kind of trouble it is; `what` names the call and its target."""
    if isinstance(error, ClientError):
        passing = code(error) in PASSING or status(error) >= STATUS_PASSING_MIN or status(error) == STATUS_THROTTLED
        text = f"{what}: {code(error)}: {error.response.get('Error', {}).get('Message', '')}{_request(error)}"
    else:
        passing = not isinstance(error, FINAL)
        text = f"{what}: {type(error).__name__}: {error}"
    raise (WorldError if passing else WorldDenied)(text) from error
