"""The files of a load. Rule: each is the committed one to the byte, or a copy without the rows that do not fit.

What a load writes itself is named by its own bytes below `_loads/`: written twice, it is the same object.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tailrace.commit.ledger import BytesBody
from tailrace.commit.ports import Place
from tailrace.nouns import Table
from tailrace.sinks.lake.groups import parquet
from tailrace.sinks.redshift import fitting
from tailrace.sinks.redshift.fitting import Held, Misfit
from tailrace.sinks.redshift.plan import Pending

FOLDER: Final = "_loads"
CODEC: Final = "snappy"
_DIGEST_CHARS: Final = 32


class Unfit(Exception):
    """A file that cannot be loaded as it is; one line."""


class Entry(NamedTuple):
    """One file of a manifest."""

    name: str
    bytes: int
    rows: int


class Judged(NamedTuple):
    """What of one object goes in."""

    schema: pa.Schema  # its columns
    entry: Entry
    rejects: pa.Table | None  # rows of the quarantine
    why: Counter[str]


class Files:
    """The lake, as far as loads read it and write to it."""

    def __init__(self, place: Place, uri: str, epoch: str, quarantine: Table) -> None:
        """`uri`: s3://bucket/prefix. `quarantine`: its table, whose columns rejects have."""
        self._place, self._uri = place, uri.rstrip("/")
        self._folder, self._quarantine = f"{FOLDER}/{epoch}", quarantine

    def schema(self, one: Pending) -> pa.Schema:
        """Return the columns of an object. Raises Unfit where it is gone, or not what its commit file says."""
        try:
            with self._place.open(one.name) as source, parquet(source) as file:
                length = source.seek(0, 2)
                found = file.schema_arrow
        except FileNotFoundError:
            raise Unfit(f"{one.name}: found no object, expected {one.bytes:,} bytes") from None
        except ValueError as error:
            raise Unfit(f"{one.name}: no Parquet file: {error}") from None
        if length != one.bytes:
            raise Unfit(f"{one.name}: found {length:,} bytes, expected {one.bytes:,} as committed")
        return pa.schema([pa.field(field.name, _plain(field.type)) for field in found])

    def judged(
        self, one: Pending, stands: Sequence[Held], quarantine: Callable[[], Sequence[Held]], where: str
    ) -> Judged:
        """Hold an object against the columns of the warehouse; what does not fit is left out of a copy.

        `quarantine`: the columns of the table that has what is left out, asked for only then.
        """
        schema = self.schema(one)
        kept: list[pa.Table] = []
        out: list[pa.Table] = []
        why: Counter[str] = Counter()
        with self._place.open(one.name) as source, parquet(source) as file:
            if not self._misfits(file, stands, where):
                return Judged(schema, Entry(one.name, one.bytes, file.metadata.num_rows), None, why)
            for number in range(file.metadata.num_row_groups):
                rows = file.read_row_group(number, use_threads=False)
                found = fitting.misfits(rows, stands, where)
                why += fitting.told(found)
                kept.append(fitting.without(rows, found))
                out.append(fitting.rejects(rows, found, self._quarantine, quarantine(), one.name))
        rest = pa.concat_tables(kept)
        return Judged(schema, self.put(rest), pa.concat_tables(out), why)

    def _misfits(self, file: pq.ParquetFile, stands: Sequence[Held], where: str) -> list[Misfit]:
        """Return misfits of some row group, looking only at columns that can have any."""
        limited = [
            field.name
            for field in file.schema_arrow
            if not (pa.types.is_nested(field.type) or pa.types.is_primitive(field.type))
            or pa.types.is_timestamp(field.type)
        ]
        by_name = dict(zip(file.schema_arrow.names, stands, strict=False))
        for number in range(file.metadata.num_row_groups):
            rows = file.read_row_group(number, limited, use_threads=False)
            if found := fitting.misfits(rows, [by_name[name] for name in rows.column_names], where):
                return found
        return []

    def put(self, rows: pa.Table) -> Entry:
        """Write rows as one object."""
        sink = pa.BufferOutputStream()
        pq.write_table(rows, sink, compression=CODEC)
        return self._stored(sink.getvalue().to_pybytes(), ".parquet", rows.num_rows)

    def together(self, tables: Iterable[pa.Table]) -> Entry:
        """Write rows of several tables as one object."""
        return self.put(pa.concat_tables(tables))

    def manifest(self, entries: Iterable[Entry]) -> str:
        """Write the manifest of files; return its address."""
        plain = [
            {"url": self.url(one.name), "mandatory": True, "meta": {"content_length": one.bytes}} for one in entries
        ]
        return self.url(self._stored(json.dumps({"entries": plain}, indent=1).encode() + b"\n", ".json", 0).name)

    def _stored(self, data: bytes, suffix: str, rows: int) -> Entry:
        body = BytesBody(data, rows)
        name = f"{self._folder}/{body.sha256[:_DIGEST_CHARS]}{suffix}"
        meta: Mapping[str, str] = {}
        self._place.create(name, body, meta)  # a taken name has these same bytes
        self._place.sync()
        return Entry(name, len(data), rows)

    def url(self, name: str) -> str:
        """Return the address of an object."""
        return f"{self._uri}/{name}"


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
