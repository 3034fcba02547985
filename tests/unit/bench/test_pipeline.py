"""The two children of the benchmark do the same work: the same rows, the same rejects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fastavro
import pyarrow.parquet as pq

from bench.events import events, lines
from bench.pipeline import report, run

COUNT = 3000
OURS_ALONE = {"path", "message", "reasons", "keyword", "stage", "event_type", "schema", "tenant", "event_id"}


def read(file: Path) -> list[dict[str, Any]]:
    """Return a file's rows."""
    if file.suffix == ".parquet":
        plain: list[dict[str, Any]] = pq.ParquetFile(file).read().to_pylist()
        return plain
    with file.open("rb") as source:
        found: list[Any] = list(fastavro.reader(source))
    return found


def rows(folder: Path, suffix: str = ".parquet") -> dict[str, dict[str, list[Any]]]:
    """Return rows by table and position, values in the table's order of columns."""
    out: dict[str, dict[str, list[Any]]] = {}
    for file in folder.rglob(f"*{suffix}"):
        table = str(file.relative_to(folder)).partition("/dt=")[0]
        for row in read(file):
            kept = [(name, value) for name, value in row.items() if table != "quarantine" or name not in OURS_ALONE]
            out.setdefault(table, {})[row["position"]] = kept
    return out


def test_both_children_leave_the_same_rows(tmp_path: Path) -> None:
    sent = lines(events(COUNT))
    taken = {child: run(child, sent, tmp_path) for child in ("ours", "naive")}
    ours, naive = rows(tmp_path / "ours"), rows(tmp_path / "naive")
    assert len(ours) == 7
    assert ours == naive
    assert sum(map(len, ours.values())) == COUNT
    assert taken["ours"].rejects == len(ours["quarantine"]) > 10
    assert taken["ours"].rows == taken["naive"].rows == COUNT - len(ours["quarantine"])


def test_both_children_leave_the_same_rows_in_avro(tmp_path: Path) -> None:
    sent = lines(events(300))
    for child in ("ours", "naive"):
        run(child, sent, tmp_path, "both")
        found = rows(tmp_path / child, ".avro")
        assert sum(map(len, found.values())) == 300
        assert found == rows(tmp_path / child)
    assert rows(tmp_path / "ours", ".avro") == rows(tmp_path / "naive", ".avro")


def test_a_report_says_what_was_reached_and_what_not(tmp_path: Path, capsys: Any) -> None:
    taken = run("ours", lines(events(100)), tmp_path)
    fast, slow = taken._replace(cpu_s=0.001), taken._replace(cpu_s=0.002)
    assert report("a name", 100, {"ours": [fast], "naive": [slow]}) == 10.0
    said = capsys.readouterr().out
    assert "2.0 times better" in said
    assert "at most 17: yes; at least 2.5 times: NO" in said
