"""The contract: where things stand in an event. Rule: it reads events and never alters them.

A field has several candidates, dotted paths; the first whose value is there and not null counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tailrace import settings
from tailrace.nouns import Reason

Path = tuple[str, ...]
Event = Mapping[str, Any]
Look = Callable[[Any], Any]
LookAll = Callable[[Sequence[Any]], list[Any]]

# Fields that have an envelope column which holds the member's value. The user agent has none: only what it says of
# its owner's device is a column, so the member itself stays one too.
LIFTED: Final = ("event_type", "schema_version", "event_id", "event_time", "tenant", "user_id", "session_id")
FIELDS: Final = (*LIFTED, "user_agent", "url", "referer", "ip")

_IGLU: Final = re.compile(r"iglu:([A-Za-z0-9_.-]+)/([A-Za-z0-9_-]+)/[A-Za-z0-9_-]+/([0-9]+-[0-9]+-[0-9]+)")
IGLU_FORM: Final = "iglu:<vendor>/<name>/<format>/<model>-<revision>-<addition>"
_CONTROL: Final = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]")
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KINDS: Final = {
    dict: "an object", list: "an array", str: "text", int: "a number", float: "a number", bool: "true or false",
    type(None): "null",
}  # fmt: skip
SHOWN_CHARS: Final = 80


class Named(NamedTuple):
    """What an event says it is."""

    event_type: str
    version: str | None  # as the event says it; None: it does not
    enclosed: bool  # self-describing: the schema judges the payload, not the whole event


class Contract:
    """Settings made callable."""

    def __init__(
        self, section: settings.Contract, type_of: Callable[[str, str], str] = lambda _vendor, name: name
    ) -> None:
        """`type_of` says which event type a vendor's name stands for."""
        self.section, self._type_of = section, type_of
        self.paths: Mapping[str, tuple[Path, ...]] = {
            field: tuple(tuple(path.split(".")) for path in getattr(section, field)) for field in FIELDS
        }
        self.entity_paths = tuple(tuple(path.split(".")) for path in section.entities)
        self.payload_paths = tuple(tuple(path.split(".")) for path in section.payload)
        self.batch_keys: tuple[str, ...] = section.batch
        self.store_unknown = section.unknown_types == "store"
        self.drop_unknown = section.unknown_types == "drop"
        self._type, self._version = look(self.paths["event_type"]), look(self.paths["schema_version"])
        self.types, self.versions = look_all(self.paths["event_type"]), look_all(self.paths["schema_version"])
        self.payload = look(self.payload_paths)

    def key(self, event: Event) -> tuple[Any, Any]:
        """Return the raw values that name an event's type and version: equal keys, equal names."""
        return self._type(event), self._version(event)

    def name(self, event: Event) -> Named | Reason:
        """Return the type and version an event names, or what is wrong with them."""
        named, version = self.key(event)
        path = held_path(event, self.paths["event_type"])
        if named is None or named == "":
            candidates = ", ".join(self.section.event_type)
            return Reason("contract", "event_type", "$", f"found no event type, expected text at one of: {candidates}")
        if not isinstance(named, str):
            return Reason("contract", "event_type", path, f"found {shown(named)}, expected text: the event type")
        if named.startswith("iglu:"):
            return self.described(named) or Reason(
                "contract", "event_type", path, f"found {shown(named)}, expected {IGLU_FORM}"
            )
        if version is not None and (isinstance(version, bool) or not isinstance(version, str | int)):
            path = held_path(event, self.paths["schema_version"])
            return Reason("contract", "version", path, f"found {shown(version)}, expected text: the schema's version")
        return Named(named, None if version is None else str(version), enclosed=False)

    def described(self, uri: str) -> Named | None:
        """Return what the URI of self-describing data names; None when it is none."""
        parts = _IGLU.fullmatch(uri)
        return parts and Named(self._type_of(parts[1], parts[2]), parts[3], enclosed=True)

    def field(self, name: str, event: Event) -> Any:
        """Return one field of an event, None when it is not there. For single events; rows use `look`."""
        return look(self.paths[name])(event)


def look(paths: Sequence[Path]) -> Look:
    """Return a function that finds the first value that is there and not null."""
    if not paths:
        return lambda _event: None
    if all(len(path) == 1 for path in paths):
        keys = tuple(path[0] for path in paths)
        if len(keys) == 1:
            only = keys[0]
            return lambda event: event.get(only)
        return _first_key(keys)
    return _first_path(tuple(paths))


def look_all(paths: Sequence[Path]) -> LookAll:
    """Return what does `look`'s work for many events."""
    if not paths:
        return lambda events: [None] * len(events)
    if not all(len(path) == 1 for path in paths):
        find_one = look(paths)
        return lambda events: list(map(find_one, events))
    keys = tuple(path[0] for path in paths)
    if len(keys) == 1:
        only = keys[0]
        return lambda events: [event.get(only) for event in events]

    def first(events: Sequence[Any]) -> list[Any]:  # no call an event: this is the hot path
        out = []
        for event in events:
            value = None
            for key in keys:
                value = event.get(key)
                if value is not None:
                    break
            out.append(value)
        return out

    return first


def _first_key(keys: tuple[str, ...]) -> Look:
    def first(event: Any) -> Any:
        for key in keys:
            value = event.get(key)
            if value is not None:
                return value
        return None

    return first


def _first_path(paths: tuple[Path, ...]) -> Look:
    def first(event: Any) -> Any:
        for path in paths:
            value = find(event, path)
            if value is not None:
                return value
        return None

    return first


def find(event: Any, path: Path) -> Any:
    """Return the value at a path, None when it is not there."""
    for key in path:
        if type(event) is not dict:
            return None
        event = event.get(key)
    return event


def held_path(event: Any, paths: Sequence[Path]) -> str:
    """Return the JSON path of the first candidate that is there, `$` when none is."""
    for path in paths:
        if find(event, path) is not None:
            return json_path(path)
    return "$"


def json_path(parts: Sequence[str | int]) -> str:
    """Return `$.a.b[0]['odd key']`."""
    out = ["$"]
    for part in parts:
        if isinstance(part, int):
            out.append(f"[{part}]")
        elif _PLAIN_KEY.fullmatch(part):
            out.append(f".{part}")
        else:
            quoted = _cut(part, SHOWN_CHARS).replace("\\", "\\\\").replace("'", "\\'")
            out.append(f"['{quoted}']")
    return one_line("".join(out))


def shown(value: object) -> str:
    """Return a value as a message names it: short, and saying its kind where it is long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return f'"{one_line(shortened(value))}"'
    return _KINDS.get(type(value), type(value).__name__)


def shortened(text: str, chars_max: int = SHOWN_CHARS) -> str:
    """Return a text cut to a length that a message can bear, and such that it can be written."""
    return _encodable(_cut(text, chars_max))


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else f"{text[:chars_max]}... ({len(text)} characters)"


def one_line(text: str) -> str:
    """Return a text that can be written, on one line."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), _encodable(text))


def _encodable(text: str) -> str:
    """Return a text with lone surrogates, which JSON's escapes can name and UTF-8 cannot, written as escapes."""
    return text.encode(errors="backslashreplace").decode()
