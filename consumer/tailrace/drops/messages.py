"""What a message of the queue says. Rule: any text is told apart, none raises.

S3 sends event messages (`Records`) and, when a notification is set up, one test message. SNS wraps them as text.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_plus

import orjson

TEST: Final = "s3:TestEvent"
CREATED: Final = "ObjectCreated:"
WRAPS_MAX: Final = 2
NAME_CHARS_MAX: Final = 64
SIZE_MAX: Final = 2**63 - 1


class Announced(NamedTuple):
    """An object of S3, as a message announces it."""

    bucket: str
    key: str
    size: int
    etag: str
    version: str  # "" where the bucket keeps none
    event_ms: int

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def shard(self) -> str:
        """The object's name as a shard: the same bytes under the same key are the same drop."""
        digest = sha256(f"{self.bucket}\n{self.key}\n{self.size}\n{self.etag}".encode()).hexdigest()
        return f"drop-{digest[:32]}"


class Told(NamedTuple):
    """What a message says."""

    files: tuple[Announced, ...] = ()
    ignored: tuple[str, ...] = ()  # other events, by name
    test: bool = False
    wrong: str = ""  # what cannot be understood in it


def told(body: str) -> Told:
    """Read a message."""
    value = _unwrapped(body)
    if value is None:
        return Told(wrong="it is no JSON")
    if isinstance(value, dict) and value.get("Event") == TEST:
        return Told(test=True)
    records = value.get("Records") if isinstance(value, dict) else None
    if not isinstance(records, list):
        return Told(wrong="it is no event message of S3")
    files: dict[str, Announced] = {}
    ignored: list[str] = []
    wrong = 0
    for record in records:
        name = record.get("eventName") if isinstance(record, dict) else None
        created = isinstance(name, str) and name.removeprefix("s3:").startswith(CREATED)
        found = _announced(record) if created else None
        if isinstance(name, str) and not created:
            ignored.append(name[:NAME_CHARS_MAX])
        elif found is None:
            wrong += 1
        elif found.key.endswith("/") and not found.size:
            ignored.append("a folder's mark")
        else:
            files.setdefault(f"{found.shard} {found.version}", found)
    said = f"{wrong} of its {len(records)} records name no object, or not its size and ETag" if wrong else ""
    return Told(tuple(files.values()), tuple(ignored), wrong=said)


def _unwrapped(body: str) -> Any:
    """Return a message's JSON, out of what SNS wraps around it; None where it is none."""
    value: Any = body
    for _ in range(WRAPS_MAX + 1):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
        if not (isinstance(value, dict) and "Records" not in value and isinstance(value.get("Message"), str)):
            break
        value = value["Message"]
    return value


def _announced(record: dict[str, Any]) -> Announced | None:
    s3 = record.get("s3")
    bucket, entry = (s3.get("bucket"), s3.get("object")) if isinstance(s3, dict) else (None, None)
    if not (isinstance(bucket, dict) and isinstance(entry, dict)):
        return None
    size, version = entry.get("size"), entry.get("versionId")
    texts = [bucket.get("name"), entry.get("key"), entry.get("eTag"), version or ""]
    if not all(isinstance(text, str) for text in texts) or type(size) is not int or not 0 <= size <= SIZE_MAX:
        return None
    name, key, etag, version = map(str, texts)
    key, etag = unquote_plus(key), etag.strip('"')
    if not (name and key and etag) or "\ufffd" in key:
        return None
    return Announced(name, key, size, etag, "" if version == "null" else version, _ms(record.get("eventTime")))


def _ms(text: object) -> int:
    """Return a time in milliseconds, 0 where it is none."""
    try:
        found = datetime.fromisoformat(str(text))
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
