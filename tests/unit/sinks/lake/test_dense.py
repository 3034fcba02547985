"""Which columns of a large file get a dictionary, and how hard each is compressed."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tailrace.nouns import Table
from tailrace.sinks.lake.dense import LEVEL, LEVEL_OF_IDS, packing
from tailrace.sinks.lake.formats import Format
from tailrace.sinks.lake.parquet import ParquetFile
from tailrace.sinks.lake.spool import Budget

COUNT = 400
ROWS = pa.table(
    {
        "row_id": [f"{n * 2654435761 % 2**32:032x}" for n in range(COUNT)],
        "browser": [f"browser {n % 7}" for n in range(COUNT)],
        "time": pa.array([datetime(2027, 1, 15, 12, n % 60, n // 60, tzinfo=UTC) for n in range(COUNT)]),
        "price": [Decimal(n) for n in range(COUNT)],
        "bot": [n % 2 == 0 for n in range(COUNT)],
        "none": pa.nulls(COUNT, pa.string()),
        "target": [{"tag": f"t{n % 3}", "at": {"x": n % 5, "id": f"i{n}"}} for n in range(COUNT)],
        "tags": [[f"a{n % 2}", "b"] for n in range(COUNT)],
    }
)


def test_what_repeats_gets_a_dictionary_and_ids_the_hardest_work() -> None:
    found = packing(ROWS, 1)
    assert found.dictionary == ["browser", "none", "target.tag", "target.at.x", "tags.list.element"]
    hard = {name for name, level in found.levels.items() if level == LEVEL_OF_IDS}
    assert hard == {"row_id", "target.at.id"}
    assert set(found.levels.values()) == {LEVEL, LEVEL_OF_IDS}
    assert set(packing(ROWS, 22).levels.values()) == {22}


@pytest.mark.parametrize("codec", ["zstd", "snappy", "gzip", "none"])
def test_the_file_has_those_columns_and_plain_or_dictionary_pages_alone(codec: str) -> None:
    file = ParquetFile(Table("t/v1", ROWS.schema, ()), Format(codec, large=True), Budget(1 << 20))
    file.write(ROWS)
    with file.close({}).open() as source:
        data = source.read()
    assert pq.read_table(io.BytesIO(data)).equals(ROWS)
    group = pq.read_metadata(io.BytesIO(data)).row_group(0)
    columns = [group.column(at) for at in range(group.num_columns)]
    assert {encoding for one in columns for encoding in one.encodings} == {"PLAIN", "RLE", "RLE_DICTIONARY"}
    assert {one.path_in_schema for one in columns} >= set(packing(ROWS, 1).levels)
    packed = [one.path_in_schema for one in columns if one.has_dictionary_page]
    assert packed == ["browser", "none", "target.tag", "target.at.x", "tags.list.element"]


def test_duckdb_reads_it(tmp_path: Path) -> None:
    file = ParquetFile(Table("t/v1", ROWS.schema, ()), Format(large=True), Budget(1 << 20))
    file.write(ROWS)
    path = tmp_path / "t.parquet"
    with file.close({}).open() as source, path.open("wb") as out:
        out.write(source.read())
    query = f"SELECT count(DISTINCT row_id), count(DISTINCT target.at.id), sum(len(tags)) FROM '{path}'"
    assert duckdb.execute(query).fetchall() == [(COUNT, COUNT, 2 * COUNT)]
