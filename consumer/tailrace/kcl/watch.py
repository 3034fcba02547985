"""What a child tells of itself: logs and metrics. Rule: what a lane or shard says is counted and logged here alone."""

from __future__ import annotations

from typing import Any

from tailrace.edition import Edition
from tailrace.editions import NOT_KEPT
from tailrace.nouns import Outcome
from tailrace.ops import metrics
from tailrace.ops.clock import Clock
from tailrace.ops.logs import Log

SINK = "lake"


class Watch:
    """Told by the shard and its lanes of everything that happens; see `commit.lane.Say`."""

    def __init__(self, shard: str, log: Log, clock: Clock) -> None:
        self._shard = shard
        self._log = log.bind(shard=shard)
        self._clock = clock
        self._types: frozenset[str] = frozenset()  # the book's event types: the only values of the label
        self._since: dict[str, float] = {}
        self._bytes = 0

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
        metrics.SHARD_STOPPED.labels(self._shard).set(1 if facts["stopped"] else 0)
        self._log.info("opened", **facts)

    def _on_cut(self, facts: dict[str, Any]) -> None:
        self._since["prepare"] = self._clock.monotonic()
        self._bytes = 0
        self._log.debug("cut", **facts)

    def _stage_done(self, stage: str, following: str) -> None:
        now = self._clock.monotonic()
        if stage in self._since:
            metrics.PLAN_SECONDS.labels(stage, SINK).observe(now - self._since.pop(stage))
        if following:
            self._since[following] = now

    def _on_prepared(self, facts: dict[str, Any]) -> None:
        self._stage_done("prepare", "write")
        if facts["taken_over"]:
            self._log.warning("plan taken over", **facts)
        else:
            self._log.debug("prepared", **facts)

    def _on_put(self, facts: dict[str, Any]) -> None:
        metrics.OBJECTS_PUT.labels(SINK).inc()
        metrics.OBJECT_BYTES.labels(SINK).inc(facts["bytes"])
        self._bytes += facts["bytes"]
        self._log.debug("put", **facts)

    def _on_written(self, facts: dict[str, Any]) -> None:
        self._stage_done("write", "commit")
        self._log.debug("written", **facts)

    def _on_committed(self, facts: dict[str, Any]) -> None:
        self._stage_done("commit", "")
        lane = facts["lane"]
        metrics.EVENTS_RECEIVED.labels(self._shard, lane).inc(facts["received"])
        metrics.EVENTS_STORED.labels(self._shard, lane).inc(facts["stored"])
        metrics.EVENTS_REJECTED.labels(self._shard, lane).inc(facts["rejected"])
        metrics.EVENTS_FILTERED.labels(self._shard, lane).inc(facts["filtered"])
        if facts["archived"]:
            metrics.RECORDS_ARCHIVED.labels(self._shard, lane).inc(facts["archived"])
        metrics.PLAN_ROWS.labels(lane).observe(facts["stored"] + facts["rejected"])
        metrics.PLAN_BYTES.labels(lane).observe(self._bytes)
        metrics.LAST_COMMIT.labels(self._shard, lane).set(self._clock.now_ms() / 1000)
        self._log.info("committed", **facts, bytes=self._bytes)

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
            metrics.PUT_RETRIES.labels(SINK).inc()
        self._log.warning("trouble", **{**facts, "service": facts["what"]})

    def _on_lost(self, facts: dict[str, Any]) -> None:
        self._log.warning("shard has another owner", **facts)

    def _on_lost_turn(self, _: dict[str, Any]) -> None:
        metrics.LOST_TURNS.labels(self._shard).inc()

    def _on_stopped(self, facts: dict[str, Any]) -> None:
        metrics.SHARD_STOPPED.labels(self._shard).set(1)
        self._log.error("shard stopped: `tailrace resolve` is needed", **facts)
