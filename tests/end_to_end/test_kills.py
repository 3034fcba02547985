"""Kills while a plan is open. Rule: that it was open is read from the ledger, and what was under way still arrives."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from support.engine import Engine, Stage, running, stage
from tailrace.commit.plan import Plan
from tailrace.sinks.lake.places import place_of

SHARDS = 2
ARCHIVE_ON = {"TAILRACE_LAKE_RAW": "avro"}  # the audit at the end holds it against the plans, too


def open_plans(world: Stage) -> dict[str, Plan]:
    """Return the open plan of each shard that has one."""
    return {shard: item.plan for shard, item in world.items().items() if item.plan is not None}


def until_plans_are_open(world: Stage, engine: Engine) -> dict[str, Plan]:
    """Return once each shard's plan is open and one of its objects waits at the gate."""
    engine.until("a plan to be open in every shard", lambda: len(open_plans(world)) == SHARDS)
    engine.until("an object of each plan at the gate", lambda: all(waits(world, shard) for shard in world.shards))
    return open_plans(world)


def waits(world: Stage, shard: str) -> bool:
    return any(shard in path for path in world.gate.held())


def assert_taken_over(world: Stage, engine: Engine, plans: dict[str, Plan]) -> None:
    """Each plan was committed by a later owner, with the same records; the log says so."""
    files = world.commit_files()
    for shard, plan in plans.items():
        (found,) = [file.facts for file in files[shard] if file.facts.chain == plan.chain]
        assert found.generation > plan.generation
        assert (found.after, found.last, found.records) == (plan.after, plan.last, plan.records)
        assert found.positions_digest == plan.positions_digest
        assert engine.lines("plan taken over", shard=shard, chain=plan.chain, generation=found.generation)


def test_open_plans_are_taken_over_from_killed_owners(tmp_path: Path) -> None:
    with stage(tmp_path, shards=SHARDS) as world:
        # A child's death has KCL stop the others in good order: with S3 away that takes the whole grace.
        world.set(flush_age_s=1, lines={"shutdown_grace_s": "shutdown_grace_s = 6"})
        world.send(1500, seed=1)
        world.gate.close()
        with world.engine(**ARCHIVE_ON) as engine:
            child_killed(world, engine)
            jvm_killed(world, engine)
            supervisor_killed(world, engine)
        with world.engine(**ARCHIVE_ON) as engine:
            plans = open_plans(world)
            assert len(plans) == SHARDS
            world.gate.open()
            engine.until("all to be committed", lambda: world.received() == world.events_sent())
            assert_taken_over(world, engine, plans)
            engine.until("the checkpoints to follow", lambda: world.watermarks() == world.leases())
            assert engine.drain() == 0
        world.assert_each_event_once()
        world.assert_checkpoints_are_watermarks()
        assert sum(item.totals.archived for item in world.items().values()) == world.records_sent()


def child_killed(world: Stage, engine: Engine) -> None:
    plans = until_plans_are_open(world, engine)
    children, jvm = engine.children(), engine.jvm()
    assert len(children) == SHARDS
    os.kill(min(children), signal.SIGKILL)
    engine.until("the daemon and the other child to go too", lambda: not any(map(running, [*children, jvm or 0])))
    assert {shard: plan.chain for shard, plan in open_plans(world).items()} == dict.fromkeys(world.shards, 1)

    # What the killed child had sent arrives now, before its heir's.
    late = world.gate.held()[0]
    world.gate.let_one_go()
    engine.until("the late object to be stored", lambda: world.gate.forwarded)
    assert world.gate.forwarded == [(late, 200)]
    assert generation_of(world, late) == 1

    def taken_over() -> bool:
        return all(plan.generation > plans[shard].generation for shard, plan in open_plans(world).items())

    engine.until("the heirs to have taken over", taken_over)
    world.gate.open()
    engine.until("all to be committed", lambda: world.received() == world.events_sent())
    assert_taken_over(world, engine, plans)
    assert generation_of(world, late) > 1  # replaced


def generation_of(world: Stage, path: str) -> int:
    head = place_of(world.settings()).head(path.partition("/events/")[2])
    assert head is not None
    return int(head.meta["generation"])


def jvm_killed(world: Stage, engine: Engine) -> None:
    world.gate.close()
    world.send(1000, seed=2)
    plans = until_plans_are_open(world, engine)
    children, jvm = engine.children(), engine.jvm()
    assert len(children) == SHARDS
    assert jvm is not None
    os.kill(jvm, signal.SIGKILL)
    status, _ = engine.until("/readyz to say why", lambda: says(engine, "the daemon is down (killed by SIGKILL)"))
    assert status == 503
    assert engine.page("/livez") == (200, "ok")
    start = engine.until("another daemon", lambda: engine.lines("daemon started; waiting for leases")[2:])[0]
    assert engine.jvm() != jvm
    assert not any(map(running, children))
    gone = engine.lines("the daemon is gone")[-SHARDS:]
    assert all(line["ts"] < start["ts"] for line in gone)
    world.gate.open()
    engine.until("all to be committed", lambda: world.received() == world.events_sent())
    assert_taken_over(world, engine, plans)
    engine.until("/metrics to count the restarts", lambda: engine.numbers().restarts == 2)


def says(engine: Engine, text: str) -> tuple[int, str] | None:
    page = engine.page("/readyz")
    return page if text in page[1] else None


def supervisor_killed(world: Stage, engine: Engine) -> None:
    world.gate.close()
    world.send(500, seed=3)
    until_plans_are_open(world, engine)
    below = [*engine.children(), engine.jvm() or 0]
    os.kill(engine.pid, signal.SIGKILL)
    engine.wait(10)
    world.wait_until("its daemon and children to go with it", lambda: not any(map(running, below)))
    # KCL lets two minutes pass before another worker may lead in place of one that died: here they have passed.
    world.world.dynamodb().delete_item(
        TableName=f"{world.world.application}-CoordinatorState", Key={"key": {"S": "Leader"}}
    )
