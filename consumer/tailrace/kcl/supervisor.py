"""The supervisor. Rule: it may start, stop and watch the daemon; whatever dies or hangs, nothing is lost by a restart.

Only the JVM is signalled, never a child: the daemon tells them in its own words. A daemon that ends is started again
with the same worker id, after its children are gone.

Exit status: 0 drained cleanly; 1 the daemon had to be killed, or failed while it drained.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Final

from prometheus_client.core import Metric

from tailrace.kcl import health, jvm_log, processes, properties
from tailrace.kcl.preflight import Ready, Refused
from tailrace.kcl.run_dir import RunDir, edition_copy
from tailrace.ops import logs, metrics, metrics_server
from tailrace.ops.clock import Clock
from tailrace.settings import Settings, dump

LOOP_S: Final = 0.2
SWEEP_S: Final = 5.0
BACKOFF_FIRST_S: Final = 1.0
BACKOFF_MAX_S: Final = 30.0
HEALTHY_S: Final = 300.0  # a daemon that ran so long starts the backoff anew
DRAIN_MARGIN_S: Final = 15.0  # beyond the grace: the JVM's own goodbye
ORPHANS_S: Final = 10.0
DOOMED_S: Final = 5.0  # for the other shards' flush, once a child's death has doomed the daemon
TERMINATED: Final = 128 + signal.SIGTERM  # how a JVM ends after a SIGTERM it handled
WAITS_SAID_S: Final = 15.0
DEAD_LEADER: Final = "when the last worker died without a goodbye, KCL waits two minutes before another one may lead"

# Runs before the daemon, in its process: it dies with the supervisor, whose own death may be a SIGKILL. Set here and
# not between fork and exec, where a process with threads must not run Python.
_LEASH: Final = """
import ctypes, os, sys
ctypes.CDLL(None, use_errno=True).prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG, SIGKILL
if os.getppid() != int(sys.argv[1]): os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def worker_id(settings: Settings) -> str:
    """Return a name that no other supervisor has, now or later."""
    unique = f"{os.getpid()}-{secrets.token_hex(4)}"
    return f"{settings.kcl.worker_id or socket.gethostname()}:{unique}"


def child_environment(environ: Mapping[str, str], run: RunDir) -> dict[str, str]:
    """Return the environment of the daemon and its children: the credentials and what the libraries want."""
    out = {name: value for name, value in environ.items() if not name.startswith("TAILRACE_")}  # resolved by now
    return out | {
        "PROMETHEUS_MULTIPROC_DIR": str(run.metrics),
        "PYTHONUNBUFFERED": "1",
        "PYTHONSAFEPATH": "1",  # a `random.py` in the working directory is not the library's
        "PYTHONUTF8": "1",
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # 45 MiB less at the peak
        "MALLOC_ARENA_MAX": "2",
    }


@dataclass
class Backoff:
    """How long to wait before the next start."""

    next_s: float = BACKOFF_FIRST_S

    def after(self, ran_s: float) -> float:
        """Return the pause after a daemon that ran so long: 1, 2, 4 ... 30 s."""
        if ran_s >= HEALTHY_S:
            self.next_s = BACKOFF_FIRST_S
        pause = self.next_s
        self.next_s = min(self.next_s * 2, BACKOFF_MAX_S)
        return pause


