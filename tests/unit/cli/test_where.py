"""`tailrace where` over a small real lake."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from support.pipelines import BIG_SEQUENCE, IDENTITY, pipeline, record
from support.small_lake import AVRO_ALONE, BOTH, EPOCH, STREAM, SmallLake, lane
from tailrace.cli import where
from tailrace.commit.batch import part_of
from tailrace.rows.rejects import row_ids
from tailrace.settings import Lake, Ledger, Settings
from tailrace.sinks.lake.formats import Format


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


@pytest.mark.parametrize("form", [BOTH, AVRO_ALONE], ids=["both", "avro"])
def test_an_event_is_found_once_in_whatever_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: Format
) -> None:
    lake = SmallLake(tmp_path, form)
    try:
        for event_id, kind in (("shard-0-213", "stored"), ("shard-0-220", "rejected")):
            assert ask(lake, event_id, "--json") == 0
            (line,) = capsys.readouterr().out.splitlines()
            found = json.loads(line)
            assert (found["found"], found["record"]["sequence"]) == (kind, event_id.rpartition("-")[2])
            assert found["object"]["name"].endswith(".avro" if form is AVRO_ALONE else ".parquet")
    finally:
        lake.close()


def test_a_reject_comes_with_its_reasons(lake: SmallLake, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(lake, "shard-1-540") == 0
    out = capsys.readouterr().out
    assert out.startswith("rejected in quarantine")
    assert "chain 2, generation 1" in out
    assert "reason  parse/json $: not JSON" in out
    assert out.endswith("1 found; read 10 objects.\n")


@pytest.mark.parametrize(("sequence", "table"), [("213", "page_view"), ("220", "quarantine")])
def test_an_event_is_found_by_its_row_id(
    lake: SmallLake, capsys: pytest.CaptureFixture[str], sequence: str, table: str
) -> None:
    row_id = blake2b(f"shard-0/{sequence}/0/0".encode(), digest_size=16).hexdigest()
    assert ask(lake, row_id, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["row_id"], found["record"]["sequence"], found["table"].split("/")[0]) == (row_id, sequence, table)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"n":NaN}', "rejected in quarantine"),
        (b'{"type":"open","n":"no number"}', "rejected in quarantine"),
        (b'{"type":"open","n":1}', "stored in open/v1"),
        (b'{"type":"open","n":1,"id":"0123456789abcdef0123456789abcdef"}', "stored in open/v1"),
    ],
)
def test_the_id_derived_from_a_position_finds_what_came_of_the_event_once(
    lake: SmallLake, capsys: pytest.CaptureFixture[str], body: bytes, said: str
) -> None:
    row_id = row_ids(IDENTITY, [f"{BIG_SEQUENCE}/0/0"])[0]
    made = lane("shard-2", lake.store, lake.place)
    made.add(part_of([record(body)]), pipeline()([record(body)]), 0)
    assert made.flush()
    made.leave()
    made.close()
    assert ask(lake, row_id) == 0
    out = capsys.readouterr().out
    assert out.startswith(said)
    assert "\n1 found; " in out


def test_values_in_reasons_are_masked_unless_asked_for(lake: SmallLake, capsys: pytest.CaptureFixture[str]) -> None:
    made = lane("shard-2", lake.store, lake.place)
    bad = [record(b'{"type":"open","n":"Ada","id":"e-ada"}')]
    made.add(part_of(bad), pipeline()(bad), 0)
    assert made.flush()
    made.leave()
    made.close()
    for more in ([], ["--json"]):
        assert ask(lake, "e-ada", *more) == 0
        assert "Ada" not in capsys.readouterr().out
        assert ask(lake, "e-ada", "--raw", *more) == 0
        assert "Ada" in capsys.readouterr().out


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
