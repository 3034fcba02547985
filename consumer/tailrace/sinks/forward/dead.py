"""Dead letters. Rule: an object beside the lake has each, whole, before its destination's lane goes on.

Names follow from plan, generation and piece: who repeats a piece under another generation writes a letter of it again,
and `tailrace dead send` sends each row once. A queue may get the letters as well; the objects are what counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
import orjson

from tailrace.commit.ledger import BytesBody
from tailrace.commit.patience import Patience
from tailrace.commit.plan import Plan, stem
from tailrace.commit.ports import Place, Say
from tailrace.commit.protocol import meta
from tailrace.nouns import Destination, Identity
from tailrace.sinks.forward.messages import Message
from tailrace.sinks.forward.sender import Letter
from tailrace.world import WorldDenied, WorldError

FOLDER: Final = "_dead"
SUFFIX: Final = ".jsonl"


class Found(msgspec.Struct, frozen=True):
    """A dead letter, read back."""

    destination: str
    why: str  # `refused`, or `not sent`
    error: str
    detail: str
    attempts: int
    row_id: str
    position: str
    key: str
    event: msgspec.Raw

    @property
    def message(self) -> Message:
        return Message(self.position, self.row_id, self.key, bytes(self.event))


_LINE: Final = msgspec.json.Decoder(Found)


class DeadLetters:
    """What one destination's lane of one shard could not send."""

    def __init__(
        self,
        place: Place,
        identity: Identity,
        destination: Destination,
        say: Say,
        copy: Callable[[Sequence[Message]], None] | None = None,
    ) -> None:
        self._place, self._identity, self._destination, self._say = place, identity, destination, say
        self._copy = copy

    def put(self, letters: Sequence[Letter], plan: Plan, piece: int, patience: Patience) -> str:
        """Store the letters of one piece; return the object's name. Raises WorldError, WorldDenied."""
        name = name_of(self._identity, self._destination.name, plan, piece)
        lines = [line_of(one, self._destination) for one in letters]
        body = BytesBody(b"".join(lines))
        about = meta(self._identity.epoch, plan.chain, plan.generation)
        waits = patience.part()
        while True:
            waits.trying()
            try:
                self._place.create(name, body, about)  # taken: by this very call, whose answer was lost
                break
            except WorldError as error:
                self._say("trouble", lane=self._destination.name, what="place", object=name, error=str(error))
                waits.wait(error)
        self._place.sync()
        if self._copy is not None:
            pairs = zip(letters, lines, strict=True)
            self._copy([one.message._replace(data=line.rstrip()) for one, line in pairs])
        return name


def name_of(identity: Identity, destination: str, plan: Plan, piece: int) -> str:
    """Return the name of the object that holds a piece's letters."""
    last = f"{stem(identity, plan.chain)}.{plan.generation}.{piece:05d}{SUFFIX}"
    return f"{prefix_of(identity.epoch, destination)}{last}"


def prefix_of(epoch: str, destination: str = "") -> str:
    """Return what the names of dead letters begin with: those of one destination, or of all."""
    return f"{FOLDER}/{epoch}/{destination}/" if destination else f"{FOLDER}/{epoch}/"


def line_of(letter: Letter, destination: Destination) -> bytes:
    """Return a letter as one line of JSON."""
    one, failure = letter.message, letter.failure
    return orjson.dumps(
        {
            "destination": destination.name,
            "address": destination.shown,
            "why": "refused" if failure.final else "not sent",
            "error": failure.why,
            "detail": failure.detail,
            "attempts": letter.attempts,
            "row_id": one.row_id,
            "position": one.position,
            "key": one.key,
            "event": orjson.Fragment(one.data),
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def read(place: Place, epoch: str, destination: str = "") -> Iterator[Found]:
    """Yield every dead letter, in the order of the plans of each shard; one that is in several objects, each time."""
    for name, _ in place.names(prefix_of(epoch, destination)):
        try:
            lines = place.read(name).splitlines()
        except FileNotFoundError:  # it has expired meanwhile
            continue
        try:
            yield from map(_LINE.decode, lines)
        except msgspec.DecodeError as error:
            raise WorldDenied(f"{name}: holds what is no dead letter: {error}") from error
