"""The act of the way back. Rule: what is shipped is refused; mended, it fits the new version, which `check` likes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from local import roundtrip
from local.traffic import Parcel
from tailrace import cli
from tailrace.nouns import Identity, Record
from tailrace.rows.mending import Patch
from tailrace.rows.pipeline import Pipeline
from tailrace.schema.load import load
from tailrace.settings import Contract, Limits
from tailrace.settings_load import load as load_settings

END_MS = 1_763_726_400_000


def pipeline(schemas: Path) -> Pipeline:
    return Pipeline(Contract(), load(str(schemas)), Limits(), Identity("stream", "epoch", "shard"))


def shipped(count: int = 95) -> list[Parcel]:
    return list(roundtrip.shipped(count, 7, END_MS))


def test_what_is_shipped_is_refused_for_the_member_that_is_called_otherwise(tmp_path: Path) -> None:
    judge = pipeline(roundtrip.schemas_of_its_own(tmp_path))
    made = shipped()
    outcome = judge([Record(parcel.data, str(n), 0, END_MS) for n, parcel in enumerate(made)])
    assert (outcome.received, outcome.rejected) == (95, 95)
    (rows,) = outcome.rows
    ids = {event.event_id for parcel in made for event in parcel.events}
    assert len(ids) == 95
    assert set(rows.batch.column("event_id").to_pylist()) == ids
    assert set(rows.batch.column("stage").to_pylist()) == {roundtrip.BROKEN.stage}
    assert all("$.page" in reasons for reasons in rows.batch.column("reasons").to_pylist())


def test_mended_they_fit_the_new_version(tmp_path: Path) -> None:
    schemas = roundtrip.schemas_of_its_own(tmp_path)
    roundtrip.new_version(schemas)
    judge, patch = pipeline(schemas), Patch(json.dumps(roundtrip.PATCH).encode())
    mended = [patch(event.raw) for parcel in shipped() for event in parcel.events]
    outcome = judge([Record(raw, str(n), 0, END_MS) for n, raw in enumerate(mended)])
    assert outcome.stored_by_type == Counter({"purchase": 95})
    (rows,) = outcome.rows
    assert set(rows.batch.column("schema_version").to_pylist()) == {roundtrip.NEW}
    assert None not in rows.batch.column("coupon").to_pylist()


def test_check_likes_the_new_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schemas = roundtrip.schemas_of_its_own(tmp_path)
    roundtrip.new_version(schemas)
    file = tmp_path / "t.toml"
    file.write_text(f"[schemas]\npath = {json.dumps(str(schemas))}\n{roundtrip.SETTINGS}")
    assert cli.main(["check", "--config", str(file)], {}) == 0
    assert "1 addition" in capsys.readouterr().out


def test_the_same_seed_ships_the_same(tmp_path: Path) -> None:
    assert shipped() == shipped()
    assert [len(parcel.events) for parcel in shipped()] == [10] * 9 + [5]
    file = tmp_path / "t.toml"
    file.write_text(roundtrip.SETTINGS)
    assert load_settings(str(file), {}).enrich.steps == roundtrip.STEPS
