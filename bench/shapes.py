"""Events and schemas of other shapes than the bench's. Rule: seeded, of about as many bytes, and all valid."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable
from typing import Any

from bench.events import BROWSERS, browsers
from bench.variants import COUNT, RUNS, Variant, table

KINDS = 20
FIVE = ("user_agent", "bot", "url", "referer", "fingerprint")
PATTERNS = {
    "sku": ("^[A-Z]{2}-[0-9]{6}$", "AB-123456"),
    "phone": (r"^\+[1-9][0-9]{7,14}$", "+33123456789"),
    "colour": ("^#([0-9a-f]{3}|[0-9a-f]{6})$", "#c0ffee"),
    "slug": ("^[a-z0-9]+(-[a-z0-9]+)*$", "an-article-about-nothing-at-all"),
    "mail": ("^[^@ ]+@[^@ ]+[.][a-z]{2,}$", "nobody@shop.example"),
    "release": ("^[0-9]+[.][0-9]+[.][0-9]+(-[a-z]+)?$", "12.4.1-beta"),
    "trace": ("^[0-9a-f]{32}$", "0123456789abcdef" * 2),
    "locale": ("^[a-z]{2}(-[A-Z]{2})?$", "fr-FR"),
}
Event = dict[str, Any]
TEXT: dict[str, Any] = {"type": "string", "maxLength": 1024}
COUNTED: dict[str, Any] = {"type": "integer", "minimum": 0}


def closed(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a closed object schema of required members."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


BASE = dict.fromkeys(["event_id", "tenant", "timestamp", "user_id", "browser"], TEXT)


def _base(rng: random.Random, event_type: str, at: int) -> Event:
    second = at // 50
    return {
        "event_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "tenant": f"tenant-{rng.randrange(20):02d}",
        "eventType": event_type,
        "timestamp": f"2025-10-09T{8 + second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{at % 1000:03d}Z",
        "user_id": f"u-{rng.randrange(200_000)}",
    }


def _of(name: str, members: dict[str, Any], make: Callable[[random.Random], Event], count: int) -> Variant:
    schema = closed({**BASE, "eventType": {"const": "shape"}, **members})
    rng, agents = random.Random(7), browsers(BROWSERS, random.Random(99))
    bodies = [
        json.dumps({**_base(rng, "shape", at), "browser": rng.choice(agents[:200]), **make(rng)}).encode()
        for at in range(count)
    ]
    return Variant(name, {("shape", "1-0-0"): schema}, bodies)


def flat(count: int) -> Variant:
    """Twelve plain members."""
    texts, numbers = [f"text_{at}" for at in range(6)], [f"number_{at}" for at in range(6)]
    members = dict.fromkeys(texts, TEXT) | dict.fromkeys(numbers, COUNTED)
    return _of(
        "flat: 12 texts and numbers",
        members,
        lambda rng: {n: f"value-{rng.randrange(999)}" for n in texts} | {n: rng.randrange(99_999) for n in numbers},
        count,
    )


def nested(count: int) -> Variant:
    """Structs in structs, and a list of structs."""
    leaf = closed({"x": {"type": "integer"}, "y": {"type": "integer"}, "tag": TEXT})
    item = closed({"sku": TEXT, "qty": {"type": "integer"}, "at": leaf})

    def point(rng: random.Random) -> Event:
        return {"x": rng.randrange(1920), "y": rng.randrange(4000), "tag": "button"}

    def make(rng: random.Random) -> Event:
        items = [{"sku": f"s{rng.randrange(999)}", "qty": 1, "at": point(rng)} for _ in range(rng.randint(1, 3))]
        return {"page": {"view": {"point": point(rng)}}, "items": items}

    view = closed({"view": closed({"point": leaf})})
    return _of(
        "nested: structs, a list of structs", {"page": view, "items": {"type": "array", "items": item}}, make, count
    )


def union(count: int) -> Variant:
    """One member that is one of twenty objects."""
    kinds = [
        closed({"kind": {"const": f"kind_{at}"}, f"only_{at}": TEXT, "n": {"type": "integer"}, "note": TEXT})
        for at in range(KINDS)
    ]

    def make(rng: random.Random) -> Event:
        at = rng.randrange(KINDS)
        note = "some words about what happened here, as they are written by a person in a hurry"
        return {"what": {"kind": f"kind_{at}", f"only_{at}": "x", "n": rng.randrange(99), "note": note}}

    return _of(f"a union of {KINDS} objects (`oneOf`)", {"what": {"oneOf": kinds}}, make, count)


def patterns(count: int) -> Variant:
    """Eight members with patterns, two with formats."""
    members = {name: {"type": "string", "pattern": pattern} for name, (pattern, _) in PATTERNS.items()}
    members |= {"mail_of": {"type": "string", "format": "email"}, "when": {"type": "string", "format": "date-time"}}
    good = {name: value for name, (_, value) in PATTERNS.items()}
    good |= {"mail_of": "nobody@shop.example", "when": "2025-10-09T08:00:00Z"}
    return _of(
        "8 patterns and 2 formats", members, lambda rng: {**good, "sku": f"AB-{rng.randrange(10**6):06d}"}, count
    )


def visits(count: int, steps: tuple[str, ...], name: str) -> Variant:
    """Events with addresses, for the steps that read them."""
    members = {"url": TEXT, "referrer": TEXT}

    def make(rng: random.Random) -> Event:
        campaign = f"?utm_source=s{rng.randrange(9)}&utm_medium=email&utm_campaign=c" if rng.random() < 0.2 else ""
        hosts = ("https://www.google.com/", f"https://t.co/x{rng.randrange(999)}", "https://shop.example/", "")
        return {"url": f"https://shop.example/products/{rng.randrange(5000)}{campaign}", "referrer": rng.choice(hosts)}

    return _of(name, members, make, count)._replace(steps=steps)


def types(count: int, several: int) -> Variant:
    """The flat shape under some event types."""
    one = flat(count)
    schema = one.schemas["shape", "1-0-0"]
    schemas = {
        (f"shape_{at}", "1-0-0"): {
            **schema,
            "properties": {**schema["properties"], "eventType": {"const": f"shape_{at}"}},
        }
        for at in range(several)
    }
    bodies = [
        body.replace(b'"eventType": "shape"', b'"eventType": "shape_%d"' % (at * 7 % several))
        for at, body in enumerate(one.bodies)
    ]
    return Variant(f"{several} types in one stream" if several > 1 else "one type", schemas, bodies)


def main(count: int = COUNT, runs: int = RUNS) -> None:
    """Print three tables."""
    table("cost by the schema's shape", [flat(count), nested(count), union(count), patterns(count)], runs)
    each = [visits(count, (step,), f"`{step}` alone") for step in FIVE]
    none, all_five = visits(count, (), "no enrichment"), visits(count, FIVE, f"five steps: {', '.join(FIVE)}")
    table("enrichment", [none, all_five, *each], runs)
    table("event types", [types(count, 1), types(count, KINDS)], runs)


if __name__ == "__main__":
    main()
