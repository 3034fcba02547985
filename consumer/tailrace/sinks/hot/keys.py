"""Keys of the hot table. Rule: two things never have one key, and no text of an event is taken for a part of one.

`TENANT#<t>#USER#<u>` holds a user: `PROFILE`, `EVENT#<time>#<row_id>`, `ALERT#<name>#<window>` and
`AGGREGATE#<name>#<window>#<epoch>#<shard>#<lane>`. Parts are escaped, so that a `#` parts and nothing else; one that is
too long is its hash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from tailrace.nouns import Identity
from tailrace.sinks.hot.options import DAILY, column_of
from tailrace.sinks.hot.values import time_text

PK, SK, GSI, GSI_PK, GSI_SK, TTL = "PK", "SK", "GSI1", "GSI1PK", "GSI1SK", "ttl"
PROFILE: Final = "PROFILE"
PENDING: Final = "ALERT#PENDING"  # index key of alerts that are not known to have been published
NOBODY: Final = "-"  # in place of a value that is not there, or is empty
PART_BYTES_MAX: Final = 256  # six parts and their names stay below DynamoDB's 2,048 bytes of a key
_ESCAPES: Final = str.maketrans({"%": "%25", "#": "%23"})
_NAMES: Final[Mapping[str, str]] = {"tenant": "TENANT", "user_id": "USER", "event_type": "TYPE", "url_path": "PATH"}
_SHORT: Final = {name: name.lower() for name in _NAMES.values()}


def part(value: str | None) -> str:
    """Return a value as one part of a key."""
    if not value:
        return NOBODY
    return _remembered(value) if len(value) <= PART_BYTES_MAX else _escaped(value)


def _escaped(value: str) -> str:
    text = value.translate(_ESCAPES)
    if text == NOBODY:
        return "%2D"
    if text[0] == "~":
        text = f"%7E{text[1:]}"
    if len(text) * 4 > PART_BYTES_MAX and len(raw := text.encode()) > PART_BYTES_MAX:
        return f"~{blake2b(raw, digest_size=32).hexdigest()}"
    return text


_remembered = lru_cache(maxsize=65_536)(_escaped)  # of short ones: a text may be as long as an event


def spread(text: str, shards: int) -> int:
    """Return which of the write shards a text belongs to."""
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big") % shards


def user_pk(tenant: str, user: str) -> str:
    """Return the partition of a user."""
    return f"TENANT#{part(tenant)}#USER#{part(user)}"


def nobody_pk(tenant: str, shard: int) -> str:
    """Return a partition of events that name no user: many, since nobody's events are never read together."""
    return f"TENANT#{part(tenant)}#USER#{NOBODY}#{shard}"


def event_sk(iso: str, row_id: str) -> str:
    return f"EVENT#{iso}#{row_id}"


def type_pk(tenant: str, event_type: str, shard: int) -> str:
    """Return the index partition of a tenant's events of a type, one of several."""
    return f"TENANT#{part(tenant)}#TYPE#{part(event_type)}#{shard}"


def day_pk(tenant: str, day: str, shard: int) -> str:
    """Return the index partition of a tenant's users of a day, one of several."""
    return f"TENANT#{part(tenant)}#{DAILY}#{day}#{shard}"


def aggregate_pk(key: Sequence[str], values: Sequence[str | None]) -> str:
    """Return the partition of an aggregate's key."""
    named = [(_NAMES.get(column_of(name)) or name, value) for name, value in zip(key, values, strict=True)]
    return "#".join(f"{name}#{part(value)}" for name, value in named) or "ALL"


def aggregate_prefix(name: str, window: str = "") -> str:
    """Return what the sort keys of an aggregate begin with, of one window or of all."""
    return f"AGGREGATE#{name}#{window}#" if window else f"AGGREGATE#{name}#"


def origin(identity: Identity, lane: str) -> str:
    """Return who writes an aggregate's item: nobody else does, so its chain guards it."""
    return f"{identity.epoch}#{identity.shard}#{lane}"


def alert_sk(name: str, window: str) -> str:
    return f"ALERT#{name}#{window}"


def parsed(pk: str) -> dict[str, str]:
    """Return the names and values of an aggregate's partition, as far as they can be read back."""
    found = pk.split("#")
    return {_SHORT.get(name, name): unescaped(value) for name, value in zip(found[::2], found[1::2], strict=False)}


def unescaped(text: str) -> str:
    """Return a part as it was; the hash of one that was too long."""
    if text == NOBODY:
        return ""
    return text.replace("%2D", "-").replace("%7E", "~").replace("%23", "#").replace("%25", "%")


def time_of(now_ms: int) -> str:
    """Return a time as sort keys have it."""
    return time_text(datetime.fromtimestamp(now_ms / 1000, UTC))
