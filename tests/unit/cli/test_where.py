"""`tailrace where` over a small real lake."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from support.small_lake import EPOCH, STREAM, SmallLake
from tailrace.cli import where
from tailrace.settings import Lake, Ledger, Settings


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[SmallLake]:
    made = SmallLake(tmp_path)
    yield made
    made.close()


def ask(lake: SmallLake, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    where.configure(parser)
    args = parser.parse_args(["--files", *arguments])
    args.settings = Settings(lake=Lake(uri=str(lake.root)), ledger=Ledger(path=str(lake.ledger_path)))
    return where.run(args)


def test_a_stored_event_is_named_down_to_its_row(lake: SmallLake, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(lake, "shard-0-213", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["found"] == "stored"
    assert found["record"] == {"stream": STREAM, "shard": "shard-0", "sequence": "213", "sub": 0, "index": 0}
    assert found["plan"]["chain"] == 1
    spot = found["object"]
    with pq.ParquetFile(lake.root / spot["name"]) as file:
        row = file.read_row_group(spot["row_group"]).slice(spot["row"], 1).to_pylist()[0]
        assert file.metadata.num_row_groups > 1
    assert (row["event_id"], row["row_id"]) == ("shard-0-213", found["row_id"])


def test_a_reject_comes_with_its_reasons(lake: SmallLake, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(lake, "shard-1-540") == 0
    out = capsys.readouterr().out
    assert out.startswith("rejected in quarantine")
    assert "chain 2, generation 1" in out
    assert "reason  parse json $ not JSON" in out
    assert out.endswith("1 found; read 10 objects.\n")


def test_an_event_that_is_nowhere(lake: SmallLake, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(lake, "never-sent") == 1
    assert "not found" in capsys.readouterr().out


def test_only_what_is_committed_is_found(lake: SmallLake, capsys: pytest.CaptureFixture[str]) -> None:
    known = lake.objects("page_view/")[0]
    table = pq.read_table(known, partitioning=None)
    ids = table["event_id"].to_pylist()
    changed = table.set_column(1, "event_id", [["uncommitted", *ids[1:]]])
    pq.write_table(changed, known.with_name(f"{EPOCH}-{STREAM}-shard-0-0000000009.parquet"))
    assert ask(lake, "uncommitted") == 1
    assert ask(lake, ids[1]) == 0
    assert capsys.readouterr().out.count("stored in page_view/v1") == 1


def test_what_could_not_be_looked_at_is_said(lake: SmallLake, capsys: pytest.CaptureFixture[str]) -> None:
    gone = lake.objects("page_view/")[0]
    gone.unlink()
    assert ask(lake, "shard-0-101") == 1
    assert str(gone.relative_to(lake.root)) in capsys.readouterr().err
