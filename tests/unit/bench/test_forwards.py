"""What forwards cost, on a few events."""

from __future__ import annotations

import pytest

from bench import forwards


@pytest.mark.parametrize(("count", "writes"), [(1, 2), (1000, 2), (1001, 3), (10_000, 11), (10_001, 13), (10**6, 1100)])
def test_the_ledgers_writes(count: int, writes: int) -> None:
    assert forwards.notes(count) == writes


def test_each_destination_has_its_calls_and_its_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    forwards.main(60)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Forwards: ")
    found = [line for line in lines if line.strip().startswith(tuple(forwards.DESTINATIONS))]
    assert len(found) == len(forwards.DESTINATIONS)
    count = int(lines[0].split()[1])
    calls = {line[2:20].strip(): float(line[20:31].replace(",", "")) * count / 1e6 for line in found}
    assert round(calls["SQS"]) == -(-count // 10)
    assert round(calls["Kinesis"]) == 1
