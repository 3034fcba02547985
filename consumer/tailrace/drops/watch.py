"""What is told of the drops: logs and metrics. Rule: what the work says is counted and logged here alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tailrace.ops import metrics
from tailrace.ops.logs import Level, Log

MESSAGES: Final = frozenset({"deleted", "kept", "unknown"})
FILES: Final = frozenset({"done", "repeated", "refused", "gone", "unfinished", "busy", "failed", "ignored"})
LEVELS: Final[Mapping[str, Level]] = {
    "received": "debug",
    "nothing": "debug",
    "deleted": "debug",
    "kept": "debug",
    "unknown": "warning",
    "refused": "warning",
    "gone": "warning",
    "unfinished": "error",
    "failed": "error",
    "trouble": "warning",
}


class Watch:
    """Told by the work of everything that happens."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def __call__(self, what: str, /, **facts: Any) -> None:
        if what in MESSAGES:
            metrics.DROP_MESSAGES.labels(what).inc()
        elif what in FILES:
            metrics.DROP_FILES.labels(what).inc()
        elif what == "received":
            metrics.DROP_AGE.set(facts["age_s"])
        elif what == "nothing":
            metrics.DROP_AGE.set(0)
        elif what == "trouble":
            metrics.WORLD_ERRORS.labels(facts["service"]).inc()
        again = what == "unknown" and facts["times"] > 1  # it was said when it came first
        getattr(self._log, "debug" if again else LEVELS.get(what, "info"))(what, **facts)
