"""What of a file Redshift can hold. Rule: a row goes in whole, or to the quarantine with its reasons; nothing is cut.

Looked at by Arrow's kernels over whole columns, before COPY, which would fail the load or, asked to, cut texts. Of
nested values the size is not looked at: SUPER holds more than an event may have.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tailrace.nouns import Reason, Table
from tailrace.sinks.ddl.model import Column, remark
from tailrace.sinks.ddl.redshift import BINARY_BYTES_MAX, TEXT_BYTES_MAX, Redshift

STAGE: Final = "load"
ROW_BYTES_MAX: Final = 4 * 1024 * 1024  # that COPY takes
YEAR_4712_BC_US: Final = -210_863_520_000 * 1_000_000  # Redshift's calendar begins in 4713 BC
_SINCE_1970: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAMES: Final = {
    "BOOLEAN": "bool", "SMALLINT": "int2", "INTEGER": "int4", "BIGINT": "int8", "REAL": "float4",
    "DOUBLE PRECISION": "float8", "TIMESTAMP": "timestamp", "DATE": "date", "SUPER": "super",
    "DECIMAL": "numeric", "VARBYTE": "varbyte", "VARCHAR": "varchar",
}  # fmt: skip

_SYNONYMS: Final = {
    "binary varying": "varbyte", "boolean": "bool", "bigint": "int8", "character varying": "varchar",
    "double precision": "float8", "decimal": "numeric", "integer": "int4", "real": "float4", "smallint": "int2",
    "timestamp without time zone": "timestamp",
}  # fmt: skip
_WIDEST: Final = {"varchar": TEXT_BYTES_MAX, "varbyte": BINARY_BYTES_MAX}


class Held(NamedTuple):
    """A column as it stands in the warehouse."""

    name: str
    type: str  # Redshift's own name of it: varchar, int8
    length: int = 0  # bytes, of texts and bytes


def held(name: str, kind: str, length: int | None) -> Held:
    """Return a column as it was described. Where no width is told, COPY is the judge: it fails as a whole."""
    kind = kind.lower().partition("(")[0].strip()
    kind = _SYNONYMS.get(kind, kind)
    return Held(name, kind, length if length and length > 0 else _WIDEST.get(kind, 0))


class Misfit(NamedTuple):
    """A row that does not go in."""

    row: int
    reasons: tuple[Reason, ...]


def expected(schema: pa.Schema, table: str) -> tuple[Column, ...]:
    """Return the columns that files want in the warehouse. Raises DdlError for a type that Redshift has not."""
    return Redshift("", lambda _: {}).relation(Table(table, schema, ()), table).columns


def disagreement(wanted: Sequence[Column], stands: Sequence[Held]) -> str:
    """Say what keeps files of these columns out of a table, or nothing. Texts of any width may go into a text."""
    for at, column in enumerate(wanted):
        kind = _NAMES[column.type.partition("(")[0]]
        if at >= len(stands):
            return f"found no column {at + 1}, expected {remark(column.name)} {column.type}"
        one = stands[at]
        if (one.name.casefold(), one.type) != (column.name.casefold(), kind):
            return f"column {at + 1}: found {remark(one.name)} {one.type}, expected {remark(column.name)} {kind}"
    return ""


def misfits(rows: pa.Table, stands: Sequence[Held], where: str) -> list[Misfit]:
    """Return the rows that these columns of the warehouse cannot hold, in order. `where`: their table there."""
    found: dict[int, list[Reason]] = {}
    sizes = None
    for field, column, held in zip(rows.schema, rows.columns, stands, strict=False):
        values, kinds = _plain(column), pa.types
        kind = values.type
        if kinds.is_string(kind) or kinds.is_binary(kind):
            lengths = pc.fill_null(pc.binary_length(values), 0).cast(pa.int64())
            sizes = lengths if sizes is None else pc.add(sizes, lengths)
            _width(found, field.name, lengths, held, where)
        if kinds.is_string(kind):
            nul = pc.fill_null(pc.match_substring(values, "\0"), False)
            why = f"found the character U+0000 in {remark(field.name)}, expected none: Redshift's texts hold none"
            _note(found, nul, lambda _, why=why, name=field.name: Reason(STAGE, "null_character", f"$.{name}", why))
        if kinds.is_timestamp(kind):
            early = pc.less(values.cast(pa.timestamp("us")).cast(pa.int64()), YEAR_4712_BC_US)
            why = f"found a time before 4712 BC in {remark(field.name)}, expected one that a TIMESTAMP holds"
            _note(found, early, lambda _, why=why, name=field.name: Reason(STAGE, "time_range", f"$.{name}", why))
    if sizes is not None:
        _note(
            found,
            pc.greater(sizes, ROW_BYTES_MAX),
            lambda at: Reason(
                STAGE, "row_size", "$", f"found {sizes[at].as_py():,} bytes of text, expected at most {ROW_BYTES_MAX:,}"
            ),
        )
    return [Misfit(row, tuple(found[row])) for row in sorted(found)]


def _width(found: dict[int, list[Reason]], name: str, lengths: pa.ChunkedArray, held: Held, where: str) -> None:
    def reason(at: int) -> Reason:
        told = f"found {lengths[at].as_py():,} bytes in {remark(name)}, expected at most {held.length:,} as in {where}"
        return Reason(STAGE, "width", f"$.{name}", told)

    _note(found, pc.greater(lengths, held.length), reason)


def _note(found: dict[int, list[Reason]], mask: pa.ChunkedArray, reason: Any) -> None:
    for at in pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist():
        found.setdefault(at, []).append(reason(at))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def without(rows: pa.Table, out: Sequence[Misfit]) -> pa.Table:
    """Return the rows that go in."""
    gone = {one.row for one in out}
    return rows.take(pa.array([row for row in range(rows.num_rows) if row not in gone], pa.int64()))


def rejects(rows: pa.Table, out: Sequence[Misfit], quarantine: Table, stands: Sequence[Held], where: str) -> pa.Table:
    """Return rows of the quarantine, which always fit: what of the row does not is null, and `raw` has all of it.

    `raw` is the row as JSON. Where even that is too much, it is null, and the message says which object has it.
    """
    lengths = {held.name: held.length for held in stands}
    taken = rows.take(pa.array([one.row for one in out], pa.int64()))
    times = [field.name for field in rows.schema if pa.types.is_timestamp(field.type)]
    for name in times:  # as numbers: Python's calendar is shorter than Arrow's
        at = taken.schema.get_field_index(name)
        taken = taken.set_column(at, name, taken[name].cast(pa.timestamp("us")).cast(pa.int64()))
    made = [_reject(values, one.reasons, where, times) for values, one in zip(taken.to_pylist(), out, strict=True)]
    for values in made:
        room = ROW_BYTES_MAX
        for name in sorted(values, key=lambda name: name == "raw"):  # the row's own bytes come last
            value = values[name]
            if isinstance(value, str | bytes):
                size = len(value.encode() if isinstance(value, str) else value)
                if size > min(lengths.get(name, size), room) or (isinstance(value, str) and "\0" in value):
                    values[name] = None
                else:
                    room -= size
    return pa.Table.from_pylist(made, schema=quarantine.schema)


def _reject(values: Mapping[str, Any], reasons: Sequence[Reason], where: str, times: Sequence[str]) -> dict[str, Any]:
    known = {name: values.get(name) for name in ("event_type", "tenant", "event_id", "shard", "position", "redrive_of")}
    version = values.get("schema_version")
    first = reasons[0]
    return {
        **known,
        "row_id": values["row_id"],
        "received_at": values.get("received_at"),
        "stage": first.stage,
        "keyword": first.keyword,
        "path": first.path,
        "message": f"{first.message}; the row is whole in {where}",
        "reasons": json.dumps([reason._asdict() for reason in reasons], ensure_ascii=False),
        "schema": values.get("schema") or (f"{known['event_type']}/{version}" if version else None),
        "raw": json.dumps({**values, **{name: _said(values[name]) for name in times}}, default=_other).encode(),
    }


def _said(micros: int | None) -> str | int | None:
    """Return a time as text; as microseconds since 1970 where no calendar of Python's has it."""
    try:
        return None if micros is None else (_SINCE_1970 + timedelta(microseconds=micros)).isoformat()
    except OverflowError:
        return micros


def _other(value: object) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def told(out: Sequence[Misfit]) -> Counter[str]:
    """Return how many rows stay out, by the first reason's keyword."""
    return Counter(one.reasons[0].keyword for one in out)
