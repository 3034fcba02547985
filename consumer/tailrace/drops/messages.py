"""What a message of the queue says. Rule: any text is told apart, none raises.

S3 sends event messages (`Records`) and, when a notification is set up, one test message. SNS wraps them as text.
EventBridge sends one event a message, with the object in `detail`, and its key as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_plus

import orjson

TEST: Final = "s3:TestEvent"
CREATED: Final = "ObjectCreated:"
BRIDGE_SOURCE: Final = "aws.s3"
BRIDGE_CREATED: Final = "Object Created"
FOLDER: Final = "a folder's mark"
NO_MESSAGE: Final = "it is no event message of S3"
WRAPS_MAX: Final = 2
NAME_CHARS_MAX: Final = 64
SIZE_MAX: Final = 2**63 - 1
KEY_BYTES_MAX: Final = 1024
IN_RECORDS: Final = ("eTag", "versionId", unquote_plus)
_BUCKET: Final = re.compile(r"[A-Za-z0-9._-]{1,255}")
_ETAG: Final = re.compile(r"[!#-~]{1,256}")  # it becomes a header
_VERSION: Final = re.compile(r"[!-~]{0,1024}")


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
    def folder(self) -> bool:
        """Is it no file, but the mark that a console leaves for a folder?"""
        return self.key.endswith("/") and not self.size

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
    if not isinstance(value, dict):
        return Told(wrong=NO_MESSAGE)
    if value.get("Event") == TEST:
        return Told(test=True)
    if value.get("source") == BRIDGE_SOURCE:
        return _of_bridge(value)
    records = value.get("Records")
    return _of_records(records) if isinstance(records, list) and records else Told(wrong=NO_MESSAGE)


def _of_records(records: list[Any]) -> Told:
    files: dict[str, Announced] = {}
    ignored: list[str] = []
    wrong = 0
    for record in records:
        name = record.get("eventName") if isinstance(record, dict) else None
        created = isinstance(name, str) and name.removeprefix("s3:").startswith(CREATED)
        found = _announced(record.get("s3"), record.get("eventTime"), *IN_RECORDS) if created else None
        if isinstance(name, str) and not created:
            ignored.append(name[:NAME_CHARS_MAX])
        elif found is None:
            wrong += 1
        elif found.folder:
            ignored.append(FOLDER)
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


def _of_bridge(value: dict[str, Any]) -> Told:
    """Read an event of EventBridge."""
    name = value.get("detail-type")
    if isinstance(name, str) and name != BRIDGE_CREATED:
        return Told(ignored=(name[:NAME_CHARS_MAX],))
    found = _announced(value.get("detail"), value.get("time"), "etag", "version-id")
    if name != BRIDGE_CREATED or found is None:
        return Told(wrong="its detail names no object, or not its size and ETag")
    return Told(ignored=(FOLDER,)) if found.folder else Told((found,))


def _announced(
    about: object, at: object, etag: str, version: str, key_of: Callable[[str], str] = str
) -> Announced | None:
    """Return what `bucket` and `object` say, whose members have these names; None for what S3 cannot have."""
    bucket, entry = (about.get("bucket"), about.get("object")) if isinstance(about, dict) else (None, None)
    if not (isinstance(bucket, dict) and isinstance(entry, dict)):
        return None
    size = entry.get("size")
    texts = [bucket.get("name"), entry.get("key"), entry.get(etag), entry.get(version) or ""]
    if not all(isinstance(text, str) for text in texts) or type(size) is not int or not 0 <= size <= SIZE_MAX:
        return None
    name, key, tag, kept = map(str, texts)
    key, tag = key_of(key), tag.strip('"')
    good = key and "\ufffd" not in key and len(key.encode()) <= KEY_BYTES_MAX
    if not (good and _BUCKET.fullmatch(name) and _ETAG.fullmatch(tag) and _VERSION.fullmatch(kept)):
        return None
    return Announced(name, key, size, tag, "" if kept == "null" else kept, _ms(at))


def _ms(text: object) -> int:
    """Return a time in milliseconds, 0 where it is none."""
    try:
        found = datetime.fromisoformat(str(text))
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
