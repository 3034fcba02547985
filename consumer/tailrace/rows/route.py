"""Routes: which events go where. Rule: routes are understood whole or refused in one line that names the route.

A list of objects: `destination_name`, `destination_arn`, `enabled_events`, and, where wanted, `tenants`, `condition`,
`enabled`. The destinations `lake` and `quarantine` are built in.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tailrace.nouns import LAKE, Destination, Rows
from tailrace.rows.condition import ConditionError, Given, Truth, column_truth, condition_of, written
from tailrace.rows.wildcard import wildcard
from tailrace.settings import SettingsError

QUARANTINE: Final = "quarantine"
KEYS: Final = ("destination_name", "destination_arn", "enabled_events", "tenants", "condition", "enabled", "options")
SERVICES: Final = ("dynamodb", "sqs", "sns", "kinesis", "firehose", "lambda", "https")  # that have lanes
NEEDED: Final = KEYS[:3]
ROUTES_MAX: Final = 100
PATTERNS_MAX: Final = 1000
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ARN: Final = re.compile(r"arn:aws[a-z-]*:(?P<service>[a-z0-9-]+):[a-z0-9-]*:[0-9]*:(?P<resource>\S+)")
_URL: Final = re.compile(r"https://[^\s/]+\S*|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/\S*)?")
_EVERYTHING: Final = ("*",)


class RouteError(SettingsError):
    """Routes that cannot be used; one line: where they stand, which route, what was found and what was expected."""


class Route(NamedTuple):
    """One destination and the events it takes."""

    destination_name: str
    destination_arn: str  # of a bucket, or nothing, for those that are built in
    enabled_events: tuple[str, ...]  # event types; `*` stands for any characters
    tenants: tuple[str, ...] = _EVERYTHING
    condition: Truth | None = None
    enabled: bool = True
    options: Mapping[str, Any] = MappingProxyType({})  # what the destination's sink is told

    @property
    def destination(self) -> Destination:
        return Destination(self.destination_name, _service(self.destination_arn), self.destination_arn, self.options)

    @property
    def takes_all(self) -> bool:
        """Does every event go there?"""
        everyone = "*" in self.tenants and "*" in self.enabled_events
        return self.enabled and self.condition is None and everyone


class Routes(NamedTuple):
    """All of them, by name, and the digest of what they say."""

    by_name: Mapping[str, Route]
    digest: str

    @property
    def lake(self) -> Route:
        return self.by_name[LAKE]

    @property
    def elsewhere(self) -> list[Route]:
        """Those with a lane of their own."""
        return [one for one in self.by_name.values() if one.enabled and one.destination_name not in {LAKE, QUARANTINE}]


def parsed(data: bytes | str, origin: str, envelope: pa.Schema) -> Routes:
    """Return the routes of a JSON text. `envelope`: the columns that every table has, which conditions may name."""
    try:
        listed = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise RouteError(f"{origin}: no JSON: {error}") from None
    if not isinstance(listed, list) or not 0 < len(listed) <= ROUTES_MAX:
        raise RouteError(f"{origin}: expected a list of 1 to {ROUTES_MAX} routes, found {written(listed)}")
    by_name: dict[str, Route] = {}
    for number, one in enumerate(listed, start=1):
        name = one.get("destination_name") if isinstance(one, dict) else None
        where = f"{origin}: route {number}" + (f" ({name})" if isinstance(name, str) else "")
        route = _route(where, one, envelope)
        if route.destination_name in by_name:
            raise RouteError(f"{where}: another route has this destination_name already, expected one a destination")
        by_name[route.destination_name] = route
    if LAKE not in by_name:
        raise RouteError(f"{origin}: no route has the destination_name {LAKE!r}: say which events are stored")
    return Routes(by_name, sha256(orjson.dumps(listed, option=orjson.OPT_SORT_KEYS)).hexdigest())


def _route(where: str, one: Any, envelope: pa.Schema) -> Route:
    if not isinstance(one, dict):
        raise RouteError(f"{where}: expected an object, found {written(one)}")
    for key in one:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            hint = f" (did you mean {near[0]}?)" if near else f", expected one of: {', '.join(KEYS)}"
            raise RouteError(f"{where}: {key} is no key of a route{hint}")
    for key in NEEDED:
        if key not in one:
            raise RouteError(f"{where}: {key} is missing")
    enabled = one.get("enabled", True)
    if not isinstance(enabled, bool):
        raise RouteError(f"{where}: enabled: expected true or false, found {written(enabled)}")
    try:
        condition = None if one.get("condition") is None else condition_of(one["condition"], envelope)
    except ConditionError as error:
        raise RouteError(f"{where}: condition{error}") from None
    route = Route(
        _name(where, one["destination_name"]),
        one["destination_arn"],
        _patterns(where, "enabled_events", one["enabled_events"]),
        _patterns(where, "tenants", one.get("tenants", ["*"])),
        condition,
        enabled,
        _options(where, one.get("options", {})),
    )
    _check_destination(where, route)
    return route


def _name(where: str, name: Any) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RouteError(f"{where}: destination_name: expected 1 to 64 of A-Z a-z 0-9 _ . -, found {written(name)}")
    return name


def _patterns(where: str, key: str, value: Any) -> tuple[str, ...]:
    good = isinstance(value, list) and 0 < len(value) <= PATTERNS_MAX
    if not good or not all(isinstance(text, str) and text for text in value):
        raise RouteError(f"{where}: {key}: expected a list of texts, at least one, found {written(value)}")
    return tuple(value)


def _options(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RouteError(f"{where}: options: expected an object, found {written(value)}")
    return value


def _service(address: str) -> str:
    return "https" if address.startswith(("https://", "http://")) else address.split(":")[2]


def _check_destination(where: str, route: Route) -> None:
    name, arn = route.destination_name, route.destination_arn
    built_in = name in {LAKE, QUARANTINE}
    found = _ARN.fullmatch(str(arn))
    at_url = not built_in and _URL.fullmatch(str(arn)) is not None
    if found is None and not at_url and not (built_in and arn == ""):
        expected = "an ARN, or empty text" if built_in else "an ARN, or https://..."
        raise RouteError(f"{where}: destination_arn: expected {expected}, found {written(_shown(arn))}")
    if built_in and found and found["service"] != "s3":
        raise RouteError(f"{where}: destination_arn: expected the ARN of a bucket, found {written(arn)}")
    if name == QUARANTINE and not route.takes_all:
        raise RouteError(f"{where}: quarantine takes everything: expected enabled_events ['*'] and nothing else")
    if not built_in and _service(arn) not in SERVICES:
        expected = f"one of {', '.join(SERVICES)}"
        raise RouteError(f"{where}: destination_arn: found {written(_service(arn))}, expected {expected}")
    if built_in and route.options:
        raise RouteError(f"{where}: options: found {written(dict(route.options))}, expected none: it is built in")


def _shown(arn: Any) -> Any:
    return Destination("", "", arn).shown if isinstance(arn, str) else arn


def bucket_of(route: Route) -> str:
    """Return the bucket that a route's ARN names, or nothing."""
    found = _ARN.fullmatch(route.destination_arn)
    return found["resource"].partition("/")[0] if found else ""


