"""The last act: what is committed goes into a warehouse. Rule: it has each row that the lake has, once.

The warehouse is the stand-in of Redshift, which is DuckDB behind the Data API's protocol, and the screen says so.
Tables are made by what `tailrace ddl redshift` prints, and filled by `tailrace load`.
"""

from __future__ import annotations

from pathlib import Path

from local import aws
from local.consumer import run_command
from local.process import NotComeTogetherError
from local.redshift import Server, Service
from local.screen import Screen

WORKGROUP = "local"
ROWS_SHOWN = 8
MINUTES = """
    SELECT strftime("minute", '%H:%M'), tenant, CAST(sum(events) AS BIGINT), count(DISTINCT event_type)
    FROM tailrace.events_per_minute GROUP BY ALL ORDER BY 3 DESC, 1, 2 LIMIT ?
"""


def play(screen: Screen, world: aws.World, settings: Path, rows: int, rejects: int) -> bool:
    """Make the warehouse, fill it, show a view. `rows`, `rejects`: what the lake has."""
    screen.phase("Into a warehouse: tailrace load")
    with Server(Service(Reader(world), workgroup=WORKGROUP)) as server:
        file = with_warehouse(settings, server.url)
        screen.say("DuckDB plays Redshift here, behind the Data API: strict about manifests, columns and widths.")
        furnish(server.service, file)
        first, said = run_command(file, "load")
        screen.quote(said)
        again, said = run_command(file, "load")
        screen.say(f"Once more: {said.splitlines()[-1] if said else ''}")
        db = server.service.engine.db
        screen.say("Events per minute and tenant, from the view that `tailrace ddl redshift` prints:")
        shown = db.execute(MINUTES, [ROWS_SHOWN]).fetchall()
        heads = ("minute", "tenant", "events", "types")
        screen.table(heads, [tuple(map(str, row)) for row in shown], right=frozenset({2, 3}))
        counts = [
            db.execute(f"SELECT count(*), count(DISTINCT row_id) FROM tailrace.{name}").fetchall()[0]
            for name in ("events", "quarantine")
        ]
    good = [(rows, rows), (rejects, rejects)] == counts and (first, again) == (0, 0)
    if good:
        screen.good(f"{rows:,} events and {rejects:,} rejects in the warehouse: as many as in the lake, each once.")
    else:
        screen.bad(f"The warehouse has (rows, different ones) {counts}, the lake {rows:,} and {rejects:,}.")
    return good


class Reader:
    """Objects by `s3://bucket/key`."""

    def __init__(self, world: aws.World) -> None:
        self._s3 = world.s3()

    def __call__(self, url: str) -> bytes:
        bucket, _, key = url.removeprefix("s3://").partition("/")
        try:
            return self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except self._s3.exceptions.NoSuchKey:
            raise FileNotFoundError(url) from None


def with_warehouse(settings: Path, url: str) -> Path:
    """Return settings that name the warehouse, in a file beside these."""
    text = settings.read_text().replace("[aws]\n", f'[aws]\nredshift_endpoint = "{url}"\n')
    out = settings.with_name("warehouse.toml")
    out.write_text(f'{text}\n[redshift]\nworkgroup = "{WORKGROUP}"\n\n[logs]\nlevel = "warning"\n')
    return out


def furnish(service: Service, settings: Path) -> None:
    """Make the tables and views, as `tailrace ddl redshift` prints them."""
    status, printed = run_command(settings, "ddl", "redshift")
    if status:
        raise NotComeTogetherError(f"tailrace ddl redshift: {printed}")
    service.engine.transaction([one for one in printed.split(";\n") if one.strip()])
