"""An HTTP service that answers as it is told. Rule: it keeps what it was asked, and ends with the block."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

PEM = Path(__file__).parent / "localhost.pem"  # of localhost, signed by itself, until 2126


class Call(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    peer: int = 0  # the caller's port


class Answer(NamedTuple):
    status: int = 200
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()


class Service(ThreadingHTTPServer):
    """Answers as it is told."""

    daemon_threads = True

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answer: Callable[[Call], Answer] = lambda _: Answer()
        self._scheme = "http"
        super().__init__(("127.0.0.1", 0), Handler)

    def encrypt(self) -> None:
        """Speak TLS from now on, under `PEM`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(PEM)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.handle_error = lambda *_: None  # type: ignore[method-assign]  # handshakes that fail
        self._scheme = "https"

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        call = Call(self.command, self.path, dict(self.headers), body, self.client_address[1])
        self.server.calls.append(call)
        said = self.server.answer(call)
        self.send_response(said.status)
        for name, value in said.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said.body)

    do_POST = do_PUT = do_HEAD = _take

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Service]:
    with Service() as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join()
