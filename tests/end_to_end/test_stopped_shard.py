"""A replay that differs from its plan. Rule: the shard stops and touches nothing until a person decides."""

from __future__ import annotations

from pathlib import Path

from support.engine import Stage, stage
from tailrace.commit.plan import Counts, Item, Plan, commit_name, item_to_dict, lane_key
from tailrace.commit.stores import ledger_of
from tailrace.kcl.preflight import epoch_of
from tailrace.nouns import Identity, mark
from tailrace.sinks.lake.places import place_of

PLANNED_TOO_MANY = 3


def marks_of(world: Stage, shard: str) -> list[str]:
    """Return the marks of the shard's records, in order."""
    records = {one.position.rpartition("/")[0].partition("/") for one in world.sent if one.shard == shard}
    return sorted(mark(sequence, int(sub)) for sequence, _, sub in records)


def leave_a_plan_behind(world: Stage, shard: str) -> Plan:
    """Write an open plan that counted records which no replay will bring: retention has taken them."""
    status, said = world.command("consume", "--check")  # makes the application's item
    assert status == 0, said
    ledger = ledger_of(world.settings(), file_run=False)
    identity = Identity(world.world.stream, epoch_of(world.settings(), ledger), shard)
    seen = marks_of(world, shard)[:50]
    records = len(seen) + PLANNED_TOO_MANY
    counts = Counts(received=records, stored=records)
    plan = Plan(1, 1, "", seen[-1], records, "0" * 32, counts, (commit_name(identity, 1),))
    key = lane_key(identity, "lake")
    assert ledger.swap(key, 0, item_to_dict(Item(generation=1, failures=1, plan=plan))) is None
    return plan


def test_a_replay_unlike_its_plan_stops_the_shard_until_a_person_decides(tmp_path: Path) -> None:
    with stage(tmp_path) as world:
        world.set(flush_age_s=1)
        world.send(1200, seed=1)
        bad, good = world.shards
        plan = leave_a_plan_behind(world, bad)
        with world.engine() as engine:
            engine.until("the shard to stop", lambda: world.items()[bad].stopped)
            red = (503, f"{bad} is stopped and waits for `tailrace resolve`")
            engine.until("/readyz to turn red", lambda: engine.page("/readyz") == red)
            assert engine.page("/livez") == (200, "ok")  # a restart would not help
            of_good = sum(one.shard == good for one in world.sent)
            engine.until("the other shard to go on", lambda: world.items()[good].totals.received == of_good)
            world.send(300, seed=2)
            of_good = sum(one.shard == good for one in world.sent)
            engine.until("the other shard to go on", lambda: world.items()[good].totals.received == of_good)
            engine.until("its checkpoint", lambda: world.leases()[good] == world.watermarks()[good])

            item = world.items()[bad]
            assert (item.plan, item.watermark, item.chain) == (plan, "", 0)
            assert world.leases()[bad] == "TRIM_HORIZON"
            assert not [name for name, _ in place_of(world.settings()).names("") if bad in name]

            status, said = world.command("resolve")
            assert (status, said.splitlines()[-1]) == (0, "1 of 2 shards stopped.")
            assert world.command("resolve", bad)[0] == 2  # neither --retry nor --accept
            assert world.items()[bad].stopped
            status, said = world.command("resolve", bad, "--accept")
            assert status == 0, said
            engine.until("the shard to go on by itself", lambda: world.received() == world.events_sent())
            engine.until("/readyz to turn green", lambda: engine.page("/readyz") == (200, "ok"))
            assert engine.drain() == 0
        (told,) = world.items()[bad].resolved
        assert f"{plan.records} records were planned" in told
        world.assert_each_event_once()
        world.assert_checkpoints_are_watermarks()
