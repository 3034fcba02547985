"""The audit where rows stand in two formats: each counts once, and both tell the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import fastavro
import pytest

from support.small_lake import AVRO_ALONE, BOTH, EPOCH, FORM, QUARANTINE, STREAM, SmallLake
from tailrace.commit.audit import audit
from tailrace.commit.audit_report import Report
from tailrace.commit.committed import StoredObject, formats, told_once
from tailrace.sinks.lake.formats import AVRO, PARQUET, Format
from tailrace.sinks.lake.read import LakeReader

Make = Callable[[Format], SmallLake]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[SmallLake] = []

    def one(form: Format) -> SmallLake:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(SmallLake(folder, form))
        return made[-1]

    yield one
    for lake in made:
        lake.close()


def audited(lake: SmallLake, expired_before: str = "") -> Report:
    return audit(lake.store, lake.place, LakeReader(), EPOCH, STREAM, expired_before=expired_before)


def findings(report: Report) -> list[str]:
    found = [*report.findings, *[finding for shard in report.shards for finding in shard.findings]]
    return [f"{finding.check}: {finding.text}" for finding in found]


def replaced(lake: SmallLake, path: Path, rows: list[object], *, said: int | None = None) -> None:
    """Write an Avro file anew with these rows, and have its commit file say so."""
    with path.open("rb") as file:
        schema = fastavro.reader(file).writer_schema
    assert schema is not None
    with path.open("wb") as file:
        fastavro.writer(file, schema, rows)
    data, name = path.read_bytes(), str(path.relative_to(lake.root))
    for commit in lake.objects("_commits/"):
        raw = json.loads(commit.read_text())
        for entry in raw["objects"]:
            if entry["name"] == name:
                entry |= {"bytes": len(data), "sha256": sha256(data).hexdigest()}
                entry["rows"] = len(rows) if said is None else said
        commit.write_text(json.dumps(raw))


def rows_of(path: Path) -> list[object]:
    with path.open("rb") as file:
        return list(fastavro.reader(file))


@pytest.mark.parametrize("form", [BOTH, AVRO_ALONE], ids=["both", "avro"])
def test_whatever_the_format_the_same_is_counted(make: Make, form: Format) -> None:
    plain, other = audited(make(FORM)), audited(make(form))
    assert (findings(plain), findings(other)) == ([], [])
    for one, same in zip(plain.shards, other.shards, strict=True):
        assert one.totals == same.totals
        assert {**one.numbers, "objects": ""} == {**same.numbers, "objects": ""}


def test_both_formats_are_digested(make: Make) -> None:
    lake = make(BOTH)
    known = next(path for path in lake.objects("page_view/") if path.suffix == AVRO)
    known.write_bytes(known.read_bytes()[:-1])
    (first, second) = findings(audited(lake))
    assert first.startswith("objects: ")
    assert "SHA-256" in second


@pytest.mark.parametrize("table", ["page_view", "quarantine"])
def test_an_avro_file_with_other_rows_than_parquets_is_found(make: Make, table: str) -> None:
    lake = make(BOTH)
    known = next(path for path in lake.objects(f"{table}/") if path.suffix == AVRO)
    rows = rows_of(known)
    replaced(lake, known, rows[::-1])
    (found,) = findings(audited(lake))
    assert "has other rows than" in found
    replaced(lake, known, rows[1:])
    assert "has other rows than" in findings(audited(lake))[0]
    replaced(lake, known, rows)
    assert findings(audited(lake)) == []


def test_a_row_twice_in_avro_alone_is_found(make: Make) -> None:
    lake = make(AVRO_ALONE)
    known = lake.objects("page_view/")[0]
    rows = rows_of(known)
    replaced(lake, known, [*rows[1:], rows[-1]])
    assert any("repeat a row_id" in text for text in findings(audited(lake)))


def test_a_block_that_counts_otherwise_is_found(make: Make) -> None:
    lake = make(AVRO_ALONE)
    known = lake.objects("page_view/")[0]
    replaced(lake, known, rows_of(known), said=1)
    assert any(text.startswith("rows: ") for text in findings(audited(lake)))


def test_an_avro_file_that_nobody_committed(make: Make) -> None:
    lake = make(BOTH)
    known = next(path for path in lake.objects("page_view/") if path.suffix == AVRO)
    stray = known.with_name(f"{EPOCH}-{STREAM}-shard-0-0000000009.avro")
    stray.write_bytes(known.read_bytes())
    (found,) = findings(audited(lake))
    assert found.startswith("strays: ")
    assert stray.name in found


@pytest.mark.parametrize("gone", [(AVRO,), (PARQUET,), (PARQUET, AVRO)])
def test_expired_rejects_are_counted_once(make: Make, gone: tuple[str, ...]) -> None:
    lake = make(BOTH)
    rejects = 0
    for path in lake.objects("quarantine/"):
        rejects += len(rows_of(path)) if path.suffix == AVRO else 0
    for path in lake.objects("quarantine/"):
        if path.suffix in gone:
            path.unlink()
    report = audited(lake, "2027-01-16")
    assert findings(report) == []
    notes = [note for shard in report.shards for note in shard.notes]
    assert sum(int(note.split(" with ")[1].split()[0]) for note in notes) == rejects


def stored(name: str, rows: int) -> StoredObject:
    return StoredObject(name, QUARANTINE.name, rows, 1, "")


def test_parquet_is_read_where_both_are_and_avro_where_it_alone_has_rows() -> None:
    both = [stored("q/a.avro", 3), stored("q/a.parquet", 3)]
    turned = [stored("q/b.avro", 3), stored("q/b.parquet", 0)]
    empty = [stored("q/c.parquet", 0)]
    assert formats([*both, *turned, *empty]) == [both[::-1], turned[::-1], empty]
    assert list(told_once([*both, *turned, *empty])) == [both[1], turned[0]]
