"""Families of browser, system and device."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tailrace.rows.enrich import user_agent

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
)
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.1 Mobile/15E148 Safari/604.1"
)
PIXEL = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8 Pro) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/121.0.0.0 Mobile Safari/537.36"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CHROME, ("Chrome", "Windows", "Other")),
        (PHONE, ("Mobile Safari", "iOS", "iPhone")),
        (PIXEL, ("Chrome Mobile", "Android", "Pixel 8 Pro")),
        ("", ("Other", "Other", "Other")),
        ("no browser", ("Other", "Other", "Other")),
        (CHROME + "x" * 100_000, ("Chrome", "Windows", "Other")),
    ],
)
def test_families(text: str, expected: tuple[str, str, str]) -> None:
    assert user_agent.families(text) == expected


def test_columns_align_with_the_texts() -> None:
    made = user_agent.UserAgent()({"user_agent": pa.array([CHROME, None, CHROME, PHONE], pa.string())})
    assert made["ua_family"].to_pylist() == ["Chrome", None, "Chrome", "Mobile Safari"]
    assert made["os_family"].to_pylist() == ["Windows", None, "Windows", "iOS"]
    assert made["device_family"].to_pylist() == ["Other", None, "Other", "iPhone"]
    nothing = user_agent.UserAgent()({"user_agent": pa.array([], pa.string())})
    assert [column.to_pylist() for column in nothing.values()] == [[], [], []]
