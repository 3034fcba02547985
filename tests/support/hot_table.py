"""A hot table in DynamoDB Local. Rule: one server a file of tests, a table of its own for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from support.dynamodb_local import dynamodb_local
from tailrace.ops import aws
from tailrace.sinks.hot.dynamodb import DynamoTable

REGION = "eu-west-1"
FOREVER: dict[str, Any] = {"ttl_days": 36_500, "daily_ttl_days": 0}  # DynamoDB Local does delete what has expired


@contextmanager
def hot_tables(folder: Path) -> Iterator[Callable[[], DynamoTable]]:
    """Run the server for the block; yield what makes a new table, as `tailrace hot init` does."""
    with dynamodb_local(folder) as running, pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, os.environ.get(name, "local"))
        client = aws.client("dynamodb", region=REGION, endpoint=running.url, connections=32)
        numbers = count()

        def made() -> DynamoTable:
            table = DynamoTable(client, f"hot-{next(numbers)}")
            table.create()
            return table

        yield made
