"""Self-describing things around an event. Rule: each is judged by its own schema; one that breaks it breaks the event.

They stand where the contract's `entities` say: an array of `{"schema": "iglu:...", "data": ...}`, one such object, or
one whose `data` is such an array. Any other value there is a member like all others. Events without any cost one look
into each for each place.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Any, Final, NamedTuple

import orjson
import pyarrow as pa

from tailrace.nouns import Reason
from tailrace.schema.book import Book, Page
from tailrace.schema.contract import IGLU_FORM, Contract, Path, find, json_path, shown
from tailrace.schema.validate import REASONS_MAX, judge

Event = dict[str, Any]
FORM: Final = '{"schema": "iglu:...", "data": ...}'
URIS_MAX: Final = 1000  # remembered between calls
URI_CHARS_MAX: Final = 512  # of those; a hostile one is as long as an event may be
VERSIONS_SHOWN: Final = 5


class Held(NamedTuple):
    """What stands around an event, and where."""

    path: Path
    outer: bool  # around the payload, not in it
    below: tuple[str, ...]  # from there to the array
    things: list[Any]
    single: bool  # it is no array


class Entities:
    """Judges them. One object a pipeline."""

    def __init__(self, book: Book, contract: Contract) -> None:
        self._book, self._contract = book, contract
        self._known: dict[str, Page | Reason | None] = {}

    def around(self, page: Page, *, enclosed: bool) -> Around | None:
        """Return what finds them in the events of a page; None where valid events have none."""
        paths = self._contract.entity_paths
        inner = tuple(path for path in paths if not page.closed or path[0] in page.declared)
        outer = paths if enclosed else ()
        return Around(self, inner, outer) if inner or outer else None

    def reasons(self, thing: object) -> list[Reason]:
        """Return what is wrong with one of them, paths from itself."""
        uri = thing.get("schema") if type(thing) is dict else None
        if type(thing) is not dict or type(uri) is not str:
            return [Reason("schema", "entity", "$", f"found {shown(thing)}, expected self-describing data: {FORM}")]
        found = self._page(uri)
        if isinstance(found, Reason):
            return [found]
        if "data" not in thing:
            return [Reason("schema", "required", "$", f"found no data, expected self-describing data: {FORM}")]
        if found is None or found.judge is None:
            return []
        broken = judge(found.judge, [thing["data"]])
        return [reason._replace(path=f"$.data{reason.path[1:]}") for reason in broken.get(0, ())]

    def _page(self, uri: str) -> Page | Reason | None:
        """Return the page of a URI, or what is wrong with it; None when it is unknown and nothing is checked."""
        if len(uri) > URI_CHARS_MAX:
            return self._looked_up(uri)
        if uri not in self._known:
            if len(self._known) >= URIS_MAX:
                self._known.clear()
            self._known[uri] = self._looked_up(uri)
        return self._known[uri]

    def _looked_up(self, uri: str) -> Page | Reason | None:
        named = self._contract.described(uri)
        if named is None:
            return Reason("schema", "entity", "$.schema", f"found {shown(uri)}, expected {IGLU_FORM}")
        page = self._book.page(named.event_type, named.version)
        if page is not None:
            return page
        if named.event_type in self._book:
            versions = ", ".join(self._book.versions(named.event_type)[-VERSIONS_SHOWN:])
            return Reason(
                "schema", "entity", "$.schema", f"found {shown(uri)}, expected one of its versions: {versions}"
            )
        if self._contract.store_unknown:
            return None
        return Reason("schema", "entity", "$.schema", f"found {shown(uri)}, expected one with a schema in the book")


class Around:
    """Finds them in events of one shape."""

    def __init__(self, entities: Entities, inner: tuple[Path, ...], outer: tuple[Path, ...]) -> None:
        self._entities, self._inner, self._outer = entities, inner, outer

    def broken(self, events: Sequence[Event], outers: Sequence[Event]) -> list[int]:
        """Return the places of events around which something breaks its schema."""
        return [at for at in self._candidates(events, outers) if self.reasons(events[at], outers[at], "$")]

    def reasons(self, event: Event, outer: Event, inside: str) -> list[Reason]:
        """Return what is wrong with all of them. `inside` is the payload's JSON path."""
        held = self._held(event, outer)
        if held is None:
            return []
        out: list[Reason] = []
        for at, thing in enumerate(held.things):
            where = json_path((*held.path, *held.below, *(() if held.single else (at,))))
            where = where if held.outer else inside + where[1:]
            out += [reason._replace(path=where + reason.path[1:]) for reason in self._entities.reasons(thing)]
            if len(out) >= REASONS_MAX:
                break
        return out[:REASONS_MAX]

    def columns(self, events: Sequence[Event], outers: Sequence[Event]) -> dict[str, pa.Array]:
        """Return the column `entities`, an array as JSON text; nothing when no event has any."""
        texts: list[bytes | None] = [None] * len(events)
        for at in self._candidates(events, outers):
            held = self._held(events[at], outers[at])
            texts[at] = orjson.dumps(held.things) if held else None
        return {"entities": pa.array(texts, pa.string())} if any(texts) else {}

    def taken_out(self, event: Event, outer: Event, rest: Event, around: Event) -> None:
        """Take them out of the members that no column holds: `rest` is what is left of an event, `around` of its outer.

        What is more in the object around an array than the array stays.
        """
        held = self._held(event, outer)
        if held is None or len(held.path) > 1:
            return
        left, key = (around if held.outer else rest), held.path[0]
        if key in left:
            value = left.pop(key)
            if held.below:
                left[key] = {name: below for name, below in value.items() if name not in held.below}

    def _candidates(self, events: Sequence[Event], outers: Sequence[Event]) -> list[int]:
        found: set[int] = set()
        for sought, paths in ((events, self._inner), (outers, self._outer)):
            for key in dict.fromkeys(path[0] for path in paths):
                there = [key in event for event in sought]
                if True in there:
                    found.update(compress(range(len(there)), there))
        return sorted(found)

    def _held(self, event: Event, outer: Event) -> Held | None:
        for value, paths in ((outer, self._outer), (event, self._inner)):
            for path in paths:
                held = _described(find(value, path))
                if held is not None:
                    return held._replace(path=path, outer=value is outer and bool(self._outer))
        return None


def _described(value: object) -> Held | None:
    """Return a value as self-describing things; None where it does not look like any."""
    if type(value) is list and any(map(_describes_itself, value)):
        return Held((), outer=False, below=(), things=value, single=False)
    if type(value) is dict and _describes_itself(value):
        data = value.get("data")
        if type(data) is list and (not data or any(map(_describes_itself, data))):
            return Held((), outer=False, below=("data",), things=data, single=False)
        return Held((), outer=False, below=(), things=[value], single=True)
    return None


def _describes_itself(value: object) -> bool:
    schema = value.get("schema") if type(value) is dict else None
    return type(schema) is str and schema.startswith("iglu:")
