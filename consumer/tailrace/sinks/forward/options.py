"""What a route's options may say. Rule: what is not understood is refused in one line, with the route and the key."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from tailrace.nouns import Destination
from tailrace.settings import SettingsError

SHOWN_CHARS: Final = 60
_NAMES: Final[Mapping[Any, str]] = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


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
    except msgspec.ValidationError:
        key, expected = next(_misfits(destination.options, kind))
        text = msgspec.json.encode(destination.options[key]).decode()[:SHOWN_CHARS]
        found = "" if expected.startswith("an object") else f"found {text}, "  # headers hold secrets
        raise refused(destination, f"{key}: {found}expected {expected}") from None


def _misfits(given: Mapping[str, Any], kind: type[Common]) -> Iterator[tuple[str, str]]:
    """Yield the keys whose values do not fit, and what is expected there."""
    kinds = get_type_hints(kind, include_extras=True)
    for key, value in given.items():
        try:
            msgspec.convert(value, kinds[key])
        except msgspec.ValidationError:
            yield key, _expected(kinds[key])


def _expected(kind: Any) -> str:
    """Return in words what a value must be."""
    if get_origin(kind) is Annotated:
        base, bounds = get_args(kind)
        least = f"above {bounds.gt}" if bounds.gt is not None else f"from {bounds.ge}"
        return f"{_NAMES[base]} {least} to {bounds.le}"
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    if get_origin(kind) is tuple:
        return f"a list, each {_expected(get_args(kind)[0])}"
    if get_origin(kind) is dict:
        return 'an object, each member a text or {"env": NAME, "prefix": TEXT}'
    return _NAMES.get(kind, "an object")


def refused(destination: Destination, what: str) -> SettingsError:
    """Return what to raise of a destination's options, or of its address."""
    return SettingsError(f"route {destination.name}: {what}")
