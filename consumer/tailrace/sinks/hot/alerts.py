"""Alerts. Rule: one for each name, key and window; it stands in the table as pending before anybody is told of it.

After a plan is applied, the windows it touched are added up over all shards, by reads that miss no write that was
answered: of two shards that cross a threshold together, the later one sees both. Who makes the item publishes. One that
dies in between left its plan open, and whoever takes that over finds its own item pending. Should that plan never
come again, or the topic be away, any shard finds the item by the index of those pending, once a minute at most. It
moves it to the end of that index first: so one shard alone tells it, and those that cannot be told hold up no others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from hashlib import blake2b
from itertools import islice
from threading import Lock
from typing import Any, Final

from tailrace.commit.patience import Patience
from tailrace.commit.ports import Say
from tailrace.ops.clock import Clock
from tailrace.sinks.hot import keys
from tailrace.sinks.hot.aggregates import together
from tailrace.sinks.hot.crew import Crew
from tailrace.sinks.hot.deltas import Delta
from tailrace.sinks.hot.options import Alert, Options
from tailrace.sinks.hot.table import Clause, Key, Table, Update
from tailrace.sinks.hot.values import Item, Value
from tailrace.world import WorldDenied, WorldError

SWEEP_S: Final = 60.0
SWEPT_MAX: Final = 100  # at once
SWEEPING_S: Final = 10.0  # at the longest: the lane waits for it
FIRED_MAX: Final = 100_000  # remembered by one lane
SLOW_S: Final = 3.0  # a topic that takes so long to fail is left alone for a while: it must not hold the plans up
AWAY_S: Final = 30.0
OUTLIVES_S: Final = 14 * 86_400  # what it was told of is deleted days late, and a late event must not tell it again
STATE, PENDING, SENT = "state", "pending", "sent"
WINDOW_ENDS: Final = "window_ends"  # when the window expires; a pending alert does not

Publish = Callable[[str, str, str], None]  # ARN, id, text; raises WorldError, WorldDenied


class Alerts:
    """Those of one lane."""

    def __init__(self, table: Table, options: Options, publish: Publish, clock: Clock, say: Say, crew: Crew) -> None:
        self._table = table
        self._aggregates = {one.name: one for one in options.aggregates}
        self._by_aggregate: dict[str, list[Alert]] = {}
        for alert in options.alerts:
            self._by_aggregate.setdefault(alert.aggregate, []).append(alert)
        self._publish = publish
        self._clock = clock
        self._say = say
        self._crew = crew
        self._fired: dict[Key, None] = {}  # known to have been published, oldest first
        self._away: dict[str, float] = {}  # ARN -> until when
        self._lock = Lock()
        self._swept: float | None = None

    def concerns(self, delta: Delta) -> bool:
        """Could this delta have crossed a threshold that was not crossed yet?"""
        return bool(self._open(delta))

    def _open(self, delta: Delta) -> list[Alert]:
        changed = {*delta.add, *delta.high}
        return [
            one
            for one in self._by_aggregate.get(delta.aggregate, ())
            if one.measure in changed and (delta.pk, keys.alert_sk(one.name, delta.window)) not in self._fired
        ]

    def look(self, delta: Delta, owner: str, patience: Patience) -> None:
        """See whether what was added crossed a threshold, and tell. `owner`: the plan, whoever applies it."""
        prefix = keys.aggregate_prefix(delta.aggregate, delta.window)
        items = self._crew.bear(patience, lambda: list(self._table.query(delta.pk, prefix, now=True)))
        sums = together(self._aggregates[delta.aggregate], items)
        for alert in self._open(delta):
            value = sums.get(alert.measure)
            if value is not None and Decimal(value) >= Decimal(repr(alert.threshold)):
                self._fire(alert, delta, Decimal(value), owner, patience)

    def _fire(self, alert: Alert, delta: Delta, value: Decimal, owner: str, patience: Patience) -> None:
        key = (delta.pk, keys.alert_sk(alert.name, delta.window))
        item = self._item(alert, delta, value, owner, key)
        stands = self._crew.bear(patience, lambda: self._table.update(Update(key, (Clause(STATE, "absent"),), item)))
        if stands is None:
            self._say("alert", lane=self._crew.lane, alert=alert.name, window=delta.window)
            self._tell(key, item)
        elif stands.get(STATE) != PENDING:
            self._remember(key)
        elif stands.get("owner") == owner:
            self._tell(key, stands)

    def _item(self, alert: Alert, delta: Delta, value: Decimal, owner: str, key: Key) -> Item:
        identity = blake2b("\n".join(key).encode(), digest_size=16).hexdigest()
        message: dict[str, Any] = {
            "id": identity,
            "alert": alert.name,
            "aggregate": alert.aggregate,
            "measure": alert.measure,
            "threshold": alert.threshold,
            "value": int(value) if value == value.to_integral_value() else float(value),
            "window": delta.window,
            "key": keys.parsed(delta.pk),
        }
        item: dict[str, Value] = {
            STATE: PENDING,
            "id": identity,
            "message": json.dumps(message),
            "publish": alert.publish,
            "owner": owner,
            keys.GSI_PK: keys.PENDING,
            keys.GSI_SK: self._place(identity),
        }
        return item | ({WINDOW_ENDS: delta.expires} if delta.expires else {})

    def _tell(self, key: Key, item: Item) -> None:
        """Publish, and note it. What cannot be published stays pending: it stops nothing else."""
        arn, began = str(item["publish"]), self._clock.monotonic()
        try:
            if self._away.get(arn, began) > began:
                raise WorldError("left alone for a while: it was slow to fail")
            self._publish(arn, str(item["id"]), str(item["message"]))
            self._table.update(
                Update(key, (Clause(STATE, "=", PENDING),), self._sent(item), remove=(keys.GSI_PK, keys.GSI_SK))
            )
        except (WorldError, WorldDenied) as error:
            self._say("alert_waits", lane=self._crew.lane, id=item["id"], publish=arn, error=str(error))
            if (now := self._clock.monotonic()) - began >= SLOW_S:
                self._away[arn] = now + AWAY_S
            return
        self._remember(key)

    def _sent(self, item: Item) -> Item:
        if WINDOW_ENDS not in item:
            return {STATE: SENT}
        return {STATE: SENT, keys.TTL: max(int(item[WINDOW_ENDS]), self._clock.now_ms() // 1000) + OUTLIVES_S}

    def _remember(self, key: Key) -> None:
        with self._lock:
            self._fired[key] = None
            while len(self._fired) > FIRED_MAX:
                del self._fired[next(iter(self._fired))]

    def sweep(self) -> None:
        """Publish what others left pending, if it is time to look. What goes wrong is tried again at the next look."""
        now = self._clock.monotonic()
        if self._swept is not None and now - self._swept < SWEEP_S:
            return
        self._swept = now
        try:
            before = keys.time_of(self._clock.now_ms() - int(SWEEP_S * 1000))
            for item in islice(pending(self._table, before), SWEPT_MAX):
                if self._clock.monotonic() - now >= SWEEPING_S:
                    return
                key = (str(item[keys.PK]), str(item[keys.SK]))
                if self._claimed(key, item):
                    self._tell(key, item)
        except (WorldError, WorldDenied) as error:
            self._crew.trouble(error)

    def _claimed(self, key: Key, item: Item) -> bool:
        """Move a pending alert to the end of the index, unless another shard did so first."""
        stands = Clause(keys.GSI_SK, "=", item[keys.GSI_SK])
        return self._table.update(Update(key, (stands,), {keys.GSI_SK: self._place(str(item["id"]))})) is None

    def _place(self, identity: str) -> str:
        return f"{keys.time_of(self._clock.now_ms())}#{identity}"


def pending(table: Table, before: str = "") -> Iterator[Item]:
    """Yield alerts that are not known to have been published; `before`: last tried, or made, before that time."""
    for entry in table.query(keys.PENDING, index=True):
        if before and str(entry[keys.GSI_SK]) >= before:
            return
        item = table.get((str(entry[keys.PK]), str(entry[keys.SK])))
        if item is not None and item.get(STATE) == PENDING and not (before and str(item[keys.GSI_SK]) >= before):
            yield item
