"""Which sink a destination stands for. Rule: one line a service; each is loaded only where a route names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Final, NamedTuple

from tailrace.commit.ports import Say, Sink
from tailrace.nouns import Destination, Identity
from tailrace.ops.clock import Clock
from tailrace.settings import Settings, SettingsError

MODULES: Final[Mapping[str, str]] = {}  # service -> module with `sink(destination, around) -> Sink`


class Around(NamedTuple):
    """What every sink is given."""

    settings: Settings
    identity: Identity
    clock: Clock
    say: Say


def check(destination: Destination) -> None:
    """See that a destination's options are understood, by its module's `check(destination)`. Raises SettingsError.

    Whoever reads routes does this, so that a mistake in them is refused whole and the last good ones stay.
    """
    module = MODULES.get(destination.service)
    found = None if module is None else getattr(import_module(module), "check", None)
    if found is not None:
        found(destination)


def sink_of(destination: Destination, around: Around) -> Sink:
    """Return the sink of a destination. Raises SettingsError for options that it does not take."""
    module = MODULES.get(destination.service)
    if module is None:
        raise SettingsError(
            f"{destination.name}: found {destination.service}, expected one of {', '.join(MODULES) or 'none yet'}"
        )
    build: Callable[[Destination, Around], Sink] = import_module(module).sink
    return build(destination, around)
