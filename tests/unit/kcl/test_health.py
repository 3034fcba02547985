from dataclasses import replace

import pytest

from tailrace.kcl import health
from tailrace.kcl.health import Snapshot

NOW = 10_000.0
WELL = Snapshot(
    now=NOW,
    loop_at=NOW - 1,
    started_at=NOW - 500,
    daemon_up=True,
    daemon_since=NOW - 400,
    leases=2,
    last_message={"a": NOW - 1, "b": NOW - 2},
)


def test_all_well() -> None:
    assert health.live(WELL) == []
    assert health.ready(WELL, 120) == []


def test_a_restart_helps_a_loop_that_stands_still() -> None:
    assert health.live(replace(WELL, loop_at=NOW - 61)) == ["the supervisor's loop stands still since 61 s"]


def test_a_restart_may_help_a_daemon_that_ends_again_and_again() -> None:
    assert health.live(replace(WELL, short_runs=4, daemon_up=False)) == []
    (why,) = health.live(replace(WELL, short_runs=5, daemon_up=False, daemon_exit="exit status 1"))
    assert why == "the daemon ended 5 times in a row within 60 s (exit status 1)"


def test_a_restart_does_not_help_against_a_stopped_shard_or_a_service_that_is_away() -> None:
    assert health.live(replace(WELL, stopped=frozenset({"a"}), away=frozenset({"s3"}), last_message={})) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"daemon_up": False, "daemon_exit": "exit status 1"}, "the daemon is down (exit status 1)"),
        ({"daemon_up": False}, "the daemon is down"),
        ({"last_message": {"a": NOW - 121, "b": NOW}}, "no message from a for 121 s"),
        ({"last_message": {}, "leases": 0, "daemon_since": NOW - 120}, "no message yet, 0 leases, since 120 s"),
        ({"last_message": {}, "leases": 1}, "no message yet, 1 leases, since 400 s"),
        ({"stopped": frozenset({"b"})}, "b is stopped and waits for `tailrace resolve`"),
        ({"away": frozenset({"place"})}, "the lake fails calls"),
        ({"draining": True}, "draining"),
    ],
)
def test_not_ready_says_why(change: dict[str, object], reason: str) -> None:
    assert health.ready(replace(WELL, **change), 120) == [reason]  # type: ignore[arg-type]


def test_a_host_without_leases_is_a_spare_once_the_silence_is_over() -> None:
    spare = replace(WELL, last_message={}, leases=0, daemon_since=NOW - 121)
    assert health.ready(spare, 120) == []
    assert health.ready(replace(spare, daemon_up=False), 120) == ["the daemon is down"]
    assert health.ready(replace(spare, daemon_since=NOW - 1), 120) != [], "a daemon started again waits anew"


def test_all_reasons_are_said() -> None:
    worst = replace(WELL, daemon_up=False, stopped=frozenset({"a", "b"}), away=frozenset({"dynamodb"}))
    assert len(health.ready(worst, 120)) == 4


def test_what_the_children_say_is_laid_over() -> None:
    seen = health.with_children(WELL, last_message={"c": NOW}, stopped=["c"], away=[])
    assert (seen.last_message, seen.stopped, seen.away) == ({"c": NOW}, frozenset({"c"}), frozenset())


def test_a_service_is_away_from_a_failure_until_a_minute_after_the_last() -> None:
    failures = health.Failures()
    failures.see({"place": 2.0, "ledger": 0.0}, NOW)
    assert failures.lately(NOW + 59) == ["place"]
    failures.see({"place": 2.0, "ledger": 0.0}, NOW + 30)
    assert failures.lately(NOW + 61) == []
    failures.see({"place": 3.0, "ledger": 1.0}, NOW + 70)
    assert sorted(failures.lately(NOW + 71)) == ["ledger", "place"]


def test_a_lane_that_waits_is_told_and_makes_nothing_unready() -> None:
    seen = health.with_children(
        WELL, last_message=WELL.last_message, stopped=[], away=[], waits=[("shard-0", "hot", "parked")]
    )
    assert health.ready(seen, 120) == health.ready(WELL, 120) == []
    assert health.notes(seen) == ["note: the lane hot of shard-0 is parked"]
    assert health.notes(WELL) == []
