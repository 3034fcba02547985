"""Any service over HTTPS, and OpenSearch's _bulk. Rule: secrets come from the environment, and never into a message.

A status says what became of a call: taken, to be sent again, or refused for good, which smaller calls then pin down.
Redirects are not followed: headers would go where nobody said.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
import orjson
import urllib3
from msgspec import Meta, field
from urllib3.exceptions import HTTPError, LocationParseError

from tailrace.nouns import Destination
from tailrace.settings import KIB, MIB, Aws, SettingsError
from tailrace.sinks.forward.messages import Message
from tailrace.sinks.forward.options import Parallel, refused
from tailrace.sinks.forward.secrets import secret
from tailrace.sinks.forward.target import Failure, Limits, Result, Unfit, shortened
from tailrace.world import WorldDenied, WorldError

CONTENT: Final = frozenset({400, 413, 415, 422})  # what was sent is at fault
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
ANSWER_BYTES_MAX: Final = 16 * MIB
CHUNK_BYTES: Final = 64 * KIB
SLOW_FACTOR: Final = 3  # an answer may come drop by drop, but not for ever
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OWN: Final = frozenset({"content-length", "host", "transfer-encoding", "connection"})
_ROW: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])  # as it stands: a number keeps all its digits
Header = str | dict[str, str]


class Options(Parallel, frozen=True):
    """How the service is called."""

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: dict[str, Header] = field(default_factory=dict)  # a text; or {"env": NAME}, with a "prefix" by choice
    format: Literal["json", "array", "ndjson", "bulk"] = "json"  # one event a call; or many
    template: dict[str, Any] | None = None  # "$column" stands for a column's value
    batch: Annotated[int, Meta(ge=1, le=10_000)] = 500  # messages a call, where it takes many
    call_bytes: Annotated[int, Meta(ge=KIB, le=100 * MIB)] = 5 * MIB
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 5.0  # without a byte of an answer
    retry: tuple[Annotated[int, Meta(ge=300, le=599)], ...] = ()  # statuses that pass, besides those that do anyway
    refuse: tuple[Annotated[int, Meta(ge=300, le=599)], ...] = ()  # statuses that say the message is at fault


OPTIONS: Final = Options


class Https:
    """One URL."""

    ordered = False

    def __init__(
        self,
        destination: Destination,
        options: Options,
        headers: Mapping[str, str],
        secrets: Sequence[str] = (),
        missing: str = "",
    ) -> None:
        """`secrets`: of the headers. `missing`: the one that the environment lacks; who only judges routes has none."""
        self._secrets = secrets
        self._url, self._shown = destination.address, destination.shown
        self._options, self._missing = options, missing
        kind = "application/x-ndjson" if options.format in {"ndjson", "bulk"} else "application/json"
        self._headers = {"Content-Type": kind, "User-Agent": "tailrace", **headers}
        most = 1 if options.format == "json" else options.batch
        overhead = 128 if options.format == "bulk" else 1
        self.limits = Limits(most, options.call_bytes, options.call_bytes, overhead)
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=options.concurrency,
            timeout=urllib3.Timeout(connect=min(5.0, options.timeout_s), read=options.timeout_s),
            retries=False,
        )

    def send(self, messages: Sequence[Message]) -> list[Result]:
        """Make one call."""
        if self._missing:
            raise WorldDenied(self._missing)
        answer = self._asked(self._body(messages))
        said = self._read(answer)
        if 200 <= answer.status < 300:
            bulk = self._options.format == "bulk"
            return _items(messages, said, self._secrets) if bulk else [None] * len(messages)
        return [self._failure(answer.status, answer.headers.get("Retry-After", ""), said)] * len(messages)

    def _read(self, answer: urllib3.BaseHTTPResponse) -> bytes:
        """Return the answer's body, as far as it is of use. Raises WorldError where it takes too long."""
        until, said = time.monotonic() + SLOW_FACTOR * self._options.timeout_s, b""
        try:
            while part := answer.read1(CHUNK_BYTES, decode_content=True):  # what is there: it never waits for more
                said += part
                if len(said) >= ANSWER_BYTES_MAX:
                    return said
                if time.monotonic() > until:
                    raise WorldError(f"{self._shown}: its answer takes too long")
            answer.release_conn()
        except HTTPError as error:
            raise WorldError(f"{self._shown}: {type(error).__name__} while it answered") from error
        finally:
            if not answer.closed:
                answer.close()
        return said

    def _asked(self, body: bytes) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.request(
                self._options.method,
                self._url,
                body=body,
                headers=self._headers,
                redirect=False,
                retries=False,
                preload_content=False,
            )
        except (HTTPError, LocationParseError) as error:
            raise WorldError(f"{self._shown}: {type(error).__name__}") from error

    def _failure(self, status: int, retry_after: str, said: bytes) -> Failure:
        """Return what a status means of a call; raises Unfit where what was in it is at fault."""
        options = self._options
        at_fault = status in CONTENT and status not in options.retry
        if at_fault or status in options.refuse:
            raise Unfit(f"HTTP {status}", shortened(said, self._secrets))
        return Failure(f"HTTP {status}", after_s=_seconds(retry_after), detail=shortened(said, self._secrets))

    def _body(self, messages: Sequence[Message]) -> bytes:
        options = self._options
        data = [one.data if options.template is None else _filled(options.template, one.data) for one in messages]
        if options.format == "json":
            return data[0]
        if options.format == "array":
            return b"[" + b",".join(data) + b"]"
        if options.format == "ndjson":
            return b"".join([one + b"\n" for one in data])
        lines = []
        for one, doc in zip(messages, data, strict=True):
            lines += [orjson.dumps({"index": {"_id": one.row_id}}), doc]
        return b"\n".join(lines) + b"\n"

    def look(self) -> None:
        """Ask whether somebody answers there; what the service says of such a call is its own affair."""
        if self._missing:
            raise SettingsError(self._missing)
        try:
            self._pool.request("HEAD", self._url, headers=self._headers, redirect=False, retries=False)
        except HTTPError as error:
            raise WorldError(f"{self._shown}: {type(error).__name__}") from error


