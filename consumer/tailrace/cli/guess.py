"""Where things stand in events that nobody described. Rule: a default that fits is kept; what is chosen says why.

A candidate counts by its name and by its values: a time must be a time, an id must not repeat, a type must repeat.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from tailrace.rows.times import microseconds
from tailrace.schema.contract import find, look
from tailrace.settings import Contract

FITS: Final = 0.9  # of the values that are there
COVERS: Final = 0.9  # of the events, for what every event must have
DEPTH_MAX: Final = 3
PATHS_MAX: Final = 500
TYPES_MAX: Final = 200
TYPES_FEW: Final = 20
LOOKED_AT: Final = 2000  # events, when looking for what stands at no default path
TENANT_CHARS_MAX: Final = 128
TIMES: Final = range(946_684_800_000_000, 4_102_444_800_000_000)  # 2000 to 2100
_WORDS: Final = re.compile(r"[^a-z0-9]")
_AGENT: Final = re.compile(r"(Mozilla|Opera|Dalvik|okhttp|curl|[A-Za-z]+)/[0-9.]+ .*")
_URL: Final = re.compile(r"https?://\S+")
_IP: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]+")
_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}.*")
_VERSION: Final = re.compile(r"[0-9]{1,9}(-[0-9]{1,9}){0,2}")


class Choice(NamedTuple):
    """Where one field stands."""

    field: str
    paths: tuple[str, ...]
    why: str  # for a person
    share: float  # of the events have it
    held: tuple[str, ...] = ()  # those of the paths at which something was found


class NoTypeError(Exception):
    """Nothing says of what type events are; one line."""


class Look(NamedTuple):
    """How a field is told from others."""

    names: tuple[str, ...]  # without case and punctuation; likelier ones first
    fits: Callable[[Sequence[Any]], bool]
    value: re.Pattern[str] | None = None  # by which it is found under any name


def guessed(events: Sequence[dict[str, Any]], contract: Contract, event_type: str | None) -> list[Choice]:
    """Return where the fields of a contract stand. Raises NoTypeError."""
    sample = _Sample(events)
    kind = Choice("event_type", (event_type,), "as you said", 1.0) if event_type else _kind(sample, contract)
    choices, taken = [kind], set(kind.paths)
    for field, rules in _LOOKS.items():
        choice = _field(field, rules, sample, getattr(contract, field), taken)
        choices.append(choice)
        taken |= set(choice.paths)
    return choices


def chosen(contract: Contract, choices: Sequence[Choice]) -> Contract:
    """Return the contract with the choices made."""
    return msgspec.structs.replace(contract, **{choice.field: choice.paths for choice in choices})


class _Sample:
    """Events, by path."""

    def __init__(self, events: Sequence[dict[str, Any]]) -> None:
        self.events = events
        self.paths: dict[str, list[Any]] = {}
        self._looked = events[:LOOKED_AT]
        for event in self._looked:
            self._walk(event, "", 1)

    def _walk(self, value: dict[str, Any], start: str, depth: int) -> None:
        for name, member in value.items():
            path = f"{start}{name}"
            if not name.strip() or "." in name or (path not in self.paths and len(self.paths) >= PATHS_MAX):
                continue
            if isinstance(member, dict) and depth < DEPTH_MAX:
                self._walk(member, f"{path}.", depth + 1)
            elif member is not None:
                self.paths.setdefault(path, []).append(member)

    def values(self, paths: Sequence[str]) -> list[Any]:
        """Return the first value of each event that has one."""
        first = look([tuple(path.split(".")) for path in paths])
        return [value for event in self.events if (value := first(event)) is not None]

    def holds(self, path: str) -> bool:
        """Say whether any event has a value there."""
        parts = tuple(path.split("."))
        return any(find(event, parts) is not None for event in self.events)

    def share(self, values: Sequence[Any]) -> float:
        """Return how many of the events have values."""
        return len(values) / len(self.events)

    def share_looked(self, path: str) -> float:
        """Return how many of the events that were looked at have a value there."""
        return len(self.paths.get(path, ())) / len(self._looked)


def _kind(sample: _Sample, contract: Contract) -> Choice:
    defaults = contract.event_type
    values = sample.values(defaults)
    if sample.share(values) >= COVERS and _are_types(values):
        held = tuple(path for path in defaults if sample.holds(path))
        return Choice("event_type", defaults, f"a default, {_types(values)}", sample.share(values), held)
    others = [path for path in sample.paths if sample.share_looked(path) >= COVERS and _rank(path, _KIND_NAMES)]
    for path in sorted(others, key=lambda path: _rank(path, _KIND_NAMES)):
        values = sample.values((path,))
        if _are_types(values):
            return Choice("event_type", (path,), f"by its name, {_types(values)}", sample.share(values))
    raise NoTypeError(
        "found nothing that says of what type events are, expected text that repeats, at one of: "
        f"{', '.join(defaults)}; say --type PATH"
    )


def _field(field: str, rules: Look, sample: _Sample, defaults: tuple[str, ...], taken: set[str]) -> Choice:
    there = [path for path in defaults if sample.holds(path)]
    if there:
        values = sample.values(there)
        if rules.fits(values):
            return Choice(field, defaults, "a default", sample.share(values), tuple(there))
        fitting = tuple(path for path in there if rules.fits(sample.values((path,))))
        if fitting:
            values = sample.values(fitting)
            return Choice(field, fitting, "others of the defaults hold something else", sample.share(values))
    named = [path for path in sample.paths if path not in taken and _rank(path, rules.names)]
    for path in sorted(named, key=lambda path: (_rank(path, rules.names), -sample.share_looked(path))):
        values = sample.values((path,))
        if path not in there and rules.fits(values):
            return Choice(field, (path,), "by its name and values", sample.share(values))
    if rules.value is not None:
        alike = [path for path in sample.paths if path not in taken and _all(sample.paths[path], rules.value)]
        if len(alike) == 1 and rules.fits(sample.values(alike)):
            return Choice(field, (alike[0],), "by its values alone", sample.share(sample.values(alike)))
    if there:
        return Choice(field, (), f"none: {', '.join(there)} hold{'s' * (len(there) == 1)} something else", 0.0)
    return Choice(field, defaults, "nowhere", 0.0)


def _rank(path: str, names: Sequence[str]) -> int:
    """Return 1 for the likeliest name, more for others, 0 for a name that says nothing."""
    parts = path.lower().split(".")
    for said in (_WORDS.sub("", parts[-1]), _WORDS.sub("", "".join(parts[-2:]))):
        if said in names:
            return names.index(said) + 1 + 100 * (len(parts) - 1)
    return 0


# ---- what values look like


def _share(values: Sequence[Any], good: Callable[[Any], bool]) -> float:
    return sum(map(good, values)) / len(values) if values else 0.0


def _all(values: Sequence[Any], pattern: re.Pattern[str]) -> bool:
    return all(isinstance(value, str) and pattern.fullmatch(value) for value in values)


def _are_types(values: Sequence[Any]) -> bool:
    texts = [value for value in values if isinstance(value, str) and 0 < len(value) <= 100]
    few = len(set(texts)) <= max(TYPES_FEW, min(TYPES_MAX, len(texts) // 5))
    return len(texts) >= len(values) * FITS > 0 and few


def _are_versions(values: Sequence[Any]) -> bool:
    def good(value: Any) -> bool:
        whole = isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
        return whole and _VERSION.fullmatch(str(value)) is not None

    return bool(values) and all(map(good, values)) and len(set(map(str, values))) <= TYPES_FEW


def _are_ids(values: Sequence[Any]) -> bool:
    if _share(values, _is_name) < FITS:
        return False
    return len(set(map(str, values))) >= len(values) * 0.98  # a client may send an event twice


def _are_times(values: Sequence[Any]) -> bool:
    return _share(values, lambda value: (microseconds(value) or 0) in TIMES) >= FITS


def _are_tenants(values: Sequence[Any]) -> bool:
    def good(value: Any) -> bool:
        return isinstance(value, str) and len(value) <= TENANT_CHARS_MAX

    few = len({value for value in values if isinstance(value, str)}) <= max(TYPES_FEW, len(values) // 2)
    return _share(values, good) >= FITS and few


def _are_names(values: Sequence[Any]) -> bool:
    return _share(values, _is_name) >= FITS


def _is_name(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _are(pattern: re.Pattern[str]) -> Callable[[Sequence[Any]], bool]:
    return lambda values: _share(values, lambda one: isinstance(one, str) and bool(pattern.fullmatch(one))) >= FITS


def _are_texts(values: Sequence[Any]) -> bool:
    return _share(values, lambda value: isinstance(value, str)) >= FITS


def _types(values: Sequence[Any]) -> str:
    number = len({value for value in values if isinstance(value, str)})
    return f"{number:,} type{'s' * (number != 1)}"


_KIND_NAMES: Final = (
    "event", "eventtype", "eventname", "type", "action", "kind", "name", "category", "topic", "verb", "method", "e",
)  # fmt: skip
_LOOKS: Final = {
    "schema_version": Look((), _are_versions),
    "event_id": Look(("eventid", "id", "messageid", "uuid", "eventuuid", "guid", "insertid", "eid"), _are_ids),
    "event_time": Look(
        (
            "eventtime", "timestamp", "eventtimestamp", "originaltimestamp", "occurredat", "time", "ts", "datetime",
            "createdat", "sentat", "clienttime", "date", "servertime", "receivedat", "at", "when",
        ),
        _are_times,
        _ISO,
    ),
    "tenant": Look(
        (
            "tenant", "tenantid", "org", "orgid", "organization", "organizationid", "workspace", "workspaceid", "site",
            "siteid", "account", "accountid", "project", "projectid", "appid", "brand", "shop", "shopid",
        ),
        _are_tenants,
    ),
    "user_id": Look(
        ("userid", "user", "uid", "customerid", "memberid", "visitorid", "anonymousid", "distinctid", "deviceid"),
        _are_names,
    ),
    "session_id": Look(("sessionid", "session", "sid", "visitid"), _are_names),
    "user_agent": Look(("useragent", "browser", "ua", "agent"), _are_texts, _AGENT),
    "url": Look(
        ("url", "pageurl", "page", "href", "location", "path", "pathname", "pagepath"),
        _are(re.compile(r"(https?://|/).*", re.DOTALL)),
        _URL,
    ),
    "referer": Look(("referer", "referrer", "documentreferrer", "pagereferrer"), _are_texts),
    "ip": Look(("ip", "ipaddress", "clientip", "remoteip", "remoteaddr", "ipaddr"), _are(_IP), _IP),
}  # fmt: skip
