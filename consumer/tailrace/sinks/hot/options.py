"""What a hot route's `options` may say. Rule: understood whole, or refused in one line that names what is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from tailrace.nouns import Destination
from tailrace.settings import SettingsError

KEYS: Final = (
    "aggregates", "alerts", "daily", "daily_ttl_days", "events", "profile", "profile_ttl_days", "profiles", "ttl_days",
    "value", "write_shards",
)  # fmt: skip
DAILY: Final = "DAILY"  # the aggregate that comes with the tier: a user's day
WINDOWS: Final = ("minute", "hour", "day", "all")
OPS: Final = ("count", "sum", "min", "max", "last")
RISING: Final = ("count", "sum", "max")  # measures whose threshold can be crossed
PUBLISHED_BY: Final = ("sns", "sqs", "kinesis")
ALIASES: Final[Mapping[str, str]] = {"user": "user_id", "type": "event_type", "path": "url_path"}
WRITE_SHARDS: Final = 8
WRITE_SHARDS_MAX: Final = 128
TTL_DAYS: Final = 7.0
DAILY_TTL_DAYS: Final = 90.0
TTL_DAYS_MAX: Final = 36_500
LISTED_MAX: Final = 32  # aggregates, alerts, measures of one, attributes of a profile
KEY_PARTS_MAX: Final = 6
KEY_NAME_BYTES_MAX: Final = 64  # six of them with their values stay below DynamoDB's 2,048 bytes
DAY_S: Final = 86_400
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_ATTRIBUTE: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_COLUMN: Final = re.compile(r"[^.\s#]{1,64}(\.[^.\s#]{1,64}){0,7}")
_TABLE: Final = re.compile(
    r"arn:aws[a-z-]*:dynamodb:(?P<region>[a-z0-9-]+):[0-9]*:table/(?P<name>[A-Za-z0-9_.-]{3,255})"
)
_TOPIC: Final = re.compile(r"arn:aws[a-z-]*:(sns|sqs|kinesis):[a-z0-9-]+:[0-9]+:\S+")
_RESERVED: Final = frozenset({
    "chain", "ttl", "left_out", "body", "first_seen", "last_seen", "last_at", "last_event_type", "event_type",
})  # fmt: skip


class Measure(NamedTuple):
    """One number, or value, that an aggregate keeps."""

    attribute: str
    op: str
    of: str = ""  # a column, `a.b` inside one; empty: rows are counted


class Aggregate(NamedTuple):
    """What is added up, by what, over which time."""

    name: str
    key: tuple[str, ...]
    window: str
    measures: tuple[Measure, ...]
    types: tuple[str, ...] = ("*",)
    ttl_s: int = 0  # after the window's end; 0: it stays

    @property
    def reads_first(self) -> bool:
        """Must what stands be read before it is written?"""
        return any(one.op in {"min", "max"} for one in self.measures)


class Alert(NamedTuple):
    """A threshold of one measure, and who is told."""

    name: str
    aggregate: str
    measure: str
    threshold: float
    publish: str  # ARN of a topic, a queue or a stream


class Options(NamedTuple):
    """All that a hot route says."""

    table: str
    region: str
    events: tuple[str, ...] = ("*",)  # types of which each event is an item
    profiles: bool = True  # is there one of each user?
    profile: Mapping[str, tuple[str, ...]] = {}  # event type -> columns that its newest event leaves in the profile
    aggregates: tuple[Aggregate, ...] = ()
    alerts: tuple[Alert, ...] = ()
    write_shards: int = WRITE_SHARDS
    ttl_s: int = int(TTL_DAYS * DAY_S)
    profile_ttl_s: int = 0


def table_of(destination: Destination) -> tuple[str, str]:
    """Return (region, table) of a destination's ARN. Raises SettingsError."""
    found = _TABLE.fullmatch(destination.address)
    if found is None:
        raise SettingsError(
            f"route {destination.name}: destination_arn: found {destination.address!r},"
            " expected arn:aws:dynamodb:<region>:<account>:table/<name>"
        )
    return found["region"], found["name"]


