"""What real clients break. Rule: each flaw names the stage that must reject it, and breaks nothing beside it.

A flaw takes a good event of the tracker's shape and returns the bytes that go out; what it puts in place of the good
follows from the event alone. After a `whole` flaw no reader can tell where the event ends: inside a JSON array it would
break its neighbours too, so it travels alone or on a line of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

Event = dict[str, Any]
CUT_MIN = 60  # so that the event's id is still there to be found


class Flaw(NamedTuple):
    """One way to be wrong."""

    name: str
    stage: str  # of the first reason: parse, contract, schema, columns
    whole: bool
    apply: Callable[[Event], bytes]
    mended: bool = False  # the demo mends it and sends it again


def encode(event: object) -> bytes:
    """Return compact JSON, as trackers send it."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


def _with(path: str, value: Callable[[Any], Any]) -> Callable[[Event], bytes]:
    """Return a flaw that puts another value at a dotted path, made from the one that stands there."""
    *parents, last = path.split(".")

    def apply(event: Event) -> bytes:
        inner = event
        for name in parents:
            inner = inner[name]
        inner[last] = value(inner.get(last))
        return encode(event)

    return apply


def _without(name: str) -> Callable[[Event], bytes]:
    return lambda event: encode({key: value for key, value in event.items() if key != name})


def _cut(event: Event) -> bytes:
    whole = encode(event)
    return whole[: CUT_MIN + int(event["event_id"][:8], 16) % (len(whole) - CUT_MIN)]


def _latin(event: Event) -> bytes:
    event["target"]["text"] = "caf@"
    return encode(event).replace(b"caf@", b"caf\xe9")  # Latin-1 sent as if it were UTF-8


def _deep(event: Event) -> bytes:
    event["data"]["tree"] = "@"
    return encode(event).replace(b'"@"', b'{"a":' * 200 + b"1" + b"}" * 200)


def _proxy_page(event: Event) -> bytes:
    title = "<html><head><title>502 Bad Gateway</title></head>"
    return f"{title}<body>request {event['event_id']}</body></html>".encode()


FLAWS = (
    Flaw("cut short", "parse", True, _cut),
    Flaw("NaN", "parse", False, _with("data.vw", lambda _: float("nan"))),
    Flaw("invalid UTF-8", "parse", False, _latin),
    Flaw("200 levels deep", "parse", False, _deep),
    Flaw("a proxy's error page", "parse", True, _proxy_page),
    Flaw("integer beyond 64 bits", "parse", False, _with("target.y", lambda old: 2**64 + old)),
    Flaw("encoded twice", "contract", False, lambda event: encode(encode(event).decode())),
    Flaw("number as text", "schema", False, _with("target.x", str)),
    Flaw("number as path", "schema", False, _with("path", len)),
    Flaw("text as object", "schema", False, _with("target", lambda old: f"#{old['id']}")),
    Flaw("no session", "schema", False, _without("session_id")),
    Flaw("no target", "schema", False, _without("target")),
    Flaw("a member nobody knows", "schema", False, _with("extra_field", lambda _: 1)),
    Flaw("an id that is none", "schema", False, _with("event_id", lambda old: f"nope-{old}")),
    Flaw("huge integer", "schema", False, _with("target.y", lambda old: 2**63 + old)),
    Flaw("unparsable time", "contract", False, _with("timestamp", lambda _: "yesterday")),
    Flaw("unknown type", "contract", False, _with("eventType", lambda old: old.replace("_", "") + "ed")),
    Flaw("no type", "contract", False, _without("eventType")),
    Flaw("tenant as number", "contract", False, _with("tenant", len)),
    Flaw("tenant far too long", "contract", False, _with("tenant", lambda old: old * 64)),
)
BY_NAME = {flaw.name: flaw for flaw in FLAWS}
