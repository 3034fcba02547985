"""`tailrace ddl ENGINE`: the tables of a warehouse, from the schemas. Rule: it only prints.

Exit status: 0 printed, 1 the tables of `--previous` cannot become these by adding columns, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from tailrace.cli.documents import read
from tailrace.commit.committed import QUARANTINE
from tailrace.edition import Edition, load
from tailrace.nouns import Table
from tailrace.rows.treatment import Verdict
from tailrace.schema.widths import widths
from tailrace.settings import Settings, SettingsError
from tailrace.sinks.ddl.additions import Growing, model, step
from tailrace.sinks.ddl.athena import Athena, Glue
from tailrace.sinks.ddl.duck import Duck
from tailrace.sinks.ddl.model import DATABASE, Dialect, Relation, names, plain
from tailrace.sinks.ddl.redshift import Redshift
from tailrace.sinks.lake.formats import AVRO, PARQUET, Format
from tailrace.sinks.lake.layout import Layout

NAME = "ddl"
HELP = "Print the tables and views of a warehouse that fit the schemas, and what a change adds."
GROUP = "look"
ENGINES: Final = ("redshift", "athena", "glue", "duckdb")
GROWING: Final = ("redshift", "athena")  # elsewhere the whole output is simply run again
PARTITIONED: Final = ("athena", "glue")  # by what the table's properties say
MODEL_BYTES_MAX: Final = 64 * 1024 * 1024
SINCE: Final = "2020-01-01"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("engine", metavar="ENGINE", choices=ENGINES, help=", ".join(ENGINES))
    parser.add_argument(
        "--table", metavar="NAME", action="append", help="this table alone, as click/v1; can be given again"
    )
    parser.add_argument(
        "--database", metavar="NAME", default="tailrace", help="database or schema they stand in (default: tailrace)"
    )
    parser.add_argument("--json", action="store_true", help="print the tables as one JSON object, for --previous")
    parser.add_argument(
        "--previous", metavar="FILE", help="print only what is new since a --json; redshift and athena only"
    )
    parser.add_argument("--since", metavar="DATE", help=f"athena and glue: the first day that is looked at ({SINCE})")
    parser.add_argument(
        "--tenants", metavar="A,B", default="", help="athena and glue, with lake.tenant_partition: all there are"
    )


def run(args: argparse.Namespace) -> int:
    """Print what is asked for; return the exit status."""
    settings: Settings = args.settings
    _check(args)
    edition = load(settings)
    dialect = _dialect(args, settings, edition)
    tables = edition.book.tables()
    called = names(tables)
    chosen = _readable(args, settings, _chosen(tables, args.table))
    relations = [dialect.relation(table, called[table.name]) for table in chosen]
    if args.json:
        print(json.dumps(plain(args.engine, args.database, relations), indent=2))
        return 0
    # Views are over all tables of events: part of them would be views of something else.
    views = "" if args.table else dialect.views(relations)
    if args.previous is not None:
        return _additions(args, relations, dialect, views)
    print(*_sheet(args, [dialect.create(one) for one in relations], views), sep=_gap(args))
    return 0


def _check(args: argparse.Namespace) -> None:
    if not DATABASE.fullmatch(args.database):
        raise SettingsError(
            f"--database: found {args.database!r}, expected a small letter, then small letters, digits, underscores"
        )
    if args.previous is not None and (args.json or args.engine not in GROWING):
        other = "no --json beside it" if args.json else f"{' or '.join(GROWING)}: the others' output is run again whole"
        raise SettingsError(f"--previous: expected {other}")
    for option, given in (("--since", args.since), ("--tenants", args.tenants)):
        if given and args.engine not in PARTITIONED:
            raise SettingsError(f"{option}: found {args.engine}, expected {' or '.join(PARTITIONED)}")
    try:
        good = args.since is None or date.fromisoformat(args.since).isoformat() == args.since
    except ValueError:
        good = False
    if not good:
        raise SettingsError(f"--since: found {args.since!r}, expected a day like {SINCE}")


def _dialect(args: argparse.Namespace, settings: Settings, edition: Edition) -> Dialect:
    lake = settings.lake
    layout = Layout(lake.past_days, lake.future_hours, lake.tenant_partition)
    if args.engine == "redshift":
        return Redshift(args.database, _widths(settings, edition))
    if args.engine == "duckdb":
        uri = lake.uri if "://" in lake.uri or not lake.uri else str(Path(lake.uri).absolute())
        return Duck(args.database, uri, layout)
    tenants = tuple(filter(None, args.tenants.split(",")))
    athena = Athena(args.database, lake.uri, layout, args.since or SINCE, tenants)
    return athena if args.engine == "athena" else Glue(athena)


def _widths(settings: Settings, edition: Edition) -> Callable[[Table], Mapping[str, int]]:
    """Return what says how long the texts of a table can be."""
    privacy = settings.privacy
    altered = {path.partition(".")[0] for path in privacy.pseudonyms}
    if privacy.anonymise_ip:
        altered |= {path.partition(".")[0] for path in settings.contract.ip}

    def of(table: Table) -> Mapping[str, int]:
        return widths(
            edition.book,
            table,
            judged=lambda event_type: edition.treatment.verdict(event_type) is not Verdict.LENIENT,
            altered=altered.__contains__,
            tenant_chars_max=settings.limits.tenant_chars_max,
        )

    return of


def _chosen(tables: Mapping[str, Table], wanted: Iterable[str] | None) -> list[Table]:
    """Return the tables, the quarantine last."""
    if wanted is None:
        return [tables[name] for name in sorted(tables, key=lambda name: (name == QUARANTINE, name))]
    out = []
    for name in dict.fromkeys(wanted):
        if name not in tables:
            close = difflib.get_close_matches(name, tables, n=1) or [f"one of {len(tables)}: {min(tables)}, ..."]
            raise SettingsError(f"--table: found {name!r}, expected a table of the schemas, as {close[0]}")
        out.append(tables[name])
    return out


def _readable(args: argparse.Namespace, settings: Settings, tables: Sequence[Table]) -> list[Table]:
    """Return the tables whose files the engine can read, and say which are none. Redshift is told each file to load."""
    form = Format(parquet=settings.lake.parquet, avro=settings.lake.avro)
    out = []
    for table in tables:
        files = form.suffixes(table.name)
        if args.engine == "duckdb" and PARQUET not in files:
            why = "it has Avro files alone, and DuckDB's views read Parquet"
        elif args.engine in {"athena", "glue"} and AVRO in files:
            why = "there are Avro files in its folders, and Athena would read them as Parquet"
        else:
            out.append(table)
            continue
        if args.table:
            raise SettingsError(f"--table: {table.name}: {why}: see [lake] avro")
        print(f"tailrace: left out: {table.name}: {why}: see [lake] avro", file=sys.stderr)
    return out


def _sheet(args: argparse.Namespace, statements: Sequence[str], views: str) -> list[str]:
    if args.engine == "glue":
        return list(statements)
    ticked = f"`{args.database}`" if args.engine == "athena" else f'"{args.database}"'
    database = f"CREATE {'DATABASE' if args.engine == 'athena' else 'SCHEMA'} IF NOT EXISTS {ticked};"
    return [database, *statements, *filter(None, [views])]


def _gap(args: argparse.Namespace) -> str:
    return "\n" if args.engine == "glue" else "\n\n"


def _additions(args: argparse.Namespace, relations: Sequence[Relation], dialect: Any, views: str) -> int:
    growing: Growing = dialect
    data = read(args.previous, MODEL_BYTES_MAX)
    found = step(model(data, args.previous, args.engine, args.database), relations, growing)
    for line in found.refusals:
        print(f"tailrace: {line}", file=sys.stderr)
    if found.refusals:
        return 1
    print("\n".join(found.statements) or "-- nothing is new")
    if found.new and views:
        print(f"\n{views}")
    return 0
