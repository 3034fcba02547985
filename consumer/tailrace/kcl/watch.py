"""What a child tells of itself: logs and metrics. Rule: what a lane or shard says is counted and logged here alone."""

from __future__ import annotations

from typing import Any

from tailrace.edition import Edition
from tailrace.editions import NOT_KEPT
from tailrace.nouns import LAKE, Outcome
from tailrace.ops import metrics
from tailrace.ops.clock import Clock
from tailrace.ops.logs import Log

WAITING = ("parked", "paused", "stopped")


class Watch:
    """Told by the shard and its lanes of everything that happens; see `commit.lane.Say`."""

    def __init__(self, shard: str, log: Log, clock: Clock) -> None:
        self._shard = shard
        self._log = log.bind(shard=shard)
        self._clock = clock
        self._types: frozenset[str] = frozenset()  # the book's event types: the only values of the label
        self._since: dict[tuple[str, str], float] = {}  # (lane, stage) -> when it began
        self._bytes: dict[str, int] = {}  # of a lane's plan under way

    def __call__(self, what: str, /, **facts: Any) -> None:
        handler = getattr(self, f"_on_{what}", None)
        if handler is None:
            self._log.warning(what, **facts)
        else:
            handler(facts)

    def _type(self, name: str) -> str:
        return name if name in self._types else "other"

    def edition(self, new: Edition, *, from_copy: bool | None = None) -> None:
        """Hear that a shard goes on under an edition; `from_copy`: it is the first one, and whether it is a copy."""
        self._types = frozenset(new.book.types())
        now_s = self._clock.now_ms() / 1000
        metrics.EDITION_TIME.labels(self._shard).set(now_s)
        if from_copy is not None:
            metrics.EDITION_COPY.labels(self._shard).set(int(from_copy))
        else:
            metrics.EDITION_REFRESHES.labels(self._shard, "adopted").inc()
        if not from_copy:
            metrics.EDITION_SUCCESS.labels(self._shard).set(now_s)
        self._log.info("edition", digests=dict(new.digests), from_copy=bool(from_copy))

    def _on_edition_looked(self, facts: dict[str, Any]) -> None:
        result = facts["result"]
        if result != "loaded":  # it is counted as adopted once it is
            metrics.EDITION_REFRESHES.labels(self._shard, result).inc()
        if result in {"loaded", "unchanged"}:
            metrics.EDITION_COPY.labels(self._shard).set(0)
            metrics.EDITION_SUCCESS.labels(self._shard).set(self._clock.now_ms() / 1000)

    def _on_edition_refused(self, facts: dict[str, Any]) -> None:
        self._log.warning("schemas, routes or lookups cannot be taken up: the last ones stay", **facts)

    def _on_edition_not_copied(self, facts: dict[str, Any]) -> None:
        self._log.warning(NOT_KEPT, **facts)

    def _on_processed(self, facts: dict[str, Any]) -> None:
        outcome: Outcome = facts["outcome"]
        metrics.RECORDS.labels(self._shard).inc(facts["records"])
        metrics.BYTES.labels(self._shard).inc(facts["bytes"])
        metrics.ARRIVAL_LAG.labels(self._shard).set(max(0.0, (self._clock.now_ms() - facts["last"]) / 1000))
        for name, count in outcome.stored_by_type.items():
            metrics.STORED.labels(self._type(name)).inc(count)
        for (name, stage, keyword), count in outcome.reasons.items():
            metrics.REJECTS.labels(self._type(name), stage, keyword).inc(count)
        for (name, why), count in outcome.filtered_by.items():
            metrics.FILTERED.labels(self._type(name), why).inc(count)

    def _on_replayed(self, facts: dict[str, Any]) -> None:
        metrics.REPLAYED.labels(self._shard).inc(facts["records"])

    def _on_opened(self, facts: dict[str, Any]) -> None:
        mode = "careful" if facts["careful"] else "normal"
        metrics.OPENS.labels(self._shard, mode).inc()
        self._waits(facts["lane"], "stopped" if facts["stopped"] else "")
        self._log.info("opened", **facts)

    def _on_cut(self, facts: dict[str, Any]) -> None:
        self._since[facts["lane"], "prepare"] = self._clock.monotonic()
        self._bytes[facts["lane"]] = 0
        self._log.debug("cut", **facts)

    def _stage_done(self, lane: str, stage: str, following: str) -> None:
        now = self._clock.monotonic()
        if (lane, stage) in self._since:
            metrics.PLAN_SECONDS.labels(stage, lane).observe(now - self._since.pop((lane, stage)))
        if following:
            self._since[lane, following] = now

    def _on_prepared(self, facts: dict[str, Any]) -> None:
        self._stage_done(facts["lane"], "prepare", "write")
        if facts["taken_over"]:
            self._log.warning("plan taken over", **facts)
        else:
            self._log.debug("prepared", **facts)

    def _on_put(self, facts: dict[str, Any]) -> None:
        lane = facts["lane"]
        metrics.OBJECTS_PUT.labels(lane).inc()
        metrics.OBJECT_BYTES.labels(lane).inc(facts["bytes"])
        self._bytes[lane] = self._bytes.get(lane, 0) + facts["bytes"]
        self._log.debug("put", **facts)

    def _on_written(self, facts: dict[str, Any]) -> None:
        self._stage_done(facts["lane"], "write", "commit")
        self._log.debug("written", **facts)

    def _on_committed(self, facts: dict[str, Any]) -> None:
        lane = facts["lane"]
        self._stage_done(lane, "commit", "")
        metrics.EVENTS_RECEIVED.labels(self._shard, lane).inc(facts["received"])
        metrics.EVENTS_STORED.labels(self._shard, lane).inc(facts["stored"])
        metrics.EVENTS_REJECTED.labels(self._shard, lane).inc(facts["rejected"])
        metrics.EVENTS_FILTERED.labels(self._shard, lane).inc(facts["filtered"])
        if facts["archived"]:
            metrics.RECORDS_ARCHIVED.labels(self._shard, lane).inc(facts["archived"])
        metrics.PLAN_ROWS.labels(lane).observe(facts["stored"] + facts["rejected"])
        held = self._bytes.get(lane, 0)
        metrics.PLAN_BYTES.labels(lane).observe(held)
        metrics.LAST_COMMIT.labels(self._shard, lane).set(self._clock.now_ms() / 1000)
        self._log.info("committed", **facts, bytes=held)

    def _on_poison(self, facts: dict[str, Any]) -> None:
        metrics.POISON.labels(self._shard).inc()
        self._log.error("a record goes to quarantine, since our own code cannot process it", **facts)

    def _on_durable(self, facts: dict[str, Any]) -> None:
        seconds = max(0.0, (self._clock.now_ms() - facts["arrival_ms"]) / 1000)
        metrics.FRESHNESS.labels(facts["lane"]).observe(seconds)

    def _on_checkpointed(self, facts: dict[str, Any]) -> None:
        metrics.CHECKPOINTS.labels(self._shard, facts["result"]).inc()
        if facts["result"] == "ok":
            metrics.LAST_CHECKPOINT.labels(self._shard).set(self._clock.now_ms() / 1000)
            self._log.debug("checkpointed", **facts)
        else:
            self._log.warning("checkpoint refused", **facts)

    def _on_turn(self, facts: dict[str, Any]) -> None:
        metrics.TURNS.labels(self._shard, facts["action"]).inc()
        metrics.LAST_MESSAGE.labels(self._shard).set(self._clock.now_ms() / 1000)
        if facts.get("line_bytes"):
            metrics.LINE_BYTES.labels(self._shard).inc(facts["line_bytes"])
        if facts.get("millis_behind") is not None:
            metrics.BEHIND.labels(self._shard).set(facts["millis_behind"] / 1000)

    def _on_trouble(self, facts: dict[str, Any]) -> None:
        metrics.WORLD_ERRORS.labels(facts["what"]).inc()
        if facts["what"] == "place":
            metrics.PUT_RETRIES.labels(facts["lane"]).inc()
        self._log.warning("trouble", **{**facts, "service": facts["what"]})

    def _on_forwarded(self, facts: dict[str, Any]) -> None:
        lane = facts["lane"]
        for result in ("sent", "refused", "dead"):
            if facts[result]:
                metrics.FORWARD_MESSAGES.labels(lane, result).inc(facts[result])
        metrics.FORWARD_CALLS.labels(lane).inc(facts["calls"])
        if facts["retries"]:
            metrics.FORWARD_RETRIES.labels(lane).inc(facts["retries"])
        if facts["refused"] or facts["dead"]:
            self._log.warning("dead letters", **facts)

    def _on_away(self, facts: dict[str, Any]) -> None:
        metrics.FORWARD_AWAY.labels(self._shard, facts["lane"]).set(1)
        self._log.error("a destination takes nothing: its events become dead letters", **facts)

    def _on_back(self, facts: dict[str, Any]) -> None:
        metrics.FORWARD_AWAY.labels(self._shard, facts["lane"]).set(0)
        self._log.info("a destination takes events again", **facts)

    def _on_uncopied(self, facts: dict[str, Any]) -> None:
        metrics.DEAD_LETTERS_UNCOPIED.labels(facts["lane"]).inc(facts["letters"])
        self._log.warning("dead letters stand beside the lake, but not in their queue", **facts)

    def _on_hot(self, facts: dict[str, Any]) -> None:
        for kind in ("events", "oversize", "profiles", "aggregates"):
            if facts[kind]:
                metrics.HOT_WRITES.labels(facts["lane"], kind).inc(facts[kind])
        metrics.HOT_UNITS.labels(facts["lane"]).inc(facts["units"])
        if facts["oversize"]:
            self._log.warning("events too large for the hot table: the lake has them", **facts)

    def _on_alert(self, facts: dict[str, Any]) -> None:
        metrics.HOT_ALERTS.labels(facts["lane"], "fired").inc()
        self._log.info("alert", **facts)

    def _on_alert_waits(self, facts: dict[str, Any]) -> None:
        metrics.HOT_ALERTS.labels(facts["lane"], "waits").inc()
        self._log.warning("an alert could not be published: it is tried again in a minute", **facts)

    def _on_lost(self, facts: dict[str, Any]) -> None:
        self._log.warning("shard has another owner", **facts)

    def _on_lost_turn(self, _: dict[str, Any]) -> None:
        metrics.LOST_TURNS.labels(self._shard).inc()

    def _on_stopped(self, facts: dict[str, Any]) -> None:
        self._waits(facts["lane"], "stopped")
        self._log.error(f"{self._whose(facts)} stopped: `tailrace resolve` is needed", **facts)

    def _on_parked(self, facts: dict[str, Any]) -> None:
        self._waits(facts["lane"], "parked")
        self._log.error("the lane is given up for now: the lake goes on, and its records will come again", **facts)

    def _on_paused(self, facts: dict[str, Any]) -> None:
        self._waits(facts["lane"], "paused")
        self._log.warning("the lane is paused", **facts)

    def _on_skipped(self, facts: dict[str, Any]) -> None:
        metrics.LANE_SKIPS.labels(self._shard, facts["lane"]).inc()
        if facts["lane"] != LAKE:
            self._waits(facts["lane"], "")
        self._log.warning("the lane leaves records out", **facts)

    def _on_standing(self, facts: dict[str, Any]) -> None:
        oldest_ms = facts["oldest_ms"]
        lag_s = 0.0 if oldest_ms is None else max(0.0, (self._clock.now_ms() - oldest_ms) / 1000)
        metrics.LANE_LAG.labels(self._shard, facts["lane"]).set(lag_s)

    def _on_end_waits(self, facts: dict[str, Any]) -> None:
        self._log.error("the shard has ended, and waits: the shards after it are not read until then", **facts)

    def _waits(self, lane: str, state: str) -> None:
        """Tell what a lane waits for, if anything: the lake's lane stops its shard, others wait alone."""
        if lane == LAKE:
            metrics.SHARD_STOPPED.labels(self._shard).set(int(state == "stopped"))
            return
        for one in WAITING:
            metrics.LANE_WAITS.labels(self._shard, lane, one).set(int(one == state))

    def _whose(self, facts: dict[str, Any]) -> str:
        return "shard" if facts["lane"] == LAKE else "lane"
