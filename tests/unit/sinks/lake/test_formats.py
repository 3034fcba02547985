"""Which files a table's rows go to."""

from __future__ import annotations

import pytest

from tailrace.sinks.lake.formats import AVRO, PARQUET, Format


@pytest.mark.parametrize(
    ("parquet", "avro", "table", "suffixes"),
    [
        (("*",), (), "page_view/v1", (PARQUET,)),
        (("*",), ("*",), "page_view/v1", (PARQUET, AVRO)),
        ((), ("*",), "quarantine", (AVRO,)),
        (("quarantine",), ("page_view/*",), "page_view/v2", (AVRO,)),
        (("quarantine",), ("page_view/*",), "quarantine", (PARQUET,)),
        (("a/v1",), ("b/*",), "c/v1", (PARQUET,)),
        (("*",), ("page_view/v1",), "page_view/v10", (PARQUET,)),
        (("*",), ("Page_view/*",), "page_view/v1", (PARQUET,)),
    ],
)
def test_a_table_goes_where_a_pattern_names_it(
    parquet: tuple[str, ...], avro: tuple[str, ...], table: str, suffixes: tuple[str, ...]
) -> None:
    assert Format(parquet=parquet, avro=avro).suffixes(table) == suffixes
