"""A user's profile. Rule: the newest wins, so any order and any repeat gives the same.

Each group of attributes has a stamp of its own, (time, position, row id) of the event they came from; a write may only
raise a stamp. One write a user and plan where that is so of all groups, which is the rule; else what stands is merged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tailrace.sinks.hot import keys
from tailrace.sinks.hot.gather import Gathered
from tailrace.sinks.hot.options import Options
from tailrace.sinks.hot.table import Clause, Table, Update
from tailrace.sinks.hot.values import TEXT_BYTES_MAX, Item, Value, plain, value_of

FIRST, LAST, LAST_AT, LAST_TYPE = "first_seen", "last_seen", "last_at", "last_event_type"
LAST_GROUP: Final = LAST_AT  # the stamp of what any event sets


class Seen(NamedTuple):
    """What a plan knows of a user."""

    pk: str
    first: str
    groups: Mapping[str, Group]  # by the attribute that holds the stamp


class Group(NamedTuple):
    """Attributes that come from one event, and go with it."""

    stamp: str
    put: Mapping[str, Value]
    remove: tuple[str, ...] = ()


def stamp_of(event_type: str) -> str:
    """Return the attribute that holds the stamp of what an event type sets."""
    return f"at#{event_type}"


def seen(rows: Gathered, options: Options) -> Iterator[Seen]:
    """Yield what the rows say of each user."""
    if not options.profiles:
        return
    groups = {
        "tenant": rows.tenant,
        "user": rows.user,
        "newest": rows.age.ranks,
    } | {
        f"of {event_type}": pc.if_else(
            pc.equal(rows.event_type, event_type), rows.age.ranks, pa.scalar(None, pa.int64())
        )
        for event_type in options.profile
    }
    table = pa.table(groups).filter(rows.user.is_valid())
    if not table.num_rows:
        return
    asked = [("newest", "min"), ("newest", "max"), *((f"of {one}", "max") for one in options.profile)]
    for found in table.group_by(["tenant", "user"], use_threads=False).aggregate(asked).to_pylist():
        newest = rows.age.rows[found["newest_max"]]
        groups_of = {LAST_GROUP: _last(rows, newest, options)}
        for event_type, columns in options.profile.items():
            if (at := found[f"of {event_type}_max"]) is not None:
                groups_of[stamp_of(event_type)] = _copied(rows, rows.age.rows[at], columns)
        yield Seen(
            keys.user_pk(found["tenant"], found["user"]), rows.times[rows.age.rows[found["newest_min"]]], groups_of
        )


def _last(rows: Gathered, row: int, options: Options) -> Group:
    put: dict[str, Value] = {LAST: rows.times[row], LAST_TYPE: rows.types[row]}
    if not options.profile_ttl_s:
        return Group(rows.stamp(row), put, (keys.TTL,))  # it may have had one
    when_s, arrived_s = (column[row].as_py() // 1_000_000 for column in (rows.when, rows.received))
    put[keys.TTL] = max(when_s + options.profile_ttl_s, arrived_s)  # DynamoDB keeps what expired years ago
    return Group(rows.stamp(row), put)


def _copied(rows: Gathered, row: int, columns: tuple[str, ...]) -> Group:
    """Return the columns of one event; those that have no value there, or too long a one, have none in the profile."""
    found = {name: plain(rows.value(name, row)) for name in columns}
    put = {name: value_of(one) for name, one in found.items() if one and len(one[1].encode()) <= TEXT_BYTES_MAX}
    return Group(rows.stamp(row), put, tuple(name for name in columns if name not in put))


def write(table: Table, one: Seen) -> None:
    """Bring a profile up to what was seen."""
    stands = table.update(_hoped(one))
    while stands is not None and (merged := _merged(one, stands)) is not None:
        stands = table.update(merged)


def _hoped(one: Seen) -> Update:
    """Return the write that holds where all that was seen is newer than what stands."""
    put: dict[str, Value] = {}
    for name, group in one.groups.items():
        put |= {name: group.stamp, **group.put}
    newer = tuple(Clause(name, "<", group.stamp, or_absent=True) for name, group in one.groups.items())
    remove = tuple(name for group in one.groups.values() for name in group.remove)
    first = Clause(FIRST, "<=", one.first, or_absent=True)
    return Update((one.pk, keys.PROFILE), (*newer, first), put, put_once={FIRST: one.first}, remove=remove)


def _merged(one: Seen, stands: Item) -> Update | None:
    """Return what is still to be written, on condition that what stands does so still; None for nothing."""
    put: dict[str, Value] = {}
    remove: tuple[str, ...] = ()
    if FIRST not in stands or one.first < str(stands[FIRST]):
        put[FIRST] = one.first
    for name, group in one.groups.items():
        if name not in stands or str(stands[name]) < group.stamp:
            put |= {name: group.stamp, **group.put}
            remove += group.remove
    if not put:
        return None
    looked = (FIRST, *one.groups)
    same = tuple(Clause(name, "=", stands[name]) if name in stands else Clause(name, "absent") for name in looked)
    return Update((one.pk, keys.PROFILE), same, put, remove=remove)
