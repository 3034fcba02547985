"""Rejects that are sent again while children die. Rule: a claim without a commit loses nothing and doubles nothing."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from local import roundtrip
from local.readback import Account
from local.send import send
from support.engine import Stage, running, stage
from tailrace.commit.committed import epoch_of
from tailrace.commit.stores import ledger_of

EVENTS = 120
SHARDS = 2
TABLE = f"{roundtrip.TYPE}/v1"
PATCH = [*roundtrip.PATCH, {"op": "remove", "path": "/coupon"}]


def ship(world: Stage) -> None:
    """Send what a broken tracker sends."""
    for step in send(world.putter, roundtrip.shipped(EVENTS, 1, int(time.time() * 1000))):
        world.sent += step


def redrive(world: Stage, *more: str) -> str:
    """Mend and send what the tracker broke; return what was said."""
    patch = Path(world.world.folder) / "patch.json"
    patch.write_text(json.dumps(PATCH))
    status, said = world.command("redrive", *roundtrip.CHOSEN, "--patch", str(patch), "--send", *more)
    assert status == 0, said
    return said


def claims(world: Stage) -> dict[str, str]:
    """Return the owner of each mark: the row that is to be stored."""
    settings = world.settings()
    ledger = ledger_of(settings, file_run=False)
    prefix = f"redriven/{epoch_of(ledger, settings.kcl.application)}/"
    found = {key.removeprefix(prefix): ledger.read(key) for key in ledger.keys(prefix)}
    return {mark: one[1]["owner"] for mark, one in found.items() if one is not None}


def test_events_sent_again_are_stored_once_though_children_die_between_claim_and_commit(tmp_path: Path) -> None:
    with stage(tmp_path, shards=SHARDS) as world:
        world.set(flush_age_s=1, lines={"shutdown_grace_s": "shutdown_grace_s = 6"})
        world.send(300, seed=1)
        ship(world)
        with world.engine() as engine:
            engine.until("the broken events to be in quarantine", lambda: world.received() == world.events_sent())
            world.gate.close()
            assert f"{EVENTS} sent." in redrive(world)
            engine.until("every mark to be claimed", lambda: len(claims(world)) == EVENTS)
            engine.until("an object at the gate", world.gate.held)
            first = claims(world)
            assert any(item.plan is not None for item in world.items().values())
            assert world.lake().mended() == []

            children = engine.children()
            for child in children:
                os.kill(child, signal.SIGKILL)
            engine.until("the children to be gone", lambda: not any(map(running, children)))
            assert "\n0 sent." in redrive(world)
            assert f"{EVENTS} sent." in redrive(world, "--again")
            world.gate.open()
            sent = world.events_sent() + 2 * EVENTS
            engine.until("all to be committed", lambda: world.received() == sent)
            assert claims(world) == first, "an heir asks for the same rows"
            assert engine.drain() == 0
        lake = world.lake()
        account = Account.of(world.sent, lake.positions(), lake.rejected(), lake.mended())
        assert account.holds, f"{dict(account.findings)}: {dict(account.examples)}"
        assert account.mended == EVENTS
        rows = lake._duck.execute(f"SELECT redrive_of, row_id FROM read_parquet({lake.files[TABLE]!r})").fetchall()
        assert {mark: row for mark, row in rows if mark} == first, "the owner of a mark is its row"
        totals = [item.totals for item in world.items().values()]
        assert sum(one.filtered for one in totals) == EVENTS
        status, said = world.command("audit")
        assert status == 0, said
