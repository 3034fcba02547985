"""Avro held against Parquet: equal where they are, and the row named where they are not."""

from __future__ import annotations

from pathlib import Path

import fastavro
import pytest

from local import formats
from tailrace import settings_load
from tailrace.cli import main
from tailrace.settings import Settings

EVENTS = b"".join(
    b'{"eventType":"visit","timestamp":%d,"tenant":"t","seen":{"n":%d}}\n' % (1_760_000_000 + n, n) for n in range(9)
)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A lake of both formats, filled by `backfill`."""
    events = tmp_path / "events.jsonl"
    events.write_bytes(EVENTS + b"broken\n")
    environ = {
        "LAKE_URI": str(tmp_path / "lake"),
        "LAKE_AVRO": "*",
        "CONTRACT_UNKNOWN_TYPES": "store",
        "LEDGER_PATH": str(tmp_path / "ledger.sqlite"),
    }
    for name, value in environ.items():
        monkeypatch.setenv(f"TAILRACE_{name}", value)
    assert main(["backfill", str(events)]) == 0
    return settings_load.load(None, {f"TAILRACE_{name}": value for name, value in environ.items()})


def test_both_hold_the_same_rows(settings: Settings) -> None:
    assert formats.compared(settings) == (2, 10, [])


def test_a_row_that_differs_is_named(settings: Settings) -> None:
    (file,) = Path(settings.lake.uri).glob("visit/**/*.avro")
    with file.open("rb") as source:
        reader = fastavro.reader(source)
        rows, schema = list(reader), reader.writer_schema
    rows[3]["tenant"] = "u"  # type: ignore[index, call-overload]
    with file.open("wb") as target:
        fastavro.writer(target, schema, rows)
    (found,) = formats.compared(settings).differing
    assert found.endswith(".avro: row 3 of 9")
