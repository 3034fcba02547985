"""What a route's options may say. Rule: what is not understood is refused in one line, with the route and the key."""

from __future__ import annotations

import difflib
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from tailrace.nouns import Destination
from tailrace.settings import SettingsError


class Common(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every forward understands."""

    on_failure: Literal["dead_letter", "block"] = "dead_letter"
    patience_s: Annotated[float, Meta(ge=0, le=100)] = 60.0  # a plan's, from its first failure on
    dead_letter_queue: str = ""  # ARN of an SQS queue that gets each dead letter as well
    note_every: Annotated[int, Meta(ge=1, le=10_000)] = 1000  # messages; a crash repeats at most so many, and one call


class Parallel(Common, frozen=True):
    """Where calls may overlap."""

    concurrency: Annotated[int, Meta(ge=1, le=64)] = 4


class Keyed(Parallel, frozen=True):
    """Where messages have a key."""

    partition: tuple[str, ...] = ("user_id", "tenant")  # columns; the first that holds something, else row_id
    ordered: bool = True  # one message of each key a call, so that a failure overtakes nothing


S = TypeVar("S", bound=Common)


def options_of(destination: Destination, kind: type[S]) -> S:
    """Return a destination's options. Raises SettingsError."""
    for key in destination.options:
        if key not in kind.__struct_fields__:
            near = difflib.get_close_matches(key, kind.__struct_fields__, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of: {', '.join(kind.__struct_fields__)}"
            raise refused(destination, f"{key} is no option of {destination.service}, {hint}")
    try:
        return msgspec.convert(dict(destination.options), kind)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$.")
        raise refused(destination, f"{where.rstrip('`')}: {text[:1].lower()}{text[1:]}") from None


def refused(destination: Destination, what: str) -> SettingsError:
    """Return what to raise of a destination's options, or of its address."""
    return SettingsError(f"route {destination.name}: {what}")
