"""ministack for a test. Rule: a fresh one on a free loopback port, gone when the block ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.standins import StandIn, start_ministack


@contextmanager
def ministack(folder: Path) -> Iterator[StandIn]:
    """Run Kinesis, DynamoDB and S3 for the block; `.url` is the endpoint of all three."""
    with start_ministack(folder) as running:
        yield running