def unknown_events(routes: Routes, types: Collection[str]) -> list[tuple[str, str]]:
    """Return (destination, pattern) of every pattern in `enabled_events` that none of the event types fits."""
    return [
        (route.destination_name, pattern)
        for route in routes.by_name.values()
        for pattern in route.enabled_events
        if pattern != "*" and not any(map(wildcard([pattern]), types))
    ]


def routed(rows: Rows, events: Sequence[Mapping[str, Any]], routes: Routes) -> Rows:
    """Return the rows that go to the lake, and beside them those that go elsewhere.

    `events` are the rows' own, in their order, whole and as they came.
    """
    if not rows.batch.num_rows:
        return rows
    given = Given(rows.batch, events)
    sent = {route.destination_name: _taken(route, rows.batch, given) for route in routes.elsewhere}
    return Rows(
        rows.table,
        _taken(routes.lake, rows.batch, given),
        {name: batch for name, batch in sent.items() if batch.num_rows},
    )


def _taken(route: Route, batch: pa.RecordBatch, given: Given) -> pa.RecordBatch:
    if route.takes_all:
        return batch
    if not route.enabled:
        return batch.slice(0, 0)
    truths = [column_truth("event_type", _fitting(route.enabled_events))] if "*" not in route.enabled_events else []
    if "*" not in route.tenants:
        truths.append(column_truth("tenant", _fitting(route.tenants)))
    if route.condition is not None:
        truths.append(route.condition)
    taken = truths[0](given)
    for truth in truths[1:]:
        taken = pc.and_(taken, truth(given))
    return batch if pc.all(taken).as_py() else batch.filter(taken)


def _fitting(patterns: Sequence[str]) -> Callable[[Any], bool]:
    fits = wildcard(patterns)
    return lambda value: value is not None and fits(value)
