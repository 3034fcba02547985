"""Health, judged. Rule: pure functions over one snapshot; each verdict is a list of reasons, empty when all is well.

`/livez` asks: would a restart of this process help? `/readyz` asks: is the stream being worked on right now?
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

LOOP_SILENCE_S: Final = 60.0  # the supervisor's loop turns several times a second
SHORT_RUN_S: Final = 60.0  # a daemon that ends sooner did no work
SHORT_RUNS_MAX: Final = 5  # in a row: a fresh host might do better
AWAY_S: Final = 60.0  # a service that failed a child's call so lately counts as away: a retry waits up to 10 s
SERVICES: Final = {"place": "the lake", "ledger": "the ledger"}


@dataclass(frozen=True)
class Snapshot:
    """What the supervisor and the children's metrics say at one moment. Times are seconds since 1970."""

    now: float
    loop_at: float  # when the supervisor's loop turned last
    started_at: float
    daemon_up: bool
    daemon_since: float = 0.0  # when it was started last
    daemon_exit: str = ""  # how it ended last
    short_runs: int = 0  # daemons in a row that ended within SHORT_RUN_S
    restarts: int = 0
    draining: bool = False
    leases: int = 0  # children alive
    last_message: Mapping[str, float] = field(default_factory=dict)  # by shard, of living children
    stopped: frozenset[str] = frozenset()  # shards that wait for `tailrace resolve`
    away: frozenset[str] = frozenset()  # services that failed a child lately: place, ledger
    waits: tuple[tuple[str, ...], ...] = ()  # (shard, lane, state) of lanes beside the lake's that take nothing in


def live(snapshot: Snapshot) -> list[str]:
    """Return why a restart would help."""
    reasons = []
    stuck_s = snapshot.now - snapshot.loop_at
    if stuck_s > LOOP_SILENCE_S:
        reasons.append(f"the supervisor's loop stands still since {stuck_s:.0f} s")
    if snapshot.short_runs >= SHORT_RUNS_MAX:
        ended = f" ({snapshot.daemon_exit})" if snapshot.daemon_exit else ""
        reasons.append(f"the daemon ended {snapshot.short_runs} times in a row within {SHORT_RUN_S:.0f} s{ended}")
    return reasons


def ready(snapshot: Snapshot, silence_s: float) -> list[str]:
    """Return why the stream is not being worked on. `silence_s`: how long a shard may say nothing.

    A daemon that got no lease in that time is a spare, and ready: a rollout must not wait for it.
    """
    if snapshot.draining:
        return ["draining"]
    reasons = []
    if not snapshot.daemon_up:
        ended = f" ({snapshot.daemon_exit})" if snapshot.daemon_exit else ""
        reasons.append(f"the daemon is down{ended}")
    for shard, at in sorted(snapshot.last_message.items()):
        if snapshot.now - at > silence_s:
            reasons.append(f"no message from {shard} for {snapshot.now - at:.0f} s")
    waiting = snapshot.now - snapshot.daemon_since
    spare = not snapshot.leases and waiting > silence_s  # the other hosts hold all leases; this one may get some later
    if snapshot.daemon_up and not snapshot.last_message and not spare:
        reasons.append(f"no message yet, {snapshot.leases} leases, since {waiting:.0f} s")
    reasons += [f"{shard} is stopped and waits for `tailrace resolve`" for shard in sorted(snapshot.stopped)]
    reasons += [f"{SERVICES.get(service, service)} fails calls" for service in sorted(snapshot.away)]
    return reasons


def notes(snapshot: Snapshot) -> list[str]:
    """Return what somebody should know and no restart and no rollout need wait for: the lake goes on."""
    return [f"note: the lane {lane} of {shard} is {state}" for shard, lane, state in snapshot.waits]


def with_children(
    snapshot: Snapshot,
    *,
    last_message: Mapping[str, float],
    stopped: Iterable[str],
    away: Iterable[str],
    waits: Iterable[tuple[str, ...]] = (),
) -> Snapshot:
    """Return the snapshot with what the living children say of themselves."""
    return replace(
        snapshot, last_message=last_message, stopped=frozenset(stopped), away=frozenset(away), waits=tuple(waits)
    )


class Failures:
    """When each service failed a call last, learnt from counters that only rise."""

    def __init__(self) -> None:
        self._counts: dict[str, float] = {}
        self._at: dict[str, float] = {}

    def see(self, counts: Mapping[str, float], now: float) -> None:
        """Take the counters as they are now."""
        for service, count in counts.items():
            if count > self._counts.get(service, 0.0):
                self._counts[service], self._at[service] = count, now

    def lately(self, now: float) -> list[str]:
        """Return the services that failed within AWAY_S."""
        return [service for service, at in self._at.items() if now - at < AWAY_S]
