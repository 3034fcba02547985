"""A proxy before S3 that can hold PUTs back. Rule: a request is held whole, as one that is under way on the network.

So what the sender of a held PUT does not live to see can still happen, at the moment the test says: `let_one_go`.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from local.process import LOOPBACK

HELD_S_MAX = 120.0
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Gate:
    """Passes everything on to `upstream`; while closed, PUTs of objects wait."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._lock = threading.Condition()
        self._closed = False
        self._passes = 0  # held ones that may go although it is closed
        self._held: list[list[str]] = []  # one list of one path a request: equal paths stay apart
        self.forwarded: list[tuple[str, int]] = []  # of PUTs that were held: name, status
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        """Hold every PUT that comes from now on."""
        with self._lock:
            self._closed = True

    def open(self) -> None:
        """Let all go, now and from now on."""
        with self._lock:
            self._closed, self._passes = False, 0
            self._lock.notify_all()

    def held(self) -> list[str]:
        """Return the paths of the PUTs that wait, oldest first."""
        with self._lock:
            return [ticket[0] for ticket in self._held]

    def let_one_go(self) -> None:
        """Pass the oldest held PUT on."""
        with self._lock:
            self._passes += 1
            self._lock.notify_all()

    def stop(self) -> None:
        self.open()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_for_leave(self, path: str) -> bool:
        """Return whether the PUT was held."""
        with self._lock:
            if not self._closed:
                return False
            ticket = [path]
            self._held.append(ticket)
            self._lock.wait_for(lambda: not self._closed or (self._passes > 0 and self._held[0] is ticket), HELD_S_MAX)
            self._held = [other for other in self._held if other is not ticket]
            self._passes = max(0, self._passes - 1)
            self._lock.notify_all()
            return True

    def forward(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """Ask the server behind; return (status, headers, body)."""
        connection = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP | {"expect"}}
            connection.request(request.command, request.path, body or None, headers)
            reply = connection.getresponse()
            return reply.status, reply.getheaders(), reply.read()
        finally:
            connection.close()


def _handler(gate: Gate) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = unquote(self.path)
            held = self.command == "PUT" and gate.wait_for_leave(path)
            status, headers, answer = gate.forward(self, body)
            if held:
                gate.forwarded.append((path, status))
            with contextlib.suppress(ConnectionError):  # who asked may be dead by now
                self._answer(status, headers, answer)

        def _answer(self, status: int, headers: list[tuple[str, str]], answer: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in HOP or (name.lower() == "content-length" and self.command == "HEAD"):
                    self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _pass

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def gate(upstream: str) -> Iterator[Gate]:
    """Run a gate before `upstream` for the block."""
    running = Gate(upstream)
    try:
        yield running
    finally:
        running.stop()