def options_of(destination: Destination) -> Options:
    """Return what a destination's options say. Raises SettingsError: one line."""
    region, table = table_of(destination)
    given, where = destination.options, f"route {destination.name}: options"
    _known(where, given, KEYS)
    ttl_s = _days(where, "ttl_days", given.get("ttl_days", TTL_DAYS))
    aggregates = _aggregates(where, given, ttl_s)
    shards = given.get("write_shards", WRITE_SHARDS)
    if type(shards) is not int or not 1 <= shards <= WRITE_SHARDS_MAX:
        raise SettingsError(f"{where}: write_shards: expected 1 to {WRITE_SHARDS_MAX}, found {_shown(shards)}")
    profiles = _yes_or_no(where, "profiles", given.get("profiles", True))
    if given.get("profile") and not profiles:
        raise SettingsError(f"{where}: profile: it says what profiles hold, but profiles is false")
    if not ttl_s:
        raise SettingsError(f"{where}: ttl_days: expected more than 0: events do not stay in a hot table for ever")
    return Options(
        table,
        region,
        _texts(f"{where}: events", given.get("events", ["*"]), "event types, * for any characters"),
        profiles,
        _profile(f"{where}: profile", given.get("profile", {})),
        aggregates,
        _alerts(f"{where}: alerts", given.get("alerts", []), {one.name: one for one in aggregates}),
        shards,
        ttl_s,
        _days(where, "profile_ttl_days", given.get("profile_ttl_days", 0)),
    )


def fits(patterns: Collection[str]) -> Callable[[str], bool]:
    """Return who says whether an event type is meant; `*` stands for any characters, all else for itself."""
    whole = re.compile("|".join(".*".join(map(re.escape, one.split("*"))) for one in patterns) or r"(?!)", re.DOTALL)
    return lru_cache(maxsize=1024)(lambda name: whole.fullmatch(name) is not None)


def strays(options: Options, columns: Collection[str], types: Collection[str]) -> Iterator[str]:
    """Yield what is named that no table and no event type has: a slip, or not there yet.

    `columns`: with `a.b` inside a struct; `a.` for text, which may have anything inside.
    """
    of_types = [("events", options.events), ("profile", tuple(options.profile))]
    of_types += [(f"aggregate {one.name}: types", one.types) for one in options.aggregates]
    for where, patterns in of_types:
        for pattern in patterns:
            if pattern != "*" and not any(map(fits([pattern]), types)):
                yield f"{where}: found {_shown(pattern)}, expected the name of an event type with a schema"
    of_columns = [(f"profile: {kind}", names) for kind, names in options.profile.items()]
    for one in options.aggregates:
        of_columns.append((f"aggregate {one.name}: key", one.key))
        value = "value" if one.name == DAILY else f"aggregate {one.name}: of"
        of_columns.append((value, tuple(measure.of for measure in one.measures if measure.of)))
    for where, names in of_columns:
        for name in names:
            column = column_of(name)
            first, dot, _ = column.partition(".")
            if column not in columns and not (dot and f"{first}." in columns):
                near = difflib.get_close_matches(name, columns, n=1)
                yield f"{where}: no table has the column {name}" + (f" (did you mean {near[0]}?)" if near else "")


def column_of(name: str) -> str:
    """Return the column that a short name stands for."""
    return ALIASES.get(name, name)


