"""The daemon's output as log lines. Rule: every line it prints becomes one of ours; none is lost or pages long.

Pure. `logback.xml` prints `|LEVEL|logger|shard|message`; anything else (a crash report, a child's last words) is kept
as it is.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from tailrace.ops.logs import Level

MESSAGE_CHARS_MAX: Final = 4000
_LEVELS: Final[dict[str, Level]] = {
    "TRACE": "debug",
    "DEBUG": "debug",
    "INFO": "info",
    "WARN": "warning",
    "ERROR": "error",
}
_LINE: Final = re.compile(r"\|(TRACE|DEBUG|INFO|WARN|ERROR)\|([^|]*)\|([^|]*)\|(.*)", re.DOTALL)
_DOOM: Final = "Encountered an error while trying to"
_CHILD: Final = re.compile(r"Received error line from subprocess \[(.*)\] for shard (\S+)", re.DOTALL)


class JvmLine(NamedTuple):
    """One line of the daemon."""

    level: Level
    source: str  # the Java logger, `child` for a child's standard error, `jvm` for bare text
    shard: str | None
    message: str


def parse(text: str) -> JvmLine | None:
    """Return what a line says; None when it is blank."""
    text = text.strip()
    if not text:
        return None
    found = _LINE.fullmatch(text)
    if found is None:
        return JvmLine("warning", "jvm", None, _short(text))
    level, logger, shard, message = found.groups()
    said = _CHILD.fullmatch(message.strip(" /"))
    if said is not None:
        return JvmLine("warning", "child", said[2], _short(said[1]))
    return JvmLine(_LEVELS[level], logger.rpartition(".")[2], shard or None, _short(message.strip(" /")))


def is_doomed(line: JvmLine) -> bool:
    """Does the line say that the daemon will end, since a child failed it?

    It then waits in its shutdown hook, for the whole grace, for the goodbye of that very child, and its host's other
    shards stand still meanwhile.
    """
    return line.source == "MultiLangShardRecordProcessor" and line.message.startswith(_DOOM)


def _short(text: str) -> str:
    return text if len(text) <= MESSAGE_CHARS_MAX else text[:MESSAGE_CHARS_MAX] + "..."
