"""The hot table over HTTP, for services behind. Rule: nothing is answered without the token, and nothing is changed.

`GET /v1/hot/user/<tenant>/<user>`, `/v1/hot/type/<tenant>/<type>`, `/v1/hot/top/<tenant>`; names are percent-encoded.
It speaks plain HTTP: what ends TLS stands before it, or it is reached on the machine alone.
"""

from __future__ import annotations

import hmac
import sys
from collections.abc import Callable, Mapping
from datetime import date
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from threading import BoundedSemaphore, Thread
from typing import Any, Final, NamedTuple, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tailrace.ops import logs
from tailrace.sinks.hot.read import Reader, dumped
from tailrace.world import WorldDenied, WorldError

AT_ONCE: Final = 16  # answers that are looked up
CONNECTIONS: Final = 128
LAST, LAST_MAX = 20, 1000
MOST, MOST_MAX = 10, 1000
TIMEOUT_S: Final = 20.0  # for a request to come whole
_SUMS: Final = ("event_count", "total_value")
log = logs.get("hot")


class Wrong(Exception):
    """A request that cannot be answered; its words are for who sent it."""


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    body: Any


def answer(reader: Reader, target: str) -> Answer:
    """Return what a path asks for. Raises Wrong, WorldError, WorldDenied."""
    try:
        asked = urlsplit(target)
    except ValueError:
        raise Wrong("found no address that can be read") from None
    parts = [unquote(part) for part in asked.path.split("/")[1:]]
    query = dict(parse_qsl(asked.query, keep_blank_values=True))
    match parts:
        case ["v1", "hot", "user", tenant, user] if tenant and user:
            _known(query, "last")
            found = reader.user(tenant, user, _number(query, "last", LAST, LAST_MAX))
            return Answer(200 if found.profile or found.events or found.days else 404, found.plain())
        case ["v1", "hot", "type", tenant, event_type] if tenant and event_type:
            _known(query, "last")
            last = _number(query, "last", LAST, LAST_MAX)
            events = list(islice(reader.newest(tenant, event_type), last))[::-1]
            return Answer(200, {"events": [one._asdict() for one in events]})
        case ["v1", "hot", "top", tenant] if tenant:
            _known(query, "day", "by", "most")
            by, day, most = query.get("by", _SUMS[0]), _day(query, reader.today), _number(query, "most", MOST, MOST_MAX)
            if by not in _SUMS:
                raise Wrong(f"by: found {by!r}, expected one of {', '.join(_SUMS)}")
            try:
                top = reader.top(tenant, day, by, most)
            except KeyError:
                raise Wrong(
                    f"by: {by} is not kept: the route's options need `daily`, and `value` for total_value"
                ) from None
            return Answer(200, {"users": [{**one.key, **one.values} for one in top]})
    return Answer(404, {"error": "expected /v1/hot/user/<tenant>/<user>, .../type/<tenant>/<type> or .../top/<tenant>"})


def _known(query: Mapping[str, str], *names: str) -> None:
    for name in query:
        if name not in names:
            raise Wrong(f"{name}: expected none but {', '.join(names)}")


def _number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 0 < int(text) <= most):
        raise Wrong(f"{name}: found {text!r}, expected 1 to {most}")
    return int(text)


def _day(query: Mapping[str, str], today: str) -> str:
    try:
        return date.fromisoformat(query.get("day", today)).isoformat()
    except ValueError:
        raise Wrong(f"day: found {query['day']!r}, expected a day in UTC, like 2026-01-31") from None


class _Server(ThreadingHTTPServer):
    """Threads for so many connections and no more; who comes then is turned away unheard."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open = BoundedSemaphore(CONNECTIONS)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._open.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.info("a client went away", error=str(sys.exception()))


class Service:
    """The server. It listens once it is made; `run` answers until `stop`."""

    def __init__(self, reader: Callable[[], Reader], token: str, host: str, port: int) -> None:
        """`reader`: one as of now, for each request."""
        room = BoundedSemaphore(AT_ONCE)
        expected = f"Bearer {token}".encode()

        class Handler(BaseHTTPRequestHandler):
            timeout = TIMEOUT_S
            server_version, sys_version = "tailrace", ""

            def do_GET(self) -> None:
                given = self.headers.get("Authorization", "").encode("latin-1", "replace")
                if not hmac.compare_digest(given, expected):
                    self._send(Answer(401, {"error": "expected the header Authorization: Bearer <token>"}))
                elif not room.acquire(timeout=TIMEOUT_S):
                    self._send(Answer(503, {"error": "too many requests at once"}))
                else:
                    try:
                        found = _answered(reader(), self.path)
                    finally:
                        room.release()
                    self._send(found)  # who reads it slowly holds up nobody

            def _send(self, one: Answer) -> None:
                body = dumped(one.body).encode()
                self.send_response(one.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(body)

            def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
                """Say what the base class refuses, another method or a broken request, as all else is said."""
                self._send(Answer(code, {"error": message or explain or HTTPStatus(code).phrase}))

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
                """Say nothing: paths name persons."""

        self._server = _Server((host, port), Handler)
        self.port = int(self._server.server_address[1])

    def run(self) -> None:
        """Answer."""
        self._server.serve_forever(poll_interval=0.2)

    def stop(self) -> None:
        """Have `run` return; may be called by a signal's handler on the thread that runs."""
        Thread(target=self._server.shutdown, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server_close()


def _answered(reader: Reader, target: str) -> Answer:
    try:
        return answer(reader, target)
    except Wrong as wrong:
        return Answer(400, {"error": str(wrong)})
    except (WorldError, WorldDenied) as error:
        log.warning("the table could not be asked", error=str(error))
        return Answer(503, {"error": "the table could not be asked"})
    except Exception:
        log.exception("a request failed")
        return Answer(500, {"error": "the request failed; the log says why"})
