"""Structured logs. Rule: one event, one line, with names and values, never on standard output.

JSON lines for machines, a readable form on a terminal. Children send their lines through a unix datagram socket to the
supervisor, because the JVM between them prefixes a child's stderr and loses the last lines at a crash.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

import msgspec

LEVELS: Final[Mapping[str, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
LINE_BYTES_MAX: Final = 64 * 1024  # a datagram has a limit
SEND_WAIT_S: Final = 0.5  # a full socket must not stop the work
MUTED_S: Final = 10.0  # nor cost that wait for every line
_COLOURS: Final = {"debug": "\x1b[2m", "info": "", "warning": "\x1b[33m", "error": "\x1b[31m"}
_DIM: Final = "\x1b[2m"
_RESET: Final = "\x1b[0m"

Level = Literal["debug", "info", "warning", "error"]


class _Out:
    """Where lines go, and how they look."""

    def __init__(self) -> None:
        self.level = LEVELS["info"]
        self.text = False
        self.colour = False
        self.stream: TextIO | None = None  # None: whatever sys.stderr is then
        self.socket: socket.socket | None = None
        self.muted_until = 0.0  # the socket is left alone until then

    def emit(self, event: Mapping[str, Any]) -> None:
        if self.socket is not None and time.monotonic() >= self.muted_until:
            try:
                self.socket.send(_json(event)[:LINE_BYTES_MAX])
                return
            except OSError:  # the supervisor is away or slow: stderr is better than silence
                self.muted_until = time.monotonic() + MUTED_S
        line = text_line(event, colour=self.colour) if self.text else _json(event).decode()
        stream = self.stream or sys.stderr
        try:
            stream.write(line + "\n")
            stream.flush()
        except (OSError, ValueError):  # no one is left to read logs
            pass


_out = _Out()


def configure(
    format: Literal["auto", "json", "text"] = "auto",  # noqa: A002  (the settings' name)
    level: Level = "info",
    stream: TextIO | None = None,
    socket_path: str | None = None,
) -> None:
    """Say once a process how lines look and where they go: a stream (standard error), or a unix datagram socket."""
    target = stream or sys.stderr
    tty = target.isatty()
    _out.level = LEVELS[level]
    _out.stream = stream
    _out.text = format == "text" or (format == "auto" and tty)
    _out.colour = tty and "NO_COLOR" not in os.environ
    if _out.socket is not None:
        _out.socket.close()
    _out.muted_until = 0.0
    _out.socket = None if socket_path is None else _connect(socket_path)
    root = logging.getLogger()
    root.handlers[:] = [_Bridge()]
    root.setLevel(logging.WARNING)


def _connect(path: str) -> socket.socket | None:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        found.settimeout(SEND_WAIT_S)
        found.connect(path)
    except OSError:
        found.close()
        return None
    return found


class Log:
    """A named source of lines; `bind` adds fields to all of them."""

    def __init__(self, name: str, fields: Mapping[str, Any] | None = None) -> None:
        self._name = name
        self._fields = dict(fields or {})

    def bind(self, **fields: Any) -> Log:
        return Log(self._name, {**self._fields, **fields})

    def debug(self, msg: str, **fields: Any) -> None:
        self._log("debug", msg, fields)

    def info(self, msg: str, **fields: Any) -> None:
        self._log("info", msg, fields)

    def warning(self, msg: str, **fields: Any) -> None:
        self._log("warning", msg, fields)

    def error(self, msg: str, **fields: Any) -> None:
        self._log("error", msg, fields)

    def exception(self, msg: str, **fields: Any) -> None:
        """An error, with the traceback of the exception in hand."""
        from tailrace.ops.failures import trace  # noqa: PLC0415 - it loads pyarrow

        error = sys.exception()
        self._log("error", msg, {**fields, "traceback": trace(error) if error else ""})

    def at(self, level: Level, msg: str, **fields: Any) -> None:
        """A line of a level that is only known now."""
        self._log(level, msg, fields)

    def _log(self, level: str, msg: str, fields: Mapping[str, Any]) -> None:
        if LEVELS[level] >= _out.level:
            head = {"ts": _now(), "level": level, "logger": self._name, "msg": msg}
            _out.emit({**head, **self._fields, **fields})


def get(name: str) -> Log:
    """Return the log of a part of the program."""
    return Log(name)


def relay(line: bytes) -> None:
    """Print a line that another process made (`configure(socket_path=...)` there) in this process's form."""
    try:
        event = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        get("relay").warning(line.decode("utf-8", "replace"))
        return
    if LEVELS.get(str(event.get("level")), 40) >= _out.level:
        _out.emit(event)


def text_line(event: Mapping[str, Any], *, colour: bool = False) -> str:
    """Return the form for people: time, level, logger, message, fields."""
    level = str(event.get("level", "info"))
    rest = {k: v for k, v in event.items() if k not in ("ts", "level", "logger", "msg", "traceback")}
    fields = " ".join(f"{k}={_plain(v)}" for k, v in rest.items() if v is not None)
    at = str(event.get("ts", ""))[11:23]
    head, msg = f"{at} {level:<7} {event.get('logger', ''):<10}", str(event.get("msg", ""))
    if colour:
        head, fields = f"{_DIM}{head}{_RESET}", f"{_DIM}{fields}{_RESET}"
        msg = f"{_COLOURS.get(level, '')}{msg}{_RESET}"
    tail = f"\n{event['traceback']}".rstrip() if event.get("traceback") else ""
    return f"{head} {msg}  {fields}".rstrip() + tail


def _plain(value: object) -> str:
    text = value if isinstance(value, str) else _json(value).decode()
    return repr(text) if (not text or any(c.isspace() for c in text)) else text


def _json(value: object) -> bytes:
    return msgspec.json.encode(value, enc_hook=str)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Bridge(logging.Handler):
    """Lines of libraries, in our form."""

    def emit(self, record: logging.LogRecord) -> None:
        level: Level = "error" if record.levelno >= logging.ERROR else "warning"
        if record.levelno < logging.WARNING:
            level = "info" if record.levelno >= logging.INFO else "debug"
        fields = {"traceback": "".join(traceback.format_exception(*record.exc_info))} if record.exc_info else {}
        get(record.name).at(level, record.getMessage(), **fields)
