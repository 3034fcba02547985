"""Good events, as trackers send them. Rule: every event made here passes its schema in properties/schemas.

A visit is a session of one person: pages, scrolling, clicks, sometimes a form or a purchase. Besides the tracker's
shape there are two others: scores `{user_id, event_type, timestamp, value}` and self-describing `{schema, data}`.
"""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from local.people import Person

PATHS = (
    "/",
    "/products",
    "/products/{}",
    "/cart",
    "/checkout",
    "/search",
    "/account/orders/{}",
    "/blog/post-{}",
    "/help",
)
REFERRERS = ("", "https://www.google.com/", "https://t.co/x{}", "https://news.example.org/a/{}")
CAMPAIGNS = {  # what a link in a letter or an advertisement adds, by the page's last letter
    "7": "?utm_source=newsletter&utm_medium=email&utm_campaign=spring",
    "s": "?utm_source=google&utm_medium=cpc&utm_campaign=brand",
}
TEXTS = ("Buy now", "Sign in", "Lire la suite", "Ajouter au panier \N{EN DASH} \N{EURO SIGN}", "Weiter", "次へ", "")
STEPS = ("cart", "address", "delivery", "payment", "review")
NEXT = {  # what follows what on a page, with weights
    "page_view": (("click", 5), ("scroll", 5), ("page_view", 8), ("custom", 1)),
    "click": (("page_view", 7), ("click", 2), ("form_submit", 2), ("scroll", 1)),
    "scroll": (("page_view", 5), ("click", 4), ("scroll", 2), ("custom", 1)),
    "form_submit": (("page_view", 6), ("purchase", 3), ("checkout_step", 2)),
    "checkout_step": (("purchase", 4), ("checkout_step", 3), ("page_view", 2)),
    "purchase": (("page_view", 5), ("score", 2)),
    "score": (("page_view", 1),),
    "custom": (("page_view", 3), ("click", 1), ("score", 1)),
}
SELF_DESCRIBING = "iglu:shop.example/checkout_step/jsonschema/1-0-0"
LATE, VERY_LATE, AHEAD = 0.02, 0.001, 0.001  # shares of events by their clocks
ZONES = (timezone(timedelta(hours=2)), timezone(timedelta(hours=-5)), timezone(timedelta(hours=5, minutes=30)))


class Visit:
    """One session; `next` returns one event after the other."""

    def __init__(self, person: Person, rng: random.Random) -> None:
        self.person = person
        self.left = 1 + min(60, int(rng.expovariate(1 / 12)))
        self._rng = rng
        self._session = f"{rng.getrandbits(128):032x}"
        self._type = ""
        self._path = "/"

    def next(self, now_ms: int) -> tuple[str, dict[str, Any]]:
        """Return (type, event) of the next thing this person does."""
        rng = self._rng
        self.left -= 1
        following = NEXT.get(self._type, (("page_view", 1),))
        self._type = rng.choices([name for name, _ in following], [weight for _, weight in following])[0]
        if self._type == "page_view":
            self._path = rng.choice(PATHS).format(rng.randint(1, 5000))
            self._path += CAMPAIGNS.get(self._path[-1:], "")
        at = clock(rng, now_ms)
        if self._type == "score":
            value = round(rng.gauss(50, 20), 3)
            return "score", {"user_id": self.person.user_id, "event_type": "score", "timestamp": at, "value": value}
        if self._type == "checkout_step":
            step = rng.randrange(len(STEPS))
            data = {"cart": f"c-{rng.getrandbits(48):012x}", "step": step + 1, "name": STEPS[step]}
            return "checkout_step", {"schema": SELF_DESCRIBING, "data": data}
        return self._type, self._tracked(at)

    def tracked(self, event_type: str, at_ms: int) -> dict[str, Any]:
        """Return an event of a type of the tracker's shape, whatever this person did before."""
        self._type = event_type
        return self._tracked(at_ms)

    def _tracked(self, at_ms: int) -> dict[str, Any]:
        rng, person = self._rng, self.person
        width, height = person.screen
        return {
            "event_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            "tenant": person.tenant,
            "eventType": self._type,
            "browser": person.browser,
            "timestamp": iso(at_ms, rng),
            "user_id": person.user_id,
            "session_id": self._session,
            "path": self._path,
            "target": {
                "tag": rng.choice(("a", "button", "div", "input", "span")),
                "id": f"el-{rng.randint(1, 400)}",
                "text": rng.choice(TEXTS),
                "x": rng.randint(0, width),
                "y": rng.randint(0, 4 * height),
            },
            "data": {
                "referrer": rng.choice(REFERRERS).format(rng.randint(1, 99999)),
                "lang": person.language,
                "vw": width,
                "vh": height,
                **detail(self._type, rng),
            },
        }


def detail(event_type: str, rng: random.Random) -> dict[str, Any]:
    """Return what only this type has."""
    if event_type == "scroll":
        return {"depth": round(rng.random(), 3)}
    if event_type == "form_submit":
        return {"form": f"f-{rng.randint(1, 50)}", "ok": rng.random() < 0.9}
    if event_type == "custom":
        return {f"k{rng.randint(1, 9)}": f"v{rng.randint(1, 99)}"}
    if event_type == "purchase":
        items = [{"sku": f"s{rng.randint(1, 9999)}", "qty": rng.randint(1, 3)} for _ in range(rng.randint(1, 3))]
        total = round(rng.lognormvariate(3.5, 0.8), 2)
        return {"order_id": f"o-{rng.getrandbits(40):010x}", "total": total, "currency": "EUR", "items": items}
    return {}


def clock(rng: random.Random, now_ms: int) -> int:
    """Return the time the client believes it is: mostly now, sometimes hours late, rarely nonsense."""
    kind = rng.random()
    if kind < LATE:  # a phone that was in a tunnel, a tab that was asleep
        return now_ms - int(rng.uniform(0.2, 48) * 3_600_000)
    if kind < LATE + VERY_LATE:
        return now_ms - int(rng.uniform(40, 400) * 86_400_000)
    if kind < LATE + VERY_LATE + AHEAD:
        return now_ms + int(rng.uniform(3, 72) * 3_600_000)
    return now_ms - rng.randint(0, 4000)


def iso(at_ms: int, rng: random.Random) -> str:
    """Return the time as text, mostly in UTC with `Z`, sometimes with an offset."""
    zone = UTC if rng.random() < 0.9 else rng.choice(ZONES)
    at = datetime.fromtimestamp(at_ms / 1000, zone)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
