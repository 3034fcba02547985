"""A sample of CSV: kinds of columns and the event type, and what `init` makes of them stores every sound row."""

from __future__ import annotations

import gzip
import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.cli import main
from tailrace.cli.tables import table
from tailrace.settings import Csv, Settings

ORDERS = b"""order,zip,total,paid,note,a.b,when
1001,01234,12.50,true,"a, b",1,2026-01-01T00:00:00Z
1002,99999,7,FALSE,,2,2026-01-01T00:00:01Z
"1003,1,2
"""
KINDS = ("order=order:integer", "total=total:number", "paid=paid:boolean")


def read(data: bytes, path: str = "orders-2026.csv", event_type: str | None = None) -> Csv:
    return table(path, data, Settings(), event_type)[0]


def test_a_column_has_a_kind_where_all_its_values_are_of_it() -> None:
    assert read(ORDERS).columns == KINDS


@pytest.mark.parametrize(
    ("path", "event_types"),
    [("orders-1.csv.gz", "orders*=orders"), ("in/Daily_2.tsv", "Daily*=daily"), ("2026.csv", "*=row")],
)
def test_the_files_name_says_of_what_type_its_rows_are(path: str, event_types: str) -> None:
    assert read(b"a\nx\n", path).event_types == (event_types,)


def test_a_column_that_says_it_goes_before_the_name() -> None:
    assert read(b"eventType\nx\n").event_types == ()
    assert read(b"kind\nx\n", event_type="kind").event_types == ()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_what_init_writes_stores_every_sound_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], packed: bool
) -> None:
    sample, into = tmp_path / ("orders-1.csv" + ".gz" * packed), tmp_path / "into"
    sample.write_bytes(gzip.compress(ORDERS) if packed else ORDERS)
    assert main(["init", "--from", str(sample), "--into", str(into)], {}) == 0
    said = capsys.readouterr().out
    assert "Of the sample, 2 would be stored and 1 rejected." in said
    assert "line 4: $: found a quoted cell that does not end" in said
    assert tomllib.loads((into / "tailrace.toml").read_text())["csv"] == {
        "columns": list(KINDS),
        "event_types": ["orders*=orders"],
    }
    config = ["--config", str(into / "tailrace.toml")]
    assert main([*config, "check"], {}) == 0
    assert main([*config, "backfill", "--quiet", str(sample)], {}) == 0
    assert "3 events received\n          2 stored    orders 2" in capsys.readouterr().out


def test_a_table_that_is_refused_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = tmp_path / "a.csv"
    for data, said in ((b"a,a\n1,2\n", 'its header names "a" twice'), (b"a,b\n", "found no event in 0 lines")):
        sample.write_bytes(data)
        assert main(["init", "--from", str(sample), "--into", str(tmp_path / "into")], {}) == 2
        assert said in capsys.readouterr().err


WORDS = st.sampled_from(["1", "0", "-0", "01", "-3", "+1", "1.5", "1e5", ".5", "nan", "true", "FALSE", "yes", "\u0661"])
CELLS = st.text(st.characters(codec="utf-8", exclude_characters='\r\n",'), min_size=1)


@given(st.lists(WORDS, min_size=1, max_size=4) | st.lists(WORDS | CELLS, min_size=1))
def test_every_value_of_a_kind_is_read_as_one(values: list[str]) -> None:
    data = "\n".join(["c,d", *(f"{value},x" for value in values)]).encode()
    csv, found = table("t.csv", data, Settings(), None)
    assert [one.fault for one in found] == [None] * len(values)
    kind = csv.columns[0].rpartition(":")[2] if csv.columns else "text"
    expected = {"integer": int, "number": (int, float), "boolean": bool, "text": str}[kind]
    assert all(isinstance(json.loads(one.data)["c"], expected) for one in found)  # type: ignore[arg-type]
