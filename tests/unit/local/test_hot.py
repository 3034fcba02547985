"""The act of the hot tier: its routes are understood, and its threshold follows the traffic."""

from __future__ import annotations

from pathlib import Path

import msgspec

from local import aws, hot
from tailrace import settings_load
from tailrace.edition import load


def test_the_routes_are_understood(tmp_path: Path) -> None:
    url = "http://127.0.0.1:1"
    file = aws.settings(aws.World(str(tmp_path), url, url, url), more=hot.routes(tmp_path, 2_000))
    found = load(settings_load.load(str(file), {})).destinations
    assert [(one.name, one.service) for one in found] == [("hot", "dynamodb"), ("orders", "sqs")]
    (alert,) = msgspec.to_builtins(found[0].options)["alerts"]
    assert alert["threshold"] == hot.threshold(2_000) == 300
