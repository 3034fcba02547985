"""The events every benchmark is fed with. Rule: frozen; another byte here, and no two figures can be compared.

Web events of about 500 bytes: six types, twenty tenants and two thousand browsers by Zipf's law, event ids and session
ids that never repeat, 1 % broken in eight ways. `tests/unit/bench` holds a digest of them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import uuid
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

TYPES = {"page_view": 50, "click": 22, "scroll": 15, "form_submit": 5, "purchase": 3, "custom": 5}
BROKEN_SHARE = 0.01
TENANTS, BROWSERS, USERS = 20, 2000, 200_000
START_MS = 1_760_000_000_000
FIRST_SEQUENCE = 49590338271490256608559692538361571095921575989136588898
RECORDS_A_LINE = 1000

_COMPUTERS = (
    "Windows NT 10.0; Win64; x64",
    "Windows NT 6.1; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "X11; Linux x86_64",
    "X11; CrOS x86_64 14541.0.0",
)
_PHONES = (
    "SM-G991B", "SM-A515F", "Pixel 7", "Pixel 8 Pro", "SM-S918B", "M2101K6G", "CPH2451", "moto g(60)", "SM-A127F",
    "2201117TY",
)  # fmt: skip
_PATHS = (
    "/", "/products", "/products/%d", "/cart", "/checkout", "/search", "/account/orders/%d", "/blog/post-%d",
    "/help/contact",
)  # fmt: skip
_TAGS = ("a", "button", "div", "input", "span")
_TEXTS = ("Buy now", "Sign in", "Lire la suite", "Ajouter au panier – €", "Next", "")
_LANGUAGES = ("en-GB", "fr-FR", "de-DE", "es-ES", "pl-PL", "zh-CN")
_WIDTHS, _HEIGHTS = (360, 390, 414, 768, 1280, 1440, 1920), (640, 844, 896, 1024, 720, 900, 1080)
_KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"

Event = dict[str, Any]


def browsers(count: int, rng: random.Random) -> list[str]:
    """Return different user agents, the commonest kinds first in likelihood."""
    found: dict[str, None] = {}
    while len(found) < count:
        found.setdefault(_browser(rng))
    return list(found)


def _browser(rng: random.Random) -> str:
    kind = rng.random()
    version, build, patch = rng.randint(80, 128), rng.randint(1000, 6800), rng.randint(0, 220)
    chrome = f"Chrome/{version}.0.{build}.{patch}"
    if kind < 0.35:
        return f"Mozilla/5.0 ({rng.choice(_COMPUTERS)}) {_KHTML} {chrome} Safari/537.36"
    if kind < 0.65:
        phone = f"Linux; Android {rng.randint(8, 15)}; {rng.choice(_PHONES)}"
        return f"Mozilla/5.0 ({phone}) {_KHTML} {chrome} Mobile Safari/537.36"
    if kind < 0.8:
        major, minor = rng.randint(13, 18), rng.randint(0, 7)
        system = f"iPhone; CPU iPhone OS {major}_{minor} like Mac OS X"
        mobile = f"Version/{major}.{minor} Mobile/15E{rng.randint(100, 199)} Safari/604.1"
        return f"Mozilla/5.0 ({system}) AppleWebKit/605.1.15 (KHTML, like Gecko) {mobile}"
    if kind < 0.9:
        return f"Mozilla/5.0 ({rng.choice(_COMPUTERS)}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
    if kind < 0.97:
        edge = f"Edg/{version}.0.{rng.randint(1000, 2900)}.{patch}"
        return f"Mozilla/5.0 ({rng.choice(_COMPUTERS)}) {_KHTML} {chrome} Safari/537.36 {edge}"
    return rng.choice(
        (
            f"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html) v{build}",
            f"curl/7.{version}.{patch % 10}",
            f"facebookexternalhit/1.{patch} (+http://www.facebook.com/externalhit_uatext.php)",
            f"Opera/9.80 (Windows NT 6.1; U; en) Presto/2.{version}.{patch} Version/11.{patch % 60}",
        )
    )


def _zipf(count: int) -> list[float]:
    return list(accumulate(1 / (rank + 1) for rank in range(count)))


def _number(text: str, rng: random.Random, most: int) -> str:
    return text % rng.randint(1, most) if "%" in text else text


def _data(event_type: str, rng: random.Random) -> Event:
    referrers = ("https://www.google.com/", f"https://t.co/x{rng.randint(1, 999)}", "",
                 f"https://news.example.org/a/{rng.randint(1, 99999)}")  # fmt: skip
    data: Event = {
        "referrer": rng.choice(referrers),
        "lang": rng.choice(_LANGUAGES),
        "vw": rng.choice(_WIDTHS),
        "vh": rng.choice(_HEIGHTS),
    }
    if event_type == "scroll":
        data["depth"] = round(rng.random(), 3)
    elif event_type == "purchase":
        data |= {"order_id": f"o-{rng.randint(1, 10**9)}", "total": round(rng.random() * 300, 2), "currency": "EUR"}
        data["items"] = [
            {"sku": f"s{rng.randint(1, 9999)}", "qty": rng.randint(1, 3)} for _ in range(rng.randint(1, 3))
        ]
    elif event_type == "form_submit":
        data |= {"form": f"f-{rng.randint(1, 50)}", "ok": rng.random() < 0.9}
    elif event_type == "custom":
        data[f"k{rng.randint(1, 9)}"] = f"v{rng.randint(1, 99)}"
    return data


def _drop_user(event: Event) -> None:
    del event["user_id"]


def _text_for_a_number(event: Event) -> None:
    event["target"]["x"] = "12"


_BREAK: tuple[Callable[[Event], object], ...] = (
    _drop_user,
    lambda event: event.update(event_id="nope"),
    lambda event: event.update(eventType="bogus"),
    _text_for_a_number,
    lambda event: event.update(timestamp="yesterday"),
    lambda event: event.update(extra_field=1),
    lambda event: event.update(path=42),
)


def _time(ms: int) -> str:
    hour, minute, second = ms // 3_600_000 % 24, ms // 60_000 % 60, ms // 1000 % 60
    return f"2025-10-09T{hour:02d}:{minute:02d}:{second:02d}.{ms % 1000:03d}Z"


def events(count: int, seed: int = 7, types: Sequence[str] = tuple(TYPES)) -> list[bytes]:
    """Return the bytes of events, of some types only where that is asked for."""
    rng = random.Random(seed)
    agents = browsers(BROWSERS, random.Random(99))
    agent_weights, tenant_weights = _zipf(BROWSERS), _zipf(TENANTS)
    tenants = [f"tenant-{at:02d}" for at in range(TENANTS)]
    weights = [TYPES[name] for name in types]
    now_ms, out = START_MS, []
    for _ in range(count):
        event_type = rng.choices(types, weights)[0]
        now_ms += rng.randint(0, 40)
        event: Event = {
            "event_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            "tenant": rng.choices(tenants, cum_weights=tenant_weights)[0],
            "eventType": event_type,
            "browser": rng.choices(agents, cum_weights=agent_weights)[0],
            "timestamp": _time(now_ms),
            "user_id": f"u-{rng.randint(1, USERS)}",
            "session_id": f"{rng.getrandbits(128):032x}",
            "path": _number(rng.choice(_PATHS), rng, 5000),
            "target": {
                "tag": rng.choice(_TAGS),
                "id": f"el-{rng.randint(1, 400)}",
                "text": rng.choice(_TEXTS),
                "x": rng.randint(0, 1920),
                "y": rng.randint(0, 4000),
            },
            "data": _data(event_type, rng),
        }
        out.append(_bytes(event, rng))
    return out


def _bytes(event: Event, rng: random.Random) -> bytes:
    """Return an event as JSON; one in a hundred broken."""
    if rng.random() >= BROKEN_SHARE:
        return _json(event)
    way = rng.randint(0, len(_BREAK))
    if way == len(_BREAK):
        return _json(event)[: rng.randint(10, 300)]
    _BREAK[way](event)
    return _json(event)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def lines(bodies: Sequence[bytes]) -> list[bytes]:
    """Return the daemon's processRecords lines, as MultiLangDaemon 3 writes them."""
    out = []
    for start in range(0, len(bodies), RECORDS_A_LINE):
        records = [
            {
                "action": "record",
                "data": base64.b64encode(body).decode(),
                "partitionKey": hashlib.md5(body, usedforsecurity=False).hexdigest(),
                "sequenceNumber": str(FIRST_SEQUENCE + 17 * at),
                "subSequenceNumber": 0,
                "approximateArrivalTimestamp": START_MS + at * 20,
            }
            for at, body in enumerate(bodies[start : start + RECORDS_A_LINE], start)
        ]
        out.append(_json({"action": "processRecords", "records": records, "millisBehindLatest": 0}) + b"\n")
    return out