def _aggregates(where: str, given: Mapping[str, Any], ttl_s: int) -> tuple[Aggregate, ...]:
    listed = given.get("aggregates", [])
    if not isinstance(listed, list) or len(listed) > LISTED_MAX:
        raise SettingsError(f"{where}: aggregates: expected a list of at most {LISTED_MAX}, found {_shown(listed)}")
    out = [_aggregate(f"{where}: aggregate {number}", one, ttl_s) for number, one in enumerate(listed, start=1)]
    daily, value = _yes_or_no(where, "daily", given.get("daily", True)), given.get("value")
    if value is not None:
        value = _column(f"{where}: value", value)
        if not daily:
            raise SettingsError(f"{where}: value: it is what a user's day adds up, but daily is false")
    if daily:
        measures = [Measure("event_count", "count"), Measure("last_event_type", "last", "type")]
        measures += [Measure("total_value", "sum", value)] if value else []
        days = _days(where, "daily_ttl_days", given.get("daily_ttl_days", DAILY_TTL_DAYS))
        out.append(Aggregate(DAILY, ("tenant", "user"), "day", tuple(measures), ttl_s=days))
    names = [one.name.upper() for one in out]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SettingsError(f"{where}: aggregates: {twice} stands there twice ({DAILY} comes with the tier)")
    return tuple(out)


def _aggregate(where: str, one: Any, ttl_s: int) -> Aggregate:
    _known(
        where, one, ("name", "key", "window", "measures", "types", "ttl_days"), needed=("name", "window", "measures")
    )
    name, window = one["name"], one["window"]
    where = f"{where} ({_named(where, 'name', name)})"
    if window not in WINDOWS:
        raise SettingsError(f"{where}: window: expected one of {', '.join(WINDOWS)}, found {_shown(window)}")
    key = one.get("key", [])
    if not isinstance(key, list) or len(key) > KEY_PARTS_MAX:
        raise SettingsError(f"{where}: key: expected a list of at most {KEY_PARTS_MAX} columns, found {_shown(key)}")
    parts = tuple(_column(f"{where}: key", part) for part in key)
    if any(len(part.encode()) > KEY_NAME_BYTES_MAX for part in parts):
        raise SettingsError(f"{where}: key: expected names of at most {KEY_NAME_BYTES_MAX} bytes")
    if len(set(map(column_of, parts))) < len(parts):
        raise SettingsError(f"{where}: key: a column stands there twice: {', '.join(parts)}")
    days = _days(where, "ttl_days", one.get("ttl_days", 0 if window == "all" else ttl_s / DAY_S))
    if days and window == "all":
        raise SettingsError(f"{where}: ttl_days: a window without an end does not expire: expected 0, or none")
    measures = one["measures"]
    if not isinstance(measures, dict) or not 0 < len(measures) <= LISTED_MAX:
        raise SettingsError(f"{where}: measures: expected an object of 1 to {LISTED_MAX}, found {_shown(measures)}")
    found = tuple(_measure(f"{where}: {attribute}", attribute, given) for attribute, given in measures.items())
    return Aggregate(
        name, parts, window, found, _texts(f"{where}: types", one.get("types", ["*"]), "event types"), days
    )


def _measure(where: str, attribute: str, given: Any) -> Measure:
    _attribute(where, attribute)
    _known(where, given, ("op", "of"), needed=("op",))
    op = given["op"]
    if op not in OPS:
        raise SettingsError(f"{where}: op: expected one of {', '.join(OPS)}, found {_shown(op)}")
    if op != "count" and "of" not in given:
        raise SettingsError(f"{where}: of: {op} needs a column")
    return Measure(attribute, op, _column(f"{where}: of", given["of"]) if "of" in given else "")


