"""Metrics and health over HTTP. Rule: totals never go back, and neither files nor series pile up behind dead children.

Each child writes its own files (prometheus_client's multiprocess mode). A dead child's counters are folded into one
archive a kind, its gauges go. The JVM is the children's parent, so their deaths are found by looking.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from tailrace.ops import logs
from tailrace.settings import Serve

ARCHIVE: Final = "archive"  # stands where a pid stands in a file's name
_TRIES: Final = 3
log = logs.get("metrics")


class Page(NamedTuple):
    """An answer."""

    status: int
    body: bytes
    kind: str = "text/plain; charset=utf-8"


class Sheet(Collector):
    """The children's metrics below one folder, added up, with the supervisor's own beside them."""

    def __init__(
        self,
        folder: Path,
        alive: Callable[[int], bool],
        own: Callable[[], Iterable[Metric]] = lambda: (),
    ) -> None:
        self._folder = folder
        self._alive = alive
        self._own = own
        self._lock = threading.Lock()  # a fold must not run under a scrape

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        yield from self._children()
        yield from self._own()

    def text(self) -> bytes:
        """Return the page a Prometheus reads."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def values(self, name: str, label: str) -> dict[str, float]:
        """Return one of the children's gauges by the value of a label."""
        return {
            sample.labels[label]: sample.value
            for metric in self._children()
            if metric.name == name
            for sample in metric.samples
            if label in sample.labels
        }

    def raised(self, name: str, *labels: str) -> list[tuple[str, ...]]:
        """Return the labels' values of one of the children's gauges where it is not 0, sorted."""
        samples = [sample for metric in self._children() if metric.name == name for sample in metric.samples]
        return sorted(tuple(sample.labels[label] for label in labels) for sample in samples if sample.value)

    def sweep(self) -> int:
        """Fold the files of children that are dead; return how many there were."""
        with self._lock:
            dead = [path for path in self._folder.glob("*.db") if self._is_dead(path)]
            for path in dead:
                if not path.name.startswith("gauge_"):
                    self._fold(path)
                path.unlink(missing_ok=True)
        return len(dead)

    def _children(self) -> list[Metric]:
        for left in reversed(range(_TRIES)):
            try:
                with self._lock:
                    registry = CollectorRegistry(auto_describe=False)
                    return list(MultiProcessCollector(registry, str(self._folder)).collect())
            except Exception:  # a child was just making its file
                if not left:
                    log.exception("the children's metrics could not be read")
        return []

    def _is_dead(self, path: Path) -> bool:
        pid = path.stem.rpartition("_")[2]
        return pid.isdigit() and not self._alive(int(pid))

    def _fold(self, path: Path) -> None:
        """Add a dead child's counters to the archive of their kind: counter, histogram."""
        kind = path.name.partition("_")[0]
        try:
            found = list(MmapedDict.read_all_values_from_file(str(path)))
        except (OSError, ValueError, struct.error):  # killed while it made the file: nothing was counted yet
            log.warning("a dead child's metrics could not be read", file=path.name)
            return
        archive: Any = MmapedDict(str(self._folder / f"{kind}_{ARCHIVE}.db"))
        try:
            for key, value, *_ in found:
                archive.write_value(key, archive.read_value(key)[0] + value, 0.0)
        finally:
            archive.close()


def counter(name: tuple[str, str], value: float) -> Metric:
    """Return one of the supervisor's own counters."""
    return CounterMetricFamily(*name, value=value)


def gauge(name: tuple[str, str], value: float) -> Metric:
    """Return one of the supervisor's own gauges."""
    return GaugeMetricFamily(*name, value=value)


def metrics_page(sheet: Sheet) -> Page:
    """Return the page of all metrics."""
    sheet.sweep()
    return Page(200, sheet.text(), CONTENT_TYPE_LATEST)


def verdict_page(reasons: list[str], notes: Sequence[str] = ()) -> Page:
    """Return a health page: `ok`, or 503 with a reason a line; then what is of note and no reason."""
    return Page(503 if reasons else 200, "".join(f"{line}\n" for line in [*(reasons or ["ok"]), *notes]).encode())


class Server:
    """Serves pages on one address, in a thread of its own, until `close`."""

    def __init__(self, host: str, port: int, pages: Mapping[str, Callable[[], Page]]) -> None:
        self._server = ThreadingHTTPServer((host, port), _handler(pages))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def serving(serve: Serve, pages: Mapping[str, Callable[[], Page]], refused: Callable[[str], Exception]) -> Server:
    """Return a server at the address of the settings; raise what `refused` makes of a line where that cannot be."""
    try:
        return Server(serve.host, serve.port, pages)
    except OSError as error:  # taken, not allowed, or no address of this host
        raise refused(f"[serve] port {serve.port} on host {serve.host}: {error.strerror or error}") from None


def _handler(pages: Mapping[str, Callable[[], Page]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # a client that says nothing holds a thread

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            page = pages.get(path)
            try:
                answer = Page(404, f"there are {', '.join(pages)}\n".encode()) if page is None else page()
            except Exception:
                log.exception("a page failed", path=path)
                answer = Page(500, b"the page failed; the log says why\n")
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
            """Say nothing: a scrape every few seconds is no news."""

    return Handler