class Supervisor:
    """Runs one daemon until it is told to stop. Must be made and run in the main thread."""

    def __init__(
        self,
        settings: Settings,
        ready: Ready,
        clock: Clock,
        environ: Mapping[str, str],
        command: Callable[[Sequence[str]], Sequence[str]] = tuple,
    ) -> None:
        self._settings = settings
        self._ready = ready
        self._clock = clock
        self._environ = environ
        self._command = command
        self._log = logs.get("supervisor")
        self._jvm: subprocess.Popen[bytes] | None = None
        self._stop = 0  # signals to stop so far
        self._renew = False  # a signal to start the daemon anew
        self._backoff = Backoff()
        self._worker_id = worker_id(settings)
        now = self._now()
        self._started_at, self._loop_at, self._since = now, now, 0.0
        self._restarts, self._short_runs, self._exit = 0, 0, ""
        self._leases: set[int] = set()
        self._failures = health.Failures()
        self._said = 0.0
        self._doomed: float | None = None  # when the daemon said that a child failed it

    def run(self) -> int:
        """Run until stopped; return the exit status."""
        run = _run_dir(self._settings.kcl.run_dir)
        try:
            keys = properties.properties(self._settings, run.place(), self._worker_id, self._ready.first)
            run.write(dump(self._settings), properties.text(keys))
            self._keep_edition(run)
            self._log.debug("the daemon's properties", **keys)
            with _Relay(str(run.socket)):
                return self._serve(run)
        finally:
            run.close()

    def _keep_edition(self, run: RunDir) -> None:
        """Leave a copy of schemas and lookups, for a child that starts while their source is away."""
        if self._ready.files is not None:
            self._ready.files.keep(edition_copy(run.settings))
            self._ready.files.forget()

    def snapshot(self) -> health.Snapshot:
        """Return what is known now, without the children's metrics."""
        return health.Snapshot(
            now=self._now(),
            loop_at=self._loop_at,
            started_at=self._started_at,
            daemon_up=self._jvm is not None and self._jvm.poll() is None,
            daemon_since=self._since,
            daemon_exit=self._exit,
            short_runs=self._short_runs,
            restarts=self._restarts,
            draining=self._stop > 0,
            leases=len(self._leases),
        )

    # ---- serving

    def _serve(self, run: RunDir) -> int:
        sheet = metrics_server.Sheet(run.metrics, processes.alive, self._own_metrics)
        pages = {
            "/metrics": lambda: metrics_server.metrics_page(sheet),
            "/livez": lambda: metrics_server.verdict_page(health.live(self.snapshot())),
            "/readyz": lambda: self._readyz(sheet),
        }
        server = metrics_server.serving(self._settings.serve, pages, Refused)
        self._log.info("serving /metrics, /livez, /readyz", host=self._settings.serve.host, port=server.port)
        handlers = {sign: signal.signal(sign, self._on_signal) for sign in _SIGNALS}
        try:
            return self._loop(run, sheet)
        finally:
            self._kill()
            for sign, handler in handlers.items():
                signal.signal(sign, handler)
            server.close()

    def _readyz(self, sheet: metrics_server.Sheet) -> metrics_server.Page:
        seen = with_children(self.snapshot(), sheet, self._failures)
        return metrics_server.verdict_page(health.ready(seen, self._settings.serve.silence_s), health.notes(seen))

    def _own_metrics(self) -> Iterable[Metric]:
        seen = self.snapshot()
        yield metrics_server.counter(metrics.JVM_RESTARTS, seen.restarts)
        yield metrics_server.gauge(metrics.DAEMON_UP, int(seen.daemon_up))
        yield metrics_server.gauge(metrics.LEASES_HELD, seen.leases)
        yield metrics_server.gauge(metrics.START_TIME, seen.started_at)

    def _on_signal(self, number: int, _: object) -> None:
        if number == signal.SIGHUP:
            self._renew = True
        else:
            self._stop += 1

    # ---- the loop

    def _loop(self, run: RunDir, sheet: metrics_server.Sheet) -> int:
        self._start(run)
        swept = self._clock.monotonic()
        while True:
            self._clock.sleep(LOOP_S)
            self._loop_at = self._now()
            if self._stop or self._renew:
                status = self._drain(run)
                if self._stop:
                    return status
                self._renew = False
                self._again(run)
            elif self._jvm is not None and self._jvm.poll() is not None:
                self._ended(run, self._jvm.returncode)
            now = self._clock.monotonic()
            if self._doomed is not None and now - self._doomed >= DOOMED_S:
                self._log.warning("a child failed the daemon, which waits for it in vain: killed")
                self._kill()
            if now - swept >= SWEEP_S:
                swept = now
                with_children(self.snapshot(), sheet, self._failures)  # sweeps, and notes new failures
                self._count_leases(run)
            if not self._leases and now - self._said >= WAITS_SAID_S:
                self._said = now
                since_s = round(self._now() - self._since)
                hint = DEAD_LEADER if since_s > 2 * WAITS_SAID_S else None
                self._log.info("waiting for leases", since_s=since_s, hint=hint)

    def _count_leases(self, run: RunDir) -> None:
        before, self._leases = self._leases, {child.pid for child in processes.children(str(run.settings))}
        if len(before) != len(self._leases):
            self._log.info("leases", held=len(self._leases), before=len(before))

    def _start(self, run: RunDir) -> None:
        settings, ready = self._settings, self._ready
        command = properties.command(
            ready.java.path,
            properties.flags(settings, ready.java.major),
            str(ready.jars),
            str(run.properties),
            str(run.logback),
        )
        leash = [sys.executable, "-I", "-S", "-c", _LEASH, str(os.getpid())]
        self._jvm = subprocess.Popen(
            [*leash, *self._command(command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=child_environment(self._environ, run),
            start_new_session=True,  # a terminal's Ctrl-C is for the supervisor alone
        )
        assert self._jvm.stdout is not None
        threading.Thread(
            target=_read_jvm, args=(self._jvm.stdout, self._on_doomed), name="jvm-output", daemon=True
        ).start()
        self._since, self._said, self._doomed = self._now(), self._clock.monotonic(), None
        expect = "10 to 20 s" if settings.kcl.quick_start or ready.leases else "45 to 90 s, KCL's own pace"
        self._log.info(
            "daemon started; waiting for leases",
            pid=self._jvm.pid,
            worker=self._worker_id,
            heap_mb=properties.heap_mb(settings),
            epoch=ready.epoch,
            expect=expect,
        )

    def _on_doomed(self) -> None:
        if self._doomed is None:
            self._doomed = self._clock.monotonic()

    def _ended(self, run: RunDir, code: int) -> None:
        """The daemon ended unasked: see its children off, pause, start it again."""
        ran_s = self._now() - self._since
        self._exit = _ending(code)
        self._short_runs = self._short_runs + 1 if ran_s < health.SHORT_RUN_S else 0
        pause_s = self._backoff.after(ran_s)
        self._log.error("the daemon ended", how=self._exit, ran_s=round(ran_s), again_in_s=pause_s)
        self._see_off(run)
        until = self._clock.monotonic() + pause_s
        while self._clock.monotonic() < until and not self._stop:
            self._clock.sleep(LOOP_S)
            self._loop_at = self._now()
        if not self._stop:
            self._again(run)

    def _again(self, run: RunDir) -> None:
        self._restarts += 1
        self._start(run)

    def _drain(self, run: RunDir) -> int:
        """Ask the JVM to end, wait for the grace and a margin, then end it. Return the exit status."""
        jvm, asked = self._jvm, self._stop
        if jvm is None or jvm.poll() is not None:
            return 0 if self._see_off(run) else 1
        grace_s = self._settings.kcl.shutdown_grace_s
        self._log.info("draining", grace_s=grace_s)
        jvm.terminate()
        until = self._clock.monotonic() + grace_s + DRAIN_MARGIN_S
        while jvm.poll() is None and self._clock.monotonic() < until and self._stop <= max(asked, 1):
            self._clock.sleep(LOOP_S)
            self._loop_at = self._now()
        clean = jvm.poll() in {0, TERMINATED, -signal.SIGTERM}
        if jvm.poll() is None:
            self._log.error("the daemon did not end in time, or a second signal came: killed")
        self._kill()
        clean = self._see_off(run) and clean
        self._log.info("drained" if clean else "ended without a clean drain", how=_ending(jvm.returncode))
        return 0 if clean else 1

    def _see_off(self, run: RunDir) -> bool:
        """Have no child of the ended daemon left. False when one had to be killed."""
        count, killed = processes.end_orphans(str(run.settings), self._clock, ORPHANS_S)
        self._leases = set()
        if killed:
            self._log.error("children outlived the daemon: killed", children=count, killed=killed)
        return not killed

    def _kill(self) -> None:
        if self._jvm is not None and self._jvm.poll() is None:
            self._jvm.kill()
        if self._jvm is not None:
            self._jvm.wait()

    def _now(self) -> float:
        return self._clock.now_ms() / 1000


_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def with_children(seen: health.Snapshot, sheet: metrics_server.Sheet, failures: health.Failures) -> health.Snapshot:
    """Return the snapshot with what the living children's metrics say."""
    sheet.sweep()
    failures.see(sheet.values(metrics.name_of(metrics.WORLD_ERRORS), "service"), seen.now)
    stopped = sheet.values(metrics.name_of(metrics.SHARD_STOPPED), "shard")
    return health.with_children(
        seen,
        last_message=sheet.values(metrics.name_of(metrics.LAST_MESSAGE), "shard"),
        stopped=[shard for shard, value in stopped.items() if value],
        away=failures.lately(seen.now),
        waits=sheet.raised(metrics.name_of(metrics.LANE_WAITS), "shard", "lane", "state"),
    )


def _run_dir(wanted: str) -> RunDir:
    try:
        return RunDir(wanted)
    except OSError as error:
        raise Refused(f"[kcl] run_dir: {error.filename or wanted}: {error.strerror or error}") from None


def _ending(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit status {code}"


def _read_jvm(output: IO[bytes], on_doomed: Callable[[], None]) -> None:
    """Turn the daemon's output into log lines until it ends."""
    log = logs.get("jvm")
    with output:
        for raw in output:
            line = jvm_log.parse(raw.decode("utf-8", "replace"))
            if line is not None:
                log.at(line.level, line.message, source=line.source, shard=line.shard)
                if jvm_log.is_doomed(line):
                    on_doomed()


class _Relay:
    """Receives the children's log lines and prints them."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self._socket.settimeout(0.2)
        self._going = True
        self._thread = threading.Thread(target=self._run, name="child-logs", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._going = False  # what was sent before is still read: the loop ends at the first silence
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                line = self._socket.recv(logs.LINE_BYTES_MAX)
            except TimeoutError:
                if not self._going:
                    return
                continue
            logs.relay(line)