def target(destination: Destination, options: Options, _aws: Aws) -> Https:
    """Return the service at a URL. Raises SettingsError."""
    try:
        where = urlsplit(destination.address)
        known = where.scheme == "https" or (where.scheme == "http" and where.hostname in LOOPBACK)
        sound = known and bool(where.hostname) and where.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise refused(destination, f"found {destination.shown}, expected https://..., or http:// on this machine")
    if where.username is not None or where.fragment:
        raise refused(destination, "expected a URL without user, password and fragment: say `headers` with an `env`")
    for name in options.headers:
        if not _TOKEN.fullmatch(name) or name.lower() in _OWN:
            raise refused(destination, f"headers: {name!r} cannot be set")
    headers, secrets, missing = {}, list[str](), ""
    for name, said in options.headers.items():
        found = _header(destination, name, said)
        if found is None:
            missing = f"route {destination.name}: headers.{name}: the environment has no {said['env']}"  # type: ignore[index]
        elif not found.isprintable() or not found.isascii():
            raise refused(destination, f"headers.{name}: expected printable ASCII")
        headers[name] = found or ""
        secrets += [] if isinstance(said, str) else [secret(said["env"]) or ""]
    return Https(destination, options, headers, [one for one in secrets if one], missing)


def _header(destination: Destination, name: str, said: Header) -> str | None:
    """Return what a header says; None where the environment lacks it."""
    if isinstance(said, str):
        return said
    if not set(said) <= {"env", "prefix"} or not said.get("env"):
        raise refused(destination, f'headers.{name}: expected a text, or {{"env": NAME, "prefix": TEXT}}')
    if said["env"].startswith("TAILRACE_"):  # those are not handed on to the children, who send
        raise refused(destination, f"headers.{name}: found {said['env']}, expected a name without TAILRACE_")
    found = secret(said["env"])
    return None if found is None else said.get("prefix", "") + found


def _filled(template: Mapping[str, Any], data: bytes) -> bytes:
    """Return a message in another shape: `$column` is the column's value, null where there is none; `$$` is `$`."""
    row = _ROW.decode(data)

    def fill(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: fill(value) for key, value in part.items()}
        if isinstance(part, list):
            return [fill(value) for value in part]
        if isinstance(part, str) and part.startswith("$"):
            if part.startswith("$$"):
                return part[1:]
            value = data if part == "$" else row.get(part[1:])
            return None if value is None else orjson.Fragment(bytes(value))
        return part

    return orjson.dumps(fill(template))


def columns_of(template: Any) -> Iterator[str]:
    """Yield the columns that a template names."""
    if isinstance(template, dict | list):
        for part in template.values() if isinstance(template, dict) else template:
            yield from columns_of(part)
    elif isinstance(template, str) and template.startswith("$") and template != "$" and not template.startswith("$$"):
        yield template[1:]


def _items(messages: Sequence[Message], said: bytes, secrets: Sequence[str]) -> list[Result]:
    """Return what _bulk says of each of its documents."""
    try:
        items = [next(iter(item.values())) for item in orjson.loads(said)["items"]]
        if len(items) != len(messages):
            raise ValueError(len(items))
        return [_item(item, secrets) for item in items]
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        return [Failure("the answer is none of _bulk's")] * len(messages)


def _item(item: Mapping[str, Any], secrets: Sequence[str]) -> Result:
    status = int(item["status"])
    if 200 <= status < 300:
        return None
    error = item.get("error") or {}
    kind, reason = (error.get("type", ""), error.get("reason", "")) if isinstance(error, dict) else ("", error)
    return Failure(f"{status} {kind}".strip(), final=status in CONTENT, detail=shortened(str(reason).encode(), secrets))


def _seconds(retry_after: str) -> float:
    """Return the pause that was asked for: seconds, or a date."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:6])
    try:
        until = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):  # no date, or none that there is
        return 0.0
    now = datetime.now(UTC)
    return max(0.0, (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp() - now.timestamp())
