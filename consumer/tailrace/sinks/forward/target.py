"""What every service that events are forwarded to looks like. Rule: a target says of each message what became of it.

It sends once and never waits: who tries again, how long, and in which order, is the sender's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from tailrace.sinks.forward.messages import Message

SAID_CHARS_MAX: Final = 500  # each letter of a call has them


class Limits(NamedTuple):
    """What one call takes."""

    messages: int
    bytes: int  # of a call; one message that is larger goes alone
    message_bytes: int  # of one message; what is larger is refused for good
    overhead: int = 0  # bytes of a message besides its data
    keyed: bool = False  # the key counts as well


class Failure(NamedTuple):
    """A message was not taken."""

    why: str  # may be logged: no word of an event
    final: bool = False  # it will never be: it is too large, or malformed
    after_s: float = 0.0  # the service asked for so much time
    detail: str = ""  # the service's own words, for the dead letter alone


def shortened(said: bytes, secrets: Sequence[str] = ()) -> str:
    """Return a service's own words, as far as a letter keeps them: some tell what they were told."""
    text = said[: 4 * SAID_CHARS_MAX].decode(errors="replace")
    for one in secrets:
        text = text.replace(one, "***")
    return text[:SAID_CHARS_MAX]


class Unfit(Exception):
    """A call was refused as a whole for what was in it. Fewer messages at a time tell which one it was."""

    def __init__(self, why: str, detail: str = "") -> None:
        super().__init__(why)
        self.detail = detail  # the service's own words


Result = Failure | None  # None: it is taken


class Target(Protocol):
    """One destination."""

    @property
    def limits(self) -> Limits: ...
    @property
    def ordered(self) -> bool:
        """Must messages of one key arrive in their order? Then a call holds one of each key."""

    def send(self, messages: Sequence[Message]) -> list[Result]:
        """Send within the limits; one result a message. Raises WorldError, WorldDenied, Unfit: none was taken."""
