"""The files of a load. Rule: each is the committed one to the byte, or a copy without the rows that do not fit.

What a load writes itself is named by its own bytes below `_loads/`: written twice, it is the same object.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tailrace.commit.committed import StoredObject
from tailrace.commit.ledger import BytesBody
from tailrace.commit.ports import Place
from tailrace.nouns import Table
from tailrace.sinks.lake.groups import parquet
from tailrace.sinks.redshift import fitting
from tailrace.sinks.redshift.fitting import Held
from tailrace.world import WorldError

FOLDER: Final = "_loads"
CODEC: Final = "snappy"
_DIGEST_CHARS: Final = 32


class Unfit(Exception):
    """What cannot be loaded as it is; one line."""


class Changed(Unfit):
    """An object is not, or not any more, what was committed. It may be that a compaction has replaced it."""

    def __init__(self, name: str, found: str, expected: str, *, gone: bool = False) -> None:
        super().__init__(f"{name}: found {found}, expected {expected}")
        self.name, self.gone = name, gone


class Entry(NamedTuple):
    """One file of a manifest."""

    name: str
    bytes: int
    rows: int


class Judged(NamedTuple):
    """What of one object goes in."""

    schema: pa.Schema  # its columns
    entry: Entry
    rejects: Entry | None  # rows of the quarantine
    why: Counter[str]


class Files:
    """The lake, as far as loads read it and write to it."""

    def __init__(self, place: Place, uri: str, epoch: str, quarantine: Table) -> None:
        """`uri`: s3://bucket/prefix. `quarantine`: its table, whose columns rejects have."""
        self._place, self._uri = place, uri.rstrip("/")
        self._folder, self.quarantine = f"{FOLDER}/{epoch}", quarantine

    def judged(
        self,
        one: StoredObject,
        table: Callable[[pa.Schema], Sequence[Held]],
        quarantine: Callable[[], Sequence[Held]],
        where: str,
    ) -> Judged:
        """Hold an object against the columns of the warehouse; what does not fit is left out of a copy.

        `table`: the columns that files of these columns go to. `quarantine`: those of the table that has what is
        left out, asked for only then. Raises Changed, and what the two raise.
        """
        with self._opened(one) as file:
            schema = pa.schema([pa.field(field.name, _plain(field.type)) for field in file.schema_arrow])
            stands = table(schema)
            if not self._any_misfit(file, stands, where):
                return Judged(schema, Entry(one.name, one.bytes, one.rows), None, Counter())
            kept, out, why = _Making(), _Making(), Counter[str]()
            lengths = quarantine()
            for number in range(file.metadata.num_row_groups):
                rows = file.read_row_group(number, use_threads=False)
                found = fitting.misfits(rows, stands, where)
                why += fitting.told(found)
                kept.add(fitting.without(rows, found))
                out.add(fitting.rejects(rows, found, self.quarantine, lengths, one.name))
        return Judged(schema, self._stored(*kept.done()), self._stored(*out.done()), why)

    @contextmanager
    def _opened(self, one: StoredObject) -> Iterator[pq.ParquetFile]:
        """Open an object for the block. Raises Changed where it is gone, or not what was committed."""
        expected = f"the {one.bytes:,} bytes that were committed"
        try:
            with self._place.open(one.name) as source:
                if (length := source.seek(0, 2)) != one.bytes:
                    raise Changed(one.name, f"{length:,} bytes", f"{one.bytes:,} as committed")
                source.seek(0)
                with parquet(source) as file:
                    if file.metadata.num_rows != one.rows:
                        raise Changed(one.name, f"{file.metadata.num_rows:,} rows", f"{one.rows:,} as committed")
                    yield file
        except FileNotFoundError:
            there = f"{expected}: where it is gone for good, `--accept-missing` passes over it"
            raise Changed(one.name, "no object", there, gone=True) from None
        except (ValueError, OSError) as error:
            why = " ".join(str(error).split()).rstrip(".")
            raise Changed(one.name, f"no Parquet file ({why})", expected) from error
        except WorldError:
            head = self._place.head(one.name)
            if head is None or head.length != one.bytes:  # replaced while it was read
                raise Changed(one.name, "another object while it was read", expected) from None
            raise

    def _any_misfit(self, file: pq.ParquetFile, stands: Sequence[Held], where: str) -> bool:
        """Say whether any row does not fit, looking only at columns that can have such."""
        limited = [
            field.name
            for field in file.schema_arrow
            if not (pa.types.is_nested(field.type) or pa.types.is_primitive(field.type))
            or pa.types.is_timestamp(field.type)
        ]
        by_name = dict(zip(file.schema_arrow.names, stands, strict=False))
        groups = (
            file.read_row_group(number, limited, use_threads=False) for number in range(file.metadata.num_row_groups)
        )
        return any(fitting.misfits(rows, [by_name[name] for name in rows.column_names], where) for rows in groups)

    def manifest(self, entries: Iterable[Entry]) -> str:
        """Write the manifest of files; return its address."""
        plain = [
            {"url": self.url(one.name), "mandatory": True, "meta": {"content_length": one.bytes}} for one in entries
        ]
        return self.url(self._noted({"entries": plain}))

    def note(self, scanned: Mapping[str, int]) -> str:
        """Write down up to which chain each shard was looked at: too many for an item. Return the object's name."""
        return self._noted(dict(sorted(scanned.items())))

    def noted(self, name: str) -> dict[str, int]:
        """Read that back; nothing where it has expired."""
        try:
            return dict(json.loads(self._place.read(name))) if name else {}
        except FileNotFoundError:
            return {}

    def url(self, name: str) -> str:
        """Return the address of an object."""
        return f"{self._uri}/{name}"

    def _noted(self, plain: object) -> str:
        return self._stored(json.dumps(plain, indent=1).encode() + b"\n", 0, ".json").name

    def _stored(self, data: bytes, rows: int, suffix: str = ".parquet") -> Entry:
        body = BytesBody(data, rows)
        name = f"{self._folder}/{body.sha256[:_DIGEST_CHARS]}{suffix}"
        self._place.create(name, body, {})  # a taken name has these same bytes
        self._place.sync()
        return Entry(name, len(data), rows)


class _Making:
    """A Parquet file in memory: one row group as it is, what was before it encoded."""

    def __init__(self) -> None:
        self._sink = pa.BufferOutputStream()
        self._writer: pq.ParquetWriter | None = None
        self._rows = 0

    def add(self, rows: pa.Table) -> None:
        self._writer = self._writer or pq.ParquetWriter(self._sink, rows.schema, compression=CODEC)
        if rows.num_rows:
            self._writer.write_table(rows)
            self._rows += rows.num_rows

    def done(self) -> tuple[bytes, int]:
        """Return the file and its rows."""
        assert self._writer is not None, "what has rows that do not fit has rows"
        self._writer.close()
        return self._sink.getvalue().to_pybytes(), self._rows


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
