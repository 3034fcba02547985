"""The consumer's settings for a run. Rule: the consumer takes them as they are."""

from __future__ import annotations

from pathlib import Path

from local import aws
from tailrace.kcl import refusals
from tailrace.settings_load import load


def test_the_settings_of_a_run_are_good_ones(tmp_path: Path) -> None:
    folder = tmp_path / 'a "quoted" folder'
    folder.mkdir()
    world = aws.World(str(folder), "http://k", "http://d", "http://s", port=1234)
    settings = load(str(aws.settings(world, flush_age_s=2.5)), {})
    assert settings.stream.name == world.stream
    assert settings.lake.uri == world.lake
    assert settings.serve.port == 1234
    assert settings.flush.age_s == 2.5
    assert settings.kcl.run_dir == f"{folder}/consumer"
    assert (settings.aws.kinesis_endpoint, settings.aws.dynamodb_endpoint) == ("http://k", "http://d")
    assert not list(refusals.of_settings(settings))