def _alerts(where: str, listed: Any, aggregates: Mapping[str, Aggregate]) -> tuple[Alert, ...]:
    if not isinstance(listed, list) or len(listed) > LISTED_MAX:
        raise SettingsError(f"{where}: expected a list of at most {LISTED_MAX}, found {_shown(listed)}")
    out: list[Alert] = []
    for number, one in enumerate(listed, start=1):
        at = f"{where} {number}"
        needed = ("name", "aggregate", "measure", "threshold", "publish")
        _known(at, one, needed, needed=needed)
        values: list[Any] = [one[key] for key in needed]
        alert = Alert(*values)
        at = f"{at} ({_named(at, 'name', alert.name)})"
        aggregate = aggregates.get(str(alert.aggregate))
        if aggregate is None:
            raise SettingsError(
                f"{at}: aggregate: expected one of {', '.join(aggregates) or 'none'}, found {_shown(alert.aggregate)}"
            )
        rising = [m.attribute for m in aggregate.measures if m.op in RISING]
        if alert.measure not in rising:
            raise SettingsError(
                f"{at}: measure: expected a {', '.join(RISING)} of {aggregate.name} ({', '.join(rising)}),"
                f" found {_shown(alert.measure)}"
            )
        if type(alert.threshold) not in {int, float} or not abs(alert.threshold) <= 2**53:
            raise SettingsError(f"{at}: threshold: expected a number, found {_shown(alert.threshold)}")
        if not _TOPIC.fullmatch(str(alert.publish)):
            raise SettingsError(
                f"{at}: publish: expected the ARN of one of {', '.join(PUBLISHED_BY)}, found {_shown(alert.publish)}"
            )
        if any(alert.name.upper() == other.name.upper() for other in out):
            raise SettingsError(f"{at}: another alert has this name already")
        out.append(alert)
    return tuple(out)


def _profile(where: str, given: Any) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(given, dict) or len(given) > LISTED_MAX:
        raise SettingsError(f"{where}: expected an object: event type -> list of columns, found {_shown(given)}")
    owner: dict[str, str] = {}
    for event_type, columns in given.items():
        for column in _texts(f"{where}: {event_type}", columns, "columns"):
            _attribute(f"{where}: {event_type}", column)
            if column in owner:
                raise SettingsError(f"{where}: {event_type}: {column} is set by {owner[column]} already")
            owner[column] = event_type
    if len(owner) > LISTED_MAX:
        raise SettingsError(f"{where}: expected at most {LISTED_MAX} attributes, found {len(owner)}")
    return {event_type: tuple(columns) for event_type, columns in given.items()}


def _known(where: str, given: Any, keys: tuple[str, ...], needed: tuple[str, ...] = ()) -> None:
    if not isinstance(given, Mapping):
        raise SettingsError(f"{where}: expected an object, found {_shown(given)}")
    for key in given:
        if key not in keys:
            near = difflib.get_close_matches(str(key), keys, n=1)
            hint = f" (did you mean {near[0]}?)" if near else f", expected one of: {', '.join(keys)}"
            raise SettingsError(f"{where}: {key} is no key here{hint}")
    for key in needed:
        if key not in given:
            raise SettingsError(f"{where}: {key} is missing")


def _attribute(where: str, name: Any) -> None:
    if not isinstance(name, str) or not _ATTRIBUTE.fullmatch(name) or name.endswith("_at") or name in _RESERVED:
        raise SettingsError(
            f"{where}: expected an attribute's name, of a-z 0-9 _, not ending in _at and none of the tier's own,"
            f" found {_shown(name)}"
        )


def _column(where: str, name: Any) -> str:
    if not isinstance(name, str) or not _COLUMN.fullmatch(name):
        raise SettingsError(f"{where}: expected the name of a column, a.b inside one, found {_shown(name)}")
    return name


def _named(where: str, key: str, name: Any) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SettingsError(
            f"{where}: {key}: expected a letter, then up to 31 of A-Z a-z 0-9 _ -, found {_shown(name)}"
        )
    return name


def _texts(where: str, value: Any, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > 1000 or not all(isinstance(one, str) and one for one in value):
        raise SettingsError(f"{where}: expected a list of {what}, found {_shown(value)}")
    return tuple(value)


def _yes_or_no(where: str, key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(f"{where}: {key}: expected true or false, found {_shown(value)}")
    return value


def _days(where: str, key: str, value: Any) -> int:
    if type(value) not in {int, float} or not 0 <= value <= TTL_DAYS_MAX:
        raise SettingsError(f"{where}: {key}: expected 0 (stays) to {TTL_DAYS_MAX} days, found {_shown(value)}")
    return max(1, int(value * DAY_S)) if value else 0


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
