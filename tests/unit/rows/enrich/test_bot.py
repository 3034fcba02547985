"""Programs among user agents."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from tailrace.rows import enrich
from tailrace.rows.enrich.bot import Bot
from tailrace.rows.enrich.user_agent import CACHE_ENTRIES

PATTERNS = Path(enrich.__path__[0], "data", "bots.txt").read_bytes()
BOT = Bot(PATTERNS)
PROGRAMS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
    "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1",
    "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
    "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
    "ELB-HealthChecker/2.0",
    "kube-probe/1.29",
    "curl/8.5.0",
    "Wget/1.21.4",
    "python-requests/2.31.0",
    "Python/3.11 aiohttp/3.9.1",
    "Go-http-client/1.1",
    "Java/17.0.9",
    "Apache-HttpClient/4.5.14 (Java/17.0.9)",
    "axios/1.6.2",
    "node-fetch",
    "PostmanRuntime/7.36.0",
    "GuzzleHttp/7",
    "libwww-perl/6.72",
)
PEOPLE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:121.0) Gecko/20100101 Firefox/121.0",
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 "
        "Mobile/15E148 Safari/604.1"
    ),
    (
        "Mozilla/5.0 (Linux; Android 9; CUBOT_X18_Plus) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/88.0 Mobile "
        "Safari/537.36"
    ),
    "Mozilla/5.0 (Linux; Android 10; CUBOT) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/88.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Safari/537.36",
    (
        "Mozilla/5.0 (Linux; Android 13; SM-S908B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/23.0 "
        "Chrome/115.0.0.0 Mobile Safari/537.36"
    ),
    "Opera/9.80 (Windows NT 6.1; WOW64) Presto/2.12.388 Version/12.18",
    "okhttp/4.12.0",
    "Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7)",
    "Shop/5.1 CFNetwork/1485 Darwin/23.1.0",
    "",
)


@pytest.mark.parametrize("text", PROGRAMS)
def test_a_program_is_a_bot(text: str) -> None:
    assert BOT({"user_agent": pa.array([text])})["bot"].to_pylist() == [True]


@pytest.mark.parametrize("text", PEOPLE)
def test_a_persons_browser_or_app_is_none(text: str) -> None:
    assert BOT({"user_agent": pa.array([text])})["bot"].to_pylist() == [False]


def test_no_text_says_nothing() -> None:
    texts = pa.array([None, "curl/8", None, "curl/8", PEOPLE[0]], pa.string())
    assert BOT({"user_agent": texts})["bot"].to_pylist() == [None, True, None, True, False]


def test_without_patterns_ua_parser_decides_alone() -> None:
    made = Bot(b"# nothing\n\n")({"user_agent": pa.array([PROGRAMS[0], "kube-probe/1.29"])})
    assert made["bot"].to_pylist() == [True, False]


def test_a_pattern_that_is_none_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"^\(open: [^\n]+\Z"):
        Bot(b"fine\n(open\n")


def test_the_digest_is_that_of_the_patterns() -> None:
    assert Bot(PATTERNS).digest == BOT.digest != Bot(PATTERNS + b"x").digest


def test_texts_that_were_seen_and_more_new_ones_than_are_remembered() -> None:
    step = Bot(PATTERNS)
    old = [PROGRAMS[0], PEOPLE[0]]
    assert step({"user_agent": pa.array(old)})["bot"].to_pylist() == [True, False]
    new = [f"browser {number}" for number in range(CACHE_ENTRIES + 1)]
    assert step({"user_agent": pa.array([*old, *new, *old])})["bot"].to_pylist() == [
        *(True, False),
        *[False] * len(new),
        *(True, False),
    ]
