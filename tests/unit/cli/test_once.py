"""What a run tells node exporter: a whole file, however the run ended, and nothing of it in the way of the run."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tailrace.cli.once import add_metrics, told
from tailrace.world import WorldError


def read(file: Path) -> dict[str, float]:
    """Return the values by name and kind."""
    samples = [one for family in text_string_to_metric_families(file.read_text()) for one in family.samples]
    assert {one.labels["command"] for one in samples} == {"load"}
    return {one.name.removeprefix("tailrace_run_") + one.labels.get("kind", ""): one.value for one in samples}


def test_it_says_what_the_last_run_did(tmp_path: Path) -> None:
    file = tmp_path / "load.prom"
    for rows in (7, 5):
        with told("load", file) as run:
            run.status, run.problems, run.rows = 1, 2, {"landed": rows, "rejected": 0}
    found = read(file)
    assert found.pop("end_timestamp_seconds") > 1_700_000_000
    assert found.pop("seconds") >= 0
    assert found == {"status": 1, "problems": 2, "rowslanded": 5, "rowsrejected": 0}
    assert [one.name for one in tmp_path.iterdir()] == ["load.prom"]


@pytest.mark.parametrize(("error", "status"), [(WorldError("away"), 75), (RuntimeError("bug"), 1)])
def test_a_run_that_broke_off_is_told_as_well(tmp_path: Path, error: Exception, status: int) -> None:
    file = tmp_path / "load.prom"
    with pytest.raises(type(error)), told("load", file):
        raise error
    assert read(file)["status"] == status


def test_a_file_that_cannot_be_written_is_said_and_no_fault_of_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with told("load", tmp_path / "none" / "load.prom") as run:
        run.status = 0
    assert capsys.readouterr().err == f"tailrace: --metrics {tmp_path}/none/load.prom: No such file or directory\n"


def test_node_exporter_reads_only_one_ending(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_metrics(parser)
    assert parser.parse_args(["--metrics", "a/b.prom"]).metrics == Path("a/b.prom")
    with pytest.raises(SystemExit):
        parser.parse_args(["--metrics", "a/b.txt"])
    assert "found 'a/b.txt', expected a path that ends in .prom" in capsys.readouterr().err
