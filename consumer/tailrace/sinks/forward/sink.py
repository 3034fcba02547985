"""A destination that events are forwarded to. Rule: the one place here that knows every service, and what they need."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, Final

from tailrace.commit.ports import Say
from tailrace.nouns import Destination
from tailrace.ops.clock import Clock
from tailrace.settings import Aws, Settings
from tailrace.sinks.destinations import Around
from tailrace.sinks.forward.dead import DeadLetters
from tailrace.sinks.forward.filling import ForwardSink
from tailrace.sinks.forward.messages import Message
from tailrace.sinks.forward.options import Common, Keyed, Parallel, options_of
from tailrace.sinks.forward.sender import Sender
from tailrace.sinks.forward.target import Target, Unfit
from tailrace.world import WorldDenied

TARGETS: Final[Mapping[str, str]] = {
    "sqs": "tailrace.sinks.forward.sqs",
    "sns": "tailrace.sinks.forward.sns",
    "kinesis": "tailrace.sinks.forward.kinesis",
    "firehose": "tailrace.sinks.forward.firehose",
    "lambda": "tailrace.sinks.forward.functions",
    "https": "tailrace.sinks.forward.https",
}  # service -> module with `OPTIONS` and `target(destination, options, aws)`


COPY_PATIENCE_S: Final = 5.0  # of the queue of dead letters


def sink(destination: Destination, around: Around) -> ForwardSink:
    """Return the sink of a destination. Raises SettingsError."""
    options, target = parts_of(destination, around.settings.aws)
    return ForwardSink(
        sender_of(destination, options, target, around.clock, around.say, hurry=around.pressing),
        DeadLetters(around.place, around.identity, destination, around.say, _copier(destination, options, around)),
        options.note_every,
        options.partition if isinstance(options, Keyed) else (),
    )


def check(destination: Destination, settings: Settings) -> None:
    """See that address and options are understood, without asking anyone. Raises SettingsError."""
    options, _ = parts_of(destination, settings.aws)
    _queue_of(destination, options, settings.aws)


def look(destination: Destination, settings: Settings) -> str:
    """Ask whether a destination is there. Raises SettingsError, WorldError; returns why it cannot be used, or nothing.

    A queue of dead letters is looked at as well.
    """
    options, target = parts_of(destination, settings.aws)
    queue = _queue_of(destination, options, settings.aws)
    for one in (target, queue):
        try:
            if one is not None:
                one.look()
        except (WorldDenied, Unfit) as error:
            return f"route {destination.name}: {error}"
    return ""


def parts_of(destination: Destination, aws: Aws) -> tuple[Common, Any]:
    """Return the options and the target. Raises SettingsError."""
    module = import_module(TARGETS[destination.service])
    options = options_of(destination, module.OPTIONS)
    return options, module.target(destination, options, aws)


def sender_of(
    destination: Destination,
    options: Common,
    target: Target,
    clock: Clock,
    say: Say,
    *,
    blocks: bool | None = None,
    hurry: Callable[[], bool] = lambda: False,
) -> Sender:
    """Return what sends to a target as the options say."""
    return Sender(
        destination.name,
        target,
        clock,
        random.Random().random,  # noqa: S311  jitter
        say,
        patience_s=options.patience_s,
        blocks=options.on_failure == "block" if blocks is None else blocks,
        concurrency=options.concurrency if isinstance(options, Parallel) else 1,
        hurry=hurry,
    )


def _queue_of(destination: Destination, options: Common, aws: Aws) -> Any:
    if not options.dead_letter_queue:
        return None
    queue = Destination(f"{destination.name}: dead_letter_queue", "sqs", options.dead_letter_queue)
    return parts_of(queue, aws)[1]


def _copier(destination: Destination, options: Common, around: Around) -> Callable[[Sequence[Message]], None] | None:
    """Return what copies dead letters to a queue. What it does not take stands in the object alone, and is told."""
    target = _queue_of(destination, options, around.settings.aws)
    if target is None:
        return None
    jitter = random.Random().random  # noqa: S311
    silent: Say = lambda *_, **__: None  # noqa: E731
    sender = Sender(
        destination.name,
        target,
        around.clock,
        jitter,
        silent,
        patience_s=COPY_PATIENCE_S,
        hurry=around.pressing,
    )

    def copy(letters: Sequence[Message]) -> None:
        left = sender.send(letters)
        if left:
            around.say("uncopied", lane=destination.name, letters=len(left), why=left[0].failure.why)

    return copy
