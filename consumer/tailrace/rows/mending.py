"""Events that are to be sent again: mended, and tried first. Rule: what becomes of them is asked of the real pipeline.

A mended event is the JSON of its patched value; without a patch its bytes stay as they came.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Self

import jsonpatch
import jsonpointer

from tailrace.nouns import Outcome, Reason, Record
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.rejects import QUARANTINE

STORED: Final = "stored"
REJECTED: Final = "rejected"
FILTERED: Final = "filtered"
SEVERAL: Final = "several"  # it holds more than one event: a mark can name only one
_OPERATIONS: Final[dict[str, tuple[str, ...]]] = {  # with what each needs besides its path
    "add": ("value",), "remove": (), "replace": ("value",), "move": ("from",), "copy": ("from",), "test": ("value",),
}  # fmt: skip
_POINTER: Final = re.compile(r"(/([^/~]|~[01])*)*")
_KINDS: Final = {
    dict: "an object", list: "a list", str: "text", int: "a number", float: "a number", bool: "a boolean",
    type(None): "null",
}  # fmt: skip
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
    """The patch names what the event has not, or tests for another value. It says where; no value of the event's."""


class Patch:
    """A JSON Patch (RFC 6902)."""

    def __init__(self, text: bytes) -> None:
        """Raises NoPatch."""
        try:
            operations = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise NoPatch(f"found no JSON, expected a JSON Patch (RFC 6902): {_line(error)}") from None
        if not isinstance(operations, list):
            raise NoPatch(f"found {_KINDS[type(operations)]}, expected a JSON Patch (RFC 6902): a list of operations")
        self._steps = [_Step.of(number, one) for number, one in enumerate(operations, 1)]

    def __call__(self, raw: bytes) -> bytes:
        """Return the bytes of the patched event. Raises NotPatched."""
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            raise NoJson from None
        for step in self._steps:
            value = step(value)
        try:
            return _bytes(value)
        except RecursionError:
            raise Misfit("it makes the event too deep") from None


class _Step(NamedTuple):
    """One operation of a patch."""

    name: str
    patch: jsonpatch.JsonPatch

    @classmethod
    def of(cls, number: int, operation: Any) -> Self:
        """Raises NoPatch."""
        name = f"operation {number}"
        if not isinstance(operation, dict):
            raise NoPatch(f"{name}: found {_KINDS[type(operation)]}, expected an object")
        op, path, start = operation.get("op"), operation.get("path"), operation.get("from")
        if not isinstance(op, str) or op not in _OPERATIONS:
            raise NoPatch(f"{name}: found `op` {json.dumps(op)}, expected one of: {', '.join(_OPERATIONS)}")
        for key in ("path", *_OPERATIONS[op]):
            if key not in operation:
                raise NoPatch(f"{name}: found no `{key}`, expected one")
        for key, place in (("path", path), *((("from", start),) if "from" in _OPERATIONS[op] else ())):
            if not isinstance(place, str) or not _POINTER.fullmatch(place):
                raise NoPatch(f"{name}: found `{key}` {json.dumps(place)}, expected a JSON Pointer, as /data/path")
        where = f"from {start} to {path}" if "from" in _OPERATIONS[op] else path
        try:
            return cls(f"{name}, {op} {where}".rstrip(), jsonpatch.JsonPatch([operation]))
        except _MISFITS as error:
            raise NoPatch(f"{name}: {_line(error)}") from None

    def __call__(self, value: Any) -> Any:
        """Return the value after this step. Raises Misfit."""
        try:
            return self.patch.apply(value, in_place=True)
        except jsonpatch.JsonPatchTestFailed:
            raise Misfit(f"{self.name}: not that value") from None
        except (*_MISFITS, RecursionError):
            raise Misfit(f"{self.name}: no such place") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


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
    for table, batch, _ in outcome.rows:
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
