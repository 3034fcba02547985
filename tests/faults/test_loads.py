"""A loader is killed before and after every call it makes, and the next one loads what is left: each row once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.small_lake import commit, records
from support.warehouse import CALLS, LEASE_MS, House, Told, client


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, `finally` neither."""


class Strike:
    """Counts calls over all parts, and strikes one."""

    def __init__(self, at: int) -> None:
        self.left, self.dead = at, False
        self.names: list[str] = []

    def over(self, part: Any, names: set[str]) -> Any:
        """Return the part, its calls counted."""
        return Told(self.step, part, names)

    def step(self, name: str) -> None:
        """One moment at which a process can end."""
        if self.dead:
            raise Killed
        self.names.append(name)
        self.left -= 1
        if self.left < 0:
            self.dead = True
            raise Killed


def run(house: House, strike: Strike) -> None:
    house.load(
        "victim",
        ledger=strike.over(house.store, {"read", "swap"}),
        place=strike.over(house.place, {"create"}),
        api=strike.over(client(house.server.url), CALLS),
        load_bytes=1,
    )


def made() -> House:
    house = House()
    house.furnish(widths={"path": 6})  # some rows fit and some do not: /p/100 does, /p/1000 does not
    commit("shard-0", house.store, house.place, [records(996, 8)])
    commit("shard-1", house.store, house.place, [records(10, 3)])
    return house


def state(house: House) -> list[Any]:
    return [
        house.rows("SELECT row_id, path FROM tailrace.page_view_v1 ORDER BY ALL"),
        house.rows("SELECT row_id, stage, reasons FROM tailrace.quarantine ORDER BY ALL"),
        house.rows(
            "SELECT lake_table, shard, after_chain, chain, copied, rejected FROM tailrace.load_ledger ORDER BY ALL"
        ),
    ]


@pytest.fixture(scope="module")
def calm() -> Iterator[tuple[list[Any], int]]:
    house, strike = made(), Strike(1 << 30)
    with house.server:
        run(house, strike)
        assert len(house.rows("FROM tailrace.page_view_v1")) > 3
        assert len(house.rows("FROM tailrace.quarantine WHERE stage = 'load'")) == 3
        yield state(house), len(strike.names)


def test_killed_anywhere_it_loads_once(calm: tuple[list[Any], int]) -> None:
    wanted, steps = calm
    assert steps > 100
    for at in range(steps):
        house, strike = made(), Strike(at)
        with house.server:
            with pytest.raises(Killed):
                run(house, strike)
            house.clock.ms += LEASE_MS + 1000
            done = house.load("next", load_bytes=1)
            assert done.problems == []
            assert state(house) == wanted, f"killed {strike.names[-1]}, the {at}th call"


def test_killed_while_its_transaction_waits_the_next_run_sees_it_land() -> None:
    house = made()
    with house.server:
        strike = Strike(1 << 30)
        house.service.faults.held.clear()
        house.clock.at_sleep.append(lambda: setattr(strike, "left", 0 if sent(house) else 1 << 30))
        with pytest.raises(Killed):
            run(house, strike)
        assert sent(house)
        house.clock.ms += LEASE_MS
        house.clock.at_sleep[:] = [house.service.release]
        done = house.load("next")
        assert done.found == ["page_view/v1: a load of an earlier run had landed"]
        assert done.problems == []


def sent(house: House) -> bool:
    """Say whether the ledger knows a statement under way."""
    found = house.item().open
    return found is not None and bool(found.statement)
