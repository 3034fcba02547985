"""A warehouse over a small lake: the real loader, real boto3, the stand-in. Rule: only the clock is not the world's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import boto3
from botocore.config import Config

from local.redshift import Server, Service
from support.memory_ports import MemoryLedger, MemoryPlace
from support.small_lake import EPOCH, QUARANTINE, STREAM, TABLES
from tailrace.commit.committed import shards_of
from tailrace.commit.patience import Patience
from tailrace.commit.plan import app_key
from tailrace.commit.ports import LedgerStore, Place
from tailrace.nouns import Table
from tailrace.sinks.ddl.model import names
from tailrace.sinks.ddl.redshift import Redshift
from tailrace.sinks.redshift import plan
from tailrace.sinks.redshift.data_api import Warehouse
from tailrace.sinks.redshift.files import Files
from tailrace.sinks.redshift.filling import Views
from tailrace.sinks.redshift.ledger import LoadLedger
from tailrace.sinks.redshift.loader import Aim, Loader, Summary

URI = "s3://lake/events"
SCHEMA, TARGET = "tailrace", "local/dev/tailrace"
NAMED = {"WorkgroupName": "local", "Database": "dev"}
LEASE_MS = 60_000


CALLS = {"batch_execute_statement", "describe_statement", "execute_statement", "get_statement_result"}


class Told:
    """A part of which some calls are told, before and after each."""

    def __init__(self, tell: Callable[[str], None], part: Any, names: set[str]) -> None:
        self._tell, self._part, self._names = tell, part, names

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._part, name)
        if name not in self._names:
            return call

        def told(*args: Any, **kwargs: Any) -> Any:
            self._tell(f"before {name}")
            out = call(*args, **kwargs)
            self._tell(f"after {name}")
            return out

        return told


@dataclass
class Watch:
    """A clock that goes on when somebody waits."""

    ms: int = 1_000_000
    at_sleep: list[Callable[[], None]] = field(default_factory=list)

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    def sleep(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)
        for done in list(self.at_sleep):
            done()


def client(url: str) -> Any:
    """Return real boto3 for the stand-in."""
    config = Config(retries={"total_max_attempts": 1}, proxies={})
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
    made: Any = boto3.client  # the stubs know no clients of services that are not installed beside them
    return made("redshift-data", endpoint_url=url, region_name="us-east-1", config=config, **keys)


def ddl(tables: Mapping[str, Table], width: int = 4096, widths: Mapping[str, int] = MappingProxyType({})) -> list[str]:
    """Return what makes the tables, as `tailrace ddl redshift` prints it."""
    dialect = Redshift(SCHEMA, lambda table: {name: widths.get(name, width) for name in table.schema.names})
    called = names(tables)
    made = [dialect.create(dialect.relation(table, called[name])) for name, table in tables.items()]
    return [
        f'CREATE SCHEMA IF NOT EXISTS "{SCHEMA}"',
        *(one for text in made for one in text.split(";") if one.strip()),
    ]


class House:
    """A lake, a warehouse with tables for it, and loaders."""

    def __init__(self, store: LedgerStore | None = None, place: Place | None = None) -> None:
        self.store: LedgerStore = store or MemoryLedger()
        self.place: Place = place or MemoryPlace()
        if self.store.read(app_key("tailrace")) is None:
            assert self.store.swap(app_key("tailrace"), 0, {"epoch": EPOCH}) is None
        self.service = Service(lambda url: self.place.read(url.removeprefix(URI + "/")))
        self.server = Server(self.service)
        self.clock = Watch()
        self.said: list[tuple[str, dict[str, object]]] = []

    def furnish(self, tables: Mapping[str, Table] = TABLES, **options: Any) -> None:
        """Make the tables."""
        self.service.engine.transaction(ddl(tables, **options))

    def loader(
        self,
        holder: str = "one",
        *,
        called: Mapping[str, Table] = TABLES,
        ledger: LedgerStore | None = None,
        place: Place | None = None,
        api: Any = None,
        **aim: Any,
    ) -> Loader:
        """Return a loader of its own."""

        def patience() -> Patience:
            return Patience(self.clock, 5.0, lambda: 1.0)

        wanted = Aim(
            epoch=EPOCH,
            target=TARGET,
            schema=SCHEMA,
            role="",
            tables=("*",),
            called=names(called),
            load_bytes=1 << 30,
            lease_ms=LEASE_MS,
            holder=holder,
        )._replace(**aim)
        return Loader(
            wanted,
            ledger=LoadLedger(ledger or self.store, plan.key(EPOCH, TARGET), patience),
            place=place or self.place,
            files=Files(place or self.place, URI, EPOCH, QUARANTINE),
            warehouse=Warehouse(api or client(self.server.url), NAMED, self.clock, patience, 60.0),
            view=Views(ledger or self.store, place or self.place, EPOCH).of,
            clock=self.clock,
            say=lambda what, /, **facts: self.said.append((what, facts)),
        )

    def load(self, holder: str = "one", **options: Any) -> Summary:
        """Run a loader."""
        return self.loader(holder, **options).run(shards_of(self.store, EPOCH, STREAM))

    def when_sent(self, done: Callable[[], None]) -> None:
        """Have transactions wait until a loader has sent one and waits for it; then do this, once, and let them run."""
        self.service.faults.held.clear()

        def look() -> None:
            found = self.item().open
            if found is not None and found.statement:
                self.clock.at_sleep.remove(look)
                done()
                self.service.release()

        self.clock.at_sleep.append(look)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        return self.service.engine.db.execute(sql).fetchall()

    def item(self) -> plan.Item:
        """Return the warehouse's item in our ledger."""
        found = self.store.read(plan.key(EPOCH, TARGET))
        assert found is not None
        return plan.from_dict(found[1])
