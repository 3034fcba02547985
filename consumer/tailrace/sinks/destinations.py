"""Which sink a destination stands for. Rule: one line a service; each is loaded only where a route names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Final, NamedTuple

from tailrace.commit.ports import Place, Say, Sink
from tailrace.nouns import Destination, Identity
from tailrace.ops.clock import Clock
from tailrace.settings import Settings, SettingsError

_FORWARD: Final = "tailrace.sinks.forward.sink"
MODULES: Final[Mapping[str, str]] = {
    "dynamodb": "tailrace.sinks.hot.sink",
    "sqs": _FORWARD,
    "sns": _FORWARD,
    "kinesis": _FORWARD,
    "firehose": _FORWARD,
    "lambda": _FORWARD,
    "https": _FORWARD,
}  # service -> module with `sink(destination, around) -> Sink`


class Around(NamedTuple):
    """What every sink is given."""

    settings: Settings
    identity: Identity
    clock: Clock
    say: Say
    place: Place  # of the lake: what cannot be sent is kept beside it
    pressing: Callable[[], bool] = lambda: False  # does the shard wait for this lane, and not for much longer?


def sink_of(destination: Destination, around: Around) -> Sink:
    """Return the sink of a destination. Raises SettingsError for options that it does not take."""
    build: Callable[[Destination, Around], Sink] = _module(destination).sink
    return build(destination, around)


def check(destination: Destination, settings: Settings) -> None:
    """See that address and options are understood, without asking anyone. Raises SettingsError."""
    judge: Callable[[Destination, Settings], None] | None = getattr(_module(destination), "check", None)
    if judge is not None:
        judge(destination, settings)


def look(destination: Destination, settings: Settings) -> str:
    """Ask whether a destination can be used; return why not, or nothing. Raises WorldError, SettingsError."""
    ask: Callable[[Destination, Settings], str] | None = getattr(_module(destination), "look", None)
    return "" if ask is None else ask(destination, settings)


def blocks(destination: Destination) -> bool:
    """Does a destination that cannot be used hold its events back? Those of others are kept as dead letters."""
    return MODULES.get(destination.service) != _FORWARD or destination.options.get("on_failure") == "block"


def _module(destination: Destination) -> ModuleType:
    module = MODULES.get(destination.service)
    if module is None:
        raise SettingsError(
            f"route {destination.name}: found {destination.service}, expected one of {', '.join(MODULES)}"
        )
    return import_module(module)
