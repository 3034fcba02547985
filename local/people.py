"""The people behind the traffic. Rule: a person is the same each time the seed is: tenant, browser, language, screen.

Few of them do most of what is done (Zipf), as everywhere.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import accumulate

# One of them has characters that no path may hold: the lake makes it safe.
TENANTS = ("acme", "northwind", "globex", "initech", "umbrella", "blue/green & co", "züri-kiosk", "tiny")
LANGUAGES = ("en-GB", "fr-FR", "de-DE", "es-ES", "pl-PL", "zh-CN", "pt-BR", "ja-JP")
SCREENS = ((360, 640), (390, 844), (414, 896), (768, 1024), (1280, 720), (1440, 900), (1920, 1080))
DESKTOPS = (
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "X11; Linux x86_64",
    "X11; CrOS x86_64 14541.0.0",
)
PHONES = ("SM-G991B", "SM-A515F", "Pixel 7", "Pixel 8 Pro", "SM-S918B", "M2101K6G", "CPH2451", "moto g(60)")


@dataclass(frozen=True)
class Person:
    """Somebody who visits one tenant's pages."""

    user_id: str
    tenant: str
    browser: str
    language: str
    screen: tuple[int, int]


class Crowd:
    """Everybody who may visit; `pick` returns the busy ones more often."""

    def __init__(self, seed: int, people: int = 2000) -> None:
        rng = random.Random(f"crowd {seed}")
        weights = [1 / (n + 1) for n in range(len(TENANTS))]
        self._people = [
            Person(
                user_id=f"u-{rng.randrange(16**8):08x}",
                tenant=rng.choices(TENANTS, weights)[0],
                browser=browser(rng),
                language=rng.choice(LANGUAGES),
                screen=rng.choice(SCREENS),
            )
            for _ in range(people)
        ]
        self._cumulative = list(accumulate(1 / (n + 1) for n in range(people)))

    def pick(self, rng: random.Random) -> Person:
        """Return somebody, the n-th of them n times less often than the first."""
        return rng.choices(self._people, cum_weights=self._cumulative)[0]


def browser(rng: random.Random) -> str:
    """Return a user agent as browsers, phones and now and then a robot send it."""
    major, build, patch = rng.randint(96, 131), rng.randint(1000, 6800), rng.randint(0, 220)
    webkit, gecko = "AppleWebKit/537.36", "(KHTML, like Gecko)"
    chrome = f"Chrome/{major}.0.{build}.{patch}"
    kind = rng.random()
    if kind < 0.35:
        return f"Mozilla/5.0 ({rng.choice(DESKTOPS)}) {webkit} {gecko} {chrome} Safari/537.36"
    if kind < 0.65:
        phone = f"Linux; Android {rng.randint(9, 15)}; {rng.choice(PHONES)}"
        return f"Mozilla/5.0 ({phone}) {webkit} {gecko} {chrome} Mobile Safari/537.36"
    if kind < 0.82:
        ios, minor = rng.randint(14, 18), rng.randint(0, 7)
        phone = f"iPhone; CPU iPhone OS {ios}_{minor} like Mac OS X"
        return f"Mozilla/5.0 ({phone}) AppleWebKit/605.1.15 {gecko} Version/{ios}.{minor} Mobile/15E148 Safari/604.1"
    if kind < 0.92:
        return f"Mozilla/5.0 ({rng.choice(DESKTOPS)}; rv:{major}.0) Gecko/20100101 Firefox/{major}.0"
    if kind < 0.98:
        edge = f"Edg/{major}.0.{build}.{patch}"
        return f"Mozilla/5.0 ({rng.choice(DESKTOPS)}) {webkit} {gecko} {chrome} Safari/537.36 {edge}"
    return rng.choice(
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", f"curl/8.{patch % 12}.0")
    )
