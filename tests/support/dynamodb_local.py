"""DynamoDB Local for a test. Rule: skipped by name where it is not installed, gone when the block ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.standins import MissingError, StandIn, start_dynamodb_local


@contextmanager
def dynamodb_local(folder: Path) -> Iterator[StandIn]:
    """Run AWS's own DynamoDB for the block; `.url` is its endpoint."""
    try:
        running = start_dynamodb_local(folder)
    except MissingError as missing:
        pytest.skip(str(missing))
    with running:
        yield running
