"""The SQL that the stand-in of Redshift knows. Rule: a statement of any other form is refused, not guessed at."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

_N = r'"(?:[^"]|"")+"'
_OF = rf"(?:{_N}\.)?{_N}"
_COLUMNS = rf"{_N}(?:, {_N})*"
_COPY = re.compile(
    rf"COPY (?P<table>{_N}) FROM '(?P<url>s3://[^']+)' IAM_ROLE (?:default|'arn:aws:iam::\d{{12}}:role/[^']+') "
    r"FORMAT AS PARQUET(?P<nested> SERIALIZETOJSON)? MANIFEST"
)
_STAGE = re.compile(
    rf"CREATE TEMP TABLE (?P<name>{_N}) AS SELECT (?P<columns>{_COLUMNS}) FROM (?P<table>{_OF}) WHERE 1 = 0"
)
_TABLE = re.compile(
    rf"CREATE TABLE IF NOT EXISTS (?P<name>{_OF}) \((?P<columns>.*?)\)"
    rf"(?:\s+DISTKEY \({_N}\))?(?:\s+SORTKEY \({_N}\))?",
    re.DOTALL,
)
_COLUMN = re.compile(
    rf"(?P<name>{_N}) (?P<type>[A-Z]+(?: PRECISION)?)(?:\((?P<length>[\d,]+)\))?(?P<more> NOT NULL)?(?: PRIMARY KEY)?"
)
_WIDER = re.compile(rf"ALTER TABLE (?P<table>{_OF}) ALTER COLUMN (?P<name>{_N}) TYPE VARCHAR\((?P<length>\d+)\)")
_CHECK = re.compile(rf"CREATE TEMP TABLE (?P<name>{_N}) \({_N} BIGINT NOT NULL\)")
_LOCK = re.compile(rf"LOCK (?P<table>{_OF})")
_PLAIN = (
    re.compile(rf"CREATE SCHEMA IF NOT EXISTS {_N}"),
    re.compile(rf"CREATE OR REPLACE VIEW {_OF} AS\s.*", re.DOTALL),
    re.compile(rf"DELETE FROM {_OF} USING {_N} WHERE {_N}\.\"row_id\" = {_N}\.\"row_id\""),
    re.compile(rf"INSERT INTO {_OF} \({_COLUMNS}\) SELECT {_COLUMNS} FROM {_N}"),
    re.compile(rf"INSERT INTO {_OF} \({_COLUMNS}\)\nSELECT CAST\(.*", re.DOTALL),
    re.compile(rf"INSERT INTO {_N} \({_N}\)\nSELECT CASE WHEN count\(\*\) = \d+ THEN \d+ END FROM {_N}.*", re.DOTALL),
    re.compile(rf"SELECT .* FROM {_OF} WHERE .*", re.DOTALL),
)
_TYPES: Mapping[str, tuple[str, str]] = {  # Redshift's word: (what it calls the type itself, DuckDB's)
    "VARCHAR": ("varchar", "VARCHAR"), "BIGINT": ("int8", "BIGINT"), "INTEGER": ("int4", "INTEGER"),
    "SMALLINT": ("int2", "SMALLINT"), "BOOLEAN": ("bool", "BOOLEAN"), "DOUBLE PRECISION": ("float8", "DOUBLE"),
    "REAL": ("float4", "REAL"), "TIMESTAMP": ("timestamp", "TIMESTAMP"), "DATE": ("date", "DATE"),
    "SUPER": ("super", "VARCHAR"), "VARBYTE": ("varbyte", "BLOB"),
}  # fmt: skip
_ARROW: Mapping[str, Callable[[pa.DataType], bool]] = {
    "varchar": pa.types.is_string, "int8": pa.types.is_int64, "int4": pa.types.is_int32, "int2": pa.types.is_int16,
    "bool": pa.types.is_boolean, "float8": pa.types.is_float64, "float4": pa.types.is_float32,
    "timestamp": pa.types.is_timestamp, "date": pa.types.is_date32, "super": pa.types.is_nested,
    "varbyte": pa.types.is_binary,
}  # fmt: skip
Column = dict[str, Any]


class SqlError(Exception):
    """The statement does not work; its transaction is undone."""


class Engine:
    """One database in memory."""

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read
        self.db = duckdb.connect()
        self.db.execute("SET TimeZone = 'UTC'")
        self._columns: dict[str, list[Column]] = {}  # by quoted name

    def described(self, schema: str, table: str) -> list[Column]:
        """Return the columns of a table, none where there is no such table."""
        found = self._columns.get(f'"{schema}"."{table}"', [])
        return [{**column, "schemaName": schema, "tableName": table} for column in found]

    def transaction(self, sqls: Sequence[str]) -> list[tuple[Any, ...]] | None:
        """Run statements as one transaction and session; return the rows of the last, where it selects."""
        if len(sqls) > 1 and any(_WIDER.fullmatch(sql) for sql in sqls):
            raise SqlError("ALTER TABLE ALTER COLUMN cannot run inside a transaction block")
        before = dict(self._columns)
        self.db.execute("BEGIN")
        rows = None
        try:
            for sql in sqls:
                rows = self._statement(sql)
        except (duckdb.Error, SqlError) as error:
            self.db.execute("ROLLBACK")
            self._columns = before
            raise SqlError(str(error)) from error
        for name in [name for name in self._columns if name not in before and "." not in name]:
            self.db.execute(f"DROP TABLE {name}")  # temporary: the session ends
            del self._columns[name]
        self.db.execute("COMMIT")
        return rows

    def _statement(self, sql: str) -> list[tuple[Any, ...]] | None:
        sql = re.sub(r"\A(--[^\n]*\n|\s)+", "", sql).strip().rstrip(";")
        if found := _COPY.fullmatch(sql):
            self._copy(found["table"], found["url"], nested=bool(found["nested"]))
        elif found := _STAGE.fullmatch(sql):
            by_name = {column["name"]: column for column in self._known(found["table"])}
            names = [name[1:-1].replace('""', '"') for name in re.findall(_N, found["columns"])]
            if unknown := [name for name in names if name.lower() not in by_name]:
                raise SqlError(f"column {unknown[0]!r} does not exist in {found['table']}")
            self._columns[found["name"]] = [by_name[name.lower()] for name in names]
            self.db.execute(sql)
        elif found := _TABLE.fullmatch(sql):
            self._table(found["name"], found["columns"])
        elif found := _CHECK.fullmatch(sql):
            self._columns[found["name"]] = []
            self.db.execute(sql)
        elif found := _WIDER.fullmatch(sql):
            self._widen(found["table"], found["name"][1:-1], int(found["length"]))
        elif found := _LOCK.fullmatch(sql):
            self._known(found["table"])  # transactions run one after the other here
        elif any(form.fullmatch(sql) for form in _PLAIN):
            done = self.db.execute(sql)
            return done.fetchall() if sql.startswith("SELECT") else None
        else:
            raise SqlError(f"syntax error at or near {sql[:60]!r}")
        return None

    def _known(self, name: str) -> list[Column]:
        if name not in self._columns:
            raise SqlError(f"relation {name} does not exist")
        return self._columns[name]

    def _widen(self, table: str, name: str, length: int) -> None:
        columns = self._known(table)
        if not any(one["name"] == name and one["length"] < length for one in columns):
            raise SqlError(f"column {name!r} of {table} is no narrower VARCHAR")
        self._columns[table] = [one | {"length": length} if one["name"] == name else one for one in columns]

    def _table(self, name: str, inside: str) -> None:
        if name in self._columns:
            return
        columns, plain = [], []
        for part in re.split(r",\s+(?=\")", inside.strip()):
            found = _COLUMN.fullmatch(part.strip())
            if found is None or found["type"] not in _TYPES:
                raise SqlError(f"syntax error at or near {part!r}")
            kind, own = _TYPES[found["type"]]
            bare = found["name"][1:-1].replace('""', '"')
            columns.append({"name": bare.lower(), "typeName": kind, "length": int(found["length"] or 0)})
            plain.append(f"{found['name']} {own}{found['more'] or ''}")
        self.db.execute(f"CREATE TABLE {name} ({', '.join(plain)})")
        self._columns[name] = columns

    def _copy(self, table: str, url: str, *, nested: bool) -> None:
        columns = self._known(table)
        for entry in self._manifest(url):
            data = self._object(entry["url"])
            if len(data) != entry["meta"]["content_length"]:
                raise SqlError(f"{entry['url']} has {len(data)} bytes, the manifest says {entry['meta']}")
            self._insert(table, columns, pq.read_table(io.BytesIO(data)), nested=nested)

    def _manifest(self, url: str) -> list[dict[str, Any]]:
        try:
            raw = json.loads(self._object(url))
        except ValueError as error:
            raise SqlError(f"the manifest {url} is no JSON: {error}") from error
        entries = raw["entries"] if isinstance(raw, dict) and raw.keys() == {"entries"} else None
        if not entries or len({entry.get("url") for entry in entries}) != len(entries):
            raise SqlError(f"the manifest {url} has no entries, or one twice")
        for entry in entries:
            meta = entry.get("meta")
            good = entry.keys() == {"url", "mandatory", "meta"} and entry["mandatory"] is True
            if not good or meta.keys() != {"content_length"} or type(meta["content_length"]) is not int:
                raise SqlError(f"the manifest {url} has the entry {entry}")
        return list(entries)

    def _object(self, url: str) -> bytes:
        try:
            return self._read(url)
        except FileNotFoundError:
            raise SqlError(f"The specified key does not exist: {url}") from None

    def _insert(self, table: str, columns: Sequence[Column], rows: pa.Table, *, nested: bool) -> None:
        if rows.num_columns != len(columns):
            raise SqlError(f"the file has {rows.num_columns} columns, {table} has {len(columns)}")
        made: dict[str, pa.Array] = {}
        for number, (column, field, held) in enumerate(zip(rows.columns, rows.schema, columns, strict=True)):
            plain = column.cast(field.type.value_type) if pa.types.is_dictionary(field.type) else column
            made[f"c{number}"] = self._values(plain.combine_chunks(), held, nested=nested)
        self.db.register("incoming", pa.table(made))
        try:
            self.db.execute(f"INSERT INTO {table} SELECT * FROM incoming")
        finally:
            self.db.unregister("incoming")

    def _values(self, values: pa.Array, held: Column, *, nested: bool) -> pa.Array:
        kind = held["typeName"]
        if not _ARROW[kind](values.type):
            raise SqlError(f"column {held['name']} is {kind}, the file has {values.type}")
        if kind == "super":
            if not nested:
                raise SqlError("SUPER from Parquet needs SERIALIZETOJSON")
            texts = [None if one is None else json.dumps(one, default=str) for one in values.to_pylist()]
            return pa.array(texts, pa.string())
        if kind in {"varchar", "varbyte"}:
            sizes = [
                len(one if isinstance(one, bytes) else one.encode()) for one in values.to_pylist() if one is not None
            ]
            if max(sizes, default=0) > held["length"]:
                raise SqlError(f"String length exceeds DDL length: {held['name']} {held['length']}")
        if kind == "varchar" and any("\0" in one for one in values.to_pylist() if one):
            raise SqlError(f"Invalid null byte in {held['name']}")
        return values.cast(pa.timestamp("us")) if kind == "timestamp" else values
