"""Events that are to be sent again: mended, and tried first. Rule: what becomes of them is asked of the real pipeline.

A mended event is the JSON of its patched value; without a patch its bytes stay as they came.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import jsonpatch
import jsonpointer

from tailrace.nouns import Outcome, Reason, Record
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.rejects import QUARANTINE

STORED: Final = "stored"
REJECTED: Final = "rejected"
FILTERED: Final = "filtered"
SEVERAL: Final = "several"  # it holds more than one event: a mark can name only one
_NEEDS: Final = {"add": "value", "replace": "value", "test": "value", "move": "from", "copy": "from"}
_MISFITS: Final = (
    jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, ValueError, KeyError, IndexError,
)  # fmt: skip


class NoPatch(Exception):
    """What was given is no JSON Patch; one line."""


class NotPatched(Exception):
    """An event that a patch cannot be applied to."""


class NoJson(NotPatched):
    """Its bytes are no JSON."""


class Misfit(NotPatched):
    """The patch names what the event has not, or tests for another value."""


class Patch:
    """A JSON Patch (RFC 6902)."""

    def __init__(self, text: bytes) -> None:
        """Raises NoPatch."""
        try:
            operations = json.loads(text)
            if not isinstance(operations, list):
                raise NoPatch(f"found {type(operations).__name__}, expected a list of operations")
            self._patch = jsonpatch.JsonPatch(operations)
            for one in operations:
                if _NEEDS.get(one["op"], "op") not in one:
                    raise NoPatch(f"{one['op']} {one['path']}: found no `{_NEEDS[one['op']]}`, expected one")
        except _MISFITS as error:  # what json says of bytes that are none is a ValueError
            raise NoPatch(f"no JSON Patch (RFC 6902): {' '.join(str(error).split())}") from None

    def __call__(self, raw: bytes) -> bytes:
        """Return the bytes of the patched event. Raises NotPatched."""
        try:
            event = json.loads(raw)
        except (ValueError, RecursionError):
            raise NoJson from None
        try:
            value = self._patch.apply(event, in_place=True)
            return _bytes(value)
        except (*_MISFITS, RecursionError) as error:
            raise Misfit(str(error)) from None


def _bytes(value: Any) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate, which only an escape can name
        return json.dumps(value, separators=(",", ":")).encode()


class Tried(NamedTuple):
    """What would become of one event."""

    fate: str
    table: str = ""  # where it would be stored
    event_type: str | None = None
    reasons: tuple[Reason, ...] = ()  # why it would be rejected


def tried(pipeline: Pipeline, datas: Sequence[bytes], now_ms: int) -> list[Tried]:
    """Return what the pipeline makes of records, one by one."""
    found: defaultdict[int, list[Tried]] = defaultdict(list)
    records = [Record(data, str(at), 0, now_ms) for at, data in enumerate(datas, 1)]
    try:
        rows = _rows(pipeline(records))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - our own mistake, which one of them brings about: the others may go
        rows = [row for record in records for row in _alone(pipeline, record)]
    for at, one in rows:
        found[at].append(one)
    return [_one(found[at]) for at in range(1, len(datas) + 1)]


def _alone(pipeline: Pipeline, record: Record) -> list[tuple[int, Tried]]:
    try:
        return _rows(pipeline([record]))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - as the careful mode of a shard has it
        return [(int(record.sequence), Tried(REJECTED, reasons=(Reason("internal", type(error).__name__, "$", ""),)))]


def _one(rows: list[Tried]) -> Tried:
    if not rows:
        return Tried(FILTERED)
    return rows[0] if len(rows) == 1 else Tried(SEVERAL)


def _rows(outcome: Outcome) -> list[tuple[int, Tried]]:
    rows: list[tuple[int, Tried]] = []
    for table, batch in outcome.rows:
        places = [int(position.partition("/")[0]) for position in batch.column("position").to_pylist()]
        types = batch.column("event_type").to_pylist()
        if table.name != QUARANTINE.name:
            rows += [(at, Tried(STORED, table.name, name)) for at, name in zip(places, types, strict=True)]
            continue
        texts = batch.column("reasons").to_pylist()
        for at, name, text in zip(places, types, texts, strict=True):
            reasons = tuple(Reason(**reason) for reason in json.loads(text))
            rows.append((at, Tried(REJECTED, "", name, reasons)))
    return rows
