"""Files of several widths as one, and what does not fit."""

from __future__ import annotations

from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.memory_ports import MemoryPlace
from tailrace.commit.committed import StoredObject
from tailrace.commit.compacted import Compaction, decode
from tailrace.commit.compaction import Input
from tailrace.commit.ledger import BytesBody
from tailrace.commit.ports import Body
from tailrace.nouns import Table
from tailrace.sinks.lake.compact import Empties, Merge, Unfit, columns, told
from tailrace.sinks.lake.folder import file_of
from tailrace.sinks.lake.formats import Format
from tailrace.sinks.lake.groups import opened
from tailrace.sinks.lake.spool import Budget

FOLDER = "click/v1/dt=2027-01-15/hh=12"
FORM = Format(row_group_rows=10)
NAMES = (f"{FOLDER}/e-compacted-0000000001.parquet", f"{FOLDER}/e-compacted-0000000001.avro", "_file")


def put(place: MemoryPlace, name: str, rows: pa.Table, dictionary: tuple[str, ...] = ()) -> Input:
    suffix = "." + name.rpartition(".")[2]
    file = file_of(suffix, FOLDER, Table("click/v1", rows.schema, dictionary), FORM, Budget(1 << 20))
    if rows.num_rows:
        file.write(rows)
    body = file.close({"epoch": "e", "chain": "1", "generation": "1"})
    assert place.create(f"{FOLDER}/{name}", body, {})
    return Input(f"{FOLDER}/{name}", rows.num_rows, body.length, body.sha256, 1, 1)


def merged(place: MemoryPlace, *inputs: Input) -> dict[str, Body]:
    return Merge(place, FORM, 1 << 20).bodies(Compaction("e", "click/v1", 1, 1, inputs, ()), NAMES)


def read(name: str, body: Body) -> pa.Table:
    with body.open() as source, opened(name, source) as groups:
        return pa.concat_tables([group.read() for group in groups])


def test_later_columns_are_null_in_earlier_rows_and_both_formats_have_the_same() -> None:
    place = MemoryPlace()
    early = put(place, "a.parquet", pa.table({"row_id": ["1", "2"], "tenant": ["b", "a"]}))
    late = put(place, "b.avro", pa.table({"row_id": ["3"], "tenant": ["a"], "n": [7]}))
    bodies = merged(place, early, late)
    rows = [
        {"row_id": "2", "tenant": "a", "n": None},
        {"row_id": "3", "tenant": "a", "n": 7},
        {"row_id": "1", "tenant": "b", "n": None},
    ]
    assert [read(name, bodies[name]).to_pylist() for name in NAMES[:2]] == [rows, rows]
    with bodies["_file"].open() as source:
        done = decode(source.read())
    assert done.inputs == (early, late)
    assert [(one.name, one.rows, one.sha256) for one in done.objects] == [
        (name, 3, bodies[name].sha256) for name in NAMES[:2]
    ]


def test_a_large_file_has_statistics_and_an_index_of_its_pages() -> None:
    place = MemoryPlace()
    small = put(place, "a.parquet", pa.table({"row_id": ["1", "2"], "tenant": ["b", "a"]}))
    with place.open(small.name) as source:
        assert not pq.read_metadata(source).row_group(0).column(1).has_column_index
    with merged(place, small)[NAMES[0]].open() as source:
        column = pq.read_metadata(source).row_group(0).column(1)
    assert (column.statistics.min, column.statistics.max) == ("a", "b")
    assert (column.has_column_index, column.has_offset_index) == (True, True)


@pytest.mark.parametrize(
    "other",
    [
        pa.table({"row_id": ["3"], "tenant": [4]}),
        pa.table({"tenant": ["a"], "row_id": ["3"], "n": [4]}),
        pa.table({"row_id": ["3"], "n": [4]}),
    ],
    ids=["a type", "an order", "a name"],
)
def test_files_of_other_columns_are_left(other: pa.Table) -> None:
    place = MemoryPlace()
    first = put(place, "a.parquet", pa.table({"row_id": ["1"], "tenant": ["b"]}))
    second = put(place, "b.parquet", other)
    with pytest.raises(Unfit, match="other columns"):
        merged(place, first, second)


def test_what_is_not_what_was_committed_is_left() -> None:
    place = MemoryPlace()
    first = put(place, "a.parquet", pa.table({"row_id": ["1"]}))
    with pytest.raises(Unfit, match="not what was committed"):
        merged(place, first._replace(sha256="0"))
    with pytest.raises(Unfit, match="is gone"):
        merged(place, first._replace(name=f"{FOLDER}/z.parquet"))
    broken = b"PAR1"
    assert place.create(f"{FOLDER}/c.parquet", BytesBody(broken), {})
    with pytest.raises(Unfit, match="cannot be read"):
        merged(place, Input(f"{FOLDER}/c.parquet", 1, 4, sha256(broken).hexdigest(), 1, 1))


def test_of_two_formats_the_one_with_rows_is_read() -> None:
    def entry(name: str, rows: int) -> Input:
        return Input(name, rows, 1, "", 1, 1)

    both = [entry("a.avro", 2), entry("a.parquet", 2)]
    one = [entry("b.parquet", 0), entry("b.avro", 3)]
    assert told([*both, *one, entry("c.parquet", 0)]) == [both[1], one[1]]


def test_what_stands_where_an_object_was_replaced_has_the_columns_of_what_replaced_it_and_no_rows() -> None:
    place = MemoryPlace()
    old = [put(place, name, pa.table({"row_id": ["1"], "n": [4]})) for name in ("a.parquet", "a.avro")]
    new = put(place, "big.parquet", pa.table({"row_id": ["1"], "n": [4], "m": pa.array([None], pa.int64())}))
    output = StoredObject(new.name, "click/v1", 1, new.bytes, new.sha256)
    done = Compaction("e", "click/v1", 1, 1, tuple(old), (output,))
    empties = Empties(place, "e", FORM)
    for entry in old:
        with empties(done, entry).open() as source, opened(entry.name, source) as groups:
            assert sum(group.rows for group in groups) == 0
            assert columns(entry.name, source).names == ["row_id", "n", "m"]
    gone = done._replace(objects=(output._replace(name=f"{FOLDER}/z.parquet"),))
    with empties(gone, old[0]).open() as source:
        assert columns(old[0].name, source).names == ["row_id"]
