"""What the hot table says. Rule: expired items are gone, whether DynamoDB deleted them or not; shards are one.

Sums are over all shards, lanes and epochs that wrote into the table. Reads may be a moment old.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby, islice
from typing import Any, Final, NamedTuple

import orjson

from tailrace.sinks.hot import alerts, keys
from tailrace.sinks.hot.aggregates import together
from tailrace.sinks.hot.options import DAILY, Aggregate, Options
from tailrace.sinks.hot.profiles import FIRST, LAST, LAST_AT, LAST_TYPE, stamp_of
from tailrace.sinks.hot.table import Key, Table
from tailrace.sinks.hot.values import Item, Value

AT_ONCE: Final = 100  # items that are asked for by key
PAGE_MAX: Final = 1000  # events that are asked for at once


class Event(NamedTuple):
    """One event. `body` is its row, None where that was too large: the lake has it, under its row id."""

    time: str
    row_id: str
    event_type: str
    body: dict[str, Any] | None
    oversize: int = 0  # bytes, where there is no body


class Window(NamedTuple):
    """One window of an aggregate."""

    key: Mapping[str, str]
    window: str
    values: Mapping[str, Value]


class Profile(NamedTuple):
    """What is known of a user."""

    first_seen: str
    last_seen: str
    last_event_type: str
    attributes: Mapping[str, Value]  # as event types set them


class User(NamedTuple):
    """A user: the profile, days and events, newest first."""

    tenant: str
    user: str
    profile: Profile | None
    days: list[Window]
    events: list[Event]

    def plain(self) -> dict[str, Any]:
        """Return all of it as it is printed."""
        return self._asdict() | {
            "profile": None if self.profile is None else self.profile._asdict(),
            "days": [{"day": one.window, **one.values} for one in self.days],
            "events": [one._asdict() for one in self.events],
        }


class Alerted(NamedTuple):
    """An alert that fired."""

    id: str
    name: str
    window: str
    state: str
    message: dict[str, Any]


class Reader:
    """Reads of one hot table, as of a moment."""

    def __init__(self, table: Table, options: Options, now_s: int) -> None:
        self._table = table
        self._options = options
        self._now_s = now_s

    @property
    def today(self) -> str:
        """The day of now, in UTC."""
        return datetime.fromtimestamp(self._now_s, UTC).date().isoformat()

    def user(self, tenant: str, user: str, last: int = 20) -> User:
        """Return a user with so many of the newest events."""
        pk = keys.user_pk(tenant, user)
        found = self._table.get((pk, keys.PROFILE))
        profile = self._profile(found) if found is not None and self._lives(found) else None
        listed = self._table.query(pk, "EVENT#", newest_first=True, page=min(last, PAGE_MAX))
        events = [_event(item) for item in islice(filter(self._lives, listed), last)]
        daily = next((one for one in self._options.aggregates if one.name == DAILY), None)
        days = [] if daily is None else sorted(self._windows(daily, pk), key=lambda one: one.window, reverse=True)
        return User(tenant, user, profile, days, events)

    def alerts(self, pk: str) -> list[Alerted]:
        """Return the alerts that fired for a key."""
        return [_alerted(item) for item in self._table.query(pk, "ALERT#") if self._lives(item)]

    def pending(self) -> list[Alerted]:
        """Return alerts that are not known to have been published."""
        return [_alerted(item) for item in alerts.pending(self._table)]

    def newest(self, tenant: str, event_type: str) -> Iterator[Event]:
        """Yield a tenant's events of a type, newest first, over all write shards."""
        listed = [
            self._table.query(
                keys.type_pk(tenant, event_type, shard), index=True, newest_first=True, page=AT_ONCE
            )
            for shard in range(self._options.write_shards)
        ]  # fmt: skip
        merged = heapq.merge(*listed, key=lambda item: str(item[keys.GSI_SK]), reverse=True)
        for item in self._whole(_key(entry) for entry in merged):
            yield _event(item)

    def top(self, tenant: str, day: str, by: str = "event_count", most: int = 10) -> list[Window]:
        """Return the users of a day that have most of a measure. Reads every user of that day.

        KeyError: days are not kept, or that measure of them is not.
        """
        daily = self._declared(DAILY)
        if by not in (one.attribute for one in daily.measures):
            raise KeyError(by)
        found = (
            window for shard in range(self._options.write_shards) for window in self._day(daily, tenant, day, shard)
        )
        return heapq.nlargest(most, found, key=lambda one: _number(one.values.get(by, 0)))

    def _day(self, daily: Aggregate, tenant: str, day: str, shard: int) -> Iterator[Window]:
        listed = self._table.query(keys.day_pk(tenant, day, shard), index=True)
        for pk, items in groupby(self._whole(map(_key, listed)), key=lambda item: str(item[keys.PK])):
            yield Window(keys.parsed(pk), day, together(daily, items))  # the index has a user's items side by side

    def aggregate(self, name: str, values: list[str | None], window: str = "") -> list[Window]:
        """Return the windows of a key that begin with a text, in order. KeyError: there is no such aggregate."""
        aggregate = self._declared(name)
        return list(self._windows(aggregate, keys.aggregate_pk(aggregate.key, values), window))

    def _declared(self, name: str) -> Aggregate:
        return {one.name: one for one in self._options.aggregates}[name]

    def _windows(self, aggregate: Aggregate, pk: str, window: str = "") -> Iterator[Window]:
        prefix = keys.aggregate_prefix(aggregate.name)
        living = filter(self._lives, self._table.query(pk, prefix + window))
        for found, items in groupby(living, key=lambda item: str(item[keys.SK]).removeprefix(prefix).partition("#")[0]):
            yield Window(keys.parsed(pk), found, together(aggregate, items))

    def _whole(self, listed: Iterator[Key]) -> Iterator[Item]:
        """Yield items that an index lists, in its order, but those that are gone."""
        while asked := list(islice(listed, AT_ONCE)):
            found = self._table.get_all(asked)
            yield from (found[key] for key in asked if key in found and self._lives(found[key]))

    def _lives(self, item: Item) -> bool:
        return int(item.get(keys.TTL, self._now_s + 1)) > self._now_s

    def _profile(self, item: Item) -> Profile:
        own = {keys.PK, keys.SK, keys.TTL, FIRST, LAST, LAST_AT, LAST_TYPE}
        own |= {name for name in item if name.startswith(stamp_of(""))}
        attributes = {name: value for name, value in sorted(item.items()) if name not in own}
        return Profile(str(item[FIRST]), str(item[LAST]), str(item[LAST_TYPE]), attributes)


def dumped(values: Any) -> str:
    """Return anything that was read as JSON."""
    return json.dumps(values, default=_plain_number, ensure_ascii=False)


def _plain_number(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def _key(entry: Item) -> Key:
    return str(entry[keys.PK]), str(entry[keys.SK])


def _number(value: Value) -> float:
    return 0.0 if isinstance(value, str) else float(value)


def _event(item: Item) -> Event:
    _, time, row_id = str(item[keys.SK]).split("#")
    body = orjson.loads(str(item["body"])) if "body" in item else None
    return Event(time, row_id, str(item["event_type"]), body, int(item.get("oversize", 0)))


def _alerted(item: Item) -> Alerted:
    _, name, window = str(item[keys.SK]).split("#")
    message: dict[str, Any] = json.loads(str(item["message"]))  # its value may be beyond 64 bits
    return Alerted(str(item["id"]), name, window, str(item[alerts.STATE]), message)
