"""The demo's last act: its settings name the warehouse and change nothing else."""

from __future__ import annotations

from pathlib import Path

from local import aws
from local.warehouse import with_warehouse
from tailrace import settings_load


def test_the_warehouse_is_added_to_the_settings(tmp_path: Path) -> None:
    url = "http://127.0.0.1:1"
    file = aws.settings(aws.World(str(tmp_path), url, url, url))
    before, after = (
        settings_load.load(str(file), {}),
        settings_load.load(str(with_warehouse(file, "http://127.0.0.1:2")), {}),
    )
    assert (after.redshift.workgroup, after.aws.redshift_endpoint) == ("local", "http://127.0.0.1:2")
    assert (after.lake, after.ledger, after.kcl) == (before.lake, before.ledger, before.kcl)
