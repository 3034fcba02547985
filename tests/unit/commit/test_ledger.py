"""A lane's item in a store; large plans beside it."""

from __future__ import annotations

import pytest

from support.memory_plans import item, plan
from support.memory_ports import MemoryLedger, MemoryPlace
from tailrace.commit.ledger import BytesBody, LaneLedger
from tailrace.commit.plan import PLAN_INLINE_BYTES_MAX, Item, lane_key, shelf_name
from tailrace.nouns import Identity
from tailrace.world import WorldError

IDENTITY = Identity("stream", "epoch", "shard")
KEY = lane_key(IDENTITY, "lake")
LARGE = item(plan=plan(names=tuple(f"events/{'x' * 100}/{n:06d}" for n in range(700))))
REPEATED = tuple((f"{n:060d}/0/0", "duplicate") for n in range(1000))
MANY_REPEATED = item(plan=plan(repeated=REPEATED))
SHELF = shelf_name(IDENTITY, "lake", 1, 1)


class Synced(MemoryPlace):
    """Counts how often what it holds was made to last."""

    def __init__(self) -> None:
        super().__init__()
        self.lasting: set[str] = set()

    def sync(self) -> None:
        self.lasting = set(self.objects)


def lane(store: MemoryLedger | None = None, place: MemoryPlace | None = None) -> LaneLedger:
    return LaneLedger(store or MemoryLedger(), place or MemoryPlace(), IDENTITY, "lake")


@pytest.mark.parametrize(
    "one",
    [
        Item(),
        item(plan=plan()),
        item(plan=plan(repeated=REPEATED[:2])),
        LARGE,
        MANY_REPEATED,
        item(plan=plan(names=LARGE.plan.names if LARGE.plan else (), repeated=REPEATED)),
    ],
)
def test_what_goes_in_comes_out_equal(one: Item) -> None:
    ledger = lane()
    assert ledger.read() is None
    assert ledger.swap(0, one) is None
    assert ledger.read() == (1, one)


def test_who_looked_too_early_is_told_what_stands() -> None:
    ledger = lane()
    assert ledger.swap(0, LARGE) is None
    assert ledger.swap(0, item()) == (1, LARGE)
    assert ledger.swap(1, item()) is None
    assert ledger.read() == (2, item())


def test_a_plan_up_to_the_limit_stays_inline() -> None:
    place = MemoryPlace()
    names = ("x" * (PLAN_INLINE_BYTES_MAX - 4),)
    assert lane(place=place).swap(0, item(plan=plan(names=names))) is None
    assert place.objects == {}
    assert lane(place=place).swap(0, item(plan=plan(names=(f"{names[0]}x",)))) is None
    assert list(place.objects) == [SHELF]


def test_a_large_plan_leaves_no_names_in_the_item() -> None:
    store, place = MemoryLedger(), MemoryPlace()
    assert lane(store, place).swap(0, LARGE) is None
    found = store.read(KEY)
    assert found is not None
    assert found[1]["plan"]["names"] == []
    assert found[1]["plan"]["shelf"].startswith(f"{SHELF}#")
    assert place.objects[SHELF].meta == {"epoch": "epoch", "chain": "1", "generation": "1"}


def test_many_verdicts_leave_none_in_the_item() -> None:
    store, place = MemoryLedger(), MemoryPlace()
    assert lane(store, place).swap(0, MANY_REPEATED) is None
    found = store.read(KEY)
    assert found is not None
    assert (found[1]["plan"]["names"], found[1]["plan"]["repeated"]) == ([], {})
    assert list(place.objects) == [SHELF]
    few = item(plan=plan(repeated=REPEATED[:2]))
    assert lane(store, MemoryPlace()).swap(1, few) is None
    kept = store.read(KEY)
    assert kept is not None
    assert kept[1]["plan"]["repeated"] == dict(REPEATED[:2])


def test_the_shelf_lasts_before_the_item_names_it() -> None:
    store, place = MemoryLedger(), Synced()
    assert lane(store, place).swap(0, LARGE) is None
    assert place.lasting == {SHELF}


def test_a_plan_is_shelved_again_where_it_stands() -> None:
    place = MemoryPlace()
    ledger = lane(place=place)
    assert ledger.swap(0, LARGE) is None
    etag = place.objects[SHELF].etag
    assert ledger.swap(1, LARGE._replace(generation=2)) is None
    assert place.objects[SHELF].etag == etag
    assert ledger.read() == (2, LARGE._replace(generation=2))


def test_a_missing_or_damaged_shelf_is_trouble_with_the_world() -> None:
    place = MemoryPlace()
    ledger = lane(place=place)
    assert ledger.swap(0, LARGE) is None
    whole = place.objects[SHELF]
    place.objects[SHELF] = whole._replace(data=b"[]")
    with pytest.raises(WorldError, match="damaged"):
        ledger.read()
    del place.objects[SHELF]
    with pytest.raises(WorldError, match="are not at"):
        ledger.read()


def test_a_body_in_memory() -> None:
    body = BytesBody(b"abc", rows=2)
    assert (body.length, body.rows, body.sha256[:8]) == (3, 2, "ba7816bf")
    with body.open() as first, body.open() as second:
        assert first.read() == second.read() == b"abc"
    body.close()
    with body.open() as nothing:
        assert nothing.read() == b""
